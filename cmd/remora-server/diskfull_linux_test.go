package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		require.Skip(t, "only root can mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		require.Skip(t, "a small file system cannot be mounted here: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	data, bundles := filepath.Join(dir, "data"), t.TempDir()
	writeBundles(t, bundles, 20)
	mustRun(t, "import", "--data", data, bundles)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fill(t, filler)
	more := t.TempDir()
	for i := range 10 {
		writeBundle(t, more, fmt.Sprintf("org.example.More%d", i), "1", "")
	}
	out, errs, code := runProgram(t, "import", "--data", data, more)
	if code != 4 || !strings.Contains(out+errs, "space") {
		t.Errorf("with the disk full: exit status %d, want 4 and a word about space\n%s%s", code, out, errs)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if got := checkWhole(t, data); got != 20 {
		t.Errorf("%d versions are offered after the disk was full, want the 20 from before", got)
	}
	mustRun(t, "import", "--data", data, more)
	if got := checkWhole(t, data); got != 30 {
		t.Errorf("%d versions are offered now that there is room, want 30", got)
	}
}

// fill writes to a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}
