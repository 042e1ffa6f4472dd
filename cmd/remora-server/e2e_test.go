package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/sugarclient"
	"github.com/sugarlabs/beamrider/remora"
)

// TestSugarUpdatesItself lets the updater of a real Sugar find, download and install what the
// running program serves.
func TestSugarUpdatesItself(t *testing.T) {
	t.Parallel()
	laptop := sugarclient.New(t)
	old := sugarclient.Bundle{ID: "org.example.Hello", Name: "Hello", Version: "1.9"}
	laptop.Install(old)
	data, bundles := t.TempDir(), t.TempDir()
	for _, number := range []string{"1.9", "1.10"} {
		b := old
		b.Version = number
		packed, err := b.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bundles, "Hello-"+number+".xo"), packed, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, "import", "--data", data, bundles)
	s := startServer(t, nil, "--data", data)
	s.ready()
	report := laptop.Update(s.url)
	if got := laptop.Version(old); got != "1.10" || len(report.Failed) > 0 {
		t.Errorf("the laptop has version %s, want 1.10; its updater says %+v", got, report)
	}
	s.stop()
	// The download was counted and the count was written when the server stopped.
	counts, err := openStore(t, data).Downloads(t.Context())
	if err != nil || len(counts) != 1 {
		t.Errorf("downloads %v (%v), want one", counts, err)
	}
}

// setPicture gives the activity a picture while the server serves, which shows it on its page and under
// the address that the old site had for it.
func setPicture(t *testing.T, s *served, data string) {
	t.Helper()
	picture := filepath.Join(t.TempDir(), "stage.png")
	writePicture(t, picture, 40, 30)
	mustRun(t, "catalog", "set", "org.example.Dance", "--author", "Ana Pérez", "--screenshot", picture, "--data", data)
	var page string
	eventually(t, "the page shows the picture", func() bool {
		_, page = s.get("/en/activity/100001")
		return strings.Contains(page, "/preview/") && strings.Contains(page, "Ana Pérez")
	})
	_, rest, _ := strings.Cut(page, "/preview/")
	name, _, _ := strings.Cut(rest, `"`)
	code, preview := s.get("/preview/" + name)
	if code != 200 || !strings.HasPrefix(preview, "\x89PNG") {
		t.Errorf("/preview/%s answers %d %.40q", name, code, preview)
	}
	var shown struct{ Screenshots []struct{ ID int64 } }
	if err := json.Unmarshal([]byte(mustRun(t, "catalog", "show", "100001", "--json", "--data", data)), &shown); err != nil || len(shown.Screenshots) != 1 {
		t.Fatalf("%+v, %v", shown, err)
	}
	if code, old := s.get(fmt.Sprintf("/en-US/sugar/images/p/%d/1280000000", shown.Screenshots[0].ID)); code != 200 || old != preview {
		t.Errorf("the old address answers %d %.40q", code, old)
	}
}

// TestImportShowsAtOnce imports while the server serves.
func TestImportShowsAtOnce(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	s := startServer(t, nil, "--data", data)
	s.ready()
	if code, body := s.get("/en/"); code != 200 || !strings.Contains(body, "remora-server import") {
		t.Errorf("the first page of an empty library does not say what to do: %d\n%s", code, body)
	}
	writeBundle(t, bundles, "org.example.Dance", "3", "")
	mustRun(t, "import", "--data", data, bundles)
	began := time.Now()
	eventually(t, "the page shows what was imported", func() bool {
		code, body := s.get("/en/search?q=dance")
		return code == 200 && strings.Contains(body, "/en/activity/100001")
	})
	// A second was promised.
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the page showed the import after %v", took)
	}
	setPicture(t, s, data)
	mustRun(t, "catalog", "hide", "org.example.Dance", "--reason", "a test", "--data", data)
	eventually(t, "the page is gone", func() bool {
		code, _ := s.get("/en/activity/100001")
		return code == 404
	})
	if code, _ := s.get("/activities/100001/dance-3.xo"); code != 404 {
		t.Errorf("the bundle of a hidden activity answers %d", code)
	}
	s.stop()
}

func TestHostsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	s := startServer(t, []string{"REMORA_SITE_HOSTS=school.example"}, "--data", t.TempDir())
	s.ready()
	for host, want := range map[string]int{"school.example": 200, "SCHOOL.example:80": 200, "evil.example": 421, "127.0.0.1:1": 200, "localhost": 200, "[::1]:80": 200} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/en/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: status %d, want %d", host, resp.StatusCode, want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.9") // somebody behind a proxy on this machine
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("/metrics for somebody outside: status %d, want 403", resp.StatusCode)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/services/monitor.php"} {
		if code, body := s.get(path); code != 200 || body == "" {
			t.Errorf("%s: status %d\n%s", path, code, body)
		}
	}
	s.stop()
}

// TestReadyWithAThousandActivities promises a second and fails at five.
func TestReadyWithAThousandActivities(t *testing.T) {
	data := t.TempDir()
	fillCatalog(t, data, 1000)
	for _, kind := range []string{"from the database", "from the saved view"} {
		began := time.Now()
		s := startServer(t, nil, "--data", data)
		s.ready()
		took := time.Since(began)
		t.Logf("ready %s after %v", kind, took.Round(time.Millisecond))
		if took > 5*time.Second {
			t.Errorf("ready %s after %v; a second was promised", kind, took)
		}
		if code, body := s.get("/api/v1/activities.json"); code != 200 || strings.Count(body, "xo_url") != 1000 {
			t.Errorf("status %d and %d activities, want 1000", code, strings.Count(body, "xo_url"))
		}
		s.stop()
	}
}

// fillCatalog puts n activities into a new catalog, without bundles: only rows.
func fillCatalog(t testing.TB, data string, n int) {
	t.Helper()
	h := openHouseFor(t, data)
	by := remora.Actor{UserID: remora.SystemUser}
	for i := range n {
		s := &remora.Submission{
			BundleID: fmt.Sprintf("org.example.Act%05d", i), Name: remora.PlainText("en", fmt.Sprintf("Activity %d", i)), Summary: remora.PlainText("en", "One of many"),
			DefaultLocale: "en", Number: remora.MustNumber("1"), Interpreter: remora.InterpreterPython3, Range: remora.InferRange(remora.InterpreterPython3),
			Size: 1000, SHA256: sum256(fmt.Append(nil, i)), Report: []byte{0},
		}
		if err := h.store.Stage(t.Context(), s.SHA256, s.Size, "application/vnd.olpc-sugar"); err != nil {
			t.Fatal(err)
		}
		stored, err := h.store.Draft(t.Context(), by, s)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.store.Publish(t.Context(), by, stored.VersionID, remora.StatePublished, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func openHouseFor(t testing.TB, data string) *house {
	t.Helper()
	c, err := loadConfig("", noEnv, map[string]string{"data.dir": data})
	if err != nil {
		t.Fatal(err)
	}
	h, err := openReady(t.Context(), c, datalock.Shared, newLog(c, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// BenchmarkImport takes small bundles in: SQLite with synchronous=FULL, files synced, as always.
func BenchmarkImport(b *testing.B) {
	const n = 300
	bundles := b.TempDir()
	writeBundles(b, bundles, n)
	for b.Loop() {
		h := openHouseFor(b, b.TempDir())
		im, err := h.importer(false)
		if err != nil {
			b.Fatal(err)
		}
		report, err := im.Batch(b.Context(), remora.Actor{UserID: remora.SystemUser}, []string{bundles}, nil, nil)
		if err != nil || report.New != n {
			b.Fatalf("%+v %v", report, err)
		}
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "bundles/s")
}

// TestReadmeCommands runs the README's two commands as they stand there, in a fresh clone in an
// empty folder. Of the second, which runs this very test, it checks that the target is there.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("a clone is built from nothing")
	}
	git := require.Tool(t, "git")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README has no block of commands")
	}
	var commands []string
	for line := range strings.Lines(string(block[1])) {
		command, _, _ := strings.Cut(line, "#")
		if command = strings.TrimSpace(command); command != "" {
			commands = append(commands, command)
		}
	}
	if len(commands) != 2 || commands[1] != "make test" {
		t.Fatalf("the README's first block has the commands %q, want two, the second being make test", commands)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	for _, args := range [][]string{{"clone", "-q", "--no-hardlinks", "../..", dir}, {"-C", dir, "log", "-1", "--format=%h"}} {
		if out, err := exec.CommandContext(t.Context(), git, args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	if err := exec.CommandContext(t.Context(), "make", "-C", dir, "-n", "test").Run(); err != nil {
		t.Errorf("make test: %v", err)
	}

	// The port of the README may be taken here; the environment moves it without touching the words.
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", commands[0])
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REMORA_HTTP_LISTEN="+address)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // sh, go and the program it runs
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s := &served{t: t, url: "http://" + address}
	for found := false; !found; {
		select {
		case err := <-ended:
			t.Fatalf("%s ended: %v\n%s", commands[0], err, out.String())
		case <-ctx.Done():
			t.Fatal("the samples never showed")
		case <-time.After(100 * time.Millisecond):
			code, body := s.get("/en/search?q=boats")
			found = code == 200 && strings.Contains(body, "Paper Boats")
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := <-ended; err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
}
