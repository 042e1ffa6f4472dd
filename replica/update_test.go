package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestUpdateAfterLosingARace(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	r := run(t, servers...)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY, v INT NOT NULL)")
	must(t, r.Write(ctx), ctx, "INSERT INTO x VALUES (1, 0), (2, 0)")
	add := func(tx *sql.Tx, i int) error {
		_, err := tx.ExecContext(ctx, "UPDATE x SET v = v + 1 WHERE i = ?", i)
		return err
	}
	value := func(i int) string { return servers[0].Text(fmt.Sprintf("SELECT v FROM app.x WHERE i = %d", i)) }

	t.Run("deadlock", func(t *testing.T) {
		// Both have one row before either asks for the other's: one of them is the victim.
		var has [2]chan struct{}
		for i := range has {
			has[i] = make(chan struct{})
		}
		tries := [2]int{}
		ended := make(chan error, 2)
		for i := range has {
			go func() {
				ended <- r.Update(ctx, nil, func(tx *sql.Tx) error {
					tries[i]++
					if err := add(tx, i+1); err != nil {
						return err
					}
					if tries[i] == 1 {
						close(has[i])
					}
					<-has[1-i]
					return add(tx, 2-i)
				})
			}()
		}
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
		if tries[0]+tries[1] < 3 || value(1) != "2" || value(2) != "2" {
			t.Errorf("%v tries; the rows are %s and %s, want 2 and 2", tries, value(1), value(2))
		}
	})
	t.Run("lock wait", func(t *testing.T) {
		other, err := r.Write(ctx).BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := add(other, 2); err != nil {
			t.Fatal(err)
		}
		tries := 0
		err = r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			if _, err := tx.ExecContext(ctx, "SET innodb_lock_wait_timeout = 1"); err != nil {
				return err
			}
			if err := add(tx, 1); err != nil { // which the time-out alone would not undo
				return err
			}
			err := add(tx, 2)
			if tries == 1 {
				if answerOf(err) != lockWaitTimeout {
					t.Errorf("it gives %v, want a time-out", err)
				}
				if err := other.Rollback(); err != nil {
					t.Error(err)
				}
			}
			return err
		})
		if err != nil || tries != 2 || value(1) != "3" || value(2) != "3" {
			t.Errorf("%d tries (%v); the rows are %s and %s, want 3 and 3", tries, err, value(1), value(2))
		}
	})
	t.Run("never won", func(t *testing.T) {
		for _, never := range []error{&mysql.MySQLError{Number: deadlock}, mysql.ErrInvalidConn, interruption{ErrNoPrimary}} {
			tries := 0
			err := r.Update(ctx, nil, func(tx *sql.Tx) error {
				tries++
				return fmt.Errorf("wrapped: %w", never)
			})
			if !errors.Is(err, never) || tries != maxTries {
				t.Errorf("%d tries give %v, want %d", tries, err, maxTries)
			}
		}
		// A server closes the connection on a statement that is too long for it.
		servers[0].Exec("SET GLOBAL max_allowed_packet = 1048576")
		r.Renew() // it is of the time when a connection is made
		tries := 0
		err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (LENGTH('"+strings.Repeat("x", 8<<20)+"'), 0)")
			return err
		})
		if err == nil || tries > maxTries || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("%d tries of a statement that is too long give %v", tries, err)
		}
	})
	t.Run("undone and not noticed", func(t *testing.T) {
		// Its server would take what follows as statements of their own.
		conn, tries := 0, 0
		err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			if err := tx.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&conn); err != nil {
				return err
			}
			if tries == 1 {
				if err := lose(t, r, tx); answerOf(err) != deadlock {
					t.Fatalf("it gives %v, want a deadlock", err)
				}
				if err := add(tx, 1); answerOf(err) != deadlock {
					t.Errorf("a statement after it gives %v, want the deadlock", err)
				}
				return nil
			}
			return add(tx, 1)
		})
		if err != nil || tries != 2 || value(1) != "4" {
			t.Errorf("%d tries (%v); the row is %s, want 4", tries, err, value(1))
		}
	})
	t.Run("own error", func(t *testing.T) {
		mine := errors.New("no")
		tries := 0
		if err := r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			return errors.Join(add(tx, 1), mine)
		}); !errors.Is(err, mine) || tries != 1 || value(1) != "4" {
			t.Errorf("%d tries give %v; the row is %s, want 4", tries, err, value(1))
		}
	})
	t.Run("panic", func(t *testing.T) {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is gone")
				}
			}()
			_ = r.Update(ctx, nil, func(tx *sql.Tx) error {
				if err := add(tx, 1); err != nil {
					t.Error(err)
				}
				panic("a mistake")
			})
		}()
		if n := r.Write(ctx).Stats().InUse; n != 0 || value(1) != "4" {
			t.Errorf("%d connections are in use; the row is %s, want 4", n, value(1))
		}
	})
	t.Run("read only", func(t *testing.T) {
		tries := 0
		err := r.Update(ctx, &sql.TxOptions{ReadOnly: true}, func(tx *sql.Tx) error {
			tries++
			return add(tx, 1)
		})
		if !errors.Is(err, ErrReadOnly) || tries != 1 {
			t.Errorf("%d tries give %v, want ErrReadOnly", tries, err)
		}
	})
}

// lose has the transaction be the victim of a deadlock: it has changed less than the other.
func lose(t *testing.T, r *Router, tx *sql.Tx) error {
	t.Helper()
	ctx := t.Context()
	other, err := r.Write(ctx).BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(tx *sql.Tx, query string) {
		t.Helper()
		if _, err := tx.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	exec(other, "INSERT INTO x VALUES (101, 0), (102, 0), (103, 0), (104, 0)")
	exec(other, "UPDATE x SET v = v + 1 WHERE i = 2")
	exec(tx, "UPDATE x SET v = v + 1 WHERE i = 1")
	waits := make(chan error, 1)
	go func() {
		_, err := other.ExecContext(ctx, "UPDATE x SET v = v + 1 WHERE i = 1")
		waits <- err
	}()
	_, err = tx.ExecContext(ctx, "UPDATE x SET v = v + 1 WHERE i = 2")
	if e := <-waits; e != nil && err == nil {
		t.Fatalf("the other is the victim: %v", e)
	}
	if e := other.Rollback(); e != nil {
		t.Fatal(e)
	}
	return err
}

// Transactions go on while the primary changes.
func TestUpdateDuringFailover(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := begin(t, Config{Timeout: 2 * time.Second}, servers...)
	ready(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])
	tries := 0
	update := func(i int, first func()) error {
		tries = 0
		return r.Update(ctx, nil, func(tx *sql.Tx) error {
			tries++
			if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (?)", i); err != nil {
				return err
			}
			if tries == 1 {
				first()
			}
			_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (?)", i+100)
			return err
		})
	}
	// It is promoted meanwhile; nothing was committed by the first try.
	promoted := make(chan struct{})
	err := update(1, func() {
		servers[0].Kill()
		go func() {
			defer close(promoted)
			servers[1].Promote()
		}()
	})
	<-promoted
	if err != nil || tries < 2 || !there(t, servers[1], 1) || !there(t, servers[1], 101) {
		t.Errorf("%d tries give %v", tries, err)
	}
	// It becomes read-only under way, for a moment.
	var refused error
	err = r.Update(ctx, nil, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (2)")
		if err == nil && refused == nil {
			servers[1].Exec("SET GLOBAL read_only = 1")
			_, refused = tx.ExecContext(ctx, "INSERT INTO x VALUES (102)")
			servers[1].Exec("SET GLOBAL read_only = 0")
			return refused
		}
		return err
	})
	if !errors.Is(refused, ErrNoPrimary) || err != nil || !there(t, servers[1], 2) || there(t, servers[1], 102) {
		t.Errorf("a server that becomes read-only under way gives %v, and in the end %v", refused, err)
	}
	// Nobody is left: it ends with its context.
	servers[1].Kill()
	limit, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	err = r.Update(limit, nil, func(*sql.Tx) error { return nil })
	if !errors.Is(err, ErrNoPrimary) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("without a primary it gives %v", err)
	}
}

func TestRefusedWritesAreNotDone(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	r := run(t, servers...)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	tx, err := r.Write(ctx).BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	servers[0].Exec("SET GLOBAL read_only = 1")
	// The server refuses the commit, and undoes the transaction.
	if err := tx.Commit(); !errors.Is(err, ErrNoPrimary) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a commit gives %v, want ErrNoPrimary", err)
	}
	if there(t, servers[0], 1) {
		t.Error("the row is there nevertheless")
	}
	if _, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (?)", 2); !errors.Is(err, ErrNoPrimary) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a statement gives %v, want ErrNoPrimary", err)
	}
	servers[0].Exec("SET GLOBAL read_only = 0")
	await(t, r, "there is a primary", primaryIs("a"))
	// The same number has other causes, which another server would not help.
	if _, err := r.Write(ctx).ExecContext(ctx, "SELECT 1 INTO OUTFILE '/nowhere/x'"); errors.Is(err, ErrNoPrimary) || answerOf(err) == 0 {
		t.Errorf("a refusal for another reason gives %v", err)
	}
}

func TestContextEndsACommit(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	r := run(t, servers...)
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries := 0
	err := r.Update(ctx, nil, func(tx *sql.Tx) error {
		tries++
		if _, err := tx.ExecContext(ctx, "INSERT INTO x VALUES (1)"); err != nil {
			return err
		}
		servers[0].Freeze()
		time.AfterFunc(200*time.Millisecond, cancel)
		return nil
	})
	if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("%d tries: a commit to a server that stands still gives %v", tries, err)
	}
	servers[0].Thaw()
	// A context that has ended before is another matter.
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := r.Write(ctx).ExecContext(ctx, "INSERT INTO x VALUES (2)"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a statement after the end of its context gives %v", err)
	}
}

// Who ends a write while it waits for a replica does not undo it: the outcome is not known, or the
// server says that it is done. It is never said that it was not.
func TestWritesKilledWhileTheyWait(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	r := run(t, servers...)
	ctx := t.Context()
	must(t, r.Write(ctx), ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	servers[1].CatchUp(servers[0])
	semiSync(t, servers)
	servers[1].Freeze()
	insert := func(i int) string { return fmt.Sprintf("INSERT INTO x VALUES (%d)", i) }
	i := 0
	for _, kill := range []string{"KILL QUERY", "KILL CONNECTION"} {
		for name, write := range map[string]func(i int) error{
			"statement": func(i int) error {
				_, err := r.Write(ctx).ExecContext(ctx, insert(i))
				return err
			},
			"query": func(i int) error {
				rows, err := r.Write(ctx).QueryContext(ctx, insert(i)+" RETURNING i")
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
				}
				return rows.Err()
			},
			"transaction": func(i int) error {
				return r.Update(ctx, nil, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, insert(i))
					return err
				})
			},
		} {
			i++
			done := make(chan error, 1)
			go func() { done <- write(i) }()
			id := ""
			holds(t, "the write waits", func() bool {
				id = servers[0].Text("SELECT COALESCE(MAX(ID), '') FROM information_schema.PROCESSLIST WHERE STATE LIKE '%semi-sync%' AND COMMAND = 'Query'")
				return id != ""
			})
			servers[0].Exec(kill + " " + id)
			err := <-done
			t.Logf("%s of a %s: %v; the row is there: %v", kill, name, err, there(t, servers[0], i))
			if err != nil && !errors.Is(err, ErrUnknownOutcome) {
				t.Errorf("%s of a %s: it gives %v", kill, name, err)
			}
		}
	}
	servers[1].Thaw()
}

// brokenRows end with an error, at the first row or at the end.
type brokenRows struct {
	serverRows
	next, close error
}

func (r *brokenRows) Next([]driver.Value) error { return r.next }
func (r *brokenRows) Close() error              { return r.close }

// The rows of a write are the last that is heard of it.
func TestRowsOfAWriteBreakOff(t *testing.T) {
	r := &Router{}
	r.view.Store(&view{})
	lost := mysql.ErrInvalidConn
	wrong := &mysql.MySQLError{Number: 1062}
	for name, c := range map[string]struct {
		query       string
		inTx, gone  bool // the connection is closed
		next, close error
		unknown     bool
		pinned      bool
	}{
		"at a row":         {"INSERT INTO x VALUES (1) RETURNING i", false, true, lost, lost, true, true},
		"at the end":       {"INSERT INTO x VALUES (1) RETURNING i", false, true, io.EOF, lost, true, true},
		"of a read":        {"SELECT 1", false, true, lost, lost, false, false},
		"of a transaction": {"INSERT INTO x VALUES (1) RETURNING i", true, true, lost, lost, false, false},
		"refused":          {"INSERT INTO x VALUES (1), (1) RETURNING i", false, false, wrong, nil, false, false},
		// The fake has no position to tell, so that the session has to read from the primary.
		"done": {"INSERT INTO x VALUES (1) RETURNING i", false, false, io.EOF, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSession()
			r.log = slog.New(slog.DiscardHandler)
			conn := &writeConn{serverConn: &fakeConn{server: &fakeServer{}, closed: c.gone}, router: r, node: &node{router: r}, inTx: c.inTx}
			rows := conn.changing(WithSession(t.Context(), s), c.query, &brokenRows{next: c.next, close: c.close})
			err := rows.Next(nil)
			if errors.Is(err, io.EOF) {
				err = rows.Close()
			} else if e := rows.Close(); e != nil && errors.Is(e, ErrUnknownOutcome) != c.unknown {
				t.Errorf("Close gives %v", e)
			}
			if errors.Is(err, ErrUnknownOutcome) != c.unknown {
				t.Errorf("it gives %v, want an unknown outcome: %v", err, c.unknown)
			}
			if got := s.pinned.Load(); got != c.pinned {
				t.Errorf("the session is pinned: %v, want %v", got, c.pinned)
			}
		})
	}
}

func TestMarkers(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	r := begin(t, Config{Timeout: 5 * time.Second, Marker: "app.marks"}, servers...)
	ready(t, r)
	ctx := t.Context()
	nothing := func(*sql.Tx) error { return nil }
	if err := r.Update(ctx, nil, nothing); err == nil || !strings.Contains(err.Error(), "marker") {
		t.Errorf("without the table it gives %v", err)
	}
	for range 2 {
		if err := r.CreateMarkerTable(ctx); err != nil {
			t.Fatal(err)
		}
	}
	count := func() string { return servers[0].Text("SELECT COUNT(*) FROM app.marks") }
	if err := r.Update(ctx, nil, nothing); err != nil || count() != "1" {
		t.Errorf("%v, %s marks", err, count())
	}
	if err := r.Update(ctx, &sql.TxOptions{ReadOnly: true}, nothing); err != nil || count() != "1" {
		t.Errorf("of a transaction that only reads: %v, %s marks", err, count())
	}
	marker := servers[0].Text("SELECT HEX(id) FROM app.marks")
	if made, err := markerTime(marker); err != nil || time.Since(made).Abs() > time.Hour {
		t.Errorf("the marker %s is of %s (%v)", marker, made, err)
	}
	if committed, err := r.Resolve(ctx, marker); err != nil || !committed {
		t.Errorf("the marker says %v, %v", committed, err)
	}
	// Old ones go, and what they said is not known any more.
	long := time.Now().Add(-2 * markerKept).UnixMilli()
	old := fmt.Sprintf("%012x%020x", long, 7)
	var rows []string
	for i := range 300 {
		rows = append(rows, fmt.Sprintf("(0x%012x%020x)", long, i))
	}
	servers[0].Exec("INSERT INTO app.marks VALUES " + strings.Join(rows, ", "))
	if got := count(); got != "301" {
		t.Fatalf("%s marks, want 301", got)
	}
	for range sweepEvery {
		if err := r.Update(ctx, nil, nothing); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := count(), fmt.Sprint(301+sweepEvery-sweepAtOnce); got != want {
		t.Errorf("%s marks after a sweep, want %s", got, want)
	}
	if err := r.sweep(ctx, time.Now().Add(-markerKept)); err != nil || count() != fmt.Sprint(1+sweepEvery) {
		t.Errorf("%v, %s marks after another", err, count())
	}
	for _, wrong := range []string{old, "", "7", marker[:30], marker + "00", "' OR 1=1 -- aaaaaaaaaaaaaaaaaaaa"} {
		if committed, err := r.Resolve(ctx, wrong); err == nil || committed {
			t.Errorf("the marker %q says %v, %v", wrong, committed, err)
		}
	}
	none := run(t, servers...)
	if _, err := none.Resolve(ctx, marker); !errors.Is(err, errNoMarkers) {
		t.Errorf("without a table it gives %v", err)
	}
}

func FuzzMarkerTime(f *testing.F) {
	for _, seed := range []string{"", "00", strings.Repeat("f", 32), strings.Repeat("0", 32), "g"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		made, err := markerTime(text)
		if (err == nil) != (len(text) == 32 && strings.Trim(strings.ToLower(text), "0123456789abcdef") == "") {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && made.UnixMilli() < 0 {
			t.Errorf("%q is of %s", text, made)
		}
	})
}
