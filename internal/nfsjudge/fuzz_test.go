//go:build linux

package nfsjudge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// A target is a server that gets nonsense.
type target struct {
	server
	p *child.Process
	w *wire // nil: to be connected
}

func newTarget(f *testing.F) *target {
	s, p := ours(f, nfsd.Limits{})
	return &target{server: s, p: p}
}

// anywhere returns one of many addresses: each has only so many ports for connections that come and go.
func anywhere() string {
	return fmt.Sprintf("127.1.%d.%d", rand.N(256), 1+rand.N(250))
}

// send sends bytes over a connection that is used until it is closed.
func (g *target) send(t *testing.T, b []byte) *wire {
	if g.w == nil {
		w, err := dial(g.nfs, anywhere())
		if err != nil {
			t.Fatalf("nobody takes connections: %v\n%s", err, g.p.Log())
		}
		g.w = w
	}
	// It may be closed before all is sent.
	if err := g.w.send(b); err != nil {
		g.drop()
	}
	return g.w
}

func (g *target) drop() {
	if g.w != nil {
		g.w.Close()
		g.w = nil
	}
}

// unharmed wants the server to answer another client, to have stayed small, and to have touched nothing
// outside of its exports.
func (g *target) unharmed(t *testing.T) {
	w, err := dial(g.nfs, anywhere())
	if err != nil {
		t.Fatalf("nobody takes connections: %v\n%s", err, g.p.Log())
	}
	defer w.Close()
	if r, err := w.do(nfsCall(procNull, nil)); err != nil || r.denied || r.status != 0 {
		t.Fatalf("the server does not answer: %v, %v\n%s", r, err, g.p.Log())
	}
	if b, err := os.ReadFile(filepath.Join(g.room, roomCanary)); err != nil || string(b) != canarySays {
		t.Fatalf("outside of the exports: %q, %v", b, err)
	}
	if peak := peakMemory(t, g.p); peak > mostMemory {
		t.Fatalf("the server had %d MiB", peak>>20)
	}
}

// FuzzArguments sends calls with any arguments, those of procedures that take a handle after a good one.
func FuzzArguments(f *testing.F) {
	g := newTarget(f)
	root := g.root(f)
	w := connect(f, g.nfs, "")
	handles := [][]byte{root, w.create(f, root, "f"), nil}
	w.must(f, procMkdir, enc(nil).opaque(root).str("d").sattr())
	handles[2] = w.lookup(f, root, "d")
	name := enc(nil).str("f")
	for _, seed := range []struct {
		proc, which uint8
		args        enc
	}{
		{procGetattr, 0, nil},
		{procSetattr, 1, enc(nil).u32(1, 0o600, 1, 0, 1, 0, 1).u64(3).u32(2, 1, 2, 1, 0)},
		{procLookup, 0, name},
		{procAccess, 1, enc(nil).u32(0x3f)},
		{procReadlink, 1, nil},
		{procRead, 1, enc(nil).u64(0).u32(100)},
		{procWrite, 1, enc(nil).u64(3).u32(5, 2).str("hello")},
		{procCreate, 2, enc(nil).str("g").u32(1, 1, 0o644, 0, 0, 0, 0, 0)},
		{procCreate, 2, enc(nil).str("x").u32(2).u64(7)},
		{procMkdir, 2, enc(nil).str("e").sattr()},
		{procSymlink, 2, enc(nil).str("s").sattr().str("f")},
		{procMknod, 2, enc(nil).str("n").u32(7).sattr()},
		{procRemove, 2, enc(nil).str("g")},
		{procRmdir, 2, enc(nil).str("e")},
		{procRename, 2, enc(nil).str("g").opaque(handles[2]).str("h")},
		{procLink, 1, enc(nil).opaque(handles[2]).str("l")},
		{procReaddir, 0, enc(nil).u64(0).u64(0).u32(4096)},
		{procReaddirplus, 0, enc(nil).u64(0).u64(0).u32(512, 4096)},
		{procFsstat, 0, nil},
		{procFsinfo, 0, nil},
		{procPathconf, 0, nil},
		{procCommit, 1, enc(nil).u64(0).u32(0)},
		{101, 3, enc(nil).str("/srv/judged")},
		{103, 3, enc(nil).str("/srv/judged")},
		{105, 3, nil},
	} {
		f.Add(seed.proc, seed.which, []byte(seed.args))
	}
	f.Fuzz(func(t *testing.T, proc, which uint8, args []byte) {
		if len(args) > 1<<20 {
			return
		}
		c := nfsCall(uint32(proc), nil)
		if proc >= 100 {
			c.program, c.proc = programMount, uint32(proc-100)
		}
		if int(which) < len(handles) {
			c.args = c.args.opaque(handles[which])
		}
		c.args = append(c.args, args...)
		if w := g.send(t, record(c.message())); g.w != nil {
			r, err := w.reply()
			switch {
			case errors.Is(err, errClosed):
				g.drop()
			case err != nil:
				t.Fatal(err)
			case r.xid != c.xid:
				t.Fatalf("the reply to another call: %v", r)
			case r.denied || r.status > 5 || len(r.body)%4 != 0:
				t.Fatalf("procedure %d: %v", proc, r)
			}
		}
		g.unharmed(t)
	})
}

// FuzzStream sends any bytes in place of calls.
func FuzzStream(f *testing.F) {
	g := newTarget(f)
	good := nfsCall(procGetattr, enc(nil).opaque(g.root(f))).message()
	for _, seed := range [][]byte{
		record(good), append(record(good), record(good)...), record(good)[:30], record(good[:30]),
		enc(nil).u32(1<<31 - 1), enc(nil).u32(1<<32-1, 1, 2), make([]byte, 400), record(nil), {},
		append(append(enc(nil).u32(8), good[:8]...), record(good[8:])...),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		defer g.drop()
		if w := g.send(t, in); g.w != nil {
			if err := w.shutWrite(); err == nil {
				for err == nil {
					_, err = w.receive()
				}
				if !errors.Is(err, errClosed) {
					t.Fatalf("after the end of what the client sends: %v", err)
				}
			}
		}
		g.unharmed(t)
	})
}
