package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Node is one server of the cluster. Whether it is the primary or a replica is asked from it.
type Node struct {
	// Name is what logs and [Status] call it; unique, not empty.
	Name string
	// DSN is its address, account and settings in the form of github.com/go-sql-driver/mysql.
	// multiStatements is refused: a batch that is repeated after a refusal by a read-only server
	// would run partly twice.
	DSN string
	// Weight is its share of reads among replicas, 1 to 1000. 0 means 1.
	Weight int
	// Zone is where the server stands, in the words of [Config.Zone].
	Zone string
	// NoReads keeps reads away from it as a replica: it is there to vote or to be copied.
	NoReads bool
}

// Config is what [New] needs. Only Nodes is required.
type Config struct {
	// Nodes are all servers of the cluster, 1 to 64.
	Nodes []Node
	// Zone is where this program runs: replicas of the same zone are read first. That a replica is
	// fresh decides before that it is near. Nodes without a zone are in the zone "".
	Zone string
	// MaxLag is the lag above which a replica is not read; it is used again at half of it. Servers
	// count whole seconds. 0 means 10 s; at least 1 s.
	MaxLag time.Duration
	// Heartbeat is the table, as database.table, by which lags are measured to parts of a second: that
	// of pt-heartbeat or of package replica/heartbeat. Accounts need SELECT on it. What keeps it from being
	// used is said by [Status]; lags are then known as without it. "" uses none.
	Heartbeat string
	// Poll is the time between two questions to a server. A server that is
	// suspected of something is asked about every 20 ms, and a replica for which a session waits is
	// looked at every 10 ms. 0 means 250 ms; 20 ms to 1 minute.
	Poll time.Duration
	// Timeout bounds one question, with the connection it may need, and the making of a connection
	// for reads. 0 means 1 s; 10 ms to 1 minute.
	Timeout time.Duration
	// MaxOpen bounds the connections of each pool. There is one pool for each node and one for
	// writes, and one connection more for questions to each node. 0 means 32; up to 10000.
	MaxOpen int
	// MaxPrimaryReads bounds the connections of reads that go to the primary because no replica is fit
	// for them, those of sessions too; these connections come on top of those for writes, so that
	// reads never take them away. Who finds all in use waits half a second for one, then gets
	// ErrNoReplica. [WithPrimary] is not bounded by it. 0 means half of MaxOpen, or MaxOpen if there is
	// but one node; up to 10000.
	MaxPrimaryReads int
	// SlowStart is how long a replica that comes back gets less than its share of reads, while others
	// are there to take the rest: a tenth in the first third, then more and more. 0 means 10 s; less
	// turns it off; up to 1 hour.
	SlowStart time.Duration
	// Breaker says how long replicas that fail are left alone.
	Breaker BreakerOptions
	// Connect is called before each new connection to a node, with a copy of its settings, of which it
	// may change User, Passwd and TLS: for passwords and certificates that change. What else it
	// changes is not used; a TLS without ServerName gets the address. Its error fails the connection
	// and is not held against the server. It may be called from many goroutines at once. nil: as the
	// DSN says.
	Connect func(ctx context.Context, node string, c *mysql.Config) error
	// Marker is a table, as database.table, in which [Router.Update] leaves a mark with each
	// transaction, so that an outcome that is not known can be found out: see [Router.Resolve].
	// [Router.CreateMarkerTable] makes it. It costs one round trip for each transaction. "": none.
	Marker string
	// CheckReads refuses, with [ErrReadOnly], statements of [Router.View] and of Query of
	// [Router.DBTX] that do not look like reads. Servers refuse most of these themselves, but not
	// SELECT … LOCK IN SHARE MODE, which protects nothing on a replica, and none on a database of a
	// test whose account may do everything. It looks at the first word and the end of the text alone.
	// It is for tests and development: in production it has nothing to find.
	CheckReads bool
	// Logger gets changes of roles and of availability. It must not call the router. nil discards.
	Logger *slog.Logger
}

// Defaults and bounds of Config.
const (
	maxNodes      = 64
	maxWeight     = 1000
	defaultLag    = 10 * time.Second
	defaultPoll   = 250 * time.Millisecond
	fastPoll      = 20 * time.Millisecond
	searchPoll    = 50 * time.Millisecond // while there is no primary
	defaultWait   = time.Second
	defaultOpen   = 32
	defaultStart  = 10 * time.Second
	idleTime      = time.Minute // after which an unused connection is closed
	longestMinute = time.Minute
)

// check fills in defaults and returns everything that is wrong.
func (c *Config) check() (configs []*mysql.Config, err error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("replica: "+format, args...)) }
	configs, err = checkNodes(c.Nodes)
	if err != nil {
		errs = append(errs, err)
	}
	between := func(what string, d *time.Duration, preset, low, high time.Duration) {
		if *d == 0 {
			*d = preset
		}
		if *d < low || *d > high {
			bad("%s is %s; it must be from %s to %s", what, *d, low, high)
		}
	}
	between("MaxLag", &c.MaxLag, defaultLag, time.Second, 365*24*time.Hour)
	if _, err := c.heartbeat(); err != nil {
		bad("Heartbeat: %w", err)
	}
	between("Poll", &c.Poll, defaultPoll, fastPoll, longestMinute)
	between("Timeout", &c.Timeout, defaultWait, 10*time.Millisecond, longestMinute)
	c.Breaker.check(between)
	if c.SlowStart < 0 {
		c.SlowStart = 0
	} else {
		between("SlowStart", &c.SlowStart, defaultStart, 0, time.Hour)
	}
	if c.MaxOpen == 0 {
		c.MaxOpen = defaultOpen
	}
	if c.MaxOpen < 0 || c.MaxOpen > 10000 {
		bad("MaxOpen is %d; it must be from 1 to 10000", c.MaxOpen)
	}
	if c.MaxPrimaryReads == 0 {
		c.MaxPrimaryReads = max(1, c.MaxOpen/2)
		if len(c.Nodes) == 1 {
			c.MaxPrimaryReads = c.MaxOpen
		}
	}
	if c.MaxPrimaryReads < 0 || c.MaxPrimaryReads > 10000 {
		bad("MaxPrimaryReads is %d; it must be from 1 to 10000", c.MaxPrimaryReads)
	}
	if c.Marker != "" && markerTable(c.Marker) == "" {
		bad("Marker is %.150q; it must be database.table, of letters, digits, _ and $", c.Marker)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return configs, errors.Join(errs...)
}

// checkNodes returns everything that is wrong with nodes.
func checkNodes(nodes []Node) (configs []*mysql.Config, err error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("replica: "+format, args...)) }
	if n := len(nodes); n == 0 || n > maxNodes {
		bad("there are %d nodes; name 1 to %d", n, maxNodes)
	}
	names := make(map[string]bool)
	for i, n := range nodes {
		if n.Name == "" {
			bad("node %d has no name", i+1)
		} else if names[n.Name] {
			bad("two nodes are called %q", n.Name)
		}
		names[n.Name] = true
		if n.Weight < 0 || n.Weight > maxWeight {
			bad("node %q: weight %d is not between 1 and %d", n.Name, n.Weight, maxWeight)
		}
		m, err := mysql.ParseDSN(n.DSN)
		if err != nil {
			// The text of the address stays out: it has a password.
			bad("node %q: the address cannot be read: %w", n.Name, err)
			continue
		}
		if m.MultiStatements {
			bad("node %q: the address sets multiStatements, which cannot be combined with following a primary", n.Name)
		}
		configs = append(configs, m)
	}
	return configs, errors.Join(errs...)
}

// New returns a router for the servers of c. It checks c and reports all mistakes at once; it
// connects to nobody: until [Router.Run] runs, nothing can be read or written. The caller closes
// the router.
func New(c Config) (*Router, error) {
	c.Nodes = slices.Clone(c.Nodes)
	configs, err := c.check()
	if err != nil {
		return nil, err
	}
	heartbeat, err := c.heartbeat()
	if err != nil {
		return nil, err
	}
	r := &Router{config: c, log: c.Logger, changed: make(chan struct{}), cuts: make(map[net.Conn]*node)}
	r.history.Store(&history{})
	for i, m := range configs {
		n, err := r.node(c.Nodes[i], m)
		if err != nil {
			for _, n := range r.nodes {
				goodbye(n.read)
			}
			return nil, err
		}
		r.nodes = append(r.nodes, n)
	}
	r.write = r.pool(writeConnector{r})
	r.limiter.limit = c.MaxPrimaryReads
	r.fallback = sql.OpenDB(fallbackConnector{r}) // the connector bounds it
	r.fallback.SetMaxIdleConns(c.MaxPrimaryReads)
	r.fallback.SetConnMaxIdleTime(idleTime)
	r.none = sql.OpenDB(noneConnector{r})
	r.heartbeat = heartbeat
	r.view.Store(&view{})
	return r, nil
}

// Single returns a router over one database of any driver, for programs that may or may not have
// replicas: reads and writes go to db, sessions cost and promise nothing more. The caller closes
// db; closing the router does not.
func Single(db *sql.DB) *Router {
	r := &Router{single: db}
	r.history.Store(&history{})
	r.view.Store(&view{})
	return r
}

func (r *Router) pool(c driver.Connector) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(r.config.MaxOpen)
	db.SetMaxIdleConns(r.config.MaxOpen)
	db.SetConnMaxIdleTime(idleTime)
	return db
}

// connectors makes what connects to the node, to read, to write and to ask.
func (n *node) connectors(m *mysql.Config) (err error) {
	if n.router.config.Connect != nil {
		if err := m.Apply(mysql.BeforeConnect(n.prepare)); err != nil {
			return err
		}
	}
	n.impatient = m.ReadTimeout > 0
	m.Logger = mysql.Logger(&mysql.NopLogger{}) // errors are returned, and a library does not print
	m.RejectReadOnly = false                    // what a refusal means depends on what was refused
	if n.readServer, err = mysql.NewConnector(m.Clone()); err != nil {
		return err
	}
	f := m.Clone()
	if f.DialFunc == nil && slices.Contains([]string{"tcp", "tcp4", "tcp6", "unix"}, f.Net) {
		f.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return n.router.cuttable(conn, n), nil
		}
	}
	if n.fallbackServer, err = mysql.NewConnector(f); err != nil {
		return err
	}
	if n.writeServer, err = mysql.NewConnector(f); err != nil {
		return err
	}
	p := m.Clone()
	p.DBName = "" // a server without our database yet is up all the same
	p.Timeout, p.ReadTimeout, p.WriteTimeout = n.router.config.Timeout, n.router.config.Timeout, n.router.config.Timeout
	n.askServer, err = mysql.NewConnector(p)
	return err
}
