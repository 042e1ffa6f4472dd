package replica

import (
	"context"
	"database/sql"
	"time"
)

// An intent is what a context says of the calls that are made with it. It is one value, so that a
// read without any looks once.
type intent struct {
	session *Session
	primary bool
	limited bool // maxLag counts
	maxLag  time.Duration
}

type intentKey struct{}

func intentOf(ctx context.Context) *intent {
	i, _ := ctx.Value(intentKey{}).(*intent)
	return i
}

// withIntent returns a context with the intent of ctx after a change.
func withIntent(ctx context.Context, change func(*intent)) context.Context {
	var i intent
	if was := intentOf(ctx); was != nil {
		i = *was
	}
	change(&i)
	return context.WithValue(ctx, intentKey{}, &i)
}

// WithSession returns a context whose database calls belong to s. Give it to [Router.Read] and to
// the calls (ExecContext, BeginTx) on the pool of [Router.Write]. nil takes a session away.
func WithSession(ctx context.Context, s *Session) context.Context {
	return withIntent(ctx, func(i *intent) { i.session = s })
}

// SessionOf returns the session that ctx has by [WithSession]; nil: none.
func SessionOf(ctx context.Context) *Session { return sessionOf(ctx) }

func sessionOf(ctx context.Context) *Session {
	if i := intentOf(ctx); i != nil {
		return i.session
	}
	return nil
}

// WithPrimary returns a context for which [Router.Read] gives the primary's pool, that of
// [Router.Write]: for reads that must see everything, for SELECT … FOR UPDATE and for
// INSERT … RETURNING.
func WithPrimary(ctx context.Context) context.Context {
	return withIntent(ctx, func(i *intent) { i.primary = true })
}

// WithMaxLag returns a context whose reads go to replicas that are surely no later than d, now and
// not when they were asked last, else to the primary. That is as exact as the lag is known, which
// servers count in whole seconds. Unknown lag is never short enough. Of several limits,
// [Config.MaxLag] among them, the strictest counts. For one below [Config.Poll] replicas are asked about
// every 20 ms, as long as such reads come.
func WithMaxLag(ctx context.Context, d time.Duration) context.Context {
	return withIntent(ctx, func(i *intent) {
		if !i.limited || d < i.maxLag {
			i.limited, i.maxLag = true, d
		}
	})
}

// readWith is Read with an intent.
func (r *Router) readWith(v *view, i *intent) *sql.DB {
	if i.primary {
		return r.write
	}
	if i.limited && (v.latest < 0 || v.latest+time.Since(v.longest) > i.maxLag) { // mostly all are fresh enough
		v = v.within(i.maxLag, time.Now())
	}
	if i.session != nil {
		return r.readSession(v, i.session)
	}
	return r.readAny(v)
}

// within returns the view without the replicas that may be later than limit. Those that only were
// not asked for too long are asked soon.
func (v *view) within(limit time.Duration, now time.Time) *view {
	fits := func(x *reader) bool {
		if x.lag < 0 || x.lag > limit {
			return false
		}
		if x.lag+now.Sub(x.asked) > limit {
			x.node.hurry()
			return false
		}
		return true
	}
	w := *v
	w.readers, w.tier, w.weight, w.latest = nil, 0, 0, 0
	for i := range v.readers {
		if x := v.readers[i]; fits(&x) {
			w.put(x, i < v.tier)
		}
	}
	if w.tier == 0 { // nobody near is fresh enough, who is far may be
		for i := range w.readers {
			w.weight += w.readers[i].weight
			w.readers[i].upTo = w.weight
		}
		w.tier = len(w.readers)
	}
	return &w
}
