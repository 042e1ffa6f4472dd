package dirvol_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/dirvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
	"github.com/sugarlabs/beamrider/nfsstore/voltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, o *dirvol.Options) *dirvol.Vol {
	t.Helper()
	v, err := dirvol.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if v, err := dirvol.Open(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent directory: %v, %v", v, err)
	}
	if v, err := dirvol.Open(dir, &dirvol.Options{Names: 9}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a way that there is not: %v, %v", v, err)
	}
	v := open(t, dir, &dirvol.Options{Make: true})
	if got, want := v.Caps(), (vol.Caps{Link: true, Deadline: true, Names: vol.NamesBySync}); got != want {
		t.Errorf("of a local disk: %+v, want %+v", got, want)
	}
	// As it would be on a mount of NFS.
	fenced := open(t, dir, &dirvol.Options{Names: vol.NamesByFence})
	if err := errors.Join(fenced.Mkdir(t.Context(), "x"), fenced.Persist(t.Context(), "x", true)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("there are %v, %v; want a folder and the file of the fence", entries, err)
	}
	if name := entries[0].Name(); !fenced.Keeps(name) || v.Keeps(name) {
		t.Errorf("%s is not the file of the fence", name)
	}
	// Persist of what is gone with its folder raises it too.
	if err := fenced.Persist(t.Context(), "gone/x", false); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(dir, entries[0].Name()))
	if err != nil || info.Size() != 2 {
		t.Errorf("after two changes the file of the fence has %d bytes, %v", info.Size(), err)
	}
	// A server that was restarted under a change may have undone it.
	for name, there := range map[string]bool{"x": false, "absent": true} {
		if err := fenced.Persist(t.Context(), name, there); err == nil || !strings.Contains(err.Error(), "undone") {
			t.Errorf("%s, which is not as it was left: %v", name, err)
		}
	}
	if err := fenced.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("after Close there are %v, %v", entries, err)
	}
}

// Another user of the directory cannot lead the store out of it, nor make it wait.
func TestPlantedThings(t *testing.T) {
	t.Run("fast opener", func(t *testing.T) { testPlantedThings(t, false) })
	t.Run("os.Root alone", func(t *testing.T) { testPlantedThings(t, true) })
}

func testPlantedThings(t *testing.T, onlyRoot bool) {
	dir, outside := t.TempDir(), t.TempDir()
	v := open(t, dir, nil)
	if onlyRoot {
		if err := v.OnlyRoot(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := nfsstore.New(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b := []byte("content")
	sum := sha256.Sum256(b)
	put := func(name string) error {
		return s.Put(context.Background(), name, bytes.NewReader(b), int64(len(b)), nil)
	}
	must(os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	must(os.Symlink(outside, filepath.Join(dir, "out")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")))
	must(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	must(os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(err)
	defer l.Close()

	must(put("a"))
	for _, name := range []string{"out/secret", "link", "dangling", "folder", "pipe", "socket", "a/b"} {
		if f, err := s.Open(t.Context(), name); err == nil {
			t.Errorf("Open of %s succeeded", name)
			f.Close()
		}
		if err := put(name); err == nil {
			t.Errorf("Put to %s succeeded", name)
		}
		if err := s.Put(t.Context(), name, bytes.NewReader(b), int64(len(b)), sum[:]); err == nil {
			t.Errorf("Put to %s with a sum succeeded", name)
		}
		if err := s.Link(t.Context(), "a", name); err == nil {
			t.Errorf("Link to %s succeeded", name)
		}
		if err := s.Link(t.Context(), name, "b"); err == nil {
			t.Errorf("Link from %s succeeded", name)
		}
	}
	for _, name := range []string{"folder", "pipe", "a/b"} {
		if _, err := s.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of %s: %v, want fs.ErrNotExist", name, err)
		}
		if err := put(name); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Put to %s: %v, want fs.ErrExist", name, err)
		}
	}
	for _, name := range []string{"folder", "a/b"} {
		if err := s.Remove(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove of %s: %v, want fs.ErrNotExist", name, err)
		}
	}
	if err := s.Remove(t.Context(), "out/secret"); err == nil {
		t.Error("Remove of out/secret succeeded")
	}
	// Straight at the volume.
	for _, name := range []string{"../x", "/etc/passwd", "a/../b", "out/secret", "link", "out/new"} {
		if f, err := v.Open(t.Context(), name); err == nil {
			t.Errorf("the volume opens %s", name)
			f.Close()
		}
		if w, err := v.Create(t.Context(), name); err == nil {
			t.Errorf("the volume makes %s", name)
			w.Close(t.Context())
		}
		if err := v.Rename(t.Context(), "a", name); err == nil && name != "link" {
			t.Errorf("the volume renames to %s", name)
		} else if err == nil {
			must(v.Rename(t.Context(), name, "a"))
		}
	}
	if got, err := os.ReadDir(outside); err != nil || len(got) != 1 {
		t.Errorf("outside there is %v, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "folder")); err != nil {
		t.Error(err)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	contract := func(newDir func(testing.TB) string, o dirvol.Options, fat bool) func(*testing.T) {
		return func(t *testing.T) {
			voltest.Run(t, func(t testing.TB) vol.Vol {
				v, err := dirvol.Open(newDir(t), &o)
				if err != nil {
					t.Fatal(err)
				}
				if fat {
					v.LikeFAT()
				}
				return v
			})
		}
	}
	plain := func(t testing.TB) string { return t.TempDir() }
	t.Run("disk", contract(plain, dirvol.Options{}, false))
	t.Run("with a fence, like FAT", contract(plain, dirvol.Options{Names: vol.NamesByFence}, true))
	t.Run("memory", contract(func(t testing.TB) string { return mount(t, "tmpfs", "size=64m,nr_inodes=20000") }, dirvol.Options{}, false))
}

// mount mounts a file system of that type, which goes with the test.
func mount(t testing.TB, kind, options string) string {
	t.Helper()
	mount, umount := require.Tool(t, "mount"), require.Tool(t, "umount")
	dir := t.TempDir()
	if out, err := exec.Command(mount, "-t", kind, "-o", options, kind, dir).CombinedOutput(); err != nil {
		require.Skip(t, "a file system cannot be mounted, which needs root: "+strings.TrimSpace(string(out)))
	}
	t.Cleanup(func() {
		if out, err := exec.Command(umount, dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir
}

// Where nothing is remembered there is nothing to refresh.
func TestRefreshOfALocalDisk(t *testing.T) {
	v, err := dirvol.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.Refresh(t.Context(), "a/b") {
		t.Error("a local disk has been asked again")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}
