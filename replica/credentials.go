package replica

import (
	"context"
	"database/sql"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// A hookError is an error of [Config.Connect]: it says nothing of the server.
type hookError struct{ err error }

func (e *hookError) Error() string { return "replica: Connect: " + e.err.Error() }

func (e *hookError) Unwrap() error { return e.err }

// prepare has [Config.Connect] say how to connect. Where to, and how statements are treated, is not
// its to change.
func (n *node) prepare(ctx context.Context, c *mysql.Config) error {
	mine := c.Clone()
	if err := n.router.config.Connect(ctx, n.Name, mine); err != nil {
		return &hookError{err}
	}
	c.User, c.Passwd, c.TLS = mine.User, mine.Passwd, mine.TLS
	if c.TLS != nil && c.TLS.ServerName == "" && !c.TLS.InsecureSkipVerify {
		c.TLS = c.TLS.Clone()
		c.TLS.ServerName = c.Addr
		if host, _, err := net.SplitHostPort(c.Addr); err == nil {
			c.TLS.ServerName = host
		}
	}
	return nil
}

// Renew has all connections replaced, so that a changed password or certificate takes hold: idle
// ones now, those in use when they are given back. What runs is not disturbed. [Config.Connect] says
// what new connections are made with. It does not wait.
func (r *Router) Renew() {
	if r.single != nil {
		return
	}
	r.renewed.Add(1)
	r.mu.Lock()
	nodes := slices.Concat(r.nodes, r.retired)
	r.mu.Unlock()
	closeIdle(r.write, r.config.MaxOpen)
	closeIdle(r.fallback, r.config.MaxPrimaryReads)
	for _, n := range nodes {
		closeIdle(n.read, r.config.MaxOpen)
		n.hurry() // its own connection for questions
	}
}

// closeIdle closes the connections of a pool that nobody uses. It may have so many of them again.
func closeIdle(db *sql.DB, limit int) {
	db.SetMaxIdleConns(-1)
	db.SetMaxIdleConns(limit)
}
