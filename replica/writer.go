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
	// A server that stands still takes connections, and says nothing.
	limit, cancel := context.WithTimeoutCause(ctx, c.router.config.Timeout, errSilent)
	defer cancel()
	conn, err := n.writeServer.Connect(limit)
	if err != nil {
		if ctx.Err() == nil && context.Cause(limit) == errSilent {
			err = fmt.Errorf("%w within %s", errSilent, c.router.config.Timeout)
		}
		n.hurry()
		return nil, fmt.Errorf("%w: node %s: %w", ErrNoPrimary, n.Name, err)
	}
	server, err := whole(conn)
	if err != nil {
		return nil, err
	}
	readOnly, err := askOne(limit, server, askReadOnly)
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
	undone     error // why the server has undone the transaction
	over       bool  // it is not to be used again
	reading    bool  // the session is read-only
}

var (
	_ driver.Conn               = (*writeConn)(nil)
	_ driver.ConnBeginTx        = (*writeConn)(nil)
	_ driver.ConnPrepareContext = (*writeConn)(nil)
	_ driver.ExecerContext      = (*writeConn)(nil)
	_ driver.NamedValueChecker  = (*writeConn)(nil)
	_ driver.Pinger             = (*writeConn)(nil)
	_ driver.QueryerContext     = (*writeConn)(nil)
	_ driver.SessionResetter    = (*writeConn)(nil)
	_ driver.Validator          = (*writeConn)(nil)
	_ driver.StmtExecContext    = (*writeStmt)(nil)
	_ driver.StmtQueryContext   = (*writeStmt)(nil)
	_ driver.NamedValueChecker  = (*writeStmt)(nil)
)

func (c *writeConn) current() bool {
	return c.router.view.Load().generation == c.generation && c.router.renewed.Load() == c.renewed
}

// IsValid implements [driver.Validator]: a connection of an older generation, or from before
// [Router.Renew], does not go back to the pool.
func (c *writeConn) IsValid() bool { return !c.over && c.current() && c.serverConn.IsValid() }

// ResetSession implements [driver.SessionResetter]: nor does it leave the pool.
func (c *writeConn) ResetSession(ctx context.Context) error {
	if c.over || !c.current() {
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
	asked := ticks()
	text, err := askOne(ctx, c.serverConn, askLast)
	var at, all gtids
	if err == nil {
		at, all, err = parseLast(text)
	}
	if err != nil {
		s.unsure(c.node, true)
		c.router.log.Warn("the position of a write is unknown, its session reads from the primary", "node", c.node.Name, "error", err)
		return
	}
	if s.pinned.Load() {
		at = all // covers what came before, too
	}
	s.wrote(at)
	s.covered(c.node, all, asked)
	c.router.want(c.router.view.Load(), at)
}

// start prepares for a statement. reads says that it must not write: see [Router.View].
func (c *writeConn) start(ctx context.Context, reads bool) error {
	if c.inTx {
		return c.undone
	}
	if reads == c.reading {
		return nil
	}
	statement := "SET SESSION TRANSACTION READ WRITE"
	if reads {
		statement = "SET SESSION TRANSACTION READ ONLY"
	}
	if _, err := c.serverConn.ExecContext(ctx, statement, nil); err != nil {
		c.over = true
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return driver.ErrBadConn // nothing was sent yet of what is to be done
	}
	c.reading = reads
	return nil
}

// ExecContext implements [driver.ExecerContext].
func (c *writeConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // while it is known that nothing was sent
	}
	if err := c.start(ctx, false); err != nil {
		return nil, err
	}
	result, err := c.serverConn.ExecContext(ctx, query, args)
	return result, c.written(ctx, err)
}

// QueryContext implements [driver.QueryerContext].
func (c *writeConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.start(ctx, viewing(ctx)); err != nil {
		return nil, err
	}
	rows, err := c.serverConn.QueryContext(ctx, query, args)
	c.router.sawPrimary(ctx)
	if err != nil {
		return nil, c.asked(ctx, query, err)
	}
	return c.changing(ctx, query, rows), nil
}

// PrepareContext implements [driver.ConnPrepareContext].
func (c *writeConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.start(ctx, viewing(ctx)); err != nil {
		return nil, err
	}
	stmt, err := c.serverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	server, err := wholeStmt(stmt)
	if err != nil {
		return nil, err
	}
	return &writeStmt{server, c, query}, nil
}

// BeginTx implements [driver.ConnBeginTx].
func (c *writeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.start(ctx, false); err != nil {
		return nil, err
	}
	if _, err := c.serverConn.BeginTx(ctx, opts); err != nil {
		if ctx.Err() == nil && !c.serverConn.IsValid() {
			err = driver.ErrBadConn // there was nothing to lose: the pool tries another connection
		}
		return nil, err
	}
	c.inTx, c.undone = true, nil
	return &writeTx{conn: c, ctx: ctx, readOnly: opts.ReadOnly}, nil
}

type serverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type writeStmt struct {
	serverStmt
	conn  *writeConn
	query string
}

// ExecContext implements [driver.StmtExecContext].
func (s *writeStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // while it is known that nothing was sent
	}
	if err := s.conn.start(ctx, false); err != nil {
		return nil, err
	}
	result, err := s.serverStmt.ExecContext(ctx, args)
	return result, s.conn.written(ctx, err)
}

// QueryContext implements [driver.StmtQueryContext].
func (s *writeStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.start(ctx, viewing(ctx)); err != nil {
		return nil, err
	}
	rows, err := s.serverStmt.QueryContext(ctx, args)
	s.conn.router.sawPrimary(ctx)
	if err != nil {
		return nil, s.conn.asked(ctx, s.query, err)
	}
	return s.conn.changing(ctx, s.query, rows), nil
}

type writeTx struct {
	conn     *writeConn
	ctx      context.Context // of BeginTx: Commit has none, and the session is in it
	readOnly bool
}

// Commit implements [driver.Tx]. Once another server is the primary, a commit is not even tried:
// what it wrote would be on a server that nobody follows. It ends with the context of BeginTx: a
// server that waits for replicas may wait for ever.
func (t *writeTx) Commit() error {
	c := t.conn
	if v := c.router.view.Load(); v.primary != nil && v.primary != c.node {
		// Whether the old server hears of it does not matter: it forgets the transaction with the
		// connection, which does not go back to the pool.
		_ = t.Rollback()
		return fmt.Errorf("%w: node %s was replaced by %s during the transaction; nothing was written, do it again", ErrNoPrimary, c.node.Name, v.primary.Name)
	}
	err := t.ctx.Err()
	if err == nil {
		err = c.undone
	}
	if err != nil {
		_ = t.Rollback() // if it fails, the connection is closed, which does as much
		return err
	}
	defer func() { c.inTx = false }()
	if !c.serverConn.IsValid() {
		return c.interrupted(mysql.ErrInvalidConn)
	}
	_, err = c.serverConn.ExecContext(t.ctx, "COMMIT", nil)
	switch {
	case err == nil:
		if !t.readOnly {
			c.inTx = false
			c.capture(t.ctx)
		}
		return nil
	case errors.Is(err, driver.ErrBadConn): // not a byte was sent
		return c.interrupted(err)
	case t.readOnly: // nothing was to be written
		return err
	}
	switch answerOf(err) {
	case optionPrevents, readOnlyMode, readOnlyTx, deadlock, lockWaitTimeout, recordChanged:
		return c.failed(t.ctx, err) // the server has undone it
	}
	return c.unknown(t.ctx, err)
}

// rollbackTime bounds an undoing. The server does it by itself when the connection is closed.
const rollbackTime = 5 * time.Second

// Rollback implements [driver.Tx].
func (t *writeTx) Rollback() error {
	t.conn.inTx = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackTime)
	defer cancel()
	_, err := t.conn.serverConn.ExecContext(ctx, "ROLLBACK", nil)
	if err != nil {
		t.conn.over = true
	}
	return err
}
