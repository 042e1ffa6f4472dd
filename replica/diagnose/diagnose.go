package diagnose

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Node is one server of the cluster.
type Node struct {
	// Name is what findings call it; unique, not empty.
	Name string
	// DSN is its address and the account that asks, in the form of github.com/go-sql-driver/mysql. A
	// name of a database in it is ignored.
	DSN string
}

// An Account is a user that exists on every server.
type Account struct{ User, Password string }

// Config is what [Diagnose] needs.
type Config struct {
	// Nodes are all servers of the cluster, 1 to 64. Of one alone, nothing is asked for that only
	// replication needs.
	Nodes []Node
	// Strict tells that writes are to wait for a second copy however long it takes. Without it they
	// are to go on in one copy when no replica confirms for some seconds.
	Strict bool
	// Admin tells that the accounts of the nodes are those of an administrator, whose privileges are
	// not judged.
	Admin bool
	// Promoter is the account that changes roles, and Replication the one with which replicas
	// connect. Both are tried on every server. A zero one is not looked at.
	Promoter, Replication Account
	// Heartbeat is the table "database.table" that a heartbeat writes once a second, with columns
	// server_id and ts as pt-heartbeat has them. "": none.
	Heartbeat string
	// Timeout bounds what is asked of one server. 0 means 5 s; 10 ms to 1 minute.
	Timeout time.Duration
}

// A Level is how bad a finding is.
type Level string

// The levels.
const (
	Bad     Level = "bad"     // something does not work, or data is in danger
	Warn    Level = "warn"    // it works, but somebody should act before it does not
	Unknown Level = "unknown" // it could not be found out
	Note    Level = "note"    // nothing to do, but good to know
)

// A Finding is one thing that was found. Its texts are single lines and hold no password.
type Finding struct {
	Level Level `json:"level"`
	// Node is the server it is about; "": about all of them.
	Node string `json:"node,omitempty"`
	// Code is a stable word for programs, such as "semi_sync_no_client".
	Code string `json:"code"`
	// Summary is a sentence for a person.
	Summary string `json:"summary"`
	// Next is what to do, with the statements of SQL.
	Next string `json:"next,omitempty"`
	// SQL are statements that mend it, for an administrator on Node; none where a person must decide.
	SQL []string `json:"sql,omitempty"`
}

// A Server is what is known of a node.
type Server struct {
	Name    string `json:"name"`
	Role    string `json:"role"` // "primary", "replica", "idle": read-only and follows nobody; "": no answer
	Version string `json:"version,omitempty"`
}

// A Report is what a diagnosis found out.
type Report struct {
	Servers  []Server  `json:"servers"`  // in the order of the nodes
	Findings []Finding `json:"findings"` // the worst first; equals in the order of the nodes
}

// Exit statuses of [Report.ExitCode].
const (
	ExitFine    = 0
	ExitFaults  = 1
	ExitUnknown = 4
)

// ExitCode returns the exit status of a command that prints the report: 1 for faults, 4 when nobody
// answered, or no fault is known but not everything could be found out, else 0.
func (r *Report) ExitCode() int {
	code, answered := ExitFine, false
	for _, s := range r.Servers {
		answered = answered || s.Role != ""
	}
	for _, f := range r.Findings {
		switch {
		case f.Level == Bad, f.Level == Warn:
			code = ExitFaults
		case f.Level == Unknown && code == ExitFine:
			code = ExitUnknown
		}
	}
	if !answered {
		return ExitUnknown
	}
	return code
}

const maxNodes = 64

// check returns a copy of c with defaults, or all its mistakes.
func (c Config) check() (Config, []*server, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("diagnose: "+format, args...)) }
	if n := len(c.Nodes); n == 0 || n > maxNodes {
		bad("there are %d nodes; name 1 to %d", n, maxNodes)
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > time.Minute {
		bad("Timeout is %s; it must be from 10ms to 1m", c.Timeout)
	}
	if c.Heartbeat != "" {
		if database, table, ok := strings.Cut(c.Heartbeat, "."); !ok || database == "" || table == "" {
			bad("Heartbeat is %q; it must be like database.table", c.Heartbeat)
		}
	}
	var servers []*server
	names := map[string]bool{}
	for i, n := range c.Nodes {
		switch {
		case n.Name == "":
			bad("node %d has no name", i+1)
		case names[n.Name]:
			bad("two nodes are called %q", n.Name)
		}
		names[n.Name] = true
		config, err := mysql.ParseDSN(n.DSN)
		if err != nil {
			bad("node %q: the DSN cannot be read", n.Name) // the driver's own words might hold the password
			continue
		}
		config.DBName, config.MultiStatements = "", false
		config.Logger = &mysql.NopLogger{} // errors are returned, and a library does not print
		config.Timeout = c.Timeout
		servers = append(servers, &server{Node: n, config: config})
	}
	return c, servers, errors.Join(errs...)
}

// A server is a node with what it said.
type server struct {
	Node
	config *mysql.Config
	db     *sql.DB
	facts
	err                   error // why it did not answer; facts are none then
	promoter, replication login
}

// Diagnose asks all servers, at the same time, and judges what they say. It takes no longer than
// about twice Config.Timeout. A server that does not answer is a finding; the error is of a mistake
// in c, or that ctx ended.
func Diagnose(ctx context.Context, c Config) (*Report, error) {
	c, servers, err := c.check()
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		connector, err := mysql.NewConnector(s.config)
		if err != nil {
			return nil, fmt.Errorf("diagnose: node %q: %w", s.Name, err)
		}
		s.db = sql.OpenDB(connector)
		s.db.SetMaxOpenConns(1)
		// What is left of the connections of a server that is gone tells nobody anything.
		defer func() { _ = s.db.Close() }()
	}
	var asking sync.WaitGroup
	for _, s := range servers {
		asking.Go(func() {
			limit, cancel := context.WithTimeout(ctx, c.Timeout)
			defer cancel()
			s.ask(limit, c)
		})
	}
	asking.Wait()
	cl := newCluster(c, servers)
	if p := cl.primary; p != nil && len(servers) > 1 {
		// Again: what a replica has by now, the primary had before.
		limit, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		if p.history, err = askHistory(limit, p.db); err != nil {
			cl.add(Unknown, p, "history", "Whether replicas have what it has not could not be found out: "+err.Error(), "Repeat the diagnosis.")
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return cl.judge(), nil
}

// rank orders levels for people.
func (l Level) rank() int { return slices.Index([]Level{Bad, Unknown, Warn, Note}, l) }
