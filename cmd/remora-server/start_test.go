package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/remora"
)

// TestWhatKeepsTheServerFromStarting: each obstacle is one sentence and the exit status of its kind,
// and what was opened until then is let go.
func TestWhatKeepsTheServerFromStarting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		code int
		says string
	}{
		{"the port is taken", []string{"--listen", taken.Addr().String()}, nil, 4, "Cannot listen on " + taken.Addr().String()},
		{"the address is not ours", []string{"--listen", "192.0.2.1:1"}, nil, 4, "Cannot listen on 192.0.2.1:1"},
		{"the data folder is a file", []string{"--data", file}, nil, 4, "The data folder cannot be made"},
		{"the files folder is a file", nil, map[string]string{"REMORA_FILES_URL": file}, 4, "The files folder " + file + " cannot be used"},
		{"the database has no name", nil, map[string]string{"REMORA_DATABASE_URL": "mysql://u:hunter2@127.0.0.1"}, 2, "names no database"},
		{"the database cannot be read", nil, map[string]string{"REMORA_DATABASE_URL": "mysql://u:hunter2@host:33o6/db"}, 2, "cannot be read"},
		{"the site has mistakes", nil, map[string]string{"REMORA_SITE_URL": "ftp://example.org"}, 2, "must be http:// or https://"},
		{"the texts are not there", nil, map[string]string{"REMORA_SITE_PAGES": file + "s"}, 2, "The texts of site.pages = "},
		{"the contact is none", nil, map[string]string{"REMORA_SITE_CONTACT": "a@b@c"}, 2, "it is not an e-mail address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := t.TempDir()
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, c.args...)
			var out, errs strings.Builder
			code := run(t.Context(), args, func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }, nil, &out, &errs)
			if code != c.code || !strings.Contains(errs.String(), c.says) || strings.Contains(errs.String(), "hunter2") {
				t.Errorf("exit status %d, want %d with %q:\n%s", code, c.code, c.says, errs.String())
			}
			lock, err := datalock.Dir(data, datalock.Alone)
			if err != nil {
				t.Fatalf("the data folder is still held: %v", err)
			}
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestALockedFolderIsSaid: while a restore holds the folder, nothing else opens it.
func TestALockedFolderIsSaid(t *testing.T) {
	data := t.TempDir()
	lock, err := datalock.Dir(data, datalock.Alone)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"import", t.TempDir()}} {
		var out, errs strings.Builder
		code := run(t.Context(), append(args, "--data", data), noEnv, nil, &out, &errs)
		if code != remora.KindUnavailable.Info().ExitCode || !strings.Contains(errs.String(), "wait until it is done") {
			t.Errorf("%v: exit status %d\n%s", args, code, errs.String())
		}
	}
}

// TestCommandsShowDownloads: counts are kept beside the activities, and list and show join them.
func TestCommandsShowDownloads(t *testing.T) {
	t.Parallel()
	data, bundles := t.TempDir(), t.TempDir()
	writeBundle(t, bundles, "org.example.Dance", "3", "")
	mustRun(t, "import", "--data", data, bundles)
	s := startServer(t, nil, "--data", data)
	// Until the catalog is read the answer is 503, which is not counted.
	deadline := time.Now().Add(30 * time.Second)
	for {
		res, err := http.Get(s.url + "/downloads/latest/100001")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if cerr := res.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if res.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bundle is not served: %s", res.Status)
		}
	}
	s.stop() // which stores what was counted
	if out := mustRun(t, "catalog", "show", "100001", "--data", data); !strings.Contains(out, " 1 downloads") {
		t.Errorf("show says\n%s", out)
	}
	if out := mustRun(t, "catalog", "list", "--json", "--data", data); !strings.Contains(out, `"downloads":1`) {
		t.Errorf("list says\n%s", out)
	}
}
