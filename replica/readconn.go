package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// ErrReadOnly: a write was sent to where only reads are answered. It was not done. Its place is
// [Router.Write], or a Query with [WithPrimary].
var ErrReadOnly = errors.New("replica: a write among reads; use Write, or WithPrimary")

// refusedWrite makes the refusal of a write by a server that is read-only into ErrReadOnly.
func refusedWrite(err error) error {
	switch answerOf(err) {
	case optionPrevents, readOnlyTx, readOnlyMode:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

// A readConnector connects to one server to read.
type readConnector struct{ node *node }

// Driver implements [driver.Connector].
func (c readConnector) Driver() driver.Driver { return c.node.readServer.Driver() }

// Connect implements [driver.Connector].
func (c readConnector) Connect(ctx context.Context) (driver.Conn, error) {
	n := c.node
	if err := n.leftAlone(); err != nil {
		return nil, err
	}
	epoch, before := n.age(), n.answers.Load()
	conn, err := n.connectToRead(ctx)
	if err != nil {
		n.refused(ctx, before, err)
		return nil, fmt.Errorf("replica: node %s: %w", n.Name, err)
	}
	return &readConn{serverConn: conn, node: n, epoch: epoch}, nil
}

// connectToRead connects, within [Config.Timeout]: a server that stands still accepts connections
// and never says anything.
func (n *node) connectToRead(ctx context.Context) (serverConn, error) {
	limit, cancel := context.WithTimeoutCause(ctx, n.router.config.Timeout, errSilent)
	defer cancel()
	conn, err := n.readServer.Connect(limit)
	if err != nil {
		return nil, n.whySilent(ctx, limit, err)
	}
	return whole(conn)
}

// whySilent makes err, with which a connection failed that had limit for it, into errSilent if it was
// the server that took too long.
func (n *node) whySilent(ctx, limit context.Context, err error) error {
	if ours := (*hookError)(nil); errors.As(err, &ours) || ctx.Err() != nil || context.Cause(limit) != errSilent {
		return err
	}
	return fmt.Errorf("%w within %s", errSilent, n.router.config.Timeout)
}

// errSilent: a server did not take a connection in time.
var errSilent = errors.New("the server did not take a connection")

// whole returns conn with all that it can do.
func whole(conn driver.Conn) (serverConn, error) {
	if server, ok := conn.(serverConn); ok {
		return server, nil
	}
	return nil, errors.Join(fmt.Errorf("replica: the driver's connection %T lacks methods this package relies on", conn), conn.Close())
}

func wholeStmt(stmt driver.Stmt) (serverStmt, error) {
	if server, ok := stmt.(serverStmt); ok {
		return server, nil
	}
	return nil, errors.Join(fmt.Errorf("replica: the driver's statement %T lacks methods this package relies on", stmt), stmt.Close())
}

// A readConn is a connection to a server for reads. It tells the node how calls end.
type readConn struct {
	serverConn
	node  *node
	epoch uint64 // of the node, when it was made

	stmt     readStmt // the one statement that is open on it most of the time, without an allocation
	stmtUsed bool
}

// answered takes in how a statement ended that began when the node had given before answers.
func (c *readConn) answered(ctx context.Context, before uint64, err error) error {
	if err == nil {
		c.node.answers.Add(1)
		return nil
	}
	return c.seen(ctx, before, err)
}

// seen takes in how another call ended. That it went well says little: a server may take connections
// and prepare statements while its disk stands still.
func (c *readConn) seen(ctx context.Context, before uint64, err error) error {
	if err == nil || err == driver.ErrSkip {
		return err
	}
	if c.epoch == c.node.age() { // else it is no news that connections of that time fail
		c.node.judge(ctx, before, err)
	}
	return refusedWrite(err)
}

// IsValid implements [driver.Validator]: a connection that is older than what was found out about
// its node meanwhile does not go back to the pool.
func (c *readConn) IsValid() bool {
	if c.epoch != c.node.age() {
		return false
	}
	if !c.serverConn.IsValid() {
		c.node.hurry() // it broke while rows were read, or the caller gave up
		return false
	}
	return true
}

// ResetSession implements [driver.SessionResetter]: nor does it leave the pool.
func (c *readConn) ResetSession(ctx context.Context) error {
	if c.epoch != c.node.age() {
		return driver.ErrBadConn
	}
	err := c.serverConn.ResetSession(ctx)
	if err != nil { // closed while it was idle: the pool tries another, and a new one will tell
		c.node.hurry()
	}
	return err
}

// QueryContext implements [driver.QueryerContext].
func (c *readConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	before := c.node.answers.Load()
	rows, err := c.serverConn.QueryContext(ctx, query, args)
	c.node.saw(ctx)
	return rows, c.answered(ctx, before, err)
}

// ExecContext implements [driver.ExecerContext].
func (c *readConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	before := c.node.answers.Load()
	result, err := c.serverConn.ExecContext(ctx, query, args)
	return result, c.answered(ctx, before, err)
}

// BeginTx implements [driver.ConnBeginTx].
func (c *readConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	before := c.node.answers.Load()
	tx, err := c.serverConn.BeginTx(ctx, opts)
	return tx, c.seen(ctx, before, err)
}

// Ping implements [driver.Pinger].
func (c *readConn) Ping(ctx context.Context) error {
	before := c.node.answers.Load()
	return c.seen(ctx, before, c.serverConn.Ping(ctx))
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *readConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	before := c.node.answers.Load()
	stmt, err := c.serverConn.PrepareContext(ctx, query)
	if err := c.seen(ctx, before, err); err != nil {
		return nil, err
	}
	server, err := wholeStmt(stmt)
	if err != nil {
		return nil, err
	}
	if c.stmtUsed {
		return &readStmt{server, c}, nil
	}
	c.stmtUsed, c.stmt = true, readStmt{server, c}
	return &c.stmt, nil
}

type readStmt struct {
	serverStmt
	conn *readConn
}

// QueryContext implements [driver.StmtQueryContext].
func (s *readStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	before := s.conn.node.answers.Load()
	rows, err := s.serverStmt.QueryContext(ctx, args)
	s.conn.node.saw(ctx)
	return rows, s.conn.answered(ctx, before, err)
}

// ExecContext implements [driver.StmtExecContext].
func (s *readStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	before := s.conn.node.answers.Load()
	result, err := s.serverStmt.ExecContext(ctx, args)
	return result, s.conn.answered(ctx, before, err)
}

// Close implements [driver.Stmt].
func (s *readStmt) Close() error {
	err := s.serverStmt.Close()
	if s == &s.conn.stmt {
		s.conn.stmtUsed = false
	}
	return err
}

// broken reports whether err says that a connection is gone, and not that a call was wrong.
func broken(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, errSilent) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}
