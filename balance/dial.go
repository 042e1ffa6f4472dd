package balance

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// dialed is the context of an attempt. It learns how long a connection took that was made for it. It
// stands in the exchange, so that it costs nothing where connections are kept.
type dialed struct {
	context.Context
	took atomic.Int64
}

type dialedKey struct{}

func (d *dialed) Value(key any) any {
	if key == (dialedKey{}) {
		return d
	}
	return d.Context.Value(key)
}

// dialing returns the context for one more attempt. A connection that was begun for an earlier one may
// still be in the making, so each has its own.
func (x *exchange) dialing(ctx context.Context) *dialed {
	d := &x.dial
	if d.Context != nil {
		d = &dialed{}
	}
	d.Context = ctx
	return d
}

// timed makes dial say how long it took.
func timed(dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		start := time.Now()
		c, err := dial(ctx, network, address)
		if d, ok := ctx.Value(dialedKey{}).(*dialed); ok {
			d.took.Add(int64(time.Since(start)))
		}
		return c, err
	}
}
