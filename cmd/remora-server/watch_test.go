package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// clusterEnv names the servers of a cluster, and the account that may change their roles.
func clusterEnv(t *testing.T, servers []*replicatest.Server, names ...string) []string {
	t.Helper()
	var nodes []string
	for i, s := range servers {
		nodes = append(nodes, settingOf(t, s.DSN(), "name="+names[i]))
	}
	admin, err := mysql.ParseDSN(servers[0].AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	account := admin.User + ":" + admin.Passwd
	return []string{"REMORA_DATABASE_NODES=" + strings.Join(nodes, ","), "REMORA_DATABASE_PROMOTE=" + account, "REMORA_DATABASE_REPLICATION=" + account}
}

// pageAs returns a page for a client with the cookies of an earlier answer.
func (s *served) pageAs(cookies []*http.Cookie, path string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, body.String()
}

// TestWhatOneFrontEndTookTheOtherShows at once to whoever sent it, though the replica that both read
// is a second behind.
func TestWhatOneFrontEndTookTheOtherShows(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	// The library begins before the replica is late.
	env := append(clusterEnv(t, servers, "first", "second"), importTokenEnv,
		"REMORA_SITE_KEY=a key of forty characters only for tests", "REMORA_FILES_URL="+t.TempDir())
	mustRunIn(t, env, "import", "--data", t.TempDir(), writeBundle(t, t.TempDir(), "org.example.First", "1", ""))
	servers[1].CatchUp(servers[0])
	servers[1].Follow(servers[0], time.Second)
	var fronts [2]*served
	for i := range fronts {
		fronts[i] = startServer(t, env, "--data", t.TempDir())
		fronts[i].ready()
		fronts[i].waitFor("the front end reads the replica", fresh)
	}
	bundles := t.TempDir()
	late, soon := 0, 0
	for i := range 50 {
		writer, reader := fronts[i%2], fronts[1-i%2]
		id := fmt.Sprintf("org.example.Act%04d", i)
		path := writeBundle(t, bundles, id, "1", "")
		began := time.Now()
		x := writer.send(path, importToken)
		if x.status != http.StatusCreated {
			t.Fatalf("bundle %d got %d %s", i, x.status, x.body)
		}
		cookies := (&http.Response{Header: x.header}).Cookies()
		if len(cookies) != 1 || cookies[0].Name != session.CookieName {
			t.Fatalf("the answer to bundle %d has the cookies %v", i, cookies)
		}
		page := fmt.Sprintf("/en/activity/%d", x.ActivityID)
		if code, _ := reader.get(page); code == http.StatusNotFound {
			late++ // as nobody promised it to a stranger
		}
		if time.Since(began) < time.Second/2 {
			soon++
		}
		if code, body := reader.pageAs(cookies, page); code != http.StatusOK || !strings.Contains(body, id) {
			t.Errorf("%d: the other front end does not show what was taken: %d", i, code)
		}
	}
	if late == 0 && soon > 0 {
		t.Error("strangers saw everything at once, too; the replica is not late, and this shows nothing")
	}
	for _, s := range fronts {
		s.stop()
	}
}

// TestCommandsDoNotTrustALateReplica: what a command decides by is what the primary says.
func TestCommandsDoNotTrustALateReplica(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	env := clusterEnv(t, servers, "first", "second")
	data, bundles, to := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "new")
	const n = 60 // so that the command lives long enough to get to know the replica
	writeBundles(t, bundles, n)
	mustRunIn(t, env, "import", "--data", data, filepath.Join(bundles, "Act0000-1.xo"))
	servers[1].CatchUp(servers[0])
	// The replica is read, and applies nothing.
	db, err := sql.Open("mysql", servers[1].AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK"); err != nil {
		t.Fatal(err)
	}
	mustRunIn(t, env, "import", "--data", data, bundles)
	public := func(root string) []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(root, "public", "files", "*", "*.xo"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if names := public(filepath.Join(data, "files")); len(names) != n {
		t.Errorf("of %d bundles that were taken in, %d have a public name", n, len(names))
	}
	mustRunIn(t, env, "files", "move", "--to", to, "--data", data)
	if names := public(to); len(names) != n {
		t.Errorf("of %d bundles %d were moved", n, len(names))
	}
}

// report is what status and doctor write as JSON.
type report struct {
	Level   string
	Results []struct{ Name, Level, Summary, Next string }
}

func parseReport(t *testing.T, text string) (r report) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

// find returns what a report says under a name.
func (r report) find(name string) string {
	for _, one := range r.Results {
		if one.Name == name {
			return one.Level + ": " + one.Summary + " " + one.Next
		}
	}
	return ""
}

func TestStatusOfOneMachine(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := startServer(t, nil, "--data", data)
	s.ready()
	s.waitFor("there is a catalog", fresh)
	out := mustRun(t, "status", "--data", data)
	if !strings.Contains(out, "All is well") {
		t.Errorf("status says\n%s", out)
	}
	if r := parseReport(t, mustRun(t, "status", "--json", "--data", data)); r.Level != "ok" || len(r.Results) < 3 {
		t.Errorf("status --json says %+v", r)
	}
	s.stop()

	mustRun(t, "db", "write-mode", "frozen", "--data", data)
	out, _, code := runProgram(t, "status", "--data", data)
	if code != 1 || !strings.Contains(out, "remora-server db write-mode normal") {
		t.Errorf("while frozen, status ends with %d\n%s", code, out)
	}
	mustRun(t, "db", "write-mode", "normal", "--data", data)
	mustRun(t, "status", "--data", data)

	// Another machine that is away is named.
	out, _, code = runProgramIn(t, []string{"REMORA_MONITOR_TARGETS=sunjammer=http://127.0.0.1:1/internal/status"}, "status", "--data", data)
	if code != 1 && code != 4 || !strings.Contains(out, "sunjammer") {
		t.Errorf("with another machine away, status ends with %d\n%s", code, out)
	}
}

func TestStatusWithTheDatabaseGone(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	env := []string{"REMORA_DATABASE_URL=" + settingOf(t, server.DSN(server.Database(t)), "")}
	data := testdb.Disk(t)
	mustRunIn(t, env, "catalog", "list", "--data", data)
	mustRunIn(t, env, "status", "--data", data)
	server.Kill()
	out, errs, code := runProgramIn(t, env, "status", "--data", data)
	if code != 1 && code != 4 || !strings.Contains(out, "The database does not answer") || !strings.Contains(out, "→ ") {
		t.Errorf("status ends with %d\n%s%s", code, out, errs)
	}
	out, errs, code = runProgramIn(t, env, "status", "--json", "--data", data)
	r := parseReport(t, out)
	if code != 1 && code != 4 || r.Level == "ok" || r.Results[0].Next == "" {
		t.Errorf("status --json ends with %d\n%s%s", code, out, errs)
	}
	out, errs, code = runProgramIn(t, env, "doctor", "--data", data)
	if code != 1 && code != 4 || strings.Contains(out+errs, "panic") || strings.Contains(out+errs, server.Password()) {
		t.Errorf("doctor ends with %d\n%s%s", code, out, errs)
	}
}

// TestStatusNamesTheCommandThatHelps: a primary is lost, and what status prints is typed.
func TestStatusNamesTheCommandThatHelps(t *testing.T) {
	t.Parallel()
	servers := replicatest.Cluster(t, 2)
	env := clusterEnv(t, servers, "first", "second")
	data, bundles := testdb.Disk(t), t.TempDir()
	mustRunIn(t, env, "import", "--data", data, writeBundle(t, bundles, "org.example.Act0000", "1", ""))
	servers[1].CatchUp(servers[0])
	out := mustRunIn(t, env, "status", "--data", data)
	if !strings.Contains(out, "All is well") {
		t.Errorf("status says\n%s", out)
	}
	// doctor looks at both servers, and shows no password.
	admin, err := mysql.ParseDSN(servers[0].AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := runProgramIn(t, env, "doctor", "--json", "--data", data)
	if r := parseReport(t, out); code != 1 || !strings.Contains(out, "first") || !strings.Contains(out, "second") || strings.Contains(out+errs, admin.Passwd) {
		t.Errorf("doctor ends with %d, %+v %s", code, r, errs)
	}
	s := startServer(t, append(env, importTokenEnv), "--data", data)
	s.ready()
	s.waitFor("the server reads the database", fresh)

	servers[1].CatchUp(servers[0]) // nothing waits for replicas here
	servers[0].Kill()
	var command string
	eventually(t, "status prints the command", func() bool {
		out, _, code := runProgramIn(t, env, "status", "--data", data)
		command = regexp.MustCompile(`remora-server db promote \S+`).FindString(out)
		return code == 1 && command != ""
	})
	if command != "remora-server db promote second" {
		t.Errorf("status prints %q", command)
	}
	s.answersReads(firstActivity, "org.example.Act0000")
	one := writeBundle(t, bundles, "org.example.Later", "1", "")
	if got := s.send(one, importToken); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("without a primary a bundle got %d %v", got.status, got.header)
	}
	words := append(strings.Fields(command)[1:], "--data", data)
	var plan string
	plan, errs, code = runProgramIn(t, env, append(words, "--plan")...)
	if code != 0 || !strings.Contains(plan, "would do     second stops to replicate and takes writes") || !strings.Contains(plan, "may lose") {
		t.Errorf("--plan ends with %d\n%s%s", code, plan, errs)
	}
	out, errs, code = runProgramIn(t, env, words...)
	if code != 0 || !strings.Contains(out, "second takes writes") {
		t.Fatalf("db promote ends with %d\n%s%s", code, out, errs)
	}
	eventually(t, "the server takes bundles again", func() bool {
		got := s.send(one, importToken)
		return got.status == http.StatusCreated || got.status == http.StatusOK
	})

	// The old one comes back as a replica.
	servers[0].Restart()
	out = mustRunIn(t, env, "db", "rejoin", "first", "--data", data)
	eventually(t, "all is well", func() bool {
		said, _, code := runProgramIn(t, env, "status", "--data", data)
		return code == 0 && strings.Contains(said, "All is well")
	})
	servers[0].CatchUp(servers[1])
	if n := servers[0].Text("SELECT COUNT(*) FROM " + replicatest.Schema + ".versions"); n != "2" {
		t.Errorf("the old primary has %s versions after\n%s", n, out)
	}
	s.stop()
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	data := testdb.Disk(t)
	out := mustRun(t, "doctor", "--data", data)
	if !strings.Contains(out, "All is well") {
		t.Errorf("doctor says of a new folder\n%s", out)
	}
	if r := parseReport(t, mustRun(t, "doctor", "--json", "--data", data)); r.Level != "ok" {
		t.Errorf("doctor --json says %+v", r)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("doctor has left %v %v", left, err)
	}
	open := []string{"REMORA_HTTP_LISTEN=0.0.0.0:80"}
	out, _, code := runProgramIn(t, open, "doctor", "--json", "--data", data)
	if r := parseReport(t, out); code != 1 || !strings.HasPrefix(r.find("http.listen"), "warn") || !strings.Contains(r.find("http.listen"), "0.0.0.0:80") || r.Level == "ok" {
		t.Errorf("with a public address, doctor ends with %d\n%s", code, out)
	}
	if out, _, code := runProgramIn(t, open, "doctor", "--data", data); code != 1 || !strings.Contains(out, "Internet") {
		t.Errorf("with a public address, doctor ends with %d\n%s", code, out)
	}
	// A file with a secret that everybody can read.
	secret := writeFile(t, "token", importToken)
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	out, _, code = runProgramIn(t, []string{"REMORA_HTTP_IMPORT_TOKEN_FILE=" + secret}, "doctor", "--data", data)
	if code != 1 || !strings.Contains(out, secret) || strings.Contains(out, importToken) {
		t.Errorf("with a secret that all can read, doctor ends with %d\n%s", code, out)
	}
}

// TestTheTrackFileSpeaksFirst: whoever finds a closed door finds that the file says so already.
func TestTheTrackFileSpeaksFirst(t *testing.T) {
	t.Parallel()
	// The monitor asks the balancer at the port of the settings, so it must be known beforehand.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	track := filepath.Join(t.TempDir(), "track")
	s := startServer(t, []string{"REMORA_MONITOR_TRACK_FILE=" + track, "REMORA_HTTP_DRAIN=5s"}, "--listen", at, "--data", t.TempDir())
	s.ready()
	says := func() string {
		text, err := os.ReadFile(track)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(text))
	}
	eventually(t, "the file says that the balancer is well", func() bool { return says() == "0" })
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			if got := says(); got != "1" {
				t.Errorf("the door is closed (%v) and the file says %q", err, got)
			}
			break
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if time.Now().After(until) {
			t.Fatal("the door never closed")
		}
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server did not stop well: %v", err)
	}
	if got := says(); got != "1" {
		t.Errorf("after the end the file says %q", got)
	}
}

// TestSystemdIsTold how the process is, in the words of sd_notify(3).
func TestSystemdIsTold(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "n") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	next := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	s := startServer(t, []string{"NOTIFY_SOCKET=" + path}, "--data", t.TempDir())
	said := []string{next()}
	if code, body := s.get("/readyz"); code != http.StatusOK {
		t.Errorf("it said that it is ready, and /readyz says %d %s", code, body)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	said = append(said, strings.TrimSuffix(next(), "\n"), next())
	s.stop()
	said = append(said, next())
	said[1] = regexp.MustCompile(`(?m)^MONOTONIC_USEC=[1-9][0-9]*$`).ReplaceAllString(said[1], "MONOTONIC_USEC=n")
	want := []string{"READY=1", "RELOADING=1\nMONOTONIC_USEC=n", "READY=1", "STOPPING=1"}
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
