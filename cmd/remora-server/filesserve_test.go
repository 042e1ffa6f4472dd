package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/filescmd"
	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// begun starts a command that goes on until it is told to stop, and returns what ends it: that tells
// what it said and how it ended.
func begun(t *testing.T, args ...string) (out *bufio.Reader, end func() (said, errs string, code int)) {
	t.Helper()
	cmd := program(t, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			_ = cmd.Wait()         // killed is not an error here
		}
	})
	out = bufio.NewReader(pipe)
	return out, func() (string, string, int) {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its status is what is returned
		return string(rest), errs.String(), cmd.ProcessState.ExitCode()
	}
}

// TestFilesAreServedByNFS: what the command prints as files.url is where files can be kept.
func TestFilesAreServedByNFS(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), t.TempDir()
	out, end := begun(t, "files", "nfsd", "--export", "/srv/remora="+dir, "--client", "127.0.0.0/8,squash=none", "--hidden-later", "--listen", "127.0.0.1:0", "--state", filepath.Join(data, "state"), "--data", data)
	var url string
	for url == "" {
		line, err := out.ReadString('\n')
		if err != nil {
			_, errs, _ := end()
			t.Fatalf("it says no address: %v\n%s", err, errs)
		}
		if rest, ok := strings.CutPrefix(line, `files.url = "`); ok {
			url = strings.TrimSuffix(strings.TrimSpace(rest), `"`)
		}
	}
	store, err := nfsstore.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = "by NFS"
	sum := sha256.Sum256([]byte(text))
	if err := store.Put(t.Context(), "a/b", strings.NewReader(text), int64(len(text)), sum[:]); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a", "b")); err != nil || string(got) != text {
		t.Errorf("the folder has %q, %v", got, err)
	}
	said, errs, code := end()
	if code != 0 || !strings.Contains(said, "mount -t nfs -o vers=3") {
		t.Errorf("told to stop it ends with %d\n%s%s", code, said, errs)
	}
}

// TestWhatIsServedByNFSToEverybody is refused.
func TestWhatIsServedByNFSToEverybody(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), t.TempDir()
	for _, args := range [][]string{
		{"--client", "10.0.0.0/24", "--listen", "0.0.0.0:0"},
		{"--client", "0.0.0.0/0", "--listen", "127.0.0.1:0"},
		{"--client", "203.0.113.0/24", "--listen", "127.0.0.1:0"},
		{"--listen", "127.0.0.1:0"},
	} {
		out, errs, code := runProgram(t, append([]string{"files", "nfsd", "--export", "/srv/remora=" + dir, "--data", data}, args...)...)
		if code != exitUsage || out != "" {
			t.Errorf("%v: exit status %d\n%s%s", args, code, out, errs)
		}
	}
}

// TestAMirrorGoesOn until it is told to stop: it gets what is new, and loses what is withdrawn.
func TestAMirrorGoesOn(t *testing.T) {
	t.Parallel()
	data, bundles, to := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "mirror")
	mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Dance", "1", ""))
	_, end := begun(t, "files", "mirror", "--to", to, "--json", "--data", data)
	one, two := filepath.Join(to, "public/files/100001/dance-1.xo"), filepath.Join(to, "public/files/100002/chess-1.xo")
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	eventually(t, "what was there is mirrored", func() bool { return there(one) })
	mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Chess", "1", ""))
	eventually(t, "what is new is mirrored", func() bool { return there(two) })
	mustRun(t, "catalog", "hide", "100001", "--reason", "a test", "--data", data)
	eventually(t, "what was withdrawn is not", func() bool { return !there(one) })
	said, errs, code := end()
	if code != 0 || !strings.Contains(said, `"failed": 0`) || !there(two) {
		t.Errorf("told to stop it ends with %d\n%s%s", code, said, errs)
	}
}

// TestDamageIsRepairedOverHTTP from what another machine has, one that is named or one of files.mirrors.
func TestDamageIsRepairedOverHTTP(t *testing.T) {
	t.Parallel()
	data, main, copied := t.TempDir(), filepath.Join(t.TempDir(), "main"), filepath.Join(t.TempDir(), "copy")
	url := "REMORA_FILES_URL=" + main
	mustRunIn(t, []string{url}, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Dance", "1", ""))
	s := startServer(t, []string{url, "REMORA_FILES_COPY=" + copied}, "--data", data)
	s.ready()
	name := "public/files/100001/dance-1.xo"
	eventually(t, "it is in the copy", func() bool { _, err := os.Stat(filepath.Join(copied, name)); return err == nil })
	mirror := s.url + "/internal/files/"
	for from, c := range map[string]struct{ env, args []string }{
		mirror:     {nil, []string{"--from", mirror}},
		"a mirror": {[]string{"REMORA_FILES_MIRRORS=second=" + mirror}, nil},
	} {
		flipByte(t, filepath.Join(main, name))
		args := append([]string{"files", "check", "--repair", "--data", data}, c.args...)
		out, errs, code := runProgramIn(t, append(c.env, url), args...)
		if code != 0 || !strings.Contains(out, "repaired from "+from) || !strings.Contains(out, "all of them repaired") {
			t.Errorf("from %s: exit status %d\n%s%s", from, code, out, errs)
		}
	}
	s.stop()
}

// TestFilesAreCheckedOverNFS: damage at the server is found, one that does not answer is no damage.
func TestFilesAreCheckedOverNFS(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	server := testnfs.Ganesha(t, nil)
	mustRun(t, "import", "--data", data, writeBundle(t, bundles, "org.example.Dance", "1", ""))
	mustRun(t, "files", "move", "--to", server.URL(), "--data", data)
	if out := mustRun(t, "files", "check", "--data", data); !strings.Contains(out, "all are whole") {
		t.Errorf("after a move: %s", out)
	}
	path := filepath.Join(server.Dir(), "public/files/100001/dance-1.xo")
	bundle, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bundle[len(bundle)/2] ^= 1
	if err := os.WriteFile(path, bundle, 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := runProgram(t, "files", "check", "--json", "--data", data)
	if code != 1 || !strings.Contains(out, `"damaged": 2,`) {
		t.Errorf("a bit has turned: exit status %d\n%s%s", code, out, errs)
	}
	out, errs, code = runProgram(t, "files", "check", "--repair", "--from", filepath.Join(data, "files"), "--data", data)
	if code != 0 || !strings.Contains(out, "all of them repaired") {
		t.Errorf("repairing from the old place: exit status %d\n%s%s", code, out, errs)
	}
	server.Kill()
	out, errs, code = runProgram(t, "files", "check", "--data", data)
	if code != 4 || strings.Contains(out, "missing  ") || strings.Contains(out, "all are whole") {
		t.Errorf("without the server: exit status %d\n%s%s", code, out, errs)
	}
	out, errs, code = runProgram(t, "files", "mirror", "--once", "--wait", "1s", "--to", t.TempDir(), "--data", data)
	if code != 4 || !strings.Contains(errs, "do not answer") {
		t.Errorf("a mirror without the server: exit status %d\n%s%s", code, out, errs)
	}
}

// TestTwoDoNotSweepAtOnce: the later one says so.
func TestTwoDoNotSweepAtOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mustRun(t, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Dance", "1", ""))
	err := openStore(t, data).RunLeased(t.Context(), filescmd.SweepLease, "a test", time.Minute, func(context.Context, sqlstore.Lease) error {
		if out, errs, code := runProgram(t, "files", "sweep", "--data", data); code != 4 || !strings.Contains(errs, "sweeps just now") {
			t.Errorf("exit status %d\n%s%s", code, out, errs)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	mustRun(t, "files", "sweep", "--data", data)
}
