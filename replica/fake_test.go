package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

// A fakeServer takes connections in this process. Every query gives one row: "0", or the error that is
// set.
type fakeServer struct {
	dials    atomic.Int64
	open     atomic.Int64
	atWork   atomic.Int64
	most     atomic.Int64 // at work at once
	mostOpen atomic.Int64
	err      atomic.Pointer[error]
	hold     chan struct{} // not nil: the query "HOLD" waits for it
}

// raise makes most at least n.
func raise(most *atomic.Int64, n int64) {
	for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
	}
}

func (s *fakeServer) Connect(context.Context) (driver.Conn, error) {
	s.dials.Add(1)
	raise(&s.mostOpen, s.open.Add(1))
	return &fakeConn{server: s}, nil
}

func (s *fakeServer) Driver() driver.Driver { return &mysql.MySQLDriver{} }

type fakeConn struct {
	server *fakeServer
	closed bool
}

func (c *fakeConn) do(ctx context.Context, query string) error {
	s := c.server
	raise(&s.most, s.atWork.Add(1))
	defer s.atWork.Add(-1)
	if query == "HOLD" {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *fakeConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := c.do(ctx, query); err != nil {
		return nil, err
	}
	return &fakeRows{}, nil
}

func (c *fakeConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(0), c.do(ctx, query)
}

func (c *fakeConn) Close() error {
	if c.closed {
		return errors.New("closed twice")
	}
	c.closed = true
	c.server.open.Add(-1)
	return nil
}

func (c *fakeConn) PrepareContext(ctx context.Context, _ string) (driver.Stmt, error) {
	return fakeStmt{c}, c.do(ctx, "")
}
func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
func (c *fakeConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	return fakeTx{}, c.do(ctx, "")
}
func (c *fakeConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c *fakeConn) Ping(ctx context.Context) error           { return c.do(ctx, "") }
func (c *fakeConn) ResetSession(context.Context) error       { return nil }
func (c *fakeConn) IsValid() bool                            { return !c.closed }

type fakeStmt struct{ conn *fakeConn }

func (s fakeStmt) Close() error                               { return nil }
func (s fakeStmt) NumInput() int                              { return -1 }
func (s fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }
func (s fakeStmt) CheckNamedValue(*driver.NamedValue) error   { return nil }
func (s fakeStmt) ExecContext(ctx context.Context, _ []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, "", nil)
}
func (s fakeStmt) QueryContext(ctx context.Context, _ []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, "", nil)
}

type fakeTx struct{}

func (fakeTx) Commit() error   { return nil }
func (fakeTx) Rollback() error { return nil }

type fakeRows struct{ done bool }

func (r *fakeRows) Columns() []string { return []string{"x"} }
func (r *fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(into []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	into[0] = "0"
	return nil
}
