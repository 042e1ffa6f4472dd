//go:build linux

package nfsd

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// users serves a directory for all, with files of several owners, by one rule.
func users(t *testing.T, rule Client) *site {
	t.Helper()
	needRoot(t)
	rule.Net = loopback
	s := start(t, func(c *Config) { c.Exports[0].Clients = []Client{rule} }, nil)
	if err := os.Chmod(s.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{
		{"root", 0, 0, 0o600},
		{"alice", 1000, 1000, 0o600},
		{"group", 1000, 2000, 0o640},
		{"open", 1000, 1000, 0o644},
		{"locked", 1000, 1000, 0o400},
	} {
		path := filepath.Join(s.dir, f.name)
		if err := os.WriteFile(path, []byte(f.name), f.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, f.uid, f.gid); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestUsers asks as several users for files of several owners.
func TestUsers(t *testing.T) {
	type rights map[string]string // which of r and w, by file
	alice, bob := &credential{uid: 1000, gid: 1000}, &credential{uid: 1001, gid: 1001, groups: []uint32{5, 2000}}
	all := rights{"root": "rw", "alice": "rw", "group": "rw", "open": "rw", "locked": "rw"}
	ofAlice := rights{"root": "", "alice": "rw", "group": "rw", "open": "rw", "locked": "rw"}
	ofBob := rights{"root": "", "alice": "", "group": "r", "open": "r", "locked": ""}
	ofNobody := rights{"root": "", "alice": "", "group": "", "open": "r", "locked": ""}
	for _, tt := range []struct {
		what string
		rule Client
		cred *credential
		want rights
		made [2]uint32 // who owns a new file
	}{
		{"root", Client{Squash: SquashNone}, root, all, [2]uint32{0, 0}},
		{"squashed root", Client{}, root, ofNobody, [2]uint32{nobody, nobody}},
		{"root squashed to alice", Client{UID: 1000, GID: 1000}, root, ofAlice, [2]uint32{1000, 1000}},
		{"the group root", Client{}, &credential{uid: 1001, gid: 0, groups: []uint32{0}}, ofNobody, [2]uint32{1001, nobody}},
		{"alice", Client{}, alice, ofAlice, [2]uint32{1000, 1000}},
		{"bob with a group", Client{}, bob, ofBob, [2]uint32{1001, 1001}},
		{"all squashed", Client{Squash: SquashAll}, alice, ofNobody, [2]uint32{nobody, nobody}},
		{"all squashed to alice", Client{Squash: SquashAll, UID: 1000, GID: 1000}, bob, ofAlice, [2]uint32{1000, 1000}},
		{"no user", Client{Squash: SquashNone}, &credential{uid: ^uint32(0), gid: ^uint32(0)}, ofNobody, [2]uint32{nobody, nobody}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			s := users(t, tt.rule)
			c := s.raw(tt.cred)
			dir := c.root()
			got := make(rights)
			for f := range tt.want {
				fh := c.lookup(dir, f)
				got[f] = ""
				if first(c.nfs(6, fh, long(0), number(10))) == 0 {
					got[f] += "r"
				}
				if first(c.nfs(7, fh, long(0), number(1), number(0), text("x"))) == 0 {
					got[f] += "w"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if stat := first(c.nfs(8, dir, text("new"), guarded(0o640))); stat != 0 {
				t.Fatal(name(stat))
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(s.dir, "new"), &st); err != nil {
				t.Fatal(err)
			}
			if owner := [2]uint32{st.Uid, st.Gid}; owner != tt.made || st.Mode&0o7777 != 0o640 {
				t.Errorf("a new file belongs to %d and has the mode %o, want %d", owner, st.Mode, tt.made)
			}
		})
	}
}

// TestForbidden tries what only the owner, or root, may.
func TestForbidden(t *testing.T) {
	s := users(t, Client{})
	if err := os.Mkdir(filepath.Join(s.dir, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "closed", "f"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := s.raw(&credential{uid: 1001, gid: 1001})
	dir := c.root()
	closed, open := c.lookup(dir, "closed"), c.lookup(dir, "open")
	owner, mode := noAttrs(), noAttrs()
	owner.Uid = &nfsv3.SetUid3_TRUE{Uid: 1001}
	mode.Mode = &nfsv3.SetMode3_TRUE{Mode: 0o777}
	for what, tt := range map[string]struct{ got, want nfsv3.Nfsstat3 }{
		"lookup":            {first(c.nfs(3, closed, text("f"))), nfsv3.NFS3ERR_ACCES},
		"lookup of none":    {first(c.nfs(3, closed, text("none"))), nfsv3.NFS3ERR_ACCES},
		"remove of none":    {first(c.nfs(12, closed, text("none"))), nfsv3.NFS3ERR_ACCES},
		"rename of none":    {first(c.nfs(14, closed, text("none"), dir, text("n"))), nfsv3.NFS3ERR_ACCES},
		"create":            {first(c.nfs(8, closed, text("new"), guarded(0o644))), nfsv3.NFS3ERR_ACCES},
		"mkdir":             {first(c.nfs(9, closed, text("new"), noAttrs())), nfsv3.NFS3ERR_ACCES},
		"remove":            {first(c.nfs(12, closed, text("f"))), nfsv3.NFS3ERR_ACCES},
		"rename":            {first(c.nfs(14, dir, text("open"), closed, text("f"))), nfsv3.NFS3ERR_ACCES},
		"readdir":           {first(c.nfs(16, closed, long(0), long(0), number(4096))), nfsv3.NFS3ERR_ACCES},
		"readdirplus":       {first(c.nfs(17, closed, long(0), long(0), number(4096), number(4096))), nfsv3.NFS3ERR_ACCES},
		"chown":             {first(c.nfs(2, open, owner, number(0))), nfsv3.NFS3ERR_PERM},
		"chmod":             {first(c.nfs(2, open, mode, number(0))), nfsv3.NFS3ERR_PERM},
		"mount of a file":   {mountStat(c, "/open"), nfsv3.NFS3ERR_NOTDIR},
		"mount of nothing":  {mountStat(c, "/none"), nfsv3.NFS3ERR_NOENT},
		"link of another's": {first(c.nfs(15, c.lookup(dir, "root"), dir, text("x"))), nfsv3.NFS3ERR_PERM},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", what, name(tt.got), name(tt.want))
		}
	}
	// What the kernel of a client asks before it shows what is allowed.
	_, in := c.nfs(4, open, number(0x3f))
	var ok nfsv3.Access3resok
	if _, err := ok.ReadFrom(in); err != nil || ok.Access != nfsv3.ACCESS3_READ {
		t.Errorf("access to a file of another: %#x, %v", ok.Access, err)
	}
}

func mountStat(c *raw, sub string) nfsv3.Nfsstat3 {
	_, stat := c.mount(exportName + sub)
	return nfsv3.Nfsstat3(stat)
}

// TestUsersSideBySide looks whether a user's rights stay with the user when many ask at once.
func TestUsersSideBySide(t *testing.T) {
	s := users(t, Client{Squash: SquashNone})
	var wg sync.WaitGroup
	for i := range 8 {
		cred := &credential{uid: uint32(3000 + i%4), gid: uint32(3000 + i%4)}
		if i%4 == 0 {
			cred = root
		}
		if i%4 == 1 {
			cred.groups = []uint32{2000} // who may read one file by it
		}
		c := s.raw(cred)
		dir := c.root()
		wg.Go(func() {
			fh := c.lookup(dir, "group")
			for j := range 100 {
				n := fmt.Sprintf("f-%d-%d", i, j)
				if stat := first(c.nfs(8, dir, text(n), guarded(0o644))); stat != 0 {
					t.Error(name(stat))
					return
				}
				var st unix.Stat_t
				if err := unix.Stat(filepath.Join(s.dir, n), &st); err != nil || st.Uid != cred.uid || st.Gid != cred.gid {
					t.Errorf("a file of %d belongs to %d and %d, %v", cred.uid, st.Uid, st.Gid, err)
				}
				if got, want := first(c.nfs(6, fh, long(0), number(5))) == 0, i%4 < 2; got != want {
					t.Errorf("%d with the groups %d may read: %t", cred.uid, cred.groups, got)
				}
			}
		})
	}
	wg.Wait()
}

// TestReadOnly tries to change an export that must not change.
func TestReadOnly(t *testing.T) {
	for what, change := range map[string]func(*Export){
		"the export": func(e *Export) { e.ReadOnly = true },
		"the client": func(e *Export) { e.Clients[0].ReadOnly = true },
		"the longer prefix": func(e *Export) {
			e.Clients = append(e.Clients, Client{Net: netip.MustParsePrefix("127.0.0.1/32"), Squash: SquashNone, ReadOnly: true})
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := start(t, func(c *Config) { change(&c.Exports[0]) }, nil)
			if err := os.WriteFile(filepath.Join(s.dir, "f"), []byte("f"), 0o644); err != nil {
				t.Fatal(err)
			}
			c := s.raw(root)
			dir := c.root()
			f := c.lookup(dir, "f")
			for what, got := range map[string]nfsv3.Nfsstat3{
				"setattr": first(c.nfs(2, f, noAttrs(), number(0))),
				"write":   first(c.nfs(7, f, long(0), number(1), number(0), text("x"))),
				"create":  first(c.nfs(8, dir, text("n"), guarded(0o644))),
				"mkdir":   first(c.nfs(9, dir, text("n"), noAttrs())),
				"remove":  first(c.nfs(12, dir, text("f"))),
				"rmdir":   first(c.nfs(13, dir, text("f"))),
				"rename":  first(c.nfs(14, dir, text("f"), dir, text("g"))),
				"link":    first(c.nfs(15, f, dir, text("g"))),
				"commit":  first(c.nfs(21, f, long(0), number(0))),
			} {
				if got != nfsv3.NFS3ERR_ROFS {
					t.Errorf("%s: %s", what, name(got))
				}
			}
			if got := first(c.nfs(6, f, long(0), number(1))); got != 0 {
				t.Errorf("read: %s", name(got))
			}
			_, in := c.nfs(4, f, number(0x3f))
			var ok nfsv3.Access3resok
			if _, err := ok.ReadFrom(in); err != nil || ok.Access != nfsv3.ACCESS3_READ {
				t.Errorf("access: %#x, %v", ok.Access, err)
			}
		})
	}
}

// TestSetID writes to a program that runs as its owner: after that it must not any more.
func TestSetID(t *testing.T) {
	s := users(t, Client{})
	path := filepath.Join(s.dir, "program")
	if err := os.WriteFile(path, []byte("program"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := s.raw(&credential{uid: 1001, gid: 1001})
	fh := c.lookup(c.root(), "program")
	size := noAttrs()
	size.Size = &nfsv3.SetSize3_TRUE{Size: 1}
	for what, do := range map[string]func() nfsv3.Nfsstat3{
		"write":    func() nfsv3.Nfsstat3 { return first(c.nfs(7, fh, long(0), number(1), number(0), text("x"))) },
		"truncate": func() nfsv3.Nfsstat3 { return first(c.nfs(2, fh, size, number(0))) },
	} {
		if err := unix.Chmod(path, 0o6777); err != nil {
			t.Fatal(err)
		}
		if stat := do(); stat != 0 {
			t.Fatal(name(stat))
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Mode&0o7777 != 0o777 {
			t.Errorf("after a %s the mode is %o, %v", what, st.Mode&0o7777, err)
		}
	}
}

// TestUnreadable: a directory that the user of the server cannot read is found before anything is said
// to be served.
func TestUnreadable(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	c := config(t, dir)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o711)); err != nil {
		t.Fatal(err)
	}
	other := user{uid: nobody, gid: nobody, become: true}
	err := other.do(func() error {
		_, err := New(c)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "must be able to read it") {
		t.Errorf("New: %v", err)
	}
}
