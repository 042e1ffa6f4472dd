package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// asProgram makes the test binary be remora-server, so that tests drive, and kill, the true
// program without building it twice.
const asProgram = "BEAMRIDER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		main()
	}
	os.Exit(testdb.Main(m))
}

// program returns the program with arguments, ready to start.
func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// runProgram runs the program to its end and returns what it printed and its exit status.
func runProgram(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runProgramIn(t, nil, args...)
}

// runProgramIn is runProgram with more environment.
func runProgramIn(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := program(t, args...)
	cmd.Env = append(cmd.Env, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// mustRun is runProgram for what must succeed.
func mustRun(t testing.TB, args ...string) string {
	t.Helper()
	return mustRunIn(t, nil, args...)
}

// mustRunIn is mustRun with more environment.
func mustRunIn(t testing.TB, env []string, args ...string) string {
	t.Helper()
	out, errs, code := runProgramIn(t, env, args...)
	if code != 0 {
		t.Fatalf("remora-server %s: exit status %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// A served is a running server.
type served struct {
	out *bufio.Reader // what it says after the first address
	t   testing.TB
	cmd *exec.Cmd
	url string

	mu  sync.Mutex
	log bytes.Buffer
}

func (s *served) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *served) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// startServer starts "serve" on a free port and returns when it says its address.
func startServer(t testing.TB, env []string, args ...string) *served {
	t.Helper()
	s := &served{t: t}
	s.cmd = program(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stderr = s
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.logged())
		}
	})
	s.out = bufio.NewReader(out)
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v\n%s", err, s.logged())
	}
	s.url = strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(line, "Serving the library on ")), "/")
	return s
}

// kill ends the server at once; a second call does nothing.
func (s *served) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill() // it may have ended by itself
		_ = s.cmd.Wait()         // killed is not an error here
	}
}

// stop asks the server to stop and waits for it.
func (s *served) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("the server did not stop well: %v\n%s", err, s.logged())
	}
}

// get returns the status and body of a page, status 0 when there was no answer.
func (s *served) get(path string) (int, string) {
	return s.getAs("", path)
}

func (s *served) getAs(agent, path string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// eventually waits until a condition holds, and fails the test after a minute: far more than
// anything here may take.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

func (s *served) ready() {
	s.t.Helper()
	eventually(s.t, "the server is ready", func() bool {
		code, _ := s.get("/readyz")
		return code == http.StatusOK
	})
}

// writeBundle writes a small bundle and returns its path.
func writeBundle(t testing.TB, dir, bundleID, number string, exec string) string {
	t.Helper()
	return writeBundleWith(t, dir, bundleID, number, exec, nil)
}

// writeBundleWith is writeBundle with a file of noise, which does not get smaller when it is packed.
func writeBundleWith(t testing.TB, dir, bundleID, number string, exec string, noise []byte) string {
	t.Helper()
	if exec == "" {
		exec = "sugar-activity3 main.Main"
	}
	short := bundleID[strings.LastIndex(bundleID, ".")+1:]
	path := filepath.Join(dir, short+"-"+number+".xo")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"activity/activity.info": fmt.Sprintf("[Activity]\nname = %s\nbundle_id = %s\nactivity_version = %s\nexec = %s\nicon = activity-icon\nlicense = GPLv3+\nsummary = The %s activity\n", short, bundleID, number, exec, short),
		"activity/activity-icon.svg": `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
<!ENTITY stroke_color "#010101"><!ENTITY fill_color "#FFFFFF">]>
<svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"><circle cx="27" cy="27" r="20" fill="&fill_color;" stroke="&stroke_color;"/></svg>`,
		"main.py":  fmt.Sprintf("# %s %s\n", bundleID, number),
		"setup.py": "#!/usr/bin/env python3\nfrom sugar3.activity import bundlebuilder\nbundlebuilder.start()\n",
	} {
		w, err := z.Create(short + ".activity/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if noise != nil {
		w, err := z.CreateHeader(&zip.FileHeader{Name: short + ".activity/noise.bin", Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(noise); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeBundles writes n bundles of different activities.
func writeBundles(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		writeBundle(t, dir, fmt.Sprintf("org.example.Act%04d", i), "1", "")
	}
}

// writePicture writes a black PNG.
func writePicture(t testing.TB, path string, width, height int) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// openStore opens the catalog in a data folder, past the program.
func openStore(t testing.TB, data string) *sqlstore.Store {
	t.Helper()
	db, err := sqlstore.OpenSQLite(filepath.Join(data, "catalog.sqlite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func sum256(b []byte) remora.Digest { return sha256.Sum256(b) }
