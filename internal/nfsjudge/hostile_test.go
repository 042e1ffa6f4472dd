//go:build linux

package nfsjudge

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// What the RPC layer says (RFC 5531), as verdicts print it.
const (
	rpcOK, rpcNoProgram, rpcNoVersion, rpcNoProc, rpcGarbage = "rpc 0", "rpc 1", "rpc 2", "rpc 3", "rpc 4"
	rpcMismatch, rpcAuth                                     = "denied 0", "denied 1"
	closed                                                   = "closed"
)

// verdict says in a word how a server took a call.
func verdict(r reply, err error) string {
	switch {
	case errors.Is(err, errClosed):
		return closed
	case err != nil:
		return err.Error()
	case r.denied:
		return fmt.Sprint("denied ", r.status)
	}
	return fmt.Sprint("rpc ", r.status)
}

// TestRPC: what is no call that the server knows is answered as RFC 5531 says, or not at all, and the
// server goes on.
func TestRPC(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		root := s.root(t)
		getattr := func(change func(c *call)) call {
			c := nfsCall(procGetattr, enc(nil).opaque(root))
			change(&c)
			return c
		}
		for _, tt := range []struct {
			what string
			call call
			want []string
		}{
			{"a good call", getattr(func(*call) {}), []string{rpcOK}},
			{"another program", getattr(func(c *call) { c.program = 100099 }), []string{rpcNoProgram}},
			{"NFS version 2", getattr(func(c *call) { c.version = 2 }), []string{rpcNoVersion}},
			{"NFS version 4", getattr(func(c *call) { c.version = 4 }), []string{rpcNoVersion}},
			{"NFS version 4294967295", getattr(func(c *call) { c.version = math.MaxUint32 }), []string{rpcNoVersion}},
			{"procedure 22", getattr(func(c *call) { c.proc = 22 }), []string{rpcNoProc}},
			{"procedure 4294967295", getattr(func(c *call) { c.proc = math.MaxUint32 }), []string{rpcNoProc}},
			{"RPC version 3", getattr(func(c *call) { c.rpc = 3 }), []string{rpcMismatch, closed}},
			{"a reply", getattr(func(c *call) { c.kind = 1 }), []string{closed}},
			{"a message of the type 7", getattr(func(c *call) { c.kind = 7 }), []string{closed}},
			{"no arguments", getattr(func(c *call) { c.args = nil }), []string{rpcGarbage}},
			{"a handle that ends early", getattr(func(c *call) { c.args = c.args[:len(c.args)-4] }), []string{rpcGarbage}},
			{"a handle of 4 GiB", getattr(func(c *call) { c.args = enc(nil).u32(math.MaxUint32) }), []string{rpcGarbage}},
			{"a handle of 68 bytes", getattr(func(c *call) { c.args = enc(nil).opaque(make([]byte, 68)) }), []string{rpcGarbage}},
			{"an identification of 404 bytes", getattr(func(c *call) { c.cred = make([]byte, 404) }), []string{rpcAuth, rpcGarbage, closed}},
			{"an unknown kind of identification", getattr(func(c *call) { c.flavor = 390099 }), []string{rpcAuth}},
			{"an identification that ends early", getattr(func(c *call) { c.cred = c.cred[:8] }), []string{rpcAuth}},
			{"an identification with a machine of 4 GiB", getattr(func(c *call) { c.cred = enc(nil).u32(1, math.MaxUint32, 0, 0) }), []string{rpcAuth}},
			{"an identification with 17 groups", getattr(func(c *call) { c.cred = append(enc(nil).u32(1).str("x").u32(0, 0, 17), make([]byte, 68)...) }), []string{rpcAuth}},
			{"an identification with 4294967295 groups", getattr(func(c *call) { c.cred = enc(nil).u32(1).str("x").u32(0, 0, math.MaxUint32) }), []string{rpcAuth}},
		} {
			w := connect(t, s.nfs, "")
			r, err := w.do(tt.call)
			// Who gets no answer may be let wait: a reply is no call, so nobody owes one.
			if tt.call.kind != 0 && err != nil && !errors.Is(err, errClosed) {
				err = errClosed
			}
			if got := verdict(r, err); !slices.Contains(tt.want, got) {
				t.Errorf("%s: %s, want %v", tt.what, got, tt.want)
			}
			if err == nil {
				if r, err := w.do(getattr(func(*call) {})); verdict(r, err) != rpcOK {
					t.Errorf("%s: the next call: %s", tt.what, verdict(r, err))
				}
			}
			w.Close()
		}
	})
}

// TestNames: a name is one element of a path in the folder that it is asked of. NFS-Ganesha is not asked:
// it is not locked in, and has the kernel follow slashes to wherever they lead.
func TestNames(t *testing.T) {
	s, _ := ours(t, nfsd.Limits{})
	if err := os.Mkdir(filepath.Join(s.dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"away": filepath.Dir(roomCanary), "bird": roomCanary} {
		if err := os.Symlink(target, filepath.Join(s.dir, "d", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "d", "f"), []byte("inside"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := append(tree(t, s.dir), tree(t, filepath.Join(s.room, filepath.Dir(roomCanary)))...)
	w, root := connect(t, s.nfs, ""), s.root(t)
	d := w.lookup(t, root, "d")
	f := w.lookup(t, d, "f")
	for _, name := range []string{
		"", ".", "..", "../d", "..//", "./f", "f/.", "d/f", "f/", "away/bird", "away/", "../.." + roomCanary, roomCanary,
		strings.Repeat("../", 40) + roomCanary[1:], "f\x00", "\x00", strings.Repeat("x", 256), strings.Repeat("x", 4096),
	} {
		in := enc(nil).opaque(d).str(name)
		for _, c := range []struct {
			proc uint32
			args enc
		}{
			{procLookup, in},
			{procCreate, slices.Concat(in, enc(nil).u32(0).sattr())},
			{procCreate, slices.Concat(in, enc(nil).u32(1).sattr())},
			{procCreate, slices.Concat(in, enc(nil).u32(2).u64(4711))},
			{procMkdir, slices.Concat(in, enc(nil).sattr())},
			{procSymlink, slices.Concat(in, enc(nil).sattr().str("f"))},
			{procMknod, slices.Concat(in, enc(nil).u32(7).sattr())},
			{procRemove, in},
			{procRmdir, in},
			{procRename, slices.Concat(in, enc(nil).opaque(d).str("new"))},
			{procRename, slices.Concat(enc(nil).opaque(d).str("f"), in)},
			{procLink, slices.Concat(enc(nil).opaque(f), in)},
		} {
			r, err := w.do(nfsCall(c.proc, c.args))
			if err != nil || r.denied || r.status != 0 && r.status != 4 {
				t.Fatalf("procedure %d of %.20q: %v, %v", c.proc, name, r, err)
			}
			if r.status == 4 && len(name) > 255 || r.body.u32() != nfsOK {
				continue // longer than the protocol allows is no argument
			}
			if c.proc == procLookup && (name == "." || name == "..") {
				// Both of these are folders that there are.
				if h := r.body.opaque(); name == "." && !bytes.Equal(h, d) || name == ".." && !bytes.Equal(h, root) {
					t.Errorf("%q leads to another folder", name)
				}
				continue
			}
			t.Errorf("procedure %d of %.20q succeeded", c.proc, name)
		}
	}
	// Above the export there is nothing.
	status, rest, err := w.nfs(procLookup, enc(nil).opaque(root).str(".."))
	if err != nil || status == nfsOK && !bytes.Equal(rest.opaque(), root) {
		t.Errorf("the folder above the export: status %d, %v", status, err)
	}
	// A symbolic link is neither a folder nor a file, if it can be had at all.
	for _, name := range []string{"away", "bird"} {
		status, rest, err := w.nfs(procLookup, enc(nil).opaque(d).str(name))
		if err != nil || status != nfsOK {
			continue
		}
		link := rest.opaque()
		for proc, args := range map[uint32]enc{
			procLookup:  enc(nil).opaque(link).str("bird"),
			procCreate:  enc(nil).opaque(link).str("g").u32(1).sattr(),
			procReaddir: enc(nil).opaque(link).u64(0).u64(0).u32(4096),
			procRead:    enc(nil).opaque(link).u64(0).u32(10),
			procWrite:   enc(nil).opaque(link).u64(0).u32(1, 2).str("x"),
			procSetattr: enc(nil).opaque(link).u32(0, 0, 0, 1).u64(0).u32(0, 0, 0),
		} {
			if status, _, err := w.nfs(proc, args); err != nil || status == nfsOK {
				t.Errorf("procedure %d of the symbolic link %s: status %d, %v", proc, name, status, err)
			}
		}
	}
	after := append(tree(t, s.dir), tree(t, filepath.Join(s.room, filepath.Dir(roomCanary)))...)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what there is has changed (-before +after):\n%s", diff)
	}
	for name, want := range map[string]string{roomCanary: canarySays, roomExport + "/d/f": "inside"} {
		if b, err := os.ReadFile(filepath.Join(s.room, name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestHandles: a handle that the server did not give is none, and one of an export that the client may not
// use is none for it.
func TestHandles(t *testing.T) {
	s, _ := ours(t, nfsd.Limits{})
	w, root := connect(t, s.nfs, ""), s.root(t)
	f := w.create(t, root, "f")
	forged := map[string][]byte{
		"none":          {},
		"one byte":      {1},
		"zero bytes":    make([]byte, 64),
		"ones":          bytes.Repeat([]byte{0xff}, len(f)),
		"a shorter one": f[:len(f)-1],
		"a longer one":  append(bytes.Clone(f), 0)[:min(len(f)+1, 64)],
	}
	for i := range f {
		for _, bit := range []byte{1, 0x80} {
			h := bytes.Clone(f)
			h[i] ^= bit
			forged[fmt.Sprintf("byte %d changed by %#x", i, bit)] = h
		}
	}
	other := s
	other.export = "/srv/other"
	friend := other.rootFrom(t, "127.0.7.1")
	forged["one of an export for others"] = friend
	for what, h := range forged {
		for proc, args := range map[uint32]enc{
			procGetattr:     enc(nil).opaque(h),
			procSetattr:     enc(nil).opaque(h).u32(1, 0o777, 0, 0, 0, 0, 0, 0),
			procLookup:      enc(nil).opaque(h).str("f"),
			procAccess:      enc(nil).opaque(h).u32(0x3f),
			procReadlink:    enc(nil).opaque(h),
			procRead:        enc(nil).opaque(h).u64(0).u32(100),
			procWrite:       enc(nil).opaque(h).u64(0).u32(1, 2).str("x"),
			procCreate:      enc(nil).opaque(h).str("g").u32(1).sattr(),
			procMkdir:       enc(nil).opaque(h).str("g").sattr(),
			procRemove:      enc(nil).opaque(h).str("f"),
			procRmdir:       enc(nil).opaque(h).str("f"),
			procRename:      enc(nil).opaque(root).str("f").opaque(h).str("g"),
			procLink:        enc(nil).opaque(f).opaque(h).str("g"),
			procReaddir:     enc(nil).opaque(h).u64(0).u64(0).u32(4096),
			procReaddirplus: enc(nil).opaque(h).u64(0).u64(0).u32(512, 4096),
			procFsstat:      enc(nil).opaque(h),
			procFsinfo:      enc(nil).opaque(h),
			procPathconf:    enc(nil).opaque(h),
			procCommit:      enc(nil).opaque(h).u64(0).u32(0),
		} {
			status, _, err := w.nfs(proc, args)
			if err != nil {
				t.Fatalf("%s, procedure %d: %v", what, proc, err)
			}
			if status != nfsStale && status != nfsBadHandle && status != nfsAccess && !(proc == procReadlink && status == nfsNotSupp) {
				t.Errorf("%s, procedure %d: status %d", what, proc, status)
			}
		}
	}
	// The friend may use that one, but only to read.
	fw := connect(t, s.nfs, "127.0.7.1")
	fw.must(t, procGetattr, enc(nil).opaque(friend))
	if status, _, err := fw.nfs(procMkdir, enc(nil).opaque(friend).str("g").sattr()); err != nil || status != nfsROFS {
		t.Errorf("mkdir in an export to read from: status %d, %v", status, err)
	}
	if diff := cmp.Diff([]string{"/f -rw-r--r--"}, tree(t, s.dir)); diff != "" {
		t.Errorf("the export has changed (-want +got):\n%s", diff)
	}
}
