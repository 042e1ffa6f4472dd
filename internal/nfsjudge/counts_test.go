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

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// outcome says in a word how a call ended: as verdict does, or with the status of its procedure.
func outcome(r reply, err error) (string, dec) {
	if err != nil || r.denied || r.status != 0 {
		return verdict(r, err), nil
	}
	return fmt.Sprint("nfs ", r.body.u32()), r.body
}

// TestNumbers: numbers that are too large, too small or do not fit together do no harm.
func TestNumbers(t *testing.T) {
	const huge = math.MaxUint32
	s, _ := ours(t, nfsd.Limits{})
	w, root := connect(t, s.nfs, ""), s.root(t)
	want := content(3, 3<<20)
	for name, b := range map[string][]byte{"f": want, "g": []byte("hello")} {
		if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, g := w.lookup(t, root, "f"), w.lookup(t, root, "g")
	read := func(offset uint64, count uint32) enc { return enc(nil).opaque(f).u64(offset).u32(count) }
	write := func(offset uint64, count, stable uint32, data string) enc {
		return enc(nil).opaque(g).u64(offset).u32(count, stable).str(data)
	}
	setSize := func(size uint64) enc { return enc(nil).opaque(g).u32(0, 0, 0, 1).u64(size).u32(0, 0, 0) }
	readdir := func(cookie, verf uint64, count uint32) enc {
		return enc(nil).opaque(root).u64(cookie).u64(verf).u32(count)
	}
	prefix := func(d dec) error {
		d.attr()
		n, eof, got := d.u32(), d.u32(), d.opaque()
		if int(n) != len(got) || !bytes.HasPrefix(want, got) || (eof == 1) != (len(got) == len(want)) {
			return fmt.Errorf("%d bytes, the end %d, %d bytes came", n, eof, len(got))
		}
		return nil
	}
	short := func(d dec) error {
		if len(d) > 1<<20+64<<10 {
			return fmt.Errorf("%d bytes", len(d))
		}
		return nil
	}
	for _, tt := range []struct {
		what string
		proc uint32
		args enc
		want []string
		look func(d dec) error // at the result of a success; may be nil
	}{
		{"READ of nothing", procRead, read(0, 0), []string{"nfs 0"}, prefix},
		{"READ of 4 GiB", procRead, read(0, huge), []string{"nfs 0"}, prefix},
		{"READ behind the end", procRead, read(4<<20, 100), []string{"nfs 0"}, nil},
		{"READ at 2^63", procRead, read(1<<63, 100), []string{"nfs 0", "nfs 22"}, nil},
		{"READ at the last number", procRead, read(math.MaxUint64, huge), []string{"nfs 0", "nfs 22"}, nil},
		{"READ of a folder", procRead, enc(nil).opaque(root).u64(0).u32(10), []string{"nfs 21", "nfs 22"}, nil},
		{"WRITE of more than there is", procWrite, write(0, 100, 2, "x"), []string{"nfs 22", rpcGarbage}, nil},
		{"WRITE of less than there is", procWrite, write(0, 1, 2, "hello"), []string{"nfs 0", "nfs 22", rpcGarbage}, nil},
		{"WRITE of 4 GiB of which nothing comes", procWrite, enc(nil).opaque(g).u64(0).u32(huge, 2, huge), []string{rpcGarbage}, nil},
		{"WRITE of another kind", procWrite, write(0, 5, 7, "hello"), []string{rpcGarbage, "nfs 22"}, nil},
		{"WRITE of nothing", procWrite, write(0, 0, 2, ""), []string{"nfs 0"}, nil},
		{"WRITE at 2^63", procWrite, write(1<<63, 1, 2, "x"), []string{"nfs 27", "nfs 22"}, nil},
		{"WRITE at the last number", procWrite, write(math.MaxUint64, 1, 2, "x"), []string{"nfs 27", "nfs 22"}, nil},
		{"WRITE up to 2^63", procWrite, write(1<<63-1, 1, 2, "x"), []string{"nfs 27", "nfs 22"}, nil},
		{"WRITE to a folder", procWrite, enc(nil).opaque(root).u64(0).u32(1, 2).str("x"), []string{"nfs 22", "nfs 21"}, nil},
		{"a size of 2^63", procSetattr, setSize(1 << 63), []string{"nfs 27", "nfs 22"}, nil},
		{"the largest size", procSetattr, setSize(math.MaxUint64), []string{"nfs 27", "nfs 22"}, nil},
		{"a guard that does not hold", procSetattr, enc(nil).opaque(g).u32(1, 0o600, 0, 0, 0, 0, 0, 1, 4711, 0), []string{"nfs 10002"}, nil},
		{"a time of another kind", procSetattr, enc(nil).opaque(g).u32(0, 0, 0, 0, 7, 0, 0), []string{rpcGarbage}, nil},
		{"COMMIT of all that can be", procCommit, enc(nil).opaque(g).u64(math.MaxUint64).u32(huge), []string{"nfs 0", "nfs 22"}, nil},
		{"CREATE of another kind", procCreate, enc(nil).opaque(root).str("h").u32(3).sattr(), []string{rpcGarbage}, nil},
		{"ACCESS to all that can be", procAccess, enc(nil).opaque(g).u32(huge), []string{"nfs 0"}, func(d dec) error {
			d.attr()
			if may := d.u32(); may&^0x3f != 0 {
				return fmt.Errorf("access %x", may)
			}
			return nil
		}},
		{"READDIR of no bytes", procReaddir, readdir(0, 0, 0), []string{"nfs 10005"}, nil},
		{"READDIR of 4 GiB", procReaddir, readdir(0, 0, huge), []string{"nfs 0"}, short},
		{"READDIR from the last cookie", procReaddir, readdir(math.MaxUint64, 0, 4096), []string{"nfs 0", "nfs 10003"}, short},
		{"READDIR of a file", procReaddir, enc(nil).opaque(g).u64(0).u64(0).u32(4096), []string{"nfs 20"}, nil},
		{"READDIRPLUS of no bytes", procReaddirplus, readdir(0, 0, 0).u32(0), []string{"nfs 10005"}, nil},
		{"READDIRPLUS of 4 GiB", procReaddirplus, readdir(0, 0, huge).u32(huge), []string{"nfs 0"}, short},
		{"READDIRPLUS of many names in little", procReaddirplus, readdir(0, 0, huge).u32(16), []string{"nfs 10005"}, nil},
		{"LOOKUP in a file", procLookup, enc(nil).opaque(g).str("x"), []string{"nfs 20"}, nil},
		{"READLINK of a file", procReadlink, enc(nil).opaque(g), []string{"nfs 10004", "nfs 22"}, nil},
		{"REMOVE of nothing", procRemove, enc(nil).opaque(root).str("none"), []string{"nfs 2"}, nil},
		{"RMDIR of a file", procRmdir, enc(nil).opaque(root).str("g"), []string{"nfs 20"}, nil},
		{"LINK of a folder", procLink, enc(nil).opaque(root).opaque(root).str("h"), []string{"nfs 1", "nfs 21", "nfs 22", "nfs 13"}, nil},
	} {
		got, rest := outcome(w.do(nfsCall(tt.proc, tt.args)))
		if !slices.Contains(tt.want, got) {
			t.Errorf("%s: %s, want %v", tt.what, got, tt.want)
		}
		if got == "nfs 0" && tt.look != nil {
			if err := tt.look(rest); err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
		}
		if !strings.HasPrefix(got, "nfs ") && !strings.HasPrefix(got, "rpc ") {
			w = connect(t, s.nfs, "")
		}
		w.must(t, procGetattr, enc(nil).opaque(root))
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "g")); err != nil || len(b) != 5 || string(b[1:]) != "ello" {
		t.Errorf("g holds %.20q, %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "f")); err != nil || !bytes.Equal(b, want) {
		t.Errorf("f has changed: %v", err)
	}
	if names := tree(t, s.dir); len(names) != 2 {
		t.Errorf("there is %q", names)
	}
}

// TestMountCalls: only what is exported to the client can be mounted.
func TestMountCalls(t *testing.T) {
	s, _ := ours(t, nfsd.Limits{})
	mount := func(proc uint32, args enc) call {
		c := nfsCall(proc, args)
		c.program = programMount
		return c
	}
	for _, tt := range []struct {
		what, from string
		call       call
		want       []string
	}{
		{"the export", "127.0.0.1", mount(1, enc(nil).str("/srv/judged")), []string{"nfs 0"}},
		{"an export for others", "127.0.0.1", mount(1, enc(nil).str("/srv/other")), []string{"nfs 13", "nfs 2"}},
		{"the same for them", "127.0.7.9", mount(1, enc(nil).str("/srv/other")), []string{"nfs 0"}},
		{"a detour", "127.0.0.1", mount(1, enc(nil).str("/srv/judged/../other")), []string{"nfs 13", "nfs 2"}},
		{"the real folder", "127.0.0.1", mount(1, enc(nil).str(roomExport)), []string{"nfs 13", "nfs 2"}},
		{"the top", "127.0.0.1", mount(1, enc(nil).str("/")), []string{"nfs 13", "nfs 2"}},
		{"no name", "127.0.0.1", mount(1, enc(nil).str("")), []string{"nfs 13", "nfs 2"}},
		{"a long name", "127.0.0.1", mount(1, enc(nil).str("/"+strings.Repeat("x", 1023))), []string{"nfs 13", "nfs 2", "nfs 63"}},
		{"a name that is too long", "127.0.0.1", mount(1, enc(nil).str("/"+strings.Repeat("x", 1024))), []string{rpcGarbage, "nfs 63"}},
		{"a name of 4 GiB", "127.0.0.1", mount(1, enc(nil).u32(math.MaxUint32)), []string{rpcGarbage}},
		{"no argument", "127.0.0.1", mount(1, nil), []string{rpcGarbage}},
		{"procedure 6", "127.0.0.1", mount(6, nil), []string{rpcNoProc}},
	} {
		if got, _ := outcome(connect(t, s.mount, tt.from).do(tt.call)); !slices.Contains(tt.want, got) {
			t.Errorf("%s: %s, want %v", tt.what, got, tt.want)
		}
	}
	exports := func(from string) (names []string) {
		r, err := connect(t, s.mount, from).do(mount(5, nil))
		if err != nil || r.denied || r.status != 0 {
			t.Fatalf("EXPORT: %v, %v", r, err)
		}
		for r.body.u32() == 1 {
			names = append(names, string(r.body.opaque()))
			for r.body.u32() == 1 {
				r.body.opaque()
			}
		}
		return names
	}
	for from, want := range map[string][]string{"127.0.0.1": {"/srv/judged"}, "127.0.7.9": {"/srv/judged", "/srv/other"}} {
		if got := exports(from); !slices.Equal(got, want) {
			t.Errorf("EXPORT lists %q to %s, want %q", got, from, want)
		}
	}
}

// TestRecords: a stream that is no row of records of calls ends, and nothing else does.
func TestRecords(t *testing.T) {
	s, _ := ours(t, nfsd.Limits{})
	root := s.root(t)
	good := nfsCall(procGetattr, enc(nil).opaque(root))
	pieces := func(b []byte, size int) (out []byte) {
		for len(b) > size {
			out = append(enc(out).u32(uint32(size)), b[:size]...)
			b = b[size:]
		}
		return append(enc(out).u32(lastFragment|uint32(len(b))), b...)
	}
	other := connect(t, s.nfs, "")
	for _, tt := range []struct {
		what string
		send []byte
		want []string
	}{
		{"a record", record(good.message()), []string{rpcOK}},
		{"a record in pieces", pieces(good.message(), 7), []string{rpcOK}},
		{"a record with an empty piece", append(enc(nil).u32(0), record(good.message())...), []string{rpcOK, closed}},
		{"a record of 2 GiB", enc(nil).u32(math.MaxUint32, 1, 0, 2), []string{closed}},
		{"a piece of 2 GiB", enc(nil).u32(lastFragment-1, 1, 0, 2), []string{closed}},
		{"pieces that are too much together", bytes.Repeat(append(enc(nil).u32(64<<10), make([]byte, 64<<10)...), 20), []string{closed}},
		{"empty pieces without end", make([]byte, 64<<10), []string{closed}},
		{"pieces of a byte without end", bytes.Repeat([]byte{0, 0, 0, 1, 7}, 20_000), []string{closed}},
		{"an empty record", enc(nil).u32(lastFragment), []string{closed}},
		{"three bytes", record([]byte("abc")), []string{closed}},
		{"a call that ends in its head", record(good.message()[:22]), []string{closed, rpcGarbage}},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), []string{closed}},
	} {
		w := connect(t, s.nfs, "")
		// The server may have closed the connection before all is sent.
		if err := w.send(tt.send); err != nil && !slices.Contains(tt.want, closed) {
			t.Fatal(err)
		}
		if got := verdict(w.reply()); !slices.Contains(tt.want, got) {
			t.Errorf("%s: %s, want %v", tt.what, got, tt.want)
		}
		other.must(t, procGetattr, enc(nil).opaque(root))
		w.Close()
	}
	// Calls in one piece of the stream are all answered, in whatever order.
	w := connect(t, s.nfs, "")
	var all []byte
	want := make(map[uint32]bool)
	for range 50 {
		c := nfsCall(procGetattr, enc(nil).opaque(root))
		want[c.xid] = true
		all = append(all, record(c.message())...)
	}
	if err := w.send(all); err != nil {
		t.Fatal(err)
	}
	for len(want) > 0 {
		r, err := w.reply()
		if err != nil || !want[r.xid] {
			t.Fatalf("%d replies are missing: %v, %v", len(want), r, err)
		}
		delete(want, r.xid)
	}
	// Half a record, and then the end of what the client sends.
	half := connect(t, s.nfs, "")
	message := record(good.message())
	if err := half.send(message[:len(message)/2]); err != nil {
		t.Fatal(err)
	}
	if err := half.shutWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := half.reply(); !errors.Is(err, errClosed) {
		t.Errorf("half a record: %v", err)
	}
}
