package promote

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Node is one server of the cluster.
type Node struct {
	// Name is what plans, reports and logs call it; unique, not empty.
	Name string
	// DSN is its address and the account to promote with, in the form of
	// github.com/go-sql-driver/mysql. A name of a database in it is ignored.
	DSN string
	// Address is host:port by which the other servers reach it. "" is that of the DSN, which then
	// must be of TCP.
	Address string
	// NoPrimary marks a server that is never made the primary: a small one, that is there to have a copy.
	NoPrimary bool
}

// Config is what [New] needs.
type Config struct {
	// Nodes are all servers of the cluster, 1 to 64. One that is left out is not asked what it has,
	// and a promotion may then lose it.
	Nodes []Node
	// ReplicationUser is the account with which replicas connect to the primary; it exists on all
	// servers and has the privilege REPLICATION SLAVE. Required.
	ReplicationUser string
	// ReplicationPassword is its password. It is in no plan, report, log or error.
	ReplicationPassword string
	// ReplicationTLS has replicas connect over TLS.
	ReplicationTLS ReplicationTLS
	// Mode says what a write waits for before it is acknowledged. "" means [Available].
	Mode Mode
	// Voters have a vote beside the nodes where [Options].Quorum is asked for; up to 64, by different names.
	Voters []Voter
	// Timeout bounds one question to a server, with the connection it needs. 0 means 3 s; 10 ms to 1 minute.
	Timeout time.Duration
	// Wait bounds each wait: for writers of the old primary to end, and for a replica to apply what
	// it received. 0 means 1 minute; 1 s to 1 day.
	Wait time.Duration
	// Logger gets each step when it is done. nil discards.
	Logger *slog.Logger
}

const maxNodes = 64

// A member is a node with what New made of it.
type member struct {
	Node
	host   string
	port   uint16
	config *mysql.Config
}

func (m *member) address() string { return net.JoinHostPort(m.host, strconv.Itoa(int(m.port))) }

// A Promoter promotes replicas of one cluster. It holds no connections between calls and is safe for
// concurrent use; of two calls that change servers at the same time, one is refused.
type Promoter struct {
	members []*member
	config  Config
	log     *slog.Logger

	// before is asked before each statement that changes a server; tests interrupt there.
	before func(node, statement string) error
}

// New returns a promoter for the servers of c. It checks c and reports all mistakes at once; it
// connects to nobody.
func New(c Config) (*Promoter, error) {
	c.Nodes, c.Voters = slices.Clone(c.Nodes), slices.Clone(c.Voters)
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("promote: "+format, args...)) }
	if n := len(c.Nodes); n == 0 || n > maxNodes {
		bad("there are %d nodes; name 1 to %d", n, maxNodes)
	}
	between := func(what string, d *time.Duration, preset, low, high time.Duration) {
		if *d == 0 {
			*d = preset
		}
		if *d < low || *d > high {
			bad("%s is %s; it must be from %s to %s", what, *d, low, high)
		}
	}
	between("Timeout", &c.Timeout, 3*time.Second, 10*time.Millisecond, time.Minute)
	between("Wait", &c.Wait, time.Minute, time.Second, 24*time.Hour)
	if c.Mode == "" {
		c.Mode = Available
	}
	if c.Mode != Available && c.Mode != Strict {
		bad("Mode is %q; it must be %q or %q", c.Mode, Available, Strict)
	}
	if c.ReplicationUser == "" {
		bad("ReplicationUser is missing: the account with which replicas connect to the primary")
	}
	if strings.ContainsRune(c.ReplicationUser+c.ReplicationPassword, 0) {
		bad("ReplicationUser or ReplicationPassword contains a zero byte")
	}
	if err := c.ReplicationTLS.check(); err != nil {
		bad("%w", err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Promoter{config: c, log: c.Logger}
	names, addresses := make(map[string]bool), make(map[string]string)
	for i, n := range c.Nodes {
		if n.Name == "" {
			bad("node %d has no name", i+1)
		} else if names[n.Name] {
			bad("two nodes are called %q", n.Name)
		}
		names[n.Name] = true
		m, err := n.member(c)
		if err != nil {
			bad("node %q: %w", n.Name, err)
			continue
		}
		if other, ok := addresses[m.address()]; ok {
			bad("nodes %q and %q have the same address %s", other, n.Name, m.address())
		}
		addresses[m.address()] = n.Name
		p.members = append(p.members, m)
	}
	if len(c.Voters) > maxNodes {
		bad("there are %d voters; name up to %d", len(c.Voters), maxNodes)
	}
	for _, v := range c.Voters {
		if names[v.Name()] {
			bad("two nodes or voters are called %q", v.Name())
		}
		names[v.Name()] = true
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

func (n Node) member(c Config) (*member, error) {
	config, err := mysql.ParseDSN(n.DSN)
	if err != nil {
		// The text of the DSN stays out: it has a password.
		return nil, fmt.Errorf("the DSN cannot be read: %w", err)
	}
	address := n.Address
	if address == "" {
		if !strings.HasPrefix(config.Net, "tcp") {
			return nil, errors.New("the DSN is not of TCP; set Address to host:port by which other servers reach it")
		}
		address = config.Addr
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("the address is not host:port: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" {
		return nil, fmt.Errorf("the address %q needs a host and a port from 1 to 65535", address)
	}
	config.DBName, config.MultiStatements, config.RejectReadOnly = "", false, false
	config.Logger = &mysql.NopLogger{} // errors are returned, and a library does not print
	config.Timeout = c.Timeout
	// Statements are bounded by their contexts. These are for what a server would go on with after
	// we have left; quoting relies on the second.
	config.ReadTimeout, config.WriteTimeout = 0, c.Timeout
	params := map[string]string{"sql_mode": "''", "lock_wait_timeout": strconv.Itoa(max(1, int(lockWait(c)/time.Second)))}
	for k, v := range config.Params {
		if _, ours := params[strings.ToLower(k)]; !ours {
			params[k] = v
		}
	}
	config.Params = params
	return &member{Node: n, host: strings.ToLower(host), port: uint16(number), config: config}, nil
}

// lockWait is how long a server may wait for its writers before they are ended.
func lockWait(c Config) time.Duration { return min(3*time.Second, c.Wait) }
