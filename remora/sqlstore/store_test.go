package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

func TestMistakesAllAtOnce(t *testing.T) {
	bad := &sqlstore.Options{Wait: -1, Readers: -1}
	for what, c := range map[string]struct {
		err  error
		says []string
	}{
		"New":         {second(sqlstore.New(nil, 7, bad)), []string{"conns", "engine 7", "Wait", "Readers"}},
		"OpenSQLite":  {second(sqlstore.OpenSQLite("", bad)), []string{"path", "Wait", "Readers"}},
		"OpenMariaDB": {second(sqlstore.OpenMariaDB("root:secret@nonsense", bad)), []string{"tcp(host:3306)", "Wait", "Readers"}},
		"no database": {second(sqlstore.OpenMariaDB("root:secret@tcp(127.0.0.1:1)/", nil)), []string{"names no database"}},
	} {
		if c.err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		for _, word := range c.says {
			if !strings.Contains(c.err.Error(), word) {
				t.Errorf("%s: the error does not speak of %q: %v", what, word, c.err)
			}
		}
		if strings.Contains(c.err.Error(), "secret") {
			t.Errorf("%s: the error holds the password: %v", what, c.err)
		}
	}
	if err := sqlstore.Migrate(t.Context(), nil, sqlstore.SQLite); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("Migrate of nothing: %v", err)
	}
	if _, err := sqlstore.Pending(t.Context(), nil, 9); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("Pending of nothing: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestFaults(t *testing.T) {
	my := func(n uint16) error { return fmt.Errorf("x: %w", &mysql.MySQLError{Number: n}) }
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for _, c := range []struct {
		name   string
		engine sqlstore.Engine
		err    error
		kind   remora.Kind
		code   string
	}{
		{"deadlock", sqlstore.MariaDB, my(1213), remora.KindUnavailable, ""},
		{"lock wait", sqlstore.MariaDB, my(1205), remora.KindUnavailable, ""},
		{"duplicate", sqlstore.MariaDB, my(1062), remora.KindConflict, ""},
		{"read-only", sqlstore.MariaDB, my(1290), remora.KindReadOnly, ""},
		{"no table", sqlstore.MariaDB, my(1146), remora.KindUnavailable, "schema.missing"},
		{"too long", sqlstore.MariaDB, my(1406), remora.KindTooLarge, ""},
		{"crashed table", sqlstore.MariaDB, my(1194), remora.KindCorrupt, ""},
		{"shutdown", sqlstore.MariaDB, my(1053), remora.KindUnavailable, ""},
		{"too many connections", sqlstore.MariaDB, my(1040), remora.KindUnavailable, ""},
		{"syntax", sqlstore.MariaDB, my(1064), remora.KindInternal, ""},
		{"broken connection", sqlstore.MariaDB, mysql.ErrInvalidConn, remora.KindUnavailable, ""},
		{"bad connection", sqlstore.MariaDB, driver.ErrBadConn, remora.KindUnavailable, ""},
		{"network", sqlstore.MariaDB, timeout, remora.KindUnavailable, ""},
		{"end of file", sqlstore.MariaDB, io.ErrUnexpectedEOF, remora.KindUnavailable, ""},
		{"packet", sqlstore.MariaDB, mysql.ErrPktTooLarge, remora.KindTooLarge, ""},
		{"deadline", sqlstore.SQLite, context.DeadlineExceeded, remora.KindUnavailable, ""},
		{"cancel", sqlstore.SQLite, context.Canceled, remora.KindUnavailable, ""},
		{"ended transaction", sqlstore.SQLite, sql.ErrTxDone, remora.KindUnavailable, ""},
		{"anything else", sqlstore.SQLite, errors.New("x"), remora.KindInternal, ""},
		{"ours", sqlstore.SQLite, remora.Errorf(remora.KindLimited, "a.b", "C."), remora.KindLimited, "a.b"},
	} {
		err := sqlstore.Fail(c.engine, c.err)
		e, ok := err.(*remora.Error)
		if !ok || e.Kind != c.kind || e.Code != c.code || e.Op != "sqlstore.Test" {
			t.Errorf("%s: %#v", c.name, err)
			continue
		}
		if e.Kind != remora.KindInternal && !strings.HasSuffix(e.Message, ".") {
			t.Errorf("%s: the message is %q", c.name, e.Message)
		}
	}
	// Whatever keeps a transaction from beginning, the database is not to be had.
	if err := sqlstore.FailBegin(sqlstore.MariaDB, errors.New("no primary")); remora.KindOf(err) != remora.KindUnavailable {
		t.Errorf("an error of beginning: %v", err)
	}
	if err := sqlstore.FailCommit(sqlstore.MariaDB, mysql.ErrInvalidConn); !errors.Is(err, &remora.Error{Kind: remora.KindUnavailable, Code: "outcome.unknown"}) {
		t.Errorf("an error of committing: %v", err)
	}
	if err := sqlstore.Fail(sqlstore.SQLite, nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// TestDatabaseGone checks that what is not there is a state of the calls, not an error of opening.
func TestDatabaseGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]*database{
		"no file":   openSQLite(t, filepath.Join(t.TempDir(), "nothing.sqlite"), nil),
		"no folder": openSQLite(t, filepath.Join(t.TempDir(), "no", "thing.sqlite"), nil),
		"no server": openMariaDB(t, "root@tcp("+addr+")/remora", nil),
	} {
		s, err := sqlstore.New(d, d.engine, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		_, load := s.Load(ctx, func(remora.Activity) error { return nil })
		_, since := s.Since(ctx, remora.Position{})
		_, pending := sqlstore.Pending(ctx, d, d.engine)
		for what, err := range map[string]error{"Load": load, "Since": since, "Pending": pending, "Audit": s.Audit(ctx, nil)} {
			if err == nil || remora.KindOf(err) != remora.KindUnavailable || remora.MessageOf(err) == "" {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if name == "no file" {
			continue // a write makes it
		}
		if err := sqlstore.Migrate(ctx, d, d.engine); err == nil || remora.KindOf(err) != remora.KindUnavailable {
			t.Errorf("%s: Migrate: %v", name, err)
		}
		if _, err := draft(ctx, s, bundle("org.laptop.Log", "1")); err == nil || remora.KindOf(err) != remora.KindUnavailable {
			t.Errorf("%s: Draft: %v", name, err)
		}
	}
}

func TestClosed(t *testing.T) {
	d := openSQLite(t, filepath.Join(t.TempDir(), "c.sqlite"), nil).migrated(t, nil)
	conns := d.Conns.(*sqlstore.SQLiteConns)
	for range 2 {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.store.Position(t.Context()); err == nil || remora.KindOf(err) != remora.KindUnavailable {
		t.Errorf("after Close: %v", err)
	}
}

// TestNoQueryPerActivity counts statements: their number must not grow with what is read.
func TestNoQueryPerActivity(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		var mu sync.Mutex
		n := 0
		count := func(f func()) int {
			n = 0
			d.store.Trace(func(string) { mu.Lock(); n++; mu.Unlock() })
			defer d.store.Trace(nil)
			f()
			return n
		}
		mustPublish(t, d.store, "org.laptop.First", "1")
		_, h := all(t, d.store)
		start := remora.Position{Epoch: h.Epoch}
		reads := map[string]func(){
			"Load": func() { all(t, d.store) },
			"Since": func() {
				if _, err := d.store.Since(t.Context(), start); err != nil {
					t.Error(err)
				}
			},
			"Activities": func() {
				if err := d.store.Activities(t.Context(), remora.ActivityQuery{}, func(remora.Activity) error { return nil }); err != nil {
					t.Error(err)
				}
			},
			"Kept": func() {
				if _, err := d.store.Kept(t.Context()); err != nil {
					t.Error(err)
				}
			},
		}
		few := map[string]int{}
		for what, read := range reads {
			few[what] = count(read)
		}
		for i := range 30 {
			mustPublish(t, d.store, fmt.Sprintf("org.laptop.A%d", i), "1")
		}
		for what, read := range reads {
			if many := count(read); many != few[what] || many == 0 {
				t.Errorf("%s of 31 activities takes %d queries, of one %d", what, many, few[what])
			}
		}
		if _, err := d.store.PutCollection(t.Context(), by, remora.Collection{Nickname: "one", Items: []remora.CollectionItem{{BundleID: "org.laptop.First"}}}); err != nil {
			t.Fatal(err)
		}
		base := count(reads["Load"])
		var items []remora.CollectionItem
		for i := range 30 {
			items = append(items, remora.CollectionItem{BundleID: fmt.Sprintf("org.laptop.A%d", i), Pin: remora.MustNumber("1")})
		}
		if q := count(func() {
			if _, err := d.store.PutCollection(t.Context(), by, remora.Collection{Nickname: "many", Items: items}); err != nil {
				t.Error(err)
			}
		}); q > 20 {
			t.Errorf("putting a collection of 30 takes %d statements", q)
		}
		if again := count(reads["Load"]); again != base {
			t.Errorf("Load with two collections takes %d queries, with one %d", again, base)
		}
	})
}

// TestManyPages loads more activities than one page holds, with gaps between their ids.
func TestManyPages(t *testing.T) {
	d := engines["sqlite"](t)
	if testing.Short() {
		t.Skip("many writes")
	}
	ctx := t.Context()
	_, start := all(t, d.store)
	const n = 1003
	for i := range n {
		sub := bundle(fmt.Sprintf("org.laptop.P%d", i), "1")
		if i%3 == 0 {
			sub.ActivityID = int64(500_000 - 7*i)
		}
		if _, err := publish(ctx, d.store, sub); err != nil {
			t.Fatal(err)
		}
	}
	versions, h := all(t, d.store)
	if len(versions) != n {
		t.Errorf("Load passes %d versions, want %d", len(versions), n)
	}
	delta, err := d.store.Since(ctx, start.Position)
	if err != nil || len(delta.Activities) != n || len(delta.Gone) != 0 || delta.Position != h.Position {
		t.Errorf("Since tells of %d activities, %d gone, at %v: %v", len(delta.Activities), len(delta.Gone), delta.Position, err)
	}
	for _, a := range delta.Activities {
		if v := a.Versions; len(v) != 1 || len(a.Name) != 2 || len(a.Tags) != 2 || len(v[0].Notes) != 1 || v[0].ID == 0 {
			t.Fatalf("activity %d came over incompletely: %+v", a.ID, a)
		}
	}
}

func TestReport(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		st := mustPublish(t, d.store, "org.laptop.Log", "1")
		got, err := d.store.Report(t.Context(), st.VersionID)
		if err != nil || string(got) != "report of 1" {
			t.Errorf("the report is %q, %v", got, err)
		}
		if _, err := d.store.Report(t.Context(), 5); !errors.Is(err, remora.ErrNotFound) {
			t.Errorf("the report of nothing: %v", err)
		}
	})
}

// TestReverseCommits holds back a writer that has taken its number while another one wants to commit.
// A feed that gives out numbers before the order of commits is settled would lose the first for a
// reader that has seen the second.
func TestReverseCommits(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		ctx := t.Context()
		st := mustPublish(t, d.store, "org.laptop.Log", "1")
		_, h := all(t, d.store)
		db := d.Write(ctx)
		first, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Rollback() // of no effect once committed
		if _, err := first.ExecContext(ctx, "UPDATE seq SET n = n + 1 WHERE id = 1"); err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := first.QueryRowContext(ctx, "SELECT n FROM seq WHERE id = 1").Scan(&n); err != nil {
			t.Fatal(err)
		}
		// The other one comes as far as it can: to its number on a server, to the lock of the file.
		reached := make(chan struct{})
		var once sync.Once
		d.store.Trace(func(q string) {
			if strings.HasPrefix(q, "UPDATE seq SET n = n + 1") {
				once.Do(func() { close(reached) })
			}
		})
		second := make(chan error, 1)
		go func() {
			second <- d.store.EditActivity(ctx, by, st.ActivityID, remora.ActivityEdit{FeaturedRank: new(5)})
		}()
		if d.engine == sqlstore.MariaDB {
			<-reached
		} else {
			tick := time.NewTicker(time.Millisecond)
			for db.Stats().WaitCount == 0 {
				<-tick.C
			}
			tick.Stop()
		}
		reader := h.Position
		seen := map[int64]bool{}
		poll := func() {
			t.Helper()
			delta, err := d.store.Since(ctx, reader)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range delta.Activities {
				seen[int64(a.FeaturedRank)] = true
			}
			reader = delta.Position
		}
		poll()
		if reader.Seq >= n {
			t.Errorf("a reader is told of number %d while %d is not committed", reader.Seq, n)
		}
		if _, err := first.ExecContext(ctx, "INSERT INTO changes (seq, part, at, kind, activity_id, version_id, actor_id) VALUES (?, 0, 1, 'activity.edit', ?, 0, 1)", n, st.ActivityID); err != nil {
			t.Fatal(err)
		}
		if err := first.Commit(); err != nil {
			t.Fatal(err)
		}
		poll()
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		poll()
		if !seen[5] || reader.Seq != n+1 {
			t.Errorf("the reader ends at %d of %d and has seen %v", reader.Seq, n+1, seen)
		}
		d.store.Trace(nil)
	})
}
