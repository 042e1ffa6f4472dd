package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// serverRows is what rows of the driver can do.
type serverRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// A changeRows is what a statement gives that writes, as INSERT … RETURNING does. The server commits
// it when it has sent the last row: until then it is not done.
type changeRows struct {
	serverRows
	conn   *writeConn
	ctx    context.Context // of the call
	failed bool
	closed bool
}

// changing returns rows, which query gave, so that their end is that of a write, if it is one.
func (c *writeConn) changing(ctx context.Context, query string, rows driver.Rows) driver.Rows {
	if c.inTx || c.reading || looksLikeRead(query) {
		return rows
	}
	if server, ok := rows.(serverRows); ok {
		return &changeRows{serverRows: server, conn: c, ctx: ctx}
	}
	return rows
}

func (r *changeRows) ended(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	r.failed = true
	if r.conn.mayBeDone(err) {
		return r.conn.unknown(r.ctx, err)
	}
	return r.conn.failed(r.ctx, err)
}

// Next implements [driver.Rows].
func (r *changeRows) Next(into []driver.Value) error { return r.ended(r.serverRows.Next(into)) }

// Close implements [driver.Rows]. It reads what is left, to the end.
func (r *changeRows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.serverRows.Close()
	if err == nil && !r.failed {
		r.conn.capture(r.ctx)
	}
	return r.ended(err)
}
