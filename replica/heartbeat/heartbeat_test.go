package heartbeat

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	table    = "app.heartbeat"
	patience = time.Minute
)

// fixed is a pool that somebody else keeps at the primary.
type fixed struct{ db *sql.DB }

func (f fixed) Write(context.Context) *sql.DB { return f.db }

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func begin(t *testing.T, c Config) *Writer {
	t.Helper()
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

func TestMistakesAreFoundAtOnce(t *testing.T) {
	_, err := New(Config{Table: "heartbeat", Every: time.Hour, Timeout: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Writes", "Table", "Every", "Timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestHeartbeatIsThatOfThePrimary(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	db := open(t, servers[0].AdminDSN())
	w := begin(t, Config{Writes: fixed{db}, Table: table, Create: true, Every: 100 * time.Millisecond})
	await(t, "heartbeats are written", func() bool { return w.Stats().Beats > 2 })
	if err := w.Err(); err != nil {
		t.Error(err)
	}
	servers[1].CatchUp(servers[0])
	var id int
	var age float64
	var file string
	var position int64
	replica := open(t, servers[1].AdminDSN())
	query := "SELECT server_id, TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) / 1e6, file, position FROM " + table
	if err := replica.QueryRowContext(t.Context(), query).Scan(&id, &age, &file, &position); err != nil {
		t.Fatal(err)
	}
	if id != 1 || age < 0 || age > patience.Seconds() || file != "bin.000001" || position == 0 {
		t.Errorf("row of server %d, %f s old, at %s:%d", id, age, file, position)
	}
	// It is for the primary alone, whatever the account may do.
	other, err := New(Config{Writes: fixed{replica}, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.beat(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a heartbeat on a replica gives %v", err)
	}
}

// seen counts what is logged.
type seen struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (s *seen) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, r.Message)
	return nil
}

func TestItGoesOnAfterFailures(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	// The account of the application may not see the binary log.
	db := open(t, servers[0].DSN())
	log := &seen{Handler: slog.NewTextHandler(io.Discard, nil)}
	w := begin(t, Config{Writes: fixed{db}, Table: table, Every: 100 * time.Millisecond, Timeout: time.Second, Logger: slog.New(log)})
	await(t, "heartbeats fail", func() bool { return w.Stats().Failures > 3 })
	if err := w.Err(); !numbered(err, noSuchTable) {
		t.Errorf("without a table: %v", err)
	}
	servers[0].Exec("CREATE TABLE app.heartbeat (ts VARCHAR(26) NOT NULL, server_id INT UNSIGNED NOT NULL PRIMARY KEY, file VARCHAR(255), position BIGINT UNSIGNED, relay_master_log_file VARCHAR(255), exec_master_log_pos BIGINT UNSIGNED)")
	await(t, "they work", func() bool { return w.Err() == nil })
	// A killed server comes back.
	servers[0].Kill()
	failed := w.Stats().Failures
	await(t, "heartbeats fail again", func() bool { return w.Stats().Failures > failed+2 })
	servers[0].Restart("--read-only=0")
	await(t, "they work again", func() bool { return w.Err() == nil })
	log.mu.Lock()
	defer log.mu.Unlock()
	want := "heartbeats fail, heartbeats are written again, heartbeats fail, heartbeats are written again"
	if got := strings.Join(log.lines, ", "); got != want {
		t.Errorf("it logged %s; want %s", got, want)
	}
}

// Several writers make as many transactions as one, nearly.
func TestManyWritersDoNoHarm(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	db := open(t, servers[0].DSN())
	const every = time.Second / 2
	var writers []*Writer
	for range 8 {
		writers = append(writers, begin(t, Config{Writes: fixed{db}, Table: table, Create: true, Every: every}))
	}
	seq := func() int {
		_, n, _ := strings.Cut(strings.TrimPrefix(servers[0].Text("SELECT @@gtid_binlog_pos"), "0-"), "-")
		seq, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	await(t, "all have written", func() bool {
		for _, w := range writers {
			if w.Stats().Beats == 0 {
				return false
			}
		}
		return true
	})
	before, start := seq(), time.Now()
	beats := func() (n uint64) {
		for _, w := range writers {
			n += w.Stats().Beats
		}
		return n
	}
	until := beats() + 32
	await(t, "they have gone round", func() bool { return beats() >= until })
	// One for each half of Every passes at most.
	if n, most := seq()-before, int(2*time.Since(start)/every)+2; n > most {
		t.Errorf("8 writers made %d transactions in %s, want at most %d", n, time.Since(start), most)
	}
	for _, w := range writers {
		if w.Stats().Failures != 0 || w.Err() != nil {
			t.Errorf("%+v: %v", w.Stats(), w.Err())
		}
	}
	servers[1].CatchUp(servers[0])
	if n := servers[1].Text("SELECT COUNT(*) FROM " + table); n != "1" {
		t.Errorf("there are %s rows", n)
	}
}

// A row from the future, as after a clock was set back, does not stay.
func TestClockIsSetBack(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	w, err := New(Config{Writes: fixed{open(t, servers[0].DSN())}, Table: table, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	beat := func() {
		t.Helper()
		if err := w.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	beat()
	servers[0].Exec("UPDATE " + table + " SET ts = '2999-01-01T00:00:00.000000'")
	beat()
	if ts := servers[0].Text("SELECT ts FROM " + table); strings.HasPrefix(ts, "2999") {
		t.Errorf("the heartbeat is of %s", ts)
	}
}

func TestOneRunAtATime(t *testing.T) {
	w, err := New(Config{Writes: fixed{nil}, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	w.running.Store(true)
	if err := w.Run(t.Context()); err == nil {
		t.Error("two at once")
	}
}

// percona runs pt-heartbeat with args on the server.
func percona(t *testing.T, ctx context.Context, s *replicatest.Server, args ...string) (string, error) {
	t.Helper()
	tool := require.Tool(t, "pt-heartbeat")
	c, err := mysql.ParseDSN(s.AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(c.Addr, ":")
	args = append(args, "--utc", "--database", "app", "--table", "heartbeat", "--no-version-check",
		fmt.Sprintf("h=%s,P=%s,u=%s,p=%s", host, port, c.User, c.Passwd))
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	return string(out), err
}

// pt-heartbeat reads what this package writes: as late as the replica is.
func TestPerconaReadsIt(t *testing.T) {
	require.Tool(t, "pt-heartbeat")
	servers := replicatest.Cluster(t, 2)
	w := begin(t, Config{Writes: fixed{open(t, servers[0].DSN())}, Table: table, Create: true})
	await(t, "heartbeats are written", func() bool { return w.Stats().Beats > 1 })
	servers[1].CatchUp(servers[0])

	check := func() (delay, truth float64) {
		t.Helper()
		out, err := percona(t, t.Context(), servers[1], "--check", "--master-server-id", "1", "--skew", "0.001", "--interval", "0.05")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lines := strings.Fields(out)
		if len(lines) == 0 {
			t.Fatal("pt-heartbeat said nothing")
		}
		if delay, err = strconv.ParseFloat(lines[len(lines)-1], 64); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if truth, err = strconv.ParseFloat(servers[1].Text("SELECT TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) / 1e6 FROM "+table), 64); err != nil {
			t.Fatal(err)
		}
		return delay, truth
	}
	if delay, _ := check(); delay > 20 {
		t.Errorf("pt-heartbeat finds a replica that is up to date %f s late", delay)
	}
	servers[1].Exec("STOP SLAVE SQL_THREAD")
	await(t, "the replica is 3 s late", func() bool {
		return servers[1].Text("SELECT TIMESTAMPDIFF(SECOND, ts, UTC_TIMESTAMP(6)) >= 3 FROM "+table) == "1"
	})
	before := time.Now()
	delay, truth := check()
	if took := time.Since(before).Seconds(); delay < 3 || delay > truth || truth-delay > took+0.5 {
		t.Errorf("pt-heartbeat finds a replica that is %f s late %f s late", truth, delay)
	}
}

// A table of pt-heartbeat is gone on with.
func TestPerconaWroteIt(t *testing.T) {
	require.Tool(t, "pt-heartbeat")
	servers := replicatest.Cluster(t, 1)
	if out, err := percona(t, t.Context(), servers[0], "--update", "--create-table", "--interval", "0.1", "--run-time", "1"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const query = "SELECT ts FROM " + table + " WHERE server_id = 1"
	before := servers[0].Text(query)
	servers[0].Exec("DO SLEEP(0.3)") // or its last one is fresh
	w, err := New(Config{Writes: fixed{open(t, servers[0].DSN())}, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := servers[0].Text(query); now <= before || len(now) != len(before) {
		t.Errorf("after %q there is %q", before, now)
	}
	if rows := servers[0].Text("SELECT COUNT(*) FROM " + table); rows != "1" {
		t.Errorf("there are %s rows", rows)
	}
}

// ready returns a writer for the server that has written.
func ready(t *testing.T, s *replicatest.Server, timeout time.Duration) *Writer {
	t.Helper()
	w, err := New(Config{Writes: fixed{open(t, s.DSN())}, Table: table, Create: true, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Exec("UPDATE " + table + " SET ts = '2000-01-01T00:00:00.000000'")
	return w
}

// Two a second are written for ever.
func TestHeartbeatIsShort(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	w := ready(t, servers[0], 0)
	admin := open(t, servers[0].AdminDSN())
	position := func() (p int) {
		t.Helper()
		var file, do, ignore string
		if err := admin.QueryRowContext(t.Context(), "SHOW MASTER STATUS").Scan(&file, &p, &do, &ignore); err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := position()
	if err := w.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := position() - before; n == 0 || n > 600 {
		t.Errorf("a heartbeat takes %d bytes of the binary log", n)
	}
}

// Whoever holds the row, as a write does that waits for replicas, is not joined by ever more that wait.
func TestRowIsLocked(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	w := ready(t, servers[0], patience)
	tx, err := open(t, servers[0].DSN()).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT * FROM "+table+" FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	const lockWaitTimeout = 1205
	if err := w.beat(t.Context()); !numbered(err, lockWaitTimeout) {
		t.Errorf("with a locked row: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := w.beat(t.Context()); err != nil {
		t.Error(err)
	}
}
