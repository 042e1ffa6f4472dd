//go:build linux

package nfsjudge

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// guarded is what a CREATE that must not find the name sets: the permissions.
func guarded(dir []byte, name string) enc {
	return enc(nil).opaque(dir).str(name).u32(1, 1, 0o644, 0, 0, 0, 0, 0)
}

// TestRetransmission: a client that got no reply sends the same call again over a new connection, as the
// Linux kernel does. The answer is the one that was lost, and nothing is done a second time: what another
// client has made of the names meanwhile stays.
func TestRetransmission(t *testing.T) {
	s, _ := ours(t, nfsd.Limits{})
	p := before(t, s.nfs)
	straight, root := connect(t, s.nfs, ""), s.root(t)
	in := func(name string) enc { return enc(nil).opaque(root).str(name) }
	file := func(name string) func() { return func() { straight.create(t, root, name) } }
	dir := func(name string) func() {
		return func() { straight.must(t, procMkdir, in(name).u32(1, 0o755, 0, 0, 0, 0, 0)) }
	}
	remove := func(name string) func() { return func() { straight.must(t, procRemove, in(name)) } }
	linked := straight.create(t, root, "linked")
	for _, tt := range []struct {
		what   string
		before func() // the call
		proc   uint32
		args   enc
		then   func() // before it is sent again
		name   string
		there  bool // at the end
	}{
		{"create", func() {}, procCreate, guarded(root, "a"), remove("a"), "a", false},
		{"exclusive creation", func() {}, procCreate, in("b").u32(2).u64(4711), remove("b"), "b", false},
		{"mkdir", func() {}, procMkdir, in("c").sattr(), func() { straight.must(t, procRmdir, in("c")) }, "c", false},
		{"remove", file("d"), procRemove, in("d"), file("d"), "d", true},
		{"rmdir", dir("e"), procRmdir, in("e"), dir("e"), "e", true},
		{"rename", file("f"), procRename, slices.Concat(in("f"), in("f2")), file("f"), "f", true},
		{"link", func() {}, procLink, slices.Concat(enc(nil).opaque(linked), in("g")), remove("g"), "g", false},
	} {
		for _, meanwhile := range []bool{false, true} {
			name := filepath.Join(s.dir, tt.name)
			if err := os.RemoveAll(name); err != nil {
				t.Fatal(err)
			}
			tt.before()
			c := nfsCall(tt.proc, tt.args)
			p.set(func(m message) bool { return m.n == 0 && m.when == beforeReply })
			if r, err := connect(t, p.address(), "").do(c); !errors.Is(err, errClosed) {
				t.Fatalf("%s: the first time: %v, %v", tt.what, r, err)
			}
			if meanwhile {
				tt.then()
			}
			w := connect(t, p.address(), "")
			r, err := w.do(c)
			if err != nil || r.denied || r.status != 0 {
				t.Fatalf("%s: the second time: %v, %v", tt.what, r, err)
			}
			if status := r.body.u32(); status != nfsOK {
				t.Errorf("%s sent again (changed meanwhile: %t): status %d", tt.what, meanwhile, status)
			}
			// And again over the same connection.
			if again, err := w.do(c); err != nil || again.denied || again.body.u32() != nfsOK || !bytes.Equal(again.body, r.body) {
				t.Errorf("%s sent for the third time: %v, %v", tt.what, again, err)
			}
			_, err = os.Lstat(name)
			there := err == nil
			want := tt.there
			if !meanwhile {
				want = !tt.there
			}
			if tt.what == "rename" && !meanwhile {
				want = false
			}
			if there != want {
				t.Errorf("%s sent again (changed meanwhile: %t): %s is there: %t", tt.what, meanwhile, tt.name, there)
			}
		}
	}
}

// TestXIDsOfOthers: equal numbers of calls mean nothing when the calls are not equal, or come from others.
func TestXIDsOfOthers(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		w, root := connect(t, s.nfs, ""), s.root(t)
		for _, name := range []string{"a", "b"} {
			c := nfsCall(procCreate, guarded(root, name))
			c.xid = 4711
			if r, err := w.do(c); err != nil || r.denied || r.status != 0 || r.body.u32() != nfsOK {
				t.Errorf("create %s: %v, %v", name, r, err)
			}
		}
		for i, name := range []string{"a", "b"} {
			c := nfsCall(procRemove, enc(nil).opaque(root).str(name))
			c.xid = 4711 + uint32(i)
			if r, err := w.do(c); err != nil || r.denied || r.status != 0 || r.body.u32() != nfsOK {
				t.Errorf("remove %s: %v, %v", name, r, err)
			}
		}
		if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}
