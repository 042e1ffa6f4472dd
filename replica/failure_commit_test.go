package replica

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// A trap is a way to a server that cuts a connection when the client sends certain bytes: before
// the server gets them, or when the server has answered them, which the client does not hear.
type trap struct {
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	needle []byte
	after  bool
	told   func()
	conns  []net.Conn
}

func newTrap(t testing.TB, to string) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &trap{listener: l}
	p.done.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return // closed
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			deaf := make(chan struct{})
			p.done.Go(func() { p.ask(in, out, deaf) })
			p.done.Go(func() { p.answer(in, out, deaf) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

// set has the trap spring once, on the given words.
func (p *trap) set(words string, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.needle, p.after = []byte(words), after
}

func (p *trap) armed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.needle != nil
}

// onSprung has f called when the trap springs next.
func (p *trap) onSprung(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = f
}

func (p *trap) springs(b []byte) (springs, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.needle == nil || !bytes.Contains(b, p.needle) {
		return false, false
	}
	p.needle = nil
	if p.told != nil {
		p.told()
		p.told = nil
	}
	return true, p.after
}

func (p *trap) ask(in, out net.Conn, deaf chan struct{}) {
	defer in.Close()
	defer out.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := in.Read(b)
		if err != nil {
			return
		}
		springs, after := p.springs(b[:n])
		if springs {
			close(deaf)
		}
		if springs && !after {
			return
		}
		if _, err := out.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *trap) answer(in, out net.Conn, deaf chan struct{}) {
	defer in.Close()
	defer out.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := out.Read(b)
		if err != nil {
			return
		}
		select {
		case <-deaf:
			return // the server has answered, and nobody hears it
		default:
		}
		if _, err := in.Write(b[:n]); err != nil {
			return
		}
	}
}

func through(t testing.TB, dsn, addr string) string {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.Addr = addr
	return c.FormatDSN()
}

// trapped starts a router whose first server is behind a trap, with a table x (i).
func trapped(t testing.TB, c Config, servers ...*replicatest.Server) (*Router, *trap) {
	t.Helper()
	at, err := mysql.ParseDSN(servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	p := newTrap(t, at.Addr)
	c.Timeout = 5 * time.Second
	c.Nodes = []Node{{Name: "a", DSN: through(t, servers[0].DSN(), p.listener.Addr().String())}}
	r := begin(t, c, servers[1:]...)
	ready(t, r)
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE IF NOT EXISTS x (i INT PRIMARY KEY)")
	if c.Marker != "" {
		if err := r.CreateMarkerTable(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return r, p
}

func ready(t testing.TB, r *Router) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

func there(t testing.TB, server *replicatest.Server, i int) bool {
	t.Helper()
	switch got := server.Text(fmt.Sprintf("SELECT COUNT(*) FROM app.x WHERE i = %d", i)); got {
	case "0":
		return false
	case "1":
		return true
	default:
		t.Fatalf("row %d is there %s times", i, got)
		return false
	}
}

// Row "commit connection lost".
func TestFailureCommitConnectionLost(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	ctx := t.Context()
	r, p := trapped(t, Config{}, servers...)
	i := 0
	for _, c := range []struct {
		name, words string
		after       bool
		write       func(i int) error
		happens     bool
		tries       int // of a transaction
	}{
		{"before COMMIT arrives", "\x03COMMIT", false, nil, false, 1},
		{"after COMMIT is done", "\x03COMMIT", true, nil, true, 1},
		{"before a statement of the transaction", "\x03INSERT", false, nil, true, 2},
		{"after a statement of the transaction", "\x03INSERT", true, nil, true, 2},
		{"at the beginning", "\x03START", true, nil, true, 1},
		{"a single statement before it arrives", "\x03INSERT", false, func(i int) error {
			_, err := r.Write(ctx).ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
			return err
		}, false, 0},
		{"a single statement after it is done", "\x03INSERT", true, func(i int) error {
			_, err := r.Write(ctx).ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
			return err
		}, true, 0},
		{"a statement by Query after it is done", "\x03INSERT", true, func(i int) error {
			return r.Write(ctx).QueryRowContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d) RETURNING i", i)).Scan(&i)
		}, true, 0},
		// COM_STMT_EXECUTE of the first statement of a connection, once.
		{"a prepared statement after it is done", "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00", true, func(i int) error {
			_, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (?)", i)
			return err
		}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			i++
			tries := 0
			write := c.write
			if write == nil {
				write = func(i int) error {
					return r.Update(ctx, nil, func(tx *sql.Tx) error {
						tries++
						_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
						return err
					})
				}
			}
			p.set(c.words, c.after)
			err := write(i)
			if p.armed() {
				t.Fatal("the trap has not sprung")
			}
			unknown := c.tries != 2 && c.name != "at the beginning"
			var lost *OutcomeError
			switch {
			case !unknown && err != nil:
				t.Errorf("it gives %v", err)
			case unknown && (!errors.Is(err, ErrUnknownOutcome) || !errors.As(err, &lost)):
				t.Errorf("it gives %v, want ErrUnknownOutcome", err)
			case unknown && (lost.Node != "a" || lost.Generation != 1 || lost.Marker != ""):
				t.Errorf("it gives %+v", lost)
			case errors.Is(err, ErrNoPrimary):
				t.Errorf("%v says that nothing was written", err)
			}
			if tries != c.tries {
				t.Errorf("it was tried %d times, want %d", tries, c.tries)
			}
			if got := there(t, servers[0], i); got != c.happens {
				t.Errorf("the row is there: %v, want %v", got, c.happens)
			}
		})
	}
	p.set("\x03SELECT 1 FROM x", true) // not a question of the router
	var one int
	if err := r.Write(ctx).QueryRowContext(ctx, "SELECT 1 FROM x").Scan(&one); err == nil || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a read gives %v", err)
	}
}

// Row "commit connection lost", with a marker: it says what happened.
func TestFailureCommitConnectionLostMarked(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	ctx := t.Context()
	r, p := trapped(t, Config{Marker: "app.marks"}, servers...)
	for i, after := range []bool{false, true, false, true} {
		tries := 0
		p.set("\x03COMMIT", after)
		err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
			return err
		})
		// Committed: it is not done again. Not committed: it is.
		want := 2
		if after {
			want = 1
		}
		if err != nil || tries != want {
			t.Errorf("cut after the commit: %v: %d tries (%v), want %d", after, tries, err, want)
		}
		if !there(t, servers[0], i) {
			t.Errorf("row %d is not there", i)
		}
	}
	// By hand, where Update could not ask any more.
	for i, after := range []bool{false, true} {
		i += 10
		limit, cancel := context.WithCancel(ctx)
		p.set("\x03COMMIT", after)
		err := r.Update(limit, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
			if err == nil {
				_, err = tx.ExecContext(ctx, "SET @x = 1")
			}
			// The caller has gone when the answer does not come.
			p.onSprung(cancel)
			return err
		})
		cancel()
		var lost *OutcomeError
		if !errors.As(err, &lost) || lost.Marker == "" {
			t.Fatalf("it gives %v, want an OutcomeError with a marker", err)
		}
		committed, err := r.Resolve(ctx, lost.Marker)
		if err != nil || committed != after || committed != there(t, servers[0], i) {
			t.Errorf("the marker says %v, %v, the row is there: %v, want %v", committed, err, there(t, servers[0], i), after)
		}
		if again, err := r.Resolve(ctx, lost.Marker); err != nil || again != committed {
			t.Errorf("the second time the marker says %v, %v", again, err)
		}
	}
}

// semiSync has the first server wait for one of the others before it confirms, as long as it takes.
func semiSync(t testing.TB, servers []*replicatest.Server) {
	t.Helper()
	for _, s := range servers[1:] {
		s.Exec("SET GLOBAL rpl_semi_sync_slave_enabled = 1", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD")
	}
	servers[0].Exec("SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC", "SET GLOBAL rpl_semi_sync_master_timeout = 3600000",
		"SET GLOBAL rpl_semi_sync_master_enabled = 1")
	holds(t, "replicas acknowledge", func() bool {
		return servers[0].Text("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Rpl_semi_sync_master_clients'") == fmt.Sprint(len(servers)-1)
	})
}

// waiting is how many commits wait for an acknowledgement.
func waiting(s *replicatest.Server) string {
	return s.Text("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Rpl_semi_sync_master_wait_sessions'")
}

// holds waits until ok does.
func holds(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// A commit that waits for a replica ends with its context, and what becomes of it is found out: here
// the replica acknowledges it late.
func TestFailureCommitWaitsForReplica(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 5 * time.Second, Marker: "app.marks"}, servers...)
	ready(t, r)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	if err := r.CreateMarkerTable(ctx); err != nil {
		t.Fatal(err)
	}
	semiSync(t, servers)
	marker := stuck(t, r, servers, func() { servers[1].Freeze() })
	if there(t, servers[0], 1) {
		t.Fatal("what no replica has is seen, so the test proves nothing")
	}
	// While it waits, nothing is known.
	limit, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if committed, err := r.Resolve(limit, marker); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the commit waits, the marker says %v, %v", committed, err)
	}
	if got := waiting(servers[0]); got != "1" {
		t.Errorf("%s commits wait, want 1: asking has ended the wait", got)
	}
	servers[1].Thaw()
	s := NewSession()
	if committed, err := r.Resolve(WithSession(ctx, s), marker); err != nil || !committed {
		t.Errorf("the marker says %v, %v, want that it was committed", committed, err)
	}
	if !there(t, servers[0], 1) {
		t.Error("the row is not there")
	}
	var n int
	if err := r.Read(WithSession(ctx, s)).QueryRowContext(ctx, "SELECT COUNT(*) FROM x").Scan(&n); err != nil || n != 1 {
		t.Errorf("a read of the session that asked finds %d rows (%v), want 1", n, err)
	}
}

// The same, when another server is promoted that has not got it.
func TestFailureCommitLostByFailover(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 2 * time.Second, Marker: "app.marks"}, servers...)
	ready(t, r)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	if err := r.CreateMarkerTable(ctx); err != nil {
		t.Fatal(err)
	}
	servers[1].CatchUp(servers[0])
	semiSync(t, servers)
	marker := stuck(t, r, servers, func() {
		servers[1].Exec("STOP SLAVE IO_THREAD")
	})
	// Who has the time finds out by itself, and does it again.
	tries := 0
	patient := make(chan error, 1)
	go func() {
		patient <- r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (2)")
			return err
		})
	}()
	holds(t, "another commit waits", func() bool {
		return servers[0].Text("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'COMMIT'") == "2"
	})
	asked := make(chan error, 1)
	var committed bool
	go func() {
		var err error
		committed, err = r.Resolve(ctx, marker)
		asked <- err
	}()
	servers[0].Freeze()
	servers[1].Promote()
	if err := <-asked; err != nil || committed {
		t.Errorf("the marker says %v, %v, want that it was not committed", committed, err)
	}
	if there(t, servers[1], 1) {
		t.Error("the row is there")
	}
	if err := <-patient; err != nil || tries != 2 || !there(t, servers[1], 2) {
		t.Errorf("an Update without an end gives %v after %d tries, want 2 and the row", err, tries)
	}
}

// stuck begins an Update of row 1 whose commit waits for a replica until its context ends, and
// returns the marker.
func stuck(t *testing.T, r *Router, servers []*replicatest.Server, cut func()) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- r.Update(ctx, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (1)")
			cut()
			return err
		})
	}()
	holds(t, "the commit waits for a replica", func() bool { return waiting(servers[0]) == "1" })
	cancel()
	err := <-done
	var lost *OutcomeError
	if !errors.As(err, &lost) || lost.Marker == "" || !errors.Is(err, context.Canceled) {
		t.Fatalf("it gives %v, want an OutcomeError with a marker", err)
	}
	return lost.Marker
}

// Row "read straight after write": never stale.
func TestFailureReadStraightAfterWrite(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	servers[2].Follow(servers[0], time.Second)
	r := run(t, servers...)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY, v INT NOT NULL)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	calls := r.DBTX()
	var stale, blind int
	var clients sync.WaitGroup
	var mu sync.Mutex
	for i := range 4 {
		clients.Go(func() {
			ctx := WithSession(ctx, NewSession())
			for v := range 50 {
				var err error
				switch v % 4 {
				case 0:
					_, err = calls.ExecContext(ctx, "REPLACE INTO x VALUES (?, ?)", i, v)
				case 1:
					var got int
					err = calls.QueryRowContext(WithPrimary(ctx), "REPLACE INTO x VALUES (?, ?) RETURNING v", i, v).Scan(&got)
				case 2:
					var got int
					err = calls.QueryRowContext(WithPrimary(ctx), fmt.Sprintf("/* a comment */ REPLACE INTO x VALUES (%d, %d) RETURNING v", i, v)).Scan(&got)
				case 3:
					err = r.Update(ctx, nil, func(tx *sql.Tx) error {
						_, err := tx.ExecContext(ctx, "REPLACE INTO x VALUES (?, ?)", i, v)
						return err
					})
				}
				if err != nil {
					t.Error(err)
					return
				}
				// Without the session it is not there yet: that is the control.
				var old sql.NullInt64
				if err := r.Read(t.Context()).QueryRowContext(ctx, "SELECT MAX(v) FROM x WHERE i = ?", i).Scan(&old); err != nil {
					t.Error(err)
				}
				seen := -1
				read := func(q Querier) error {
					return q.QueryRowContext(ctx, "SELECT v FROM x WHERE i = ?", i).Scan(&seen)
				}
				if v%3 == 0 {
					err = read(calls)
				} else {
					err = r.View(ctx, func(_ context.Context, q Querier) error { return read(q) })
				}
				mu.Lock()
				if int(old.Int64) != v || !old.Valid {
					blind++
				}
				if err != nil || seen != v {
					stale++
				}
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if stale > 0 {
		t.Errorf("%d reads straight after the write of their session did not see it", stale)
	}
	if blind == 0 {
		t.Error("no read without a session was stale, so the test proves nothing")
	}
	t.Logf("of 200 reads without a session %d were stale", blind)
}
