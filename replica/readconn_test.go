package replica

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// faked returns a router of a primary and two replicas that are fakes.
func faked(t testing.TB) (r *Router, n *node, s *fakeServer) {
	t.Helper()
	r = made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b"}}})
	n, s = r.nodes[1], &fakeServer{hold: make(chan struct{})}
	n.readServer = s
	return r, n, s
}

func TestConnectionsForReadsTellTheBreaker(t *testing.T) {
	calls := map[string]func(context.Context, *sql.DB) error{
		"query": func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, "SELECT").Scan(new(string))
		},
		"exec":     func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "SET x = 1"); return err },
		"ping":     func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
		"begin":    func(ctx context.Context, db *sql.DB) error { _, err := db.BeginTx(ctx, nil); return err },
		"prepare":  func(ctx context.Context, db *sql.DB) error { _, err := db.PrepareContext(ctx, "SELECT"); return err },
		"prepared": nil,
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			_, n, s := faked(t)
			ctx := t.Context()
			stmt, err := n.read.PrepareContext(ctx, "SELECT")
			if err != nil {
				t.Fatal(err)
			}
			defer stmt.Close()
			if name == "prepared" {
				call = func(ctx context.Context, _ *sql.DB) error { return stmt.QueryRowContext(ctx).Scan(new(string)) }
			}
			if err := call(ctx, n.read); err != nil || n.suspect.Load() {
				t.Fatalf("a good call gives %v, the breaker is open: %t", err, n.suspect.Load())
			}
			refused := error(&mysql.MySQLError{Number: 1290})
			s.err.Store(&refused)
			if err := call(ctx, n.read); !errors.Is(err, ErrReadOnly) || n.suspect.Load() {
				t.Errorf("a refused write gives %v, the breaker is open: %t", err, n.suspect.Load())
			}
			lost := mysql.ErrInvalidConn
			s.err.Store(&lost)
			if err := call(ctx, n.read); !errors.Is(err, mysql.ErrInvalidConn) || !n.suspect.Load() {
				t.Errorf("a lost connection gives %v, the breaker is open: %t", err, n.suspect.Load())
			}
		})
	}
}

func TestOldConnectionsSayNothing(t *testing.T) {
	r, n, s := faked(t)
	ctx := t.Context()
	old, err := n.read.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := n.read.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.Close(); err != nil { // to the pool
		t.Fatal(err)
	}
	r.mu.Lock()
	n.open(gone, errors.New("it was restarted"), r.nodes[1].facts.asked)
	n.close(n.facts.asked)
	r.mu.Unlock()
	lost := mysql.ErrInvalidConn
	s.err.Store(&lost)
	if err := old.PingContext(ctx); !errors.Is(err, mysql.ErrInvalidConn) {
		t.Errorf("a call gives %v", err)
	}
	if n.suspect.Load() {
		t.Error("the server is held to be broken by a connection from before it came back")
	}
	s.err.Store(nil)
	if err := n.read.PingContext(ctx); err != nil {
		t.Error(err)
	}
	if got := s.dials.Load(); got != 3 {
		t.Errorf("%d connections were made, want 3: the idle one is of no use", got)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.open.Load(); got != 1 {
		t.Errorf("%d connections are open, want 1", got)
	}
}

func TestConnectionsForReadsCostNothing(t *testing.T) {
	_, n, s := faked(t)
	plain := sql.OpenDB(s)
	defer plain.Close()
	calls := map[string]func(*sql.DB) error{
		"query": func(db *sql.DB) error { return db.QueryRowContext(t.Context(), "SELECT").Scan(new(string)) },
		"prepared": func(db *sql.DB) error { // as the driver does with arguments
			stmt, err := db.PrepareContext(t.Context(), "SELECT")
			if err != nil {
				return err
			}
			return errors.Join(stmt.QueryRowContext(t.Context()).Scan(new(string)), stmt.Close())
		},
	}
	for name, call := range calls {
		count := func(db *sql.DB) float64 {
			const calls = 500
			least := math.Inf(1) // what else goes on in the process only adds
			for range 5 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range calls {
					if err := call(db); err != nil {
						t.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				least = min(least, float64(after.Mallocs-before.Mallocs)/calls)
			}
			return least
		}
		// The race detector has pools forget things by chance, so that numbers are not whole.
		if want, got := count(plain), count(n.read); got > want+0.75 {
			t.Errorf("%s: %.2f allocations, %.2f without the router", name, got, want)
		} else {
			t.Logf("%s: %.2f allocations, %.2f without the router", name, got, want)
		}
	}
}

func BenchmarkQueryRow(b *testing.B) {
	_, n, s := faked(b)
	plain := sql.OpenDB(s)
	defer plain.Close()
	for name, db := range map[string]*sql.DB{"plain": plain, "router": n.read} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := db.QueryRowContext(b.Context(), "SELECT").Scan(new(string)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestRenewReplacesWhatIsInUse(t *testing.T) {
	r, n, readers := faked(t)
	writers, fallback := &fakeServer{}, &fakeServer{}
	r.nodes[0].writeServer, r.nodes[0].fallbackServer = writers, fallback
	for name, pool := range map[string]struct {
		db     *sql.DB
		server *fakeServer
	}{"reads": {n.read, readers}, "writes": {r.write, writers}, "fallback": {r.fallback, fallback}} {
		used, err := pool.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		idle, err := pool.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := idle.Close(); err != nil { // to the pool
			t.Fatal(err)
		}
		r.Renew()
		if got := pool.server.open.Load(); got != 1 {
			t.Errorf("%s: %d connections are open, want 1: the one in use", name, got)
		}
		if err := errors.Join(used.PingContext(t.Context()), used.Close()); err != nil {
			t.Errorf("%s: what was in use: %v", name, err)
		}
		if got := pool.server.open.Load(); got != 0 {
			t.Errorf("%s: a connection from before went back to the pool", name)
		}
		if err := pool.db.PingContext(t.Context()); err != nil || pool.server.dials.Load() != 3 {
			t.Errorf("%s: %v after %d connections, want a third", name, err, pool.server.dials.Load())
		}
	}
}
