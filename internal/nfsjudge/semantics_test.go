//go:build linux

package nfsjudge

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// page is one reply of READDIR.
type page struct {
	names        []string
	cookie, verf uint64
	eof          bool
}

// list reads a folder from a cookie on.
func (w *wire) list(t testing.TB, dir []byte, from page, plus bool) (p page) {
	t.Helper()
	args := enc(nil).opaque(dir).u64(from.cookie).u64(from.verf)
	var d dec
	if plus {
		d = w.must(t, procReaddirplus, args.u32(600, 2400))
	} else {
		d = w.must(t, procReaddir, args.u32(1200))
	}
	d.attr()
	p.cookie, p.verf = from.cookie, d.u64()
	for d.u32() == 1 {
		d.u64() // its number
		name := string(d.opaque())
		p.cookie = d.u64()
		if plus {
			d.attr()
			if d.u32() == 1 {
				d.opaque()
			}
		}
		if name != "." && name != ".." {
			p.names = append(p.names, name)
		}
	}
	p.eof = d.u32() == 1
	return p
}

// TestReaddir: who reads a folder page by page sees every name that is there all the time exactly once,
// whatever comes and goes meanwhile.
func TestReaddir(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		for _, plus := range []bool{false, true} {
			w, root := connect(t, s.nfs, ""), s.root(t)
			dir := fmt.Sprintf("d-%t", plus)
			if err := os.Mkdir(filepath.Join(s.dir, dir), 0o777); err != nil {
				t.Fatal(err)
			}
			h := w.lookup(t, root, dir)
			const n = 2000
			for i := range n {
				for _, kind := range []string{"stays", "goes"} {
					if err := os.WriteFile(filepath.Join(s.dir, dir, fmt.Sprintf("%s %d", kind, i)), nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			seen := make(map[string]int)
			var at page
			pages := 0
			for ; !at.eof; pages++ {
				if pages > 2*n {
					t.Fatal("the folder has no end")
				}
				at = w.list(t, h, at, plus)
				if len(at.names) == 0 && !at.eof && pages > 0 {
					t.Fatal("a page without names is not the last")
				}
				for i, name := range at.names {
					seen[name]++
					if i == 0 && pages%2 == 0 {
						w.create(t, h, fmt.Sprint("comes ", pages))
					}
					if name[0] == 'g' {
						w.must(t, procRemove, enc(nil).opaque(h).str(name))
					}
				}
			}
			for i := range n {
				if name := fmt.Sprint("stays ", i); seen[name] != 1 {
					t.Errorf("%s was listed %d times", name, seen[name])
				}
			}
			if pages < 20 {
				t.Errorf("only %d pages", pages)
			}
		}
	})
}

// TestRaces: of many who want to be the only one, one is.
func TestRaces(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		root := s.root(t)
		const clients = 12
		var wires []*wire
		for range clients {
			wires = append(wires, connect(t, s.nfs, ""))
		}
		source := wires[0].create(t, root, "source")
		in := func(name string) enc { return enc(nil).opaque(root).str(name) }
		for _, tt := range []struct {
			what    string
			prepare func(name string)
			proc    uint32
			args    func(name string, client int) enc
			others  uint32 // what all others get
		}{
			{"guarded creation", nil, procCreate, func(name string, _ int) enc { return guarded(root, name) }, nfsExist},
			{"exclusive creation", nil, procCreate, func(name string, client int) enc {
				return in(name).u32(2).u64(uint64(client)<<32 | 4711)
			}, nfsExist},
			{"mkdir", nil, procMkdir, func(name string, _ int) enc { return in(name).sattr() }, nfsExist},
			{"link", nil, procLink, func(name string, _ int) enc { return slices.Concat(enc(nil).opaque(source), in(name)) }, nfsExist},
			{"remove", func(name string) { wires[0].create(t, root, name) }, procRemove, func(name string, _ int) enc { return in(name) }, nfsNoEnt},
			{"rename", func(name string) { wires[0].create(t, root, name) }, procRename, func(name string, client int) enc {
				return slices.Concat(in(name), in(fmt.Sprint(name, " of ", client)))
			}, nfsNoEnt},
		} {
			for round := range 20 {
				name := fmt.Sprint(tt.what, " ", round)
				if tt.prepare != nil {
					tt.prepare(name)
				}
				statuses := make([]uint32, clients)
				errs := make([]error, clients)
				var wg sync.WaitGroup
				for i, w := range wires {
					wg.Go(func() { statuses[i], _, errs[i] = w.nfs(tt.proc, tt.args(name, i)) })
				}
				wg.Wait()
				won := 0
				for i, status := range statuses {
					switch {
					case errs[i] != nil:
						t.Fatal(errs[i])
					case status == nfsOK:
						won++
					case status == nfsStale && tt.others == nfsNoEnt: // it went while it was looked for
					case status != tt.others:
						t.Errorf("%s: status %d", name, status)
					}
				}
				if won != 1 {
					t.Errorf("%s: %d have won", name, won)
				}
			}
		}
	})
}

// TestHandlesOutliveNames: a handle is good as long as the file is, under whatever name.
func TestHandlesOutliveNames(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		w, root := connect(t, s.nfs, ""), s.root(t)
		in := func(dir []byte, name string) enc { return enc(nil).opaque(dir).str(name) }
		w.must(t, procMkdir, in(root, "d").sattr())
		d := w.lookup(t, root, "d")
		f := w.create(t, root, "f")
		w.must(t, procWrite, enc(nil).opaque(f).u64(0).u32(5, 0).str("hello"))
		reads := func(what, want string) {
			t.Helper()
			status, rest, err := w.nfs(procRead, enc(nil).opaque(f).u64(0).u32(100))
			if err != nil {
				t.Fatal(err)
			}
			rest.attr()
			rest.u32()
			rest.u32()
			if got := rest.opaque(); status != nfsOK || string(got) != want {
				t.Errorf("%s: status %d, %q", what, status, got)
			}
		}
		w.must(t, procRename, slices.Concat(in(root, "f"), in(d, "g")))
		reads("after a rename", "hello")
		w.must(t, procLink, slices.Concat(enc(nil).opaque(f), in(root, "l")))
		w.must(t, procRemove, in(d, "g"))
		reads("after the removal of one of two names", "hello")
		over := w.create(t, root, "over")
		w.must(t, procRename, slices.Concat(in(root, "l"), in(root, "over")))
		reads("after it has replaced another", "hello")
		if !bytes.Equal(w.lookup(t, root, "over"), f) {
			t.Error("the same file has another handle under its new name")
		}
		// What has been replaced is gone: an answer from it would be of nothing.
		if status, _, err := w.nfs(procWrite, enc(nil).opaque(over).u64(0).u32(1, 2).str("x")); err != nil || status != nfsStale && status != nfsOK {
			t.Errorf("the replaced file: status %d, %v", status, err)
		}
		w.must(t, procRename, slices.Concat(in(root, "d"), in(root, "e")))
		w.create(t, d, "in a renamed folder")
		w.must(t, procRemove, in(d, "in a renamed folder"))
		w.must(t, procRmdir, in(root, "e"))
		if status, _, err := w.nfs(procGetattr, enc(nil).opaque(d)); err != nil || status != nfsStale {
			t.Errorf("a folder that is gone: status %d, %v", status, err)
		}
		if status, _, err := w.nfs(procCreate, guarded(d, "x")); err != nil || status == nfsOK {
			t.Errorf("a file in a folder that is gone: status %d, %v", status, err)
		}
		reads("at the end", "hello")
	})
}

// TestUsers: a caller may do what its user and its groups may.
func TestUsers(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		w, root := connect(t, s.nfs, ""), s.root(t)
		for name, mode := range map[string]os.FileMode{"closed": 0o700, "group": 0o770, "open": 0o777} {
			dir := filepath.Join(s.dir, name)
			if err := os.Mkdir(dir, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, 3000, 4000); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			what   string
			cred   enc
			closed uint32 // what it gets in the folder that only its owner may use
			group  uint32
		}{
			{"root", enc(nil).u32(0, 0, 0), nfsOK, nfsOK},
			{"the owner", enc(nil).u32(3000, 1, 0), nfsOK, nfsOK},
			{"the group", enc(nil).u32(3001, 4000, 0), nfsAccess, nfsOK},
			{"another group as well", enc(nil).u32(3001, 1, 2, 77, 4000), nfsAccess, nfsOK},
			{"somebody", enc(nil).u32(3001, 1, 0), nfsAccess, nfsAccess},
		} {
			for dir, want := range map[string]uint32{"closed": tt.closed, "group": tt.group, "open": nfsOK} {
				c := nfsCall(procCreate, guarded(w.lookup(t, root, dir), "of "+tt.what))
				c.cred = append(enc(nil).u32(1).str("judge"), tt.cred...)
				r, err := w.do(c)
				if err != nil || r.denied || r.status != 0 {
					t.Fatalf("%s in %s: %v, %v", tt.what, dir, r, err)
				}
				if status := r.body.u32(); status != want {
					t.Errorf("%s in %s: status %d, want %d", tt.what, dir, status, want)
				}
			}
		}
	})
}
