//go:build linux

package nfsd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
)

func name(s nfsv3.Nfsstat3) string { return nfsv3.Nfsstat3_name[s] }

// TestBadNames tries to get out of a directory by the names in it.
func TestBadNames(t *testing.T) {
	s := start(t, nil, nil)
	c := s.raw(root)
	dir := c.root()
	for _, tt := range []struct {
		name string
		want nfsv3.Nfsstat3
	}{
		{"", nfsv3.NFS3ERR_ACCES},
		{".", nfsv3.NFS3ERR_ACCES},
		{"..", nfsv3.NFS3ERR_ACCES},
		{"/", nfsv3.NFS3ERR_ACCES},
		{"a/b", nfsv3.NFS3ERR_ACCES},
		{"../x", nfsv3.NFS3ERR_ACCES},
		{"/etc", nfsv3.NFS3ERR_ACCES},
		{"a\x00b", nfsv3.NFS3ERR_ACCES},
		{strings.Repeat("n", 256), nfsv3.NFS3ERR_NAMETOOLONG},
	} {
		n := text(tt.name)
		for what, got := range map[string]nfsv3.Nfsstat3{
			"lookup":      first(c.nfs(3, dir, n)),
			"create":      first(c.nfs(8, dir, n, guarded(0o644))),
			"mkdir":       first(c.nfs(9, dir, n, noAttrs())),
			"symlink":     first(c.nfs(10, dir, n, noAttrs(), text("/etc"))),
			"mknod":       first(c.nfs(11, dir, n, number(nfsv3.NF3FIFO), noAttrs())),
			"remove":      first(c.nfs(12, dir, n)),
			"rmdir":       first(c.nfs(13, dir, n)),
			"rename":      first(c.nfs(14, dir, n, dir, text("x"))),
			"rename over": first(c.nfs(14, dir, text("x"), dir, n)),
			"link":        first(c.nfs(15, dir, dir, n)),
		} {
			want := tt.want
			if what == "lookup" && tt.name == "." {
				want = 0 // the directory itself
			}
			if got != want {
				t.Errorf("%s of %q: %s, want %s", what, tt.name, name(got), name(want))
			}
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("in the directory there is %v, %v", entries, err)
	}
	long := strings.Repeat("n", 255)
	if got := first(c.nfs(8, dir, text(long), guarded(0o644))); got != 0 {
		t.Errorf("a name of 255 bytes: %s", name(got))
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestOutside tries to get out of the export by what is in it.
func TestOutside(t *testing.T) {
	s := start(t, nil, nil)
	outside := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644),
		os.Symlink(outside, filepath.Join(s.dir, "dirlink")),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(s.dir, "link")),
	); err != nil {
		t.Fatal(err)
	}
	c := s.raw(root)
	dir := c.root()
	for _, n := range []string{"dirlink", "link"} {
		fh := c.lookup(dir, n)
		_, in := c.nfs(1, fh)
		var attr nfsv3.Fattr3
		if _, err := attr.ReadFrom(in); err != nil || attr.Type != nfsv3.NF3LNK {
			t.Errorf("%s: type %d, %v", n, attr.Type, err)
		}
		for what, got := range map[string]nfsv3.Nfsstat3{
			"readlink": first(c.nfs(5, fh)),
			"lookup":   first(c.nfs(3, fh, text("secret"))),
			"read":     first(c.nfs(6, fh, long(0), number(10))),
			"write":    first(c.nfs(7, fh, long(0), number(1), number(2), text("x"))),
			"readdir":  first(c.nfs(16, fh, long(0), long(0), number(4096))),
			"setattr":  first(c.nfs(2, fh, noAttrs(), number(0))),
			"link":     first(c.nfs(15, fh, dir, text("hard"))),
		} {
			if got == 0 {
				t.Errorf("%s by %s worked", what, n)
			}
		}
		if _, stat := c.mount(exportName + "/" + n); stat == 0 {
			t.Errorf("%s was mounted", n)
		}
	}
	// A creation does not follow a link either.
	unchecked := &nfsv3.Createhow3_UNCHECKED{ObjAttributes: *noAttrs()}
	unchecked.ObjAttributes.Size = &nfsv3.SetSize3_TRUE{}
	if got := first(c.nfs(8, dir, text("link"), unchecked)); got != nfsv3.NFS3ERR_EXIST {
		t.Errorf("creating over a link: %s", name(got))
	}
	if b, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(b) != "secret" {
		t.Errorf("the file outside is %q, %v", b, err)
	}
	// Removing takes the link, not the file.
	if got := first(c.nfs(12, dir, text("link"))); got != 0 {
		t.Errorf("removing a link: %s", name(got))
	}
	if _, stat := c.mount("/"); stat == 0 {
		t.Error("the root of the machine was mounted")
	}
	for _, path := range []string{exportName + "/..", exportName + "/../..", exportName + "//etc", "/srv", exportName + "x"} {
		if _, stat := c.mount(path); stat == 0 {
			t.Errorf("%s was mounted", path)
		}
	}
}

func TestCreateModes(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			s := start(t, nil, tune)
			c := s.raw(root)
			dir := c.root()
			exclusive := func(v string) arg { return &nfsv3.Createhow3_EXCLUSIVE{Verf: [8]byte([]byte(v))} }
			unchecked := func(size uint64) arg {
				a := noAttrs()
				a.Size, a.Mode = &nfsv3.SetSize3_TRUE{Size: size}, &nfsv3.SetMode3_TRUE{Mode: 0o777}
				return &nfsv3.Createhow3_UNCHECKED{ObjAttributes: *a}
			}
			file := text("x")
			step := func(what string, how arg, want nfsv3.Nfsstat3) {
				t.Helper()
				if got := first(c.nfs(8, dir, file, how)); got != want {
					t.Errorf("%s: %s, want %s", what, name(got), name(want))
				}
			}
			step("exclusive", exclusive("\xff1234567"), 0)
			step("the same again", exclusive("\xff1234567"), 0)
			step("by another", exclusive("\xff1234568"), nfsv3.NFS3ERR_EXIST)
			s.down()
			s.up()
			c = s.raw(root)
			step("the same again after a restart", exclusive("\xff1234567"), 0)
			if stat := first(c.nfs(7, c.lookup(dir, "x"), long(0), number(4), number(2), text("data"))); stat != 0 {
				t.Error(name(stat))
			}
			step("the same after a write", exclusive("\xff1234567"), nfsv3.NFS3ERR_EXIST)
			step("guarded", guarded(0o644), nfsv3.NFS3ERR_EXIST)
			step("unchecked", unchecked(2), 0)
			info, err := os.Stat(filepath.Join(s.dir, "x"))
			if err != nil || info.Size() != 2 || info.Mode() != 0o600 {
				t.Errorf("an unchecked creation changes the length alone: %d, %v, %v", info.Size(), info.Mode(), err)
			}
			if err := os.Mkdir(filepath.Join(s.dir, "d"), 0o755); err != nil {
				t.Fatal(err)
			}
			file = "d"
			step("over a directory", unchecked(0), nfsv3.NFS3ERR_ISDIR)
			file = "y"
			step("guarded", guarded(0o666), 0)
			if info, err := os.Stat(filepath.Join(s.dir, "y")); err != nil || info.Mode() != 0o666 {
				t.Errorf("the mode is %v, %v: the umask of the server must not count", info.Mode(), err)
			}
		})
	}
}

// TestOpenFiles does to names what must not disturb who has the file open.
func TestOpenFiles(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			s := start(t, nil, tune)
			c := s.raw(root)
			dir := c.root()
			write := func(n string) text {
				t.Helper()
				if stat := first(c.nfs(8, dir, text(n), guarded(0o644))); stat != 0 {
					t.Fatal(name(stat))
				}
				fh := c.lookup(dir, n)
				if stat := first(c.nfs(7, fh, long(0), number(uint32(len(n))), number(2), text(n))); stat != 0 {
					t.Fatal(name(stat))
				}
				return fh
			}
			read := func(fh text) (string, nfsv3.Nfsstat3) {
				t.Helper()
				stat, in := c.nfs(6, fh, long(0), number(100))
				if stat != 0 {
					return "", stat
				}
				var ok nfsv3.Read3resok
				if _, err := ok.ReadFrom(in); err != nil {
					t.Fatal(err)
				}
				return string(ok.Data), 0
			}
			a, b := write("a"), write("b")
			must := func(stat nfsv3.Nfsstat3) {
				t.Helper()
				if stat != 0 {
					t.Error(name(stat))
				}
			}
			// As a client does with an open file that it removes.
			must(first(c.nfs(14, dir, text("a"), dir, text(".nfs0001"))))
			if got, stat := read(a); got != "a" || stat != 0 {
				t.Errorf("after the rename: %q, %s", got, name(stat))
			}
			must(first(c.nfs(7, a, long(1), number(1), number(2), text("A"))))
			must(first(c.nfs(14, dir, text("b"), dir, text(".nfs0001"))))
			if got, stat := read(b); got != "b" || stat != 0 {
				t.Errorf("what was renamed over it: %q, %s", got, name(stat))
			}
			if got, stat := read(a); stat != nfsv3.NFS3ERR_STALE {
				t.Errorf("without a name: %q, %s", got, name(stat))
			}
			// One of two names goes.
			must(first(c.nfs(15, b, dir, text("second"))))
			must(first(c.nfs(12, dir, text(".nfs0001"))))
			if got, stat := read(b); got != "b" || stat != 0 {
				t.Errorf("by its second name: %q, %s", got, name(stat))
			}
			// Two names of one file: a rename of one over the other changes nothing.
			must(first(c.nfs(15, b, dir, text("third"))))
			must(first(c.nfs(14, dir, text("second"), dir, text("third"))))
			must(first(c.nfs(12, dir, text("second"))))
			must(first(c.nfs(12, dir, text("third"))))
			if got, stat := read(b); stat != nfsv3.NFS3ERR_STALE {
				t.Errorf("without any name: %q, %s", got, name(stat))
			}
			if n := s.server.Stats().SyncFaults; n != 0 {
				t.Errorf("%d syncs failed", n)
			}
		})
	}
}

// TestReadDir lists 400 names while others are removed and made.
func TestReadDir(t *testing.T) {
	for how, tune := range modes {
		t.Run(how, func(t *testing.T) {
			s := start(t, nil, tune)
			const n = 400
			want := make([]string, 0, n)
			for i := range n {
				stay := fmt.Sprintf("stay-%04d-%s", i, strings.Repeat("x", i%200))
				want = append(want, stay)
				for _, f := range []string{stay, fmt.Sprintf("go-%d", i)} {
					if err := os.WriteFile(filepath.Join(s.dir, f), nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			slices.Sort(want)
			s.down() // with an index, what is there at the start is known
			s.up()
			for _, plus := range []bool{true, false} {
				got := s.list(t, plus, func(round int) {
					if round == 3 {
						s.down()
						s.up() // cookies stay good
					}
					for i := round * 25; i < round*25+25 && i < n; i++ {
						err := os.Remove(filepath.Join(s.dir, fmt.Sprintf("go-%d", i)))
						if err != nil && !errors.Is(err, fs.ErrNotExist) {
							t.Error(err)
						}
						if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprintf("new-%d-%t", i, plus)), nil, 0o644); err != nil {
							t.Error(err)
						}
					}
				})
				got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, "stay-") })
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("plus %t: names that were there all the time: %s", plus, diff)
				}
			}
		})
	}
}

// list lists the export in small pages, and calls between after each.
func (s *site) list(t *testing.T, plus bool, between func(round int)) (names []string) {
	t.Helper()
	c := s.raw(root)
	dir := c.root()
	var cookie uint64
	var verf [8]byte
	for round := 0; ; round++ {
		var page []string
		var eof bool
		if plus {
			stat, in := c.nfs(17, dir, long(cookie), &opaque8{verf}, number(8192), number(16384))
			var ok nfsv3.Readdirplus3resok
			if _, err := ok.ReadFrom(in); stat != 0 || err != nil {
				t.Fatal(name(stat), err)
			}
			verf, eof = ok.Cookieverf, ok.Reply.Eof
			for e := ok.Reply.Entries; e != nil; e = e.Nextentry {
				page, cookie = append(page, e.Name), e.Cookie
				if strings.HasPrefix(e.Name, ".") {
					continue
				}
				if _, is := e.NameAttributes.(*nfsv3.PostOpAttr_TRUE); !is {
					t.Errorf("%s has no attributes", e.Name)
				}
			}
		} else {
			stat, in := c.nfs(16, dir, long(cookie), &opaque8{verf}, number(8192))
			var ok nfsv3.Readdir3resok
			if _, err := ok.ReadFrom(in); stat != 0 || err != nil {
				t.Fatal(name(stat), err)
			}
			verf, eof = ok.Cookieverf, ok.Reply.Eof
			for e := ok.Reply.Entries; e != nil; e = e.Nextentry {
				page, cookie = append(page, e.Name), e.Cookie
			}
		}
		names = append(names, page...)
		if eof {
			return names
		}
		between(round)
		if c.nc == nil || round == 3 {
			c = s.raw(root) // the server is another
		}
	}
}

func TestListings(t *testing.T) {
	s := start(t, nil, nil)
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "d"), 0o755), os.WriteFile(filepath.Join(s.dir, "f"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	c := s.raw(root)
	dir := c.root()
	for what, tt := range map[string]struct{ got, want nfsv3.Nfsstat3 }{
		"of a file":         {first(c.nfs(16, c.lookup(dir, "f"), long(0), long(0), number(4096))), nfsv3.NFS3ERR_NOTDIR},
		"no room":           {first(c.nfs(16, dir, long(0), long(0), number(100))), nfsv3.NFS3ERR_TOOSMALL},
		"no room for plus":  {first(c.nfs(17, dir, long(0), long(0), number(4096), number(100))), nfsv3.NFS3ERR_TOOSMALL},
		"a wrong verifier":  {first(c.nfs(16, dir, long(5), long(77), number(4096))), nfsv3.NFS3ERR_BAD_COOKIE},
		"a negative cookie": {first(c.nfs(16, dir, long(1<<63), long(0), number(4096))), nfsv3.NFS3ERR_BAD_COOKIE},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", what, name(tt.got), name(tt.want))
		}
	}
	// What is above the export is not told.
	_, in := c.nfs(16, dir, long(0), long(0), number(4096))
	var ok nfsv3.Readdir3resok
	if _, err := ok.ReadFrom(in); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]uint64)
	for e := ok.Reply.Entries; e != nil; e = e.Nextentry {
		ids[e.Name] = e.Fileid
	}
	if ids[".."] != ids["."] || ids["."] == 0 {
		t.Errorf("above the export is %d, itself %d", ids[".."], ids["."])
	}
}

// TestSmallCache does everything with room for hardly any open file.
func TestSmallCache(t *testing.T) {
	s := start(t, nil, func(s *Server) { s.openFiles = 4 })
	c := s.client(0, 0)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				b := content(uint64(i*20+j), 2000)
				name := fmt.Sprintf("f-%d-%d", i, j)
				if err := putAgain(t.Context(), c, name, b); err != nil {
					t.Error(err)
					return
				}
				if got := get(t, c, name); string(got) != string(b) {
					t.Errorf("%s has %d other bytes", name, len(got))
				}
			}
		})
	}
	wg.Wait()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range open {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(target, s.dir+"/") {
			n++
		}
	}
	if n > 4*3 {
		t.Errorf("%d file descriptors are open for 4 objects", n)
	}
}
