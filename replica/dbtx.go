package replica

import (
	"context"
	"database/sql"
)

// DBTX is what generated code asks its queries of: sqlc calls it so, others have another name for
// the same methods.
type DBTX interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// DBTX returns the router in the form that generated code wants. Exec and Prepare go to the
// primary; Query goes where [Router.Read] says, with the session, [WithPrimary] and [WithMaxLag] of
// its context. It is safe for concurrent use. Within [Router.Update] give the *sql.Tx instead.
//
// A Query that writes or locks needs WithPrimary. Without it INSERT … RETURNING and
// SELECT … FOR UPDATE fail with [ErrReadOnly]; SELECT … LOCK IN SHARE MODE takes locks that protect
// nothing, unless [Config.CheckReads] refuses it.
func (r *Router) DBTX() DBTX { return caller{r} }

type caller struct{ router *Router }

// ExecContext implements [DBTX].
func (c caller) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return c.router.Write(ctx).ExecContext(ctx, query, args...)
}

// PrepareContext implements [DBTX].
func (c caller) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return c.router.Write(ctx).PrepareContext(ctx, query)
}

// QueryContext implements [DBTX].
func (c caller) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	db := c.router.Read(ctx)
	if db != c.router.write {
		if err := c.router.checkRead(query); err != nil {
			return nil, err
		}
	}
	return db.QueryContext(ctx, query, args...)
}

// QueryRowContext implements [DBTX].
func (c caller) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	db := c.router.Read(ctx)
	if db != c.router.write {
		if err := c.router.checkRead(query); err != nil {
			return c.router.refuse(ctx, err)
		}
	}
	return db.QueryRowContext(ctx, query, args...)
}
