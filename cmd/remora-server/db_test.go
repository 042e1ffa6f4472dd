package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// settingOf returns the address of a database as settings name it, with further parameters.
func settingOf(t testing.TB, dsn, parameters string) string {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "mysql", User: url.UserPassword(c.User, c.Passwd), Host: c.Addr, Path: "/" + c.DBName, RawQuery: parameters}
	return u.String()
}

// openMariaStore opens the catalog in a MariaDB database, past the program.
func openMariaStore(t testing.TB, dsn string) *sqlstore.Store {
	t.Helper()
	conns, err := sqlstore.OpenMariaDB(dsn, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := sqlstore.New(conns, sqlstore.MariaDB, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func sumOf(t testing.TB, s *sqlstore.Store) string {
	t.Helper()
	digest, err := s.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// readOn reads a page again and again until the returned function is called, and fails the test when
// that goes wrong once, or never was tried.
func (s *served) readOn(path string) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	var reader sync.WaitGroup
	pages := 0
	reader.Go(func() {
		for ctx.Err() == nil {
			if code, body := s.get(path); code != http.StatusOK {
				s.t.Errorf("%s: a reader got %d: %.200s", path, code, body)
				return
			}
			pages++
		}
	})
	return func() {
		s.t.Helper()
		cancel()
		if reader.Wait(); pages == 0 {
			s.t.Errorf("nobody could read %s", path)
		}
	}
}

// TestALibraryMovesIntoMariaDB while a server of the old database serves, and while bundles are sent
// to it: each is taken, and then it is in the new database, or refused so that it is sent again.
func TestALibraryMovesIntoMariaDB(t *testing.T) {
	t.Parallel()
	dsn, _ := testdb.MariaDB(t)
	to := settingOf(t, dsn, "")
	data, bundles := t.TempDir(), t.TempDir()
	mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Act0000", "1", ""))
	old := startServer(t, []string{importTokenEnv}, "--data", data)
	old.ready()
	stopReading := old.readOn("/en/search?q=act0000")

	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	var taken []imported
	sender.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			got := old.send(writeBundle(t, bundles, fmt.Sprintf("org.example.Act%04d", i), "1", ""), importToken)
			switch {
			case got.status == http.StatusCreated:
				taken = append(taken, got)
			case got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "":
				t.Errorf("during the move a bundle got %d %v", got.status, got.header)
				return
			default:
				pause(ctx)
			}
		}
	})
	out := mustRunIn(t, []string{"REMORA_COPY_TO=" + to}, "db", "copy", "--data", data)
	cancel()
	sender.Wait()
	stopReading()
	if !strings.Contains(out, "compared") || !strings.Contains(out, "database.url") || strings.Contains(out, "only for tests") {
		t.Errorf("db copy says\n%s", out)
	}

	// The old catalog says where the library went, to senders and to commands, and shows what it has.
	one := writeBundle(t, bundles, "org.example.Later", "1", "")
	if got := old.send(one, importToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "moved to the MariaDB server on 127.0.0.1") {
		t.Errorf("after the move a bundle got %d %v %s", got.status, got.header, got.body)
	}
	if _, errs, code := runProgram(t, "import", "--data", data, one); code != 4 || !strings.Contains(errs, "moved to the MariaDB server on 127.0.0.1") {
		t.Errorf("import after the move: exit status %d, %s", code, errs)
	}
	if out, _, code := runProgram(t, "status", "--data", data); code != 1 || !strings.Contains(out, "database.url") {
		t.Errorf("status after the move: exit status %d\n%s", code, out)
	}
	old.answersFor(firstActivity, "org.example.Act0000")
	old.stop()

	// A server of the new database shows the same, and goes on.
	now := []string{importTokenEnv, "REMORA_DATABASE_URL=" + to}
	before, after := mustRun(t, "catalog", "export-index", "--data", data), mustRunIn(t, now, "catalog", "export-index", "--data", data)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("the catalogs differ (-old +new)\n%s", d)
	}
	s := startServer(t, now, "--data", data)
	s.ready()
	s.waitFor("the server reads the new database", fresh)
	s.answersFor(firstActivity, "org.example.Act0000")
	s.offersAll(taken)
	if got := s.send(one, importToken); got.status != http.StatusCreated {
		t.Errorf("the new database takes no bundles: %d %s", got.status, got.body)
	}
	s.stop()

	// One command goes on with the old one after all.
	mustRun(t, "db", "write-mode", "normal", "--data", data)
	mustRun(t, "import", "--data", data, one)
}

// TestAMoveThatIsKilledIsFinished by doing it again, or undone.
func TestAMoveThatIsKilledIsFinished(t *testing.T) {
	t.Parallel()
	dsn, _ := testdb.MariaDB(t)
	copyTo := "REMORA_COPY_TO=" + settingOf(t, dsn, "")
	data, bundles := t.TempDir(), t.TempDir()
	writeBundles(t, bundles, 3)
	mustRun(t, "import", "--data", data, bundles)
	old, to := openStore(t, data), openMariaStore(t, dsn)
	if err := sqlstore.CheckCopy(t.Context(), old, to); err != nil { // makes the tables
		t.Fatal(err)
	}
	conns, err := sqlstore.OpenMariaDB(dsn, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	}()
	stopper, err := conns.Write(t.Context()).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock := func(query string) {
		t.Helper()
		if _, err := stopper.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	// killHalfWay kills a copy that can get no further than the versions.
	killHalfWay := func() {
		t.Helper()
		lock("LOCK TABLES versions READ")
		cmd := program(t, "db", "copy", "--data", data)
		cmd.Env = append(cmd.Env, copyTo)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the copy is under way", func() bool {
			mode, err := to.WriteMode(t.Context())
			return err == nil && mode == sqlstore.WriteCopying
		})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the copy was done before it was killed")
		}
		lock("UNLOCK TABLES")
	}
	killHalfWay()
	one := writeBundle(t, t.TempDir(), "org.example.Later", "1", "")
	if _, errs, code := runProgram(t, "import", "--data", data, one); code != 4 || !strings.Contains(errs, "switched off") {
		t.Errorf("half way, an import ends with exit status %d: %s", code, errs)
	}
	if _, errs, code := runProgramIn(t, []string{"REMORA_DATABASE_URL=" + settingOf(t, dsn, "")}, "catalog", "list", "--data", data); code != 4 || !strings.Contains(errs, "half a copy") {
		t.Errorf("half a copy is shown, with exit status %d: %s", code, errs)
	}
	// status says it, with the way back, which is the command it names.
	out, _, code := runProgram(t, "status", "--data", data)
	if code != 1 || !strings.Contains(out, "remora-server db write-mode normal") {
		t.Errorf("status: exit status %d\n%s", code, out)
	}
	mustRun(t, "db", "write-mode", "normal", "--data", data)
	mustRun(t, "import", "--data", data, one)

	killHalfWay()
	var report struct {
		Rows   int64
		Digest string
	}
	if err := json.Unmarshal([]byte(mustRunIn(t, []string{copyTo}, "db", "copy", "--json", "--data", data)), &report); err != nil {
		t.Fatal(err)
	}
	if report.Rows == 0 || len(report.Digest) != 64 {
		t.Errorf("the copy reports %+v", report)
	}
	// To say where it went is the last line of the old one, to open it that of the new one; the rest
	// was compared, and what is offered is the same.
	before, after := mustRun(t, "catalog", "export-index", "--data", data), mustRunIn(t, []string{"REMORA_DATABASE_URL=" + settingOf(t, dsn, "")}, "catalog", "export-index", "--data", data)
	if d := cmp.Diff(before, after); d != "" || strings.Count(after, "\n") != 1+2*4 {
		t.Errorf("the catalogs differ, or do not have 4 activities (-old +new)\n%s\n%s", d, after)
	}
	// Again, it is done already.
	mustRunIn(t, []string{copyTo}, "db", "copy", "--data", data)
}

// TestMariaDBIsBackedUp and restored into either kind of database: the digest says that all is there.
func TestMariaDBIsBackedUp(t *testing.T) {
	t.Parallel()
	dsn, server := testdb.MariaDB(t)
	other := server.DSN(server.Database(t))
	env := []string{"REMORA_DATABASE_URL=" + settingOf(t, dsn, "")}
	data, bundles, backup := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "backup")
	writeBundles(t, bundles, 3)
	mustRunIn(t, env, "import", "--data", data, filepath.Join(bundles, "Act0000-1.xo")) // gets the first id
	mustRunIn(t, env, "import", "--data", data, bundles)
	if out := mustRunIn(t, env, "backup", backup, "--data", data); !strings.Contains(out, "backed up") {
		t.Errorf("backup says %s", out)
	}
	want := sumOf(t, openMariaStore(t, dsn))

	embedded := filepath.Join(t.TempDir(), "embedded")
	if out := mustRun(t, "restore", backup, "--verify", "--data", embedded); !strings.Contains(out, "restored and verified") {
		t.Errorf("restore says %s", out)
	}
	if got := sumOf(t, openStore(t, embedded)); got != want {
		t.Errorf("SQLite holds something else: %s, want %s", got, want)
	}
	into := []string{"REMORA_DATABASE_URL=" + settingOf(t, other, "")}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if out := mustRunIn(t, into, "restore", backup, "--verify", "--data", elsewhere); !strings.Contains(out, "restored and verified") {
		t.Errorf("restore says %s", out)
	}
	if got := sumOf(t, openMariaStore(t, other)); got != want {
		t.Errorf("the other MariaDB database holds something else: %s, want %s", got, want)
	}
	for _, s := range []*served{startServer(t, nil, "--data", embedded), startServer(t, into, "--data", elsewhere)} {
		s.ready()
		s.waitFor("the server reads its database", fresh)
		s.answersReads(firstActivity, "org.example.Act0000")
		s.stop()
	}
	// What has gone on since is not overwritten.
	mustRunIn(t, env, "import", "--data", data, writeBundle(t, bundles, "org.example.Later", "1", ""))
	want = sumOf(t, openMariaStore(t, dsn))
	if out, errs, code := runProgramIn(t, env, "restore", backup, "--data", filepath.Join(t.TempDir(), "third")); code != 3 {
		t.Errorf("a restore over what has gone on ends with exit status %d\n%s%s", code, out, errs)
	}
	if got := sumOf(t, openMariaStore(t, dsn)); got != want {
		t.Errorf("it changed the database: %s, want %s", got, want)
	}
}
