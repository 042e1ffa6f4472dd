package replica

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A writeConnector connects to whichever server is the primary.
type writeConnector struct{ router *Router }

// Driver implements [driver.Connector].
func (c writeConnector) Driver() driver.Driver { return &mysql.MySQLDriver{} }

// Connect implements [driver.Connector]. It asks the server whether it takes writes: what was true
// at the last poll may not be any more.
func (c writeConnector) Connect(ctx context.Context) (driver.Conn, error) {
	renewed := c.router.renewed.Load()
	v := c.router.view.Load()
	n := v.primary
	if n == nil {
		if v.problem == "" {
			return nil, fmt.Errorf("%w: no server was asked yet; is Run at work?", ErrNoPrimary)
		}
		return nil, fmt.Errorf("%w: %s", ErrNoPrimary, v.problem)
	}
	conn, err := n.writeServer.Connect(ctx)
	if err != nil {
		n.hurry()
		return nil, fmt.Errorf("%w: node %s: %w", ErrNoPrimary, n.Name, err)
	}
	server, ok := conn.(serverConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("replica: the driver's connection %T lacks methods this package relies on", conn), conn.Close())
	}
	readOnly, err := askOne(ctx, server, askReadOnly)
	if err == nil && !off(readOnly) {
		err = errors.New("it has become read-only")
	}
	if err == nil && c.router.view.Load().generation != v.generation {
		err = errors.New("another server became the primary meanwhile")
	}
	if err != nil {
		n.hurry()
		return nil, errors.Join(fmt.Errorf("%w: node %s: %w", ErrNoPrimary, n.Name, err), server.Close())
	}
	return &writeConn{serverConn: server, router: c.router, node: n, generation: v.generation, renewed: renewed}, nil
}

// A serverConn is what connections of the driver can do. Whatever database/sql finds missing costs
// round trips or checks in silence, so all of it is asked for.
type serverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// A writeConn is a connection to the primary of one generation.
type writeConn struct {
	serverConn
	router     *Router
	node       *node
	generation uint64
	renewed    uint64 // as of Renew
	inTx       bool
}

func (c *writeConn) current() bool {
	return c.router.view.Load().generation == c.generation && c.router.renewed.Load() == c.renewed
}

// IsValid implements [driver.Validator]: a connection of an older generation, or from before
// [Router.Renew], does not go back to
// the pool.
func (c *writeConn) IsValid() bool { return c.current() && c.serverConn.IsValid() }

// ResetSession implements [driver.SessionResetter]: nor does it leave the pool.
func (c *writeConn) ResetSession(ctx context.Context) error {
	if !c.current() {
		return driver.ErrBadConn
	}
	return c.serverConn.ResetSession(ctx)
}

// captureTime bounds the question for the position of a write that has happened already.
const captureTime = time.Second

// capture notes in the session of ctx what was written last. The write has happened: whatever goes
// wrong here must not make it look failed, and is made up for by reading from the primary.
func (c *writeConn) capture(ctx context.Context) {
	s := sessionOf(ctx)
	if s == nil {
		return
	}
	// The caller may have given up the moment the write was done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), captureTime)
	defer cancel()
	text, err := askOne(ctx, c.serverConn, askLast)
	var at gtids
	if err == nil {
		at, err = parseGTIDs(text, ",")
	}
	if err != nil {
		s.lost()
		c.router.log.Warn("the position of a write is unknown, its session reads from the primary", "node", c.node.Name, "error", err)
		return
	}
	s.wrote(at)
}

// ExecContext implements [driver.ExecerContext].
func (c *writeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.serverConn.ExecContext(ctx, query, args)
	if err == nil && !c.inTx {
		c.capture(ctx)
	}
	return result, err
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *writeConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.serverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	server, ok := stmt.(serverStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("replica: the driver's statement %T lacks methods this package relies on", stmt), stmt.Close())
	}
	return &writeStmt{server, c}, nil
}

// BeginTx implements [driver.ConnBeginTx].
func (c *writeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.serverConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.inTx = true
	return &writeTx{tx: tx, conn: c, ctx: ctx, readOnly: opts.ReadOnly}, nil
}

type serverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type writeStmt struct {
	serverStmt
	conn *writeConn
}

// ExecContext implements [driver.StmtExecContext].
func (s *writeStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	result, err := s.serverStmt.ExecContext(ctx, args)
	if err == nil && !s.conn.inTx {
		s.conn.capture(ctx)
	}
	return result, err
}

type writeTx struct {
	tx       driver.Tx
	conn     *writeConn
	ctx      context.Context // of BeginTx: Commit has none, and the session is in it
	readOnly bool
}

// Commit implements [driver.Tx]. Once another server is the primary, a commit is not even tried:
// what it wrote would be on a server that nobody follows.
func (t *writeTx) Commit() error {
	if v := t.conn.router.view.Load(); v.primary != nil && v.primary != t.conn.node {
		// Whether the old server hears of it does not matter: it forgets the transaction with the
		// connection, which does not go back to the pool.
		_ = t.Rollback()
		return fmt.Errorf("%w: node %s was replaced by %s during the transaction; nothing was written, do it again", ErrNoPrimary, t.conn.node.Name, v.primary.Name)
	}
	err := t.tx.Commit()
	t.conn.inTx = false
	if err == nil && !t.readOnly {
		t.conn.capture(t.ctx)
	}
	return err
}

// Rollback implements [driver.Tx].
func (t *writeTx) Rollback() error {
	t.conn.inTx = false
	return t.tx.Rollback()
}
