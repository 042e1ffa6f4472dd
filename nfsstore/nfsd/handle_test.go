//go:build linux

package nfsd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestForged uses handles that the server did not make.
func TestForged(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			outside := t.TempDir()
			secret := filepath.Join(outside, "secret")
			if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
				t.Fatal(err)
			}
			s := start(t, nil, tune)
			c := s.raw(root)
			dir := c.root()
			good := []byte(dir)

			forged := map[string][]byte{
				"empty": {}, "one byte": {1}, "zeros": make([]byte, 35), "64 zeros": make([]byte, 64),
				"cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
			}
			for i := range good {
				b := bytes.Clone(good)
				b[i] ^= 1
				forged["bit of byte "+string(rune('A'+i))] = b
			}
			// The real handle of a file outside, with the seal of the root.
			h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, secret, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := append(bytes.Clone(good[:1+exportIDSize]), 0, 0, 0, byte(h.Type()))
			b = append(append(b, h.Bytes()...), good[len(good)-sealSize:]...)
			forged["a real file outside"] = b
			// And with a seal of another key.
			other := newSealer(make([]byte, keySize))
			forged["sealed by another"] = other.seal(bytes.Clone(b[:len(b)-sealSize]))

			before := s.server.Stats().BadHandles
			for what, fh := range forged {
				if got := first(c.nfs(1, text(fh))); got != nfsv3.NFS3ERR_BADHANDLE {
					t.Errorf("%s: %s", what, name(got))
				}
				if got := first(c.nfs(14, text(fh), text("a"), dir, text("b"))); got != nfsv3.NFS3ERR_BADHANDLE {
					t.Errorf("%s, in a rename: %s", what, name(got))
				}
			}
			if n := s.server.Stats().BadHandles - before; n != int64(2*len(forged)) {
				t.Errorf("%d bad handles were counted, want %d", n, 2*len(forged))
			}
			if _, err := c.call(nfsProgram, 1, text(make([]byte, 65))); err != acceptError(4) { // GARBAGE_ARGS
				t.Errorf("a handle of 65 bytes: %v", err)
			}
		})
	}
}

// TestTwoExports looks whether one export is a way into another.
func TestTwoExports(t *testing.T) {
	inner := t.TempDir()
	s := start(t, func(c *Config) {
		c.Exports = append(c.Exports, Export{Name: "/other", Dir: inner, Clients: []Client{{Net: netip.MustParsePrefix("127.0.0.2/32"), Squash: SquashNone}}})
	}, nil)
	for _, d := range []string{s.dir, inner} {
		if err := os.WriteFile(filepath.Join(d, "f"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	both := s.rawFrom(root, "127.0.0.2")
	theirs, stat := both.mount("/other")
	if stat != 0 {
		t.Fatal(stat)
	}
	ours := both.root()
	if got := first(both.nfs(14, theirs, text("f"), ours, text("g"))); got != nfsv3.NFS3ERR_XDEV {
		t.Errorf("a rename into the other export: %s", name(got))
	}
	if got := first(both.nfs(15, both.lookup(theirs, "f"), ours, text("g"))); got != nfsv3.NFS3ERR_XDEV {
		t.Errorf("a link into the other export: %s", name(got))
	}
	// A handle that somebody else got, from an address that may not have it.
	c := s.raw(root)
	if _, stat := c.mount("/other"); nfsv3.Nfsstat3(stat) != nfsv3.NFS3ERR_ACCES {
		t.Errorf("the mount of another's export: %d", stat)
	}
	if got := first(c.nfs(1, theirs)); got != nfsv3.NFS3ERR_ACCES {
		t.Errorf("the handle of another's export: %s", name(got))
	}
	// The handle of one export with the name of another.
	mixed := []byte(theirs)
	copy(mixed[1:1+exportIDSize], ours[1:])
	if got := first(c.nfs(1, text(mixed))); got != nfsv3.NFS3ERR_BADHANDLE {
		t.Errorf("a handle moved to another export: %s", name(got))
	}
	if n := s.server.Stats().Refused; n < 2 {
		t.Errorf("%d were counted as refused", n)
	}
}

// TestOtherDirectory: who has handles from when an export was another directory must not stay in that.
func TestOtherDirectory(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		wide := t.TempDir()
		narrow := filepath.Join(wide, "narrow")
		if err := errors.Join(os.Mkdir(narrow, 0o755), os.WriteFile(filepath.Join(wide, "secret"), nil, 0o644),
			os.WriteFile(filepath.Join(narrow, "f"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		s := start(t, func(c *Config) { c.Exports[0].Dir = wide }, func(s *Server) { s.indexed = indexed })
		c := s.raw(root)
		handles := []text{c.root(), c.lookup(c.root(), "secret")}
		s.down()
		s.cfg.Exports[0].Dir = narrow
		s.up()
		c = s.raw(root)
		c.lookup(c.root(), "f")
		for _, fh := range handles {
			if got := first(c.nfs(1, fh)); got != nfsv3.NFS3ERR_STALE {
				t.Errorf("index %v: a handle of the directory before: %s", indexed, name(got))
			}
		}
	}
}

// TestBindMount puts another directory into the export.
func TestBindMount(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			s := start(t, nil, tune)
			place := filepath.Join(s.dir, "place")
			outside := t.TempDir()
			if err := os.Mkdir(place, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(outside, "secret"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			mountBind(t, outside, place)
			c := s.raw(root)
			if got := first(c.nfs(3, c.root(), text("place"))); got != nfsv3.NFS3ERR_ACCES {
				t.Errorf("what is mounted in the export: %s", name(got))
			}
			if _, stat := c.mount(exportName + "/place"); stat == 0 {
				t.Error("what is mounted in the export was mounted by a client")
			}
			stat, in := c.nfs(17, c.root(), long(0), long(0), number(4096), number(4096))
			var ok nfsv3.Readdirplus3resok
			if _, err := ok.ReadFrom(in); stat != 0 || err != nil {
				t.Fatal(name(stat), err)
			}
			for e := ok.Reply.Entries; e != nil; e = e.Nextentry {
				if _, is := e.NameHandle.(*nfsv3.PostOpFh3_TRUE); is && e.Name != "." {
					t.Errorf("a listing gave a handle of %s", e.Name)
				}
			}
		})
	}
}

func TestIndexIsBounded(t *testing.T) {
	s := start(t, nil, func(s *Server) { s.indexed, s.most = true, 6 })
	c := s.raw(root)
	dir := c.root()
	var last nfsv3.Nfsstat3
	for i := range 7 {
		last = first(c.nfs(8, dir, text("f"+string(rune('0'+i))), guarded(0o644)))
		if i < 6 && last != 0 {
			t.Errorf("file %d: %s", i, name(last))
		}
	}
	if last != nfsv3.NFS3ERR_NOSPC {
		t.Errorf("one too many: %s", name(last))
	}
	if err := os.WriteFile(filepath.Join(s.dir, "local"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.cancel()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	s.cancel = nil
	s.server.serving.Store(false)
	err := s.server.Serve(t.Context(), listen(t, "127.0.0.1:0"))
	if err == nil || !strings.Contains(err.Error(), "more than 6 files") {
		t.Errorf("a directory with one file too many: %v", err)
	}
}

// TestNumberUsedAgain looks whether the handle of a removed file finds a new one with its number.
func TestNumberUsedAgain(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			s := start(t, nil, tune)
			c := s.raw(root)
			dir := c.root()
			path := filepath.Join(s.dir, "f")
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			fh, ino := c.lookup(dir, "f"), inode(t, path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			first(c.nfs(1, fh)) // the server notices, and lets the number go
			for range 100 {
				if err := os.WriteFile(path, []byte("new"), 0o644); err != nil {
					t.Fatal(err)
				}
				if got := first(c.nfs(1, fh)); got != nfsv3.NFS3ERR_STALE {
					t.Fatalf("an old handle: %s", name(got))
				}
				if inode(t, path) == ino {
					c.lookup(dir, "f")
					if got := first(c.nfs(1, fh)); got != nfsv3.NFS3ERR_STALE {
						t.Fatalf("an old handle after a lookup: %s", name(got))
					}
					return
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			t.Log("the file system did not use the number again")
		})
	}
}

// TestGlance looks whether a listing tells the same as a lookup, of files that are known and of new ones.
func TestGlance(t *testing.T) {
	s := start(t, nil, nil)
	old := time.Now().Add(-2 * knownAge)
	for i := range 20 {
		path := filepath.Join(s.dir, fmt.Sprint("f", i))
		if err := errors.Join(os.WriteFile(path, content(uint64(i), i*100), 0o640), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "d"), 0o711), os.Symlink("f1", filepath.Join(s.dir, "l"))); err != nil {
		t.Fatal(err)
	}
	c := s.raw(root)
	dir := c.root()
	for round := range 3 {
		stat, in := c.nfs(17, dir, long(0), long(0), number(1<<16), number(1<<16))
		var ok nfsv3.Readdirplus3resok
		if _, err := ok.ReadFrom(in); stat != 0 || err != nil {
			t.Fatal(name(stat), err)
		}
		n := 0
		for e := ok.Reply.Entries; e != nil; e = e.Nextentry {
			if e.Name == "." || e.Name == ".." {
				continue
			}
			n++
			stat, in := c.nfs(3, dir, text(e.Name))
			var want nfsv3.Lookup3resok
			if _, err := want.ReadFrom(in); stat != 0 || err != nil {
				t.Fatal(name(stat), err)
			}
			got := []any{e.NameAttributes, e.NameHandle}
			if diff := cmp.Diff([]any{want.ObjAttributes, &nfsv3.PostOpFh3_TRUE{Handle: want.Object}}, got); diff != "" {
				t.Errorf("round %d, %s: %s", round, e.Name, diff)
			}
		}
		if n != 22 {
			t.Errorf("round %d: %d names", round, n)
		}
		// The same numbers, very likely, for other files.
		for i := range 10 {
			path := filepath.Join(s.dir, fmt.Sprint("f", i))
			if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKnown keeps handles of files that are old enough, and no others.
func TestKnown(t *testing.T) {
	now := time.Now()
	var k known
	k.put(1, now.Add(-2*knownAge).UnixNano(), []byte("old"))
	k.put(2, now.UnixNano(), []byte("new"))
	k.put(3, 0, []byte("nobody knows"))
	if got := k.get(1, now.Add(-2*knownAge).UnixNano()); string(got) != "old" {
		t.Errorf("an old file: %q", got)
	}
	for _, tt := range []struct {
		ino  uint64
		born int64
	}{{1, now.UnixNano()}, {2, now.UnixNano()}, {3, 0}, {4, 0}} {
		if got := k.get(tt.ino, tt.born); got != nil {
			t.Errorf("%d, born %d: %q", tt.ino, tt.born, got)
		}
	}
	for i := range uint64(maxKnown + 10) {
		k.put(i, 1, []byte("x"))
	}
	if len(k.m) > maxKnown {
		t.Errorf("%d are kept", len(k.m))
	}
}

// TestFattr compares what is encoded by hand with the bindings.
func TestFattr(t *testing.T) {
	a := nfsv3.Fattr3{
		Type: 1, Mode: 2, Nlink: 3, Uid: 4, Gid: 5, Size: 6 << 40, Used: 7 << 40, Rdev: nfsv3.Specdata3{Specdata1: 8, Specdata2: 9},
		Fsid: 10 << 40, Fileid: 11 << 40, Atime: nfsv3.Nfstime3{Seconds: 12, Nseconds: 13},
		Mtime: nfsv3.Nfstime3{Seconds: 14, Nseconds: 15}, Ctime: nfsv3.Nfstime3{Seconds: 16, Nseconds: 17},
	}
	var want bytes.Buffer
	if _, err := a.WriteTo(&want); err != nil {
		t.Fatal(err)
	}
	if got := appendFattr(nil, &a); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%x, want %x", got, want.Bytes())
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return uint64(st.Ino)
}

func TestKey(t *testing.T) {
	cfg := config(t, t.TempDir())
	mustFail := func(what, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := New(cfg); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cfg.StateDir, keyName)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() != keySize {
		t.Fatalf("the key: %v, %v", info, err)
	}
	one, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg); err != nil {
		t.Fatal(err)
	}
	if two, err := os.ReadFile(path); err != nil || !bytes.Equal(one, two) {
		t.Errorf("the key has changed, %v", err)
	}
	entries, err := os.ReadDir(cfg.StateDir)
	if err != nil || len(entries) != 1 {
		t.Errorf("in the directory there is %v, %v", entries, err)
	}
	for _, tt := range []struct {
		what, want string
		mode       fs.FileMode
		b          []byte
	}{
		{"readable by others", "others can read", 0o644, one},
		{"short", "not 32 bytes", 0o600, one[1:]},
		{"long", "not 32 bytes", 0o600, append(bytes.Clone(one), 0)},
	} {
		if err := os.WriteFile(path, tt.b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		mustFail(tt.what, tt.want)
	}
	if err := os.Chmod(cfg.StateDir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustFail("a directory for everybody", "chmod 700")
}

func FuzzHandle(f *testing.F) {
	seals := newSealer(make([]byte, keySize))
	f.Add([]byte{})
	f.Add(seals.seal(append([]byte{kindKernel}, make([]byte, 20)...)))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, fh []byte) {
		kind, id, file, ok := seals.open(fh)
		if !ok {
			return
		}
		again := seals.seal(append(append([]byte{kind}, id[:]...), file...))
		if !bytes.Equal(again, fh) {
			t.Errorf("%x was taken for %x", fh, again)
		}
		// Whatever has a good seal must still be safe to open.
		k := &kernelHandles{root: -1}
		if fd, err := k.open(file); err == nil {
			t.Errorf("%x was opened as %d", file, fd)
		}
	})
}
