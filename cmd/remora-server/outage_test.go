package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// answersReads checks that all that people and laptops read is there.
func (s *served) answersReads(activityID int64, bundleID string) {
	s.t.Helper()
	if code, body := s.get("/en/"); code != 200 || !strings.Contains(body, "Act0000") {
		s.t.Errorf("/en/: status %d, no Act0000 in\n%.300s", code, body)
	}
	s.answersFor(activityID, bundleID)
}

// answersFor is answersReads without the front page, which shows some activities only.
func (s *served) answersFor(activityID int64, bundleID string) {
	s.t.Helper()
	for path, want := range map[string]string{
		fmt.Sprintf("/en/activity/%d", activityID):                       bundleID,
		"/en/search?q=act0000":                                           "Act0000",
		"/services/update-aslo.php?id=" + bundleID + "&appVersion=0.120": "em:updateLink",
		"/api/v1/activities.json":                                        bundleID,
		fmt.Sprintf("/activities/%d/act0000-1.xo", activityID):           "PK\x03\x04",
	} {
		if code, body := s.get(path); code != 200 || !strings.Contains(body, want) {
			s.t.Errorf("%s: status %d, no %q in\n%.300s", path, code, want, body)
		}
	}
}

func (s *served) mark() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "HEAD", s.url+"/services/update-aslo.php?id=x", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	resp.Body.Close()
	return resp.Header.Get("Remora-Snapshot")
}

func (s *served) waitFor(what string, in func(mark string) bool) {
	s.t.Helper()
	eventually(s.t, what, func() bool { return in(s.mark()) })
}

func stale(mark string) bool { return strings.HasSuffix(mark, ", stale") }
func fresh(mark string) bool { return strings.HasPrefix(mark, "seq=") && !stale(mark) }

const firstActivity = 100001

func TestMariaDBGone(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	dsnURL := &url.URL{Scheme: "mysql", User: url.UserPassword(server.User(), server.Password()), Host: server.Addr(), Path: "/" + server.Database(t)}
	env := []string{"REMORA_DATABASE_URL=" + dsnURL.String()}
	data, bundles := t.TempDir(), t.TempDir()
	writeBundles(t, bundles, 3)
	importBundles := func() (string, int) {
		cmd := program(t, "import", "--data", data, bundles)
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	// The first one alone, so that it gets the first id.
	all := bundles
	bundles = filepath.Join(all, "Act0000-1.xo")
	for range 2 {
		if out, code := importBundles(); code != 0 {
			t.Fatalf("exit status %d\n%s", code, out)
		}
		bundles = all
	}
	s := startServer(t, env, "--data", data)
	s.ready()
	s.waitFor("the server reads the database", fresh)
	eventually(t, "the view is saved", func() bool {
		_, err := os.Stat(filepath.Join(data, "view.zst"))
		return err == nil
	})

	for _, fault := range []struct {
		name        string
		begin, heal func()
	}{
		{"killed", server.Kill, server.Start},
		{"frozen", server.Stop, server.Cont},
	} {
		fault.begin()
		s.waitFor("the server notices that the database is "+fault.name, stale)
		s.answersReads(firstActivity, "org.example.Act0000")
		if code, body := s.get("/readyz"); code != 200 {
			t.Errorf("%s: /readyz says %d %s: it can still serve", fault.name, code, body)
		}
		if out, code := importBundles(); code != 4 {
			t.Errorf("%s: a write ends with exit status %d, want 4 (unavailable)\n%s", fault.name, code, out)
		}
		// Another one starts meanwhile, from the saved view.
		other := startServer(t, env, "--data", data)
		other.ready()
		other.answersReads(firstActivity, "org.example.Act0000")
		other.waitFor("a server started while the database is "+fault.name+" says so", stale)
		fault.heal()
		s.waitFor("the server heals", fresh)
		other.waitFor("the other server heals", fresh)
		other.stop()
		if out, code := importBundles(); code != 0 {
			t.Errorf("after %s, exit status %d\n%s", fault.name, code, out)
		}
	}
	s.stop()
}

// TestHoldSQLite is no test: it is the other process that holds the database.
func TestHoldSQLite(t *testing.T) {
	path := os.Getenv("BEAMRIDER_TEST_HOLD")
	if path == "" {
		t.Skip("only run by TestSQLiteHeld")
	}
	db, err := sqlstore.OpenSQLite(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Write(t.Context()).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Exclusive locking mode keeps even readers out, unlike an exclusive transaction in WAL mode.
	for _, q := range []string{"PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE meta SET v=v", "COMMIT"} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the parent lets go
		t.Error(err)
	}
}

// holdSQLite lets another process take the database for itself and returns what ends that.
func holdSQLite(t *testing.T, data string) (release func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHoldSQLite$")
	cmd.Env = append(os.Environ(), "BEAMRIDER_TEST_HOLD="+filepath.Join(data, "catalog.sqlite"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said [5]byte
	if _, err := io.ReadFull(out, said[:]); err != nil || string(said[:]) != "held\n" {
		t.Fatalf("the database could not be held: %q %v", said, err)
	}
	return func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, out) // the rest is of no interest
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestSQLiteHeld(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	writeBundles(t, bundles, 3)
	mustRun(t, "import", "--data", data, filepath.Join(bundles, "Act0000-1.xo")) // gets the first id
	mustRun(t, "import", "--data", data, bundles)
	s := startServer(t, nil, "--data", data)
	s.ready()
	s.waitFor("the server reads the database", fresh)
	eventually(t, "the view is saved", func() bool {
		_, err := os.Stat(filepath.Join(data, "view.zst"))
		return err == nil
	})
	s.stop() // exclusive locking needs that nobody else has it open

	release := holdSQLite(t, data)
	other := startServer(t, nil, "--data", data)
	other.ready()
	other.answersReads(firstActivity, "org.example.Act0000")
	other.waitFor("a server started without the database says so", stale)
	if out, errs, code := runProgram(t, "import", "--data", data, bundles); code != 4 {
		t.Errorf("a write ends with exit status %d, want 4 (unavailable)\n%s%s", code, out, errs)
	}
	release()
	other.waitFor("the server heals", fresh)
	mustRun(t, "import", "--data", data, bundles)
	other.stop()
}

func TestAThousandUpdatersAtOneAddress(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	writeBundles(t, bundles, 10)
	mustRun(t, "import", "--data", data, bundles)
	s := startServer(t, nil, "--data", data)
	s.ready()
	s.waitFor("the server reads the database", fresh)
	const clients, checks = 1000, 10
	transport := &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrong := map[string]int{}
	for range clients {
		wg.Go(func() {
			for i := range checks {
				if what := checkUpdate(t.Context(), client, s.url, fmt.Sprintf("org.example.Act%04d", i)); what != "" {
					mu.Lock()
					wrong[what]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(wrong) > 0 {
		t.Errorf("of %d checks some went wrong: %v", clients*checks, wrong)
	}
	s.stop()
}

// checkUpdate asks as Sugar does and says what is wrong with the answer.
func checkUpdate(ctx context.Context, client *http.Client, base, id string) string {
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/services/update-aslo.php?id="+id+"&appVersion=0.120", nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("User-Agent", "Sugar/0.120")
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	if resp.StatusCode != 200 {
		return resp.Status
	}
	if err := xml.Unmarshal(body, new(struct{ XMLName xml.Name })); err != nil {
		return err.Error()
	}
	if !strings.Contains(string(body), "updateLink") {
		return "no offer"
	}
	return ""
}
