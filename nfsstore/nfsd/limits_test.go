//go:build linux

package nfsd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// wait waits for a condition, for longer than it ever takes.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s does not happen", what)
		}
	}
}

// TestIdleConnections opens more connections than are allowed, from many addresses and from one, and
// looks whether a client still gets its answers.
func TestIdleConnections(t *testing.T) {
	s := start(t, nil, nil)
	c := s.client(0, 0)
	put(t, c, "f", content(5, 1000))
	var all []net.Conn
	t.Cleanup(func() {
		for _, nc := range all {
			nc.Close() // the server may have
		}
	})
	for i := range 1100 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i%40))}}
		nc, err := d.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, nc)
		switch i % 3 {
		case 1: // a record that does not go on
			_, err = nc.Write(append(binary.BigEndian.AppendUint32(nil, lastFragment|1000), make([]byte, 500)...))
		case 2: // a mark that is cut
			_, err = nc.Write([]byte{0x80, 0})
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			put(t, c, fmt.Sprintf("f-%d", i), content(6, 1000))
		}
	}
	for range 100 {
		s.raw(root) // each from the address of the client
	}
	put(t, c, "last", content(7, 1000))
	if got := get(t, c, "last"); len(got) != 1000 {
		t.Errorf("%d bytes", len(got))
	}
	wait(t, "the closing of what is too much", func() bool {
		st := s.server.Stats()
		return st.Connections <= DefaultConnections && st.Evicted > 0
	})
}

// TestConnectionsPerClient opens more connections from one address than it may have: that which has
// been quiet for longest is closed, and others keep theirs.
func TestConnectionsPerClient(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits.ConnectionsPerClient = 3 }, nil)
	other := s.rawFrom(root, "127.0.0.3")
	other.root()
	var mine []*raw
	for range 3 {
		c := s.raw(root)
		c.root()
		mine = append(mine, c)
	}
	mine[0].root() // so it is not the quietest
	s.raw(root).root()
	if _, err := mine[1].nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the quietest connection: %v", err)
	}
	for _, c := range []*raw{mine[0], mine[2], other} {
		c.root()
	}
}

// TestDeaf asks for much and takes no replies: others must not wait, and memory must not grow.
func TestDeaf(t *testing.T) {
	const most = 32 << 20
	s := start(t, nil, func(s *Server) { s.times.write, s.bytes = patience, most })
	c := s.client(0, 0)
	put(t, c, "f", content(8, 1<<20))
	fh := s.raw(root).lookup(s.raw(root).root(), "f")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for i := range 16 {
		r := s.rawFrom(root, fmt.Sprintf("127.0.2.%d", i%4+1))
		wg.Go(func() {
			for xid := range uint32(40) {
				r.nc.SetWriteDeadline(time.Now().Add(time.Second)) // the server stops reading: that is meant
				if _, err := r.nc.Write(framed(message(xid, nfsProgram, version, procRead, root, fh, long(0), number(1<<20)))); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	wait(t, "that those who take no replies are sent away", func() bool { return s.server.Stats().Evicted > 0 })
	for i := range 20 {
		put(t, c, fmt.Sprintf("g-%d", i), content(9, 300_000))
		if got := get(t, c, "f"); len(got) != 1<<20 {
			t.Errorf("%d bytes", len(got))
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4*most {
		t.Errorf("the memory grew by %d MB", grown>>20)
	}
}

// TestSlow is left behind by clients in the middle of a record, and of a reply.
func TestSlow(t *testing.T) {
	s := start(t, nil, func(s *Server) {
		s.times.record, s.times.write = 200*time.Millisecond, 200*time.Millisecond
	})
	put(t, s.client(0, 0), "f", content(10, 1<<20))
	half := s.raw(root)
	half.send(binary.BigEndian.AppendUint32(nil, lastFragment|100))
	if _, err := half.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("in the middle of a record: %v", err)
	}
	deaf := s.raw(root)
	fh := deaf.lookup(deaf.root(), "f")
	before := s.server.Stats().Connections
	if err := deaf.nc.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	for xid := range uint32(callsPerConnection) {
		if _, err := deaf.nc.Write(framed(message(xid, nfsProgram, version, procRead, root, fh, long(0), number(1<<20)))); err != nil {
			break
		}
	}
	wait(t, "the end of a connection that takes no replies", func() bool { return s.server.Stats().Connections < before })
}

func TestIdle(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits.Idle = 50 * time.Millisecond }, nil)
	r := s.raw(root)
	if _, err := r.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a quiet connection: %v", err)
	}
}

// TestStrangers come from where no client is.
func TestStrangers(t *testing.T) {
	s := start(t, func(c *Config) { c.Exports[0].Clients[0].Net = mustPrefix("127.0.0.1/32") }, nil)
	r := s.rawFrom(root, "127.0.0.9")
	if _, err := r.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stranger's connection: %v", err)
	}
	if n := s.server.Stats().Refused; n != 1 {
		t.Errorf("%d were counted as refused", n)
	}
}

// TestRPC makes calls that are wrong before any procedure sees them.
func TestRPC(t *testing.T) {
	s := start(t, nil, nil)
	c := s.raw(root)
	groups := message(1, nfsProgram, version, 1, &credential{groups: make([]uint32, maxGroups)}, text("x"))
	groups[24+8+4+8+8+3]++ // their number, after the head, the flavor, the stamp, the machine and the user
	for what, tt := range map[string]struct {
		msg  []byte
		want error
	}{
		"another program":        {message(1, 100021, 4, 0, root), acceptError(rpcv2.PROG_UNAVAIL)},
		"NFS version 2":          {message(1, nfsProgram, 2, 0, root), acceptError(rpcv2.PROG_MISMATCH)},
		"NFS version 4":          {message(1, nfsProgram, 4, 0, root), acceptError(rpcv2.PROG_MISMATCH)},
		"MOUNT version 1":        {message(1, mountProgram, 1, 0, root), acceptError(rpcv2.PROG_MISMATCH)},
		"a procedure too many":   {message(1, nfsProgram, version, 22, root), acceptError(rpcv2.PROC_UNAVAIL)},
		"no arguments":           {message(1, nfsProgram, version, 1, root), acceptError(rpcv2.GARBAGE_ARGS)},
		"null without a user":    {message(1, nfsProgram, version, 0, nil), nil},
		"getattr without a user": {message(1, nfsProgram, version, 1, nil, text("x")), authError(rpcv2.AUTH_TOOWEAK)},
		"mount without a user":   {message(1, mountProgram, version, 1, nil, text(exportName)), authError(rpcv2.AUTH_TOOWEAK)},
		"the list of exports":    {message(1, mountProgram, version, 5, nil), nil},
		"the list of mounts":     {message(1, mountProgram, version, 2, root), nil},
		"17 groups":              {groups, authError(rpcv2.AUTH_BADCRED)},
	} {
		c.send(framed(tt.msg))
		b, err := c.receive()
		if err == nil {
			_, err = result(b)
		}
		if err != tt.want {
			t.Errorf("%s: %v, want %v", what, err, tt.want)
		}
	}
	// Several pieces, one of them empty.
	msg := message(9, nfsProgram, version, 0, nil)
	var b []byte
	for _, cut := range [][2]int{{0, 1}, {1, 1}, {1, 10}} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(cut[1]-cut[0])), msg[cut[0]:cut[1]]...)
	}
	c.send(append(b, framed(msg[10:])...))
	if _, err := c.receive(); err != nil {
		t.Errorf("a record in pieces: %v", err)
	}
	for what, b := range map[string][]byte{
		"a long record":   binary.BigEndian.AppendUint32(nil, lastFragment|(maxRecord+1)),
		"a short record":  framed([]byte{1, 2, 3}),
		"a reply":         framed([]byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}),
		"a web request":   []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a thousand bits": framed(make([]byte, 1000)),
	} {
		c := s.raw(root)
		c.send(b)
		if _, err := c.nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && what != "a thousand bits" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestLastReplies ends the server while calls are under way: who was acknowledged has a reply.
func TestLastReplies(t *testing.T) {
	s := start(t, nil, nil)
	c := s.raw(root)
	dir := c.root()
	const n = 50
	var msgs []byte
	for i := range n {
		msgs = append(msgs, framed(message(uint32(i), nfsProgram, version, 8, root, dir, text(fmt.Sprint("f", i)), guarded(0o644)))...)
	}
	c.send(msgs)
	if _, err := c.receive(); err != nil {
		t.Fatal(err)
	}
	s.down()
	replies := 1
	for {
		if _, err := c.receive(); err != nil {
			break
		}
		replies++
	}
	made, err := os.ReadDir(s.dir)
	if err != nil || len(made) != replies {
		t.Errorf("%d files were made and %d calls answered, %v", len(made), replies, err)
	}
}

// TestFull fills the disk and its inodes.
func TestFull(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=1m,nr_inodes=20")
	s := start(t, func(c *Config) { c.Exports[0].Dir = dir }, nil)
	c := s.raw(root)
	top := c.root()
	if stat := first(c.nfs(8, top, text("f"), guarded(0o644))); stat != 0 {
		t.Fatal(name(stat))
	}
	fh := c.lookup(top, "f")
	full := nfsv3.NFS3_OK
	for i := 0; i < 32 && full == nfsv3.NFS3_OK; i++ {
		stat, in := c.nfs(7, fh, long(i*100_000), number(100_000), number(0), text(make([]byte, 100_000)))
		if full = stat; stat != 0 {
			break
		}
		var ok nfsv3.Write3resok
		if _, err := ok.ReadFrom(in); err != nil {
			t.Fatal(err)
		}
		if ok.Count == 0 {
			t.Fatal("nothing was written, without an error")
		}
	}
	if full != nfsv3.NFS3ERR_NOSPC {
		t.Errorf("a full disk: %s", name(full))
	}
	if stat := first(c.nfs(12, top, text("f"))); stat != 0 {
		t.Fatal(name(stat))
	}
	// The server held the file open; its space is free all the same.
	stat, in := c.nfs(18, top)
	var fs nfsv3.Fsstat3resok
	if _, err := fs.ReadFrom(in); stat != 0 || err != nil || fs.Abytes < 900_000 {
		t.Errorf("after the removal %d bytes are free, %s, %v", fs.Abytes, name(stat), err)
	}
	for i := range 40 {
		if stat = first(c.nfs(9, top, text(fmt.Sprint("d", i)), noAttrs())); stat != 0 {
			break
		}
	}
	if stat != nfsv3.NFS3ERR_NOSPC {
		t.Errorf("no inodes: %s", name(stat))
	}
	if err := os.Remove(filepath.Join(dir, "d0")); err != nil {
		t.Fatal(err)
	}
	if stat := first(c.nfs(9, top, text("again"), noAttrs())); stat != 0 {
		t.Errorf("with an inode again: %s", name(stat))
	}
}
