package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/internal/tablename"
)

// A beat is what a server has in the heartbeat table of the primary.
type beat struct {
	server  uint32    // whose row was asked for: server_id of the primary; 0: none was
	at      time.Time // when the answer came
	ts      time.Time // of the row; zero: it is not there
	absent  bool      // the table is not there
	problem string    // why it cannot be used
}

// A pulse is how the heartbeat of a primary goes on. Its zero value: not asked as a primary.
type pulse struct {
	server uint32
	ts     time.Time // of the latest row; zero: there is none yet
	asked  time.Time // when that was so
	first  time.Time // when there was a row first
	since  time.Time // when ts came, or when it was asked for first
}

// silence is how long nobody writes a heartbeat before it is said that nobody does.
const silence = 10 * time.Second

// Errors of servers.
const (
	deniedDatabase   = 1044
	deniedTable      = 1142
	deniedColumn     = 1143
	unknownDatabase  = 1049
	noSuchTable      = 1146
	statementTooLong = 1969
)

// heartbeat returns the table as it stands in a statement; "" when there is none.
func (c *Config) heartbeat() (string, error) {
	if c.Heartbeat == "" {
		return "", nil
	}
	return tablename.Quote(c.Heartbeat)
}

// listen asks the server for the heartbeat of the primary and notes it in f. Whatever is wrong with the
// table alone does not make the server one that fails to answer: who locks the table would else take
// out all servers.
func (n *node) listen(ctx context.Context, db *sql.DB, f *facts) error {
	r := n.router
	if r.heartbeat == "" {
		return nil
	}
	server := f.server
	if len(f.sources) > 0 {
		server = r.primaryServer()
	} else if !f.writable {
		server = 0
	}
	if server == 0 {
		return nil
	}
	f.beat.server = server
	query := fmt.Sprintf("SET STATEMENT max_statement_time = %.3f FOR SELECT CAST(ts AS CHAR) FROM %s WHERE server_id = %d",
		(r.config.Timeout / 4).Seconds(), r.heartbeat, server)
	var ts sql.NullString
	err := db.QueryRowContext(ctx, query).Scan(&ts)
	f.beat.at = time.Now()
	said := (*mysql.MySQLError)(nil)
	switch {
	case err == nil:
		if f.beat.ts, err = parseBeat(ts.String); err != nil {
			f.beat.problem = "a heartbeat in " + r.config.Heartbeat + " is not a time: " + err.Error()
		}
	case errors.Is(err, sql.ErrNoRows):
	case !errors.As(err, &said):
		return err
	case said.Number == noSuchTable || said.Number == unknownDatabase:
		f.beat.absent = true
		f.beat.problem = "there is no table " + r.config.Heartbeat + "; start what writes the heartbeat"
	case said.Number == statementTooLong:
		f.beat.problem = "the table " + r.config.Heartbeat + " does not answer in time; who locks it?"
	case said.Number == deniedDatabase || said.Number == deniedTable || said.Number == deniedColumn:
		f.beat.problem = "the table " + r.config.Heartbeat + " may not be read; GRANT SELECT on it to the account (" + said.Error() + ")"
	default:
		f.beat.problem = "the table " + r.config.Heartbeat + " cannot be read: " + said.Error()
	}
	return nil
}

// primaryServer returns the server_id of the primary; 0: there is none.
func (r *Router) primaryServer() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.view.Load().primary; p != nil {
		return p.facts.server
	}
	return 0
}

// parseBeat parses the time of a heartbeat, a text or a DATETIME. Only differences count, so that it
// does not matter of which zone it is.
func parseBeat(ts string) (time.Time, error) {
	return time.Parse("2006-01-02 15:04:05", strings.Replace(ts, "T", " ", 1)) // with or without parts of a second
}

// hear takes in what the server has just said of heartbeats. r.mu is held.
//
// How late a replica is, is the time between its latest heartbeat and the primary's, and how long ago
// the primary was asked for that. So neither this machine's clock nor the servers' need be right or
// agree: only that of who writes has to go on steadily. A replica with all heartbeats that the
// primary was seen to have may be late by less than the time between two; nothing is made of that.
func (n *node) hear(primary *node) {
	n.behind = 0
	b := &n.facts.beat
	switch n.facts.role() {
	case Primary:
		n.pulse.take(b)
		return
	case Replica:
		if primary != nil && b.server == primary.pulse.server && (b.problem == "" || b.absent) {
			n.behind = primary.pulse.until(b)
		}
	}
	n.pulse = pulse{}
}

// take notes the heartbeat that a primary has.
func (p *pulse) take(b *beat) {
	if b.server == 0 || b.problem != "" {
		*p = pulse{}
		return
	}
	if p.server != b.server {
		*p = pulse{server: b.server, since: b.at}
	}
	if p.first.IsZero() && !b.ts.IsZero() {
		p.first = b.at
	}
	if !b.ts.Equal(p.ts) {
		p.ts, p.since = b.ts, b.at
	}
	p.asked = b.at
}

// until is how late a replica is that has the heartbeat b. One that has none at all is late for as long
// as the primary has had one, at least.
func (p *pulse) until(b *beat) time.Duration {
	switch {
	case p.ts.IsZero() || !b.ts.Before(p.ts):
		return 0
	case b.ts.IsZero():
		return max(0, b.at.Sub(p.first))
	default:
		return max(0, p.ts.Sub(b.ts)+b.at.Sub(p.asked))
	}
}

// whyUnheard says why lags are not measured by the heartbeat of the primary. r.mu is held.
func (r *Router) whyUnheard(primary *node, now time.Time) string {
	if r.heartbeat == "" || primary == nil {
		return ""
	}
	p := &primary.pulse
	switch {
	case primary.facts.beat.problem != "":
		return "lags are known in whole seconds: on " + primary.Name + " " + primary.facts.beat.problem
	case p.server != 0 && now.Sub(p.since) > silence:
		return fmt.Sprintf("lags are known in whole seconds: nobody has written a heartbeat of %s (server_id %d) into %s since %s; start what does, or look what it complains about",
			primary.Name, p.server, r.config.Heartbeat, p.since.UTC().Format(time.RFC3339))
	}
	return ""
}

// tellHeartbeat logs once why lags are not measured, and once that they are again. r.mu is held.
func (r *Router) tellHeartbeat(primary *node, now time.Time) {
	if r.heartbeat == "" || primary == nil {
		return
	}
	text := r.whyUnheard(primary, now)
	switch {
	case text == r.unheard:
		return
	case text == "" && primary.pulse.ts.IsZero():
		return // it has just become the primary
	case text == "":
		r.log.Info("lags are measured by the heartbeat", "table", r.config.Heartbeat)
	default:
		r.log.Warn("lags are not measured by the heartbeat", "problem", text)
	}
	r.unheard = text
}

// deaf says in words, for people, why the lag of a replica is not measured by the heartbeat, or what is
// strange about it; "" if nothing is.
func (n *node) deaf() string {
	b := &n.facts.beat
	switch {
	case b.problem != "" && !b.absent:
		return "; its lag is known in whole seconds: " + b.problem
	case n.behind > 0 && b.ts.IsZero():
		return "; it has no heartbeat of the primary in " + n.router.config.Heartbeat + ", which the primary has: a filter keeps it away, or it is late"
	}
	return ""
}
