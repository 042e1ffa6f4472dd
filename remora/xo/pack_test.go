package xo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// packCodes are the codes that TestPackLeavesOut produces.
var packCodes = []string{"pack.link_outside", "pack.link_folder", "pack.link_broken", "pack.special"}

func unpacked(t *testing.T, base string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), base)
	for name, content := range map[string]string{
		"activity/activity.info": goodInfo, "activity/maze.svg": goodIcon, "activity.py": "print()\n", "bin/run": "#!/bin/sh\n",
		"lib/a.py": "a", "lib.py": "b", "lib-x/c": "c", "COPYING": "free\n",
	} {
		write(t, filepath.Join(dir, name), content)
	}
	if err := os.Chmod(filepath.Join(dir, "bin/run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, dir string) ([]byte, []Problem) {
	t.Helper()
	var b bytes.Buffer
	warnings, err := Pack(context.Background(), dir, &b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), warnings
}

func TestPackRoundTrip(t *testing.T) {
	dir := unpacked(t, "Maze.activity")
	first, warnings := pack(t, dir)
	if len(warnings) != 0 {
		t.Errorf("warnings %v", warnings)
	}
	b, err := readBytes(first, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range b.Inventory.Files {
		names = append(names, f.Path)
	}
	want := []string{"COPYING", "activity.py", "activity/activity.info", "activity/maze.svg", "bin/run", "lib-x/c", "lib.py", "lib/a.py"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	// Other times, other modes that do not count, another place.
	again := unpacked(t, "Maze.activity")
	if err := os.Chtimes(filepath.Join(again, "activity.py"), time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(again, "activity.py"), 0o664); err != nil {
		t.Fatal(err)
	}
	if second, _ := pack(t, again); !bytes.Equal(first, second) {
		t.Error("the same folder gave two bundles")
	}
}

func TestPackLeavesOut(t *testing.T) {
	dir := unpacked(t, "Maze.activity")
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "secret")
	for link, to := range map[string]string{
		"absolute": outside, "relative": "../../../../../../../../etc/passwd", "folder": "lib", "nowhere": "not-there", "self": "self",
		"inside": "COPYING", "lib/up": "../COPYING",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".git/config", "x.pyc", "x~", "dist/old.xo", "__pycache__/y", "lib/.gitignore", "MANIFEST", "x.bak"} {
		write(t, filepath.Join(dir, name), "x")
	}
	data, warnings := pack(t, dir)
	got := map[string]string{}
	for _, w := range warnings {
		if !w.Warning || !sentence(w.Message) {
			t.Errorf("warning %+v", w)
		}
		got[w.Where] = w.Code
	}
	want := map[string]string{
		"absolute": "pack.link_outside", "relative": "pack.link_outside", "self": "pack.link_outside",
		"folder": "pack.link_folder", "nowhere": "pack.link_broken", "pipe": "pack.special",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	b, err := readBytes(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range b.Inventory.Files {
		if f.Path == "inside" || f.Path == "lib/up" {
			if f.Size != 5 {
				t.Errorf("%s has %d bytes", f.Path, f.Size)
			}
		}
		if strings.ContainsAny(f.Path, "~") || strings.Contains(f.Path, ".git") || strings.HasPrefix(f.Path, "dist") {
			t.Errorf("%s was packed", f.Path)
		}
	}
	if n := len(b.Inventory.Files); n != 10 {
		t.Errorf("%d files", n)
	}
	if bytes.Contains(data, []byte("secret")) {
		t.Error("the secret was packed")
	}
}

func TestPackNamesTheFolder(t *testing.T) {
	data, _ := pack(t, unpacked(t, "maze-activity-git"))
	b, err := readBytes(data, nil)
	if err != nil || b.Top != "Maze.activity" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestPackRefuses(t *testing.T) {
	dir := unpacked(t, "Maze.activity")
	write(t, filepath.Join(dir, "a\\b"), "x")
	write(t, filepath.Join(dir, "activity/activity.info"), "[Activity]\nname = x\n")
	var b bytes.Buffer
	_, err := Pack(context.Background(), dir, &b, nil)
	var refusal *Refusal
	if !errors.As(err, &refusal) || b.Len() != 0 {
		t.Fatalf("%v, %d bytes written", err, b.Len())
	}
	var codes []string
	for _, p := range refusal.Problems {
		codes = append(codes, p.Code)
	}
	for _, want := range []string{"name.backslash", "info.bundle_id_missing", "info.version_missing"} {
		if !slices.Contains(codes, want) {
			t.Errorf("%s is not among %v", want, codes)
		}
	}
	for _, c := range []struct {
		o    Options
		code string
	}{{Options{MaxEntries: 2}, "zip.too_many"}, {Options{MaxEntry: 5}, "zip.bomb"}, {Options{MaxUnpacked: 100}, "zip.bomb"}} {
		if _, err := Pack(context.Background(), unpacked(t, "Maze.activity"), &b, &c.o); !errors.Is(err, &remora.Error{Kind: remora.KindTooLarge, Code: c.code}) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	if _, err := Pack(context.Background(), dir+"x", &b, nil); !errors.Is(err, remora.ErrNotFound) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Pack(ctx, dir, &b, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if b.Len() != 0 {
		t.Errorf("%d bytes written", b.Len())
	}
}
