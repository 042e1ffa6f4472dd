package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore"
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
	out, end := begun(t, "files", "nfsd", "--export", "/srv/remora="+dir, "--client", "127.0.0.0/8,squash=none", "--listen", "127.0.0.1:0", "--state", filepath.Join(data, "state"), "--data", data)
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
