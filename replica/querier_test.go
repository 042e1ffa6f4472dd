package replica

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// asked is the number of the server that answers q.
func asked(ctx context.Context, q Querier) (id int, err error) {
	err = q.QueryRowContext(ctx, "SELECT @@server_id").Scan(&id)
	return id, err
}

func TestViewKeepsToOneServer(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := begin(t, Config{Timeout: 5 * time.Second, SlowStart: -1}, servers...)
	ready(t, r)
	ctx := t.Context()
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	seen := make(map[int]bool)
	for range 40 {
		if err := r.View(ctx, func(ctx context.Context, q Querier) error {
			first, err := asked(ctx, q)
			if err != nil {
				return err
			}
			seen[first] = true
			rows, err := q.QueryContext(ctx, "SELECT 1 UNION SELECT 2")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() { // other queries may go on while rows are read
				if id, err := asked(ctx, q); err != nil || id != first {
					t.Errorf("within one view %d and %d answer (%v)", first, id, err)
				}
			}
			return rows.Err()
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !seen[2] || !seen[3] || len(seen) != 2 {
		t.Errorf("servers %v are asked, want 2 and 3", seen)
	}
	if err := r.View(WithPrimary(ctx), func(ctx context.Context, q Querier) error {
		id, err := asked(ctx, q)
		if id != 1 {
			t.Errorf("WithPrimary is answered by %d", id)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	mine := errors.New("mine")
	if err := r.View(ctx, func(context.Context, Querier) error { return mine }); err != mine {
		t.Errorf("it gives %v, want the function's own error", err)
	}
}

// Row "replica kill -9": nothing fails that reads by View, and what was answered is never continued
// elsewhere.
func TestViewOutlivesItsReplica(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	r := begin(t, Config{Timeout: 5 * time.Second, SlowStart: -1}, servers...)
	ready(t, r)
	ctx := t.Context()
	await(t, r, "both replicas are read", func(s Status) bool { return s.Nodes[1].Reads && s.Nodes[2].Reads })
	// Connections are there, and break while they are asked.
	slow := func(ctx context.Context, q Querier) (id int, err error) {
		err = q.QueryRowContext(ctx, "SELECT @@server_id + 0 * SLEEP(IF(@@server_id = 3, 600, 0))").Scan(&id)
		return id, err
	}
	results := make(chan error, 16)
	for range cap(results) {
		go func() {
			results <- r.View(ctx, func(ctx context.Context, q Querier) error {
				id, err := slow(ctx, q)
				if err == nil && id != 2 && id != 1 {
					t.Errorf("server %d answers", id)
				}
				return err
			})
		}()
	}
	hang := func() bool {
		return servers[2].Text("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT @@server_id%'") != "0"
	}
	holds(t, "a query is under way on server 3", hang)
	// A view that had an answer of it already.
	began, killed, late := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		late <- r.View(ctx, func(ctx context.Context, q Querier) error {
			for id := 0; id != 3; {
				v := &viewer{router: r, db: r.Read(ctx)}
				q = v
				var err error
				if id, err = asked(ctx, q); err != nil {
					return err
				}
			}
			if first {
				close(began)
				first = false
			}
			<-killed
			_, err := asked(ctx, q)
			return err
		})
	}()
	<-began
	servers[2].Kill()
	close(killed)
	for range cap(results) {
		if err := <-results; err != nil {
			t.Errorf("a view gives %v", err)
		}
	}
	if err := <-late; err == nil {
		t.Error("a view went on at another server than it began")
	}
}

func TestViewRefusesWrites(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])
	await(t, r, "the replica is read", reads(1))
	behind := NewSession()
	behind.Observe(Token{gtids{{0, 1, 999}}})
	for name, ctx := range map[string]context.Context{
		"replica": ctx, "primary": WithPrimary(ctx), "fallback": WithSession(ctx, behind),
	} {
		for _, query := range []string{"INSERT INTO x VALUES (1) RETURNING i", "DELETE FROM x RETURNING i", "CREATE TABLE y (i INT)", "REPLACE INTO x VALUES (?) RETURNING i"} {
			if err := r.View(ctx, func(ctx context.Context, q Querier) error {
				var args []any
				if strings.Contains(query, "?") {
					args = append(args, 1)
				}
				rows, err := q.QueryContext(ctx, query, args...)
				if err == nil {
					return rows.Close()
				}
				return err
			}); !errors.Is(err, ErrReadOnly) {
				t.Errorf("%s: %s gives %v, want ErrReadOnly", name, query, err)
			}
		}
		// Reads go on, and so do writes of others on the same connection.
		if err := r.View(ctx, func(ctx context.Context, q Querier) error {
			_, err := asked(ctx, q)
			return err
		}); err != nil {
			t.Error(err)
		}
		must(t, r.Write(ctx), ctx, "REPLACE INTO x VALUES (?)", 5)
		if err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "REPLACE INTO x VALUES (6)")
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if got := servers[0].Text("SELECT COUNT(*) FROM app.x"); got != "2" {
		t.Errorf("%s rows, want 2", got)
	}
}

func TestDBTX(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	for name, check := range map[string]bool{"production": false, "development": true} {
		t.Run(name, func(t *testing.T) {
			r := begin(t, Config{Timeout: 5 * time.Second, CheckReads: check}, servers...)
			ready(t, r)
			ctx := t.Context()
			await(t, r, "the replica is read", reads(1))
			calls := r.DBTX()
			if _, err := calls.ExecContext(ctx, "CREATE OR REPLACE TABLE x (i INT PRIMARY KEY)"); err != nil {
				t.Fatal(err)
			}
			stmt, err := calls.PrepareContext(ctx, "INSERT INTO x VALUES (?)")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stmt.ExecContext(ctx, 1); err != nil {
				t.Error(err)
			}
			if err := stmt.Close(); err != nil {
				t.Error(err)
			}
			servers[1].CatchUp(servers[0])
			if id, err := asked(ctx, calls); err != nil || id != 2 {
				t.Errorf("Query is answered by %d (%v), want 2", id, err)
			}
			if id, err := asked(WithPrimary(ctx), calls); err != nil || id != 1 {
				t.Errorf("with WithPrimary Query is answered by %d (%v), want 1", id, err)
			}
			for _, q := range []Querier{calls, viewer2(r)} {
				var i int
				if err := q.QueryRowContext(ctx, "INSERT INTO x VALUES (2) RETURNING i").Scan(&i); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "WithPrimary") {
					t.Errorf("a write by Query gives %v, want ErrReadOnly and what to do", err)
				}
				if err := q.QueryRowContext(ctx, "SELECT i FROM x FOR UPDATE").Scan(&i); !errors.Is(err, ErrReadOnly) {
					t.Errorf("a locking read on a replica gives %v, want ErrReadOnly", err)
				}
				rows, err := q.QueryContext(ctx, "SELECT i FROM x LOCK IN SHARE MODE")
				if check != errors.Is(err, ErrReadOnly) || !check && err != nil {
					t.Errorf("a locking read on a replica gives %v", err)
				}
				if err == nil {
					if err := rows.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			for _, query := range []string{"INSERT INTO x VALUES (3) RETURNING i", "SELECT i FROM x WHERE i = 3 FOR UPDATE"} {
				var i int
				if err := calls.QueryRowContext(WithPrimary(ctx), query).Scan(&i); err != nil || i != 3 {
					t.Errorf("%s with WithPrimary gives %d, %v", query, i, err)
				}
			}
		})
	}
}

func viewer2(r *Router) Querier { return &viewer{router: r, db: r.nodes[1].read} }

// The same program runs on one file.
func TestSingleDoesTheSame(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r := Single(db)
	ctx := WithSession(t.Context(), NewSession())
	calls := r.DBTX()
	if _, err := calls.ExecContext(ctx, "CREATE TABLE x (i INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	tries := 0
	insert := func(tx *sql.Tx) error {
		tries++
		_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (7)")
		return err
	}
	if err := r.Update(ctx, nil, insert); err != nil || tries != 1 {
		t.Errorf("%d tries: %v", tries, err)
	}
	if err := r.Update(ctx, nil, insert); err == nil || tries != 2 {
		t.Errorf("the same row again: %d tries: %v", tries, err)
	}
	for _, ctx := range []context.Context{ctx, WithPrimary(ctx), WithMaxLag(ctx, time.Second)} {
		if err := r.View(ctx, func(ctx context.Context, q Querier) error {
			var i int
			if err := errors.Join(q.QueryRowContext(ctx, "SELECT i FROM x").Scan(&i), calls.QueryRowContext(ctx, "SELECT i FROM x").Scan(&i)); err != nil || i != 7 {
				t.Errorf("it reads %d, %v", i, err)
			}
			rows, err := q.QueryContext(ctx, "SELECT i FROM x")
			if err != nil {
				return err
			}
			return rows.Close()
		}); err != nil {
			t.Error(err)
		}
	}
	stmt, err := calls.PrepareContext(ctx, "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := stmt.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Resolve(ctx, strings.Repeat("0", 32)); !errors.Is(err, errNoMarkers) {
		t.Errorf("a marker gives %v", err)
	}
}

func TestCheckRead(t *testing.T) {
	r := &Router{config: Config{CheckReads: true}}
	for query, ok := range map[string]bool{
		"SELECT 1": true, " select 1;\n": true, "-- name: GetActivity :one\nSELECT 1": true, "/* SELECT */ DELETE FROM x": false,
		"(SELECT 1) UNION (SELECT 2)": true, "WITH a AS (SELECT 1) SELECT * FROM a": true, "SHOW TABLES": true,
		"INSERT INTO x VALUES (1) RETURNING i": false, "UPDATE x SET i = 1": false, "": false, ";": false, "-- SELECT": false, "/* SELECT": false,
		"SELECT 1 FOR UPDATE": false, "SELECT 1 for  update ;": false, "SELECT 1 FOR UPDATE NOWAIT": false, "SELECT 1 FOR UPDATE WAIT 5": false,
		"SELECT 1 FOR UPDATE SKIP LOCKED": false, "SELECT 1 LOCK IN SHARE MODE": false, "SELECT 'for update' AS x": true, "SELECT x_for update": true,
		"CALL x()": false, "SELECTED": false, "#x\nDO 1": false, "DESC x": true,
	} {
		if err := r.checkRead(query); (err == nil) != ok || (err != nil && !errors.Is(err, ErrReadOnly)) {
			t.Errorf("%q gives %v, want ok: %v", query, err, ok)
		}
	}
	r.config.CheckReads = false
	if err := r.checkRead("DELETE FROM x"); err != nil {
		t.Errorf("turned off it gives %v", err)
	}
}

func FuzzCheckRead(f *testing.F) {
	for _, seed := range []string{"SELECT 1", "-- a\n/* b */ (SELECT 1", "#", "/*", "SELECT 1 FOR UPDATE;", "\xff"} {
		f.Add(seed)
	}
	r := &Router{config: Config{CheckReads: true}}
	f.Fuzz(func(t *testing.T, text string) {
		err := r.checkRead(text)
		if err != nil && !errors.Is(err, ErrReadOnly) {
			t.Errorf("%q gives %v", text, err)
		}
		// A comment in front and an end change nothing.
		if again := r.checkRead("/* x */ -- y\n# z\n" + text + " ;\n"); (again == nil) != (err == nil) {
			t.Errorf("%q gives %v, with a comment and an end %v", text, err, again)
		}
		if err == nil {
			if e := r.checkRead(text + "\nFOR UPDATE"); e == nil {
				t.Errorf("%q with FOR UPDATE is a read", text)
			}
		}
	})
}

func TestViewAllocatesLittle(t *testing.T) {
	r, db := replicaOf(t)
	query := func(ctx context.Context, q Querier) error {
		var x string
		return q.QueryRowContext(ctx, "SELECT 0").Scan(&x)
	}
	allocations := func(f func() error) float64 {
		least := math.Inf(1) // what else goes on in the process only adds
		for range 5 {
			least = min(least, testing.AllocsPerRun(200, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		return least
	}
	same := []Querier{db} // as for a view, the compiler does not know which it is
	plain := allocations(func() error { return query(t.Context(), same[0]) })
	view := allocations(func() error { return r.View(t.Context(), query) })
	if view > plain+2 {
		t.Errorf("a view allocates %v times, a plain read %v times", view, plain)
	}
}

// replicaOf returns a router that has one replica, a fake that answers at once, and its pool.
func replicaOf(t testing.TB) (*Router, *sql.DB) {
	r, err := New(Config{Nodes: []Node{{Name: "a", DSN: dsn}, {Name: "b", DSN: dsn}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	r.nodes[1].readServer = &fakeServer{}
	v := &view{primary: r.nodes[0]}
	v.add(r.nodes[1])
	r.view.Store(v)
	return r, r.nodes[1].read
}

// What is left is the cost of choosing a server.
func BenchmarkView(b *testing.B) {
	r, db := replicaOf(b)
	ctx, same := b.Context(), []Querier{db}
	query := func(ctx context.Context, q Querier) error {
		var x string
		return q.QueryRowContext(ctx, "SELECT 0").Scan(&x)
	}
	for name, f := range map[string]func() error{
		"plain": func() error { return query(ctx, same[0]) },
		"view":  func() error { return r.View(ctx, query) },
		"dbtx":  func() error { return query(ctx, r.DBTX()) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
