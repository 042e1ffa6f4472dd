package nfsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// says reports whether some advice of that level has the text.
func (r *Report) says(l Level, text string) bool {
	for _, a := range r.Advice {
		if a.Level == l && strings.Contains(a.Text, text) {
			return true
		}
	}
	return false
}

func mustProbe(t *testing.T, url string) Report {
	t.Helper()
	r, err := Probe(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(r.Advice) - 1 {
		if r.Advice[i].Level < r.Advice[i+1].Level {
			t.Errorf("the advice is not in order: %+v", r.Advice)
		}
	}
	return r
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("in %s there is %v, %v", dir, entries, err)
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	r := mustProbe(t, dir)
	for _, trial := range r.Trials {
		if trial.Err != nil || trial.Took < 0 {
			t.Errorf("%s: %v", trial.What, trial.Err)
		}
	}
	if r.Where != dir || r.Kind != kindDirectory || r.Caps.Names != vol.NamesBySync || !r.Caps.Link || r.Space.Total == 0 || len(r.Trials) < 8 {
		t.Errorf("%+v", r)
	}
	if r.Mount == nil || !strings.HasPrefix(dir, r.Mount.Point) {
		t.Errorf("the mount is %+v", r.Mount)
	}
	empty(t, dir)

	for _, c := range []struct {
		url  string
		want error
		says string
	}{
		{filepath.Join(dir, "absent"), fs.ErrNotExist, "no such file"},
		{"mem:", fs.ErrInvalid, "in memory"},
		{"nfs://192.0.2.1/x", fs.ErrInvalid, "public"},
		{"nfs://127.0.0.1:1/x?mountport=1&timeout=1s", ErrUnavailable, "does not answer"},
	} {
		if r, err := Probe(t.Context(), c.url); !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, want %v and %q; %+v", c.url, err, c.want, c.says, r)
		}
	}
	empty(t, dir)
}

func TestProbeOfPoorPlaces(t *testing.T) {
	small := mountSmall(t, "size=64k,nr_inodes=4")
	r := mustProbe(t, small)
	if r.OK() || !r.says(LevelError, "in memory") {
		t.Errorf("of a file system in memory: %+v", r.Advice)
	}
	if err := os.WriteFile(filepath.Join(small, "a"), make([]byte, 62<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := mustProbe(t, small); !r.says(LevelWarn, "bytes are left") && !r.says(LevelError, "no bytes are left") {
		t.Errorf("of one that is nearly full: %+v, %+v", r.Space, r.Advice)
	}
	for _, name := range []string{"b", "c"} {
		if err := os.WriteFile(filepath.Join(small, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := mustProbe(t, small); !r.says(LevelError, "no files (inodes) are left") || !r.says(LevelError, "nothing can be stored") {
		t.Errorf("of one without inodes: %+v, %+v", r.Space, r.Advice)
	}
	readOnly := mountSmall(t, "ro,size=64k")
	if r := mustProbe(t, readOnly); !r.says(LevelError, "mounted read-only") || !r.says(LevelError, "nothing can be stored") {
		t.Errorf("of one that is read-only: %+v", r.Advice)
	}
}

func TestProbeOfExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	r := mustProbe(t, server.URL())
	if r.Kind != kindExport || r.Caps.Names != vol.NamesByFence || r.Mount != nil || !r.OK() || !r.says(LevelInfo, "names=server") {
		t.Errorf("%+v", r)
	}
	for _, trial := range r.Trials {
		if trial.Err != nil {
			t.Errorf("%s: %v", trial.What, trial.Err)
		}
	}
	empty(t, server.Dir())
}
