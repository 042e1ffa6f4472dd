package replica

import (
	"context"
	"database/sql"
	"errors"
)

// A Querier reads. It is what [Router.View] gives to its function; *sql.DB, *sql.Conn and *sql.Tx
// are some too.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// View calls f with a Querier whose queries all go to one server, so that a later one never shows
// less than an earlier one. The server is chosen as by [Router.Read], with the session,
// [WithPrimary] and [WithMaxLag] of ctx.
//
// When the server fails the first query, another one is chosen, once, and asked in its place: f
// notices nothing. Once a query was answered, errors are f's to see.
//
// f only reads. A write is refused with [ErrReadOnly], on the primary too, but not with a [Single]
// router. Queries need not be on one connection and see no common moment: ask within a transaction
// of [Router.Read]'s pool for that. The Querier is for one goroutine at a time, and only until f
// returns; f closes the rows it gets. View returns the error of f as it is.
func (r *Router) View(ctx context.Context, f func(context.Context, Querier) error) error {
	return f(ctx, &viewer{router: r, db: r.Read(ctx)})
}

// A viewer is the Querier of one call of View.
type viewer struct {
	router *Router
	db     *sql.DB
	fixed  bool // something was answered by it, or it is the second already
}

// QueryContext implements [Querier].
func (v *viewer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := v.router.checkRead(query); err != nil {
		return nil, err
	}
	rows, err := v.db.QueryContext(v.mark(ctx), query, args...)
	if v.again(ctx, err) {
		return v.db.QueryContext(v.mark(ctx), query, args...)
	}
	return rows, err
}

// QueryRowContext implements [Querier].
func (v *viewer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := v.router.checkRead(query); err != nil {
		return v.router.refuse(ctx, err)
	}
	row := v.db.QueryRowContext(v.mark(ctx), query, args...)
	if v.again(ctx, row.Err()) {
		return v.db.QueryRowContext(v.mark(ctx), query, args...)
	}
	return row
}

// again takes in how a query ended. It reports whether to ask another server, which it has chosen.
func (v *viewer) again(ctx context.Context, err error) bool {
	if err == nil || v.fixed {
		v.fixed = true
		return false
	}
	if v.router.single != nil || ctx.Err() != nil || !serverFailed(err) {
		return false
	}
	v.fixed = true
	for range 4 { // the breaker may not know yet
		if db := v.router.Read(ctx); db != v.db {
			v.db = db
			break
		}
	}
	return true
}

// serverFailed reports whether err says that a server could not do what another one may.
func serverFailed(err error) bool {
	switch answerOf(err) {
	case tooManyConnections, shutdown, connectionKilled:
		return true
	}
	return broken(err) || errors.Is(err, ErrNoReplica) || errors.Is(err, ErrNoPrimary)
}

type viewKey struct{}

// mark has the pool for writes refuse writes. Those for reads do so of themselves.
func (v *viewer) mark(ctx context.Context) context.Context {
	if v.db == v.router.write {
		return context.WithValue(ctx, viewKey{}, true)
	}
	return ctx
}

// viewing reports whether a statement on a connection for writes must not write.
func viewing(ctx context.Context) bool { return ctx.Value(viewKey{}) != nil }
