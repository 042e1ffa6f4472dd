package nfs3

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/google/go-cmp/cmp"
)

// scripted returns a client of a server that answer plays: it gets the record of a call, with its
// procedure, and returns the bytes to send; nil ends the connection.
func scripted(t testing.TB, timeout time.Duration, answer func(xid, proc uint32) []byte) *Client {
	t.Helper()
	cfg, err := Config{Host: "scripted", Export: "/export", Timeout: timeout}.checked()
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{cfg: cfg, where: cfg.where(), limits: Limits{Read: maxTransfer, Write: maxTransfer}}
	root := handle("root")
	c.root.Store(&root)
	served := make(chan struct{}, 1000)
	var serving atomic.Int32
	c.rpc = newTransport(&c.cfg, credential{}, func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		serving.Add(1)
		go func() {
			defer func() { served <- struct{}{} }()
			defer far.Close()
			for {
				call, err := readRecord(far)
				if err != nil {
					return
				}
				out := answer(binary.BigEndian.Uint32(call), binary.BigEndian.Uint32(call[20:]))
				if out == nil {
					return
				}
				if _, err := far.Write(out); err != nil {
					return
				}
			}
		}()
		return near, nil
	})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for range serving.Load() {
			<-served
		}
	})
	return c
}

// record is one fragment.
func record(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, lastFragment|uint32(len(body))), body...)
}

// accepted is the reply of success with a result.
func accepted(xid uint32, result ...io.WriterTo) []byte {
	var b bytes.Buffer
	seq := append(sequence{words{xid, 1, 0, 0, 0, 0}}, result...)
	if _, err := seq.WriteTo(&b); err != nil {
		panic(err)
	}
	return record(b.Bytes())
}

func TestHostile(t *testing.T) {
	good := func(xid uint32) []byte {
		return accepted(xid, &nfsv3.Getattr3res_NFS3_OK{Resok: nfsv3.Getattr3resok{ObjAttributes: nfsv3.Fattr3{Type: nfsv3.NF3DIR}}})
	}
	for _, tt := range []struct {
		what   string
		answer func(xid uint32) []byte
		want   error // nil: success
	}{
		{"a good reply", good, nil},
		{"replies to other calls before it", func(xid uint32) []byte {
			return bytes.Join([][]byte{good(xid + 1), good(xid - 1), good(xid)}, nil)
		}, nil},
		{"the reply twice", func(xid uint32) []byte { return append(good(xid), good(xid)...) }, nil},
		{"a reply in fragments", func(xid uint32) []byte {
			body := good(xid)[4:]
			var out []byte
			for i, b := range body {
				head := uint32(1)
				if i == len(body)-1 {
					head |= lastFragment
				}
				out = append(binary.BigEndian.AppendUint32(out, head), b)
			}
			return out
		}, nil},
		{"a record of 2 GiB", func(uint32) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }, ErrProtocol},
		{"fragments without end", func(uint32) []byte { return bytes.Repeat(append([]byte{0, 0, 0x80, 0}, make([]byte, 0x8000)...), 40) }, ErrProtocol},
		{"empty fragments", func(uint32) []byte { return make([]byte, 4) }, ErrProtocol},
		{"a call", func(xid uint32) []byte { b := good(xid); b[11] = 0; return b }, ErrProtocol},
		{"a record of 3 bytes", func(uint32) []byte { return record(make([]byte, 3)) }, ErrProtocol},
		{"no head", func(xid uint32) []byte { return record(good(xid)[4:12]) }, ErrProtocol},
		{"no result", func(xid uint32) []byte { return accepted(xid) }, ErrProtocol},
		{"half a result", func(xid uint32) []byte { return record(good(xid)[4:60]) }, ErrProtocol},
		{"an unknown status", func(xid uint32) []byte { return accepted(xid, words{4711}) }, syscall.EIO},
		{"no such program", func(xid uint32) []byte { return record(words{xid, 1, 0, 0, 0, uint32(rpcv2.PROG_UNAVAIL)}.bytes()) }, syscall.EPROTONOSUPPORT},
		{"no such version", func(xid uint32) []byte {
			return record(words{xid, 1, 0, 0, 0, uint32(rpcv2.PROG_MISMATCH), 4, 4}.bytes())
		}, syscall.EPROTONOSUPPORT},
		{"garbage", func(xid uint32) []byte { return record(words{xid, 1, 0, 0, 0, uint32(rpcv2.GARBAGE_ARGS)}.bytes()) }, syscall.EIO},
		{"weak identification", func(xid uint32) []byte { return record(words{xid, 1, 1, 1, uint32(rpcv2.AUTH_TOOWEAK)}.bytes()) }, fs.ErrPermission},
		{"another RPC", func(xid uint32) []byte { return record(words{xid, 1, 1, 0, 3, 3}.bytes()) }, syscall.EPROTONOSUPPORT},
		{"silence, then the end", func(uint32) []byte { return nil }, ErrNoAnswer},
	} {
		t.Run(tt.what, func(t *testing.T) {
			c := scripted(t, 300*time.Millisecond, func(xid, _ uint32) []byte { return tt.answer(xid) })
			err := c.Ping(t.Context())
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) {
				t.Errorf("got the error %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), "scripted:/export") {
				t.Errorf("the message does not say which export: %v", err)
			}
		})
	}
}

func (ws words) bytes() []byte {
	var b bytes.Buffer
	ws.WriteTo(&b) // a Buffer has no errors
	return b.Bytes()
}

// A READ with more than was asked for, and a WRITE of a wrong count.
func TestWrongCounts(t *testing.T) {
	for _, tt := range []struct{ count, length uint32 }{{9, 9}, {0, 1 << 31}, {0, 0}} {
		c := scripted(t, time.Second, func(xid, _ uint32) []byte {
			out := accepted(xid, words{0, 0, tt.count, 0, tt.length}, words(make([]uint32, min(tt.length, 12)/4)))
			return out
		})
		f := &File{c: c, h: "f", name: "f"}
		n, err := f.ReadAt(make([]byte, 8), 0)
		if n != 0 || !errors.Is(err, ErrProtocol) {
			t.Errorf("READ of %+v: %d, %v", tt, n, err)
		}
	}
	for _, count := range []uint32{0, 9, 1 << 31} {
		c := scripted(t, time.Second, func(xid, _ uint32) []byte {
			return accepted(xid, words{0, 0, 0, count, 0, 1, 2})
		})
		f := &File{c: c, h: "f", name: "f"}
		n, err := f.WriteAt(t.Context(), make([]byte, 8), 0)
		if n != 0 || !errors.Is(err, ErrProtocol) {
			t.Errorf("WRITE of the count %d: %d, %v", count, n, err)
		}
	}
}

// Short reads and writes go on from where they stopped.
func TestShortCounts(t *testing.T) {
	c := scripted(t, time.Second, func(xid, proc uint32) []byte {
		if proc == procRead.num {
			return accepted(xid, words{0, 0, 3, 0, 3, 0x61626300})
		}
		return accepted(xid, words{0, 0, 0, 3, 0, 1, 2})
	})
	f := &File{c: c, h: "f", name: "f"}
	p := make([]byte, 9)
	if n, err := f.ReadAt(p, 0); n != 9 || err != nil || string(p) != "abcabcabc" {
		t.Errorf("read %d %q: %v", n, p, err)
	}
	if n, err := f.WriteAt(t.Context(), p, 0); n != 9 || err != nil {
		t.Errorf("wrote %d: %v", n, err)
	}
}

// What is repeated when replies are lost, and what is not.
func TestLostReply(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		what    string
		do      func(c *Client) error
		proc    proc
		unknown bool
	}{
		{"getattr", func(c *Client) error { return c.Ping(ctx) }, procGetattr, false},
		{"commit", func(c *Client) error { return (&File{c: c, h: "f"}).Sync(ctx) }, procCommit, false},
		{"exclusive creation", func(c *Client) error { _, err := c.Create(ctx, "x", 0o644); return err }, procCreate, false},
		{"mkdir", func(c *Client) error { return c.Mkdir(ctx, "x", 0o755) }, procMkdir, true},
		{"remove", func(c *Client) error { return c.Remove(ctx, "x") }, procRemove, true},
		{"rmdir", func(c *Client) error { return c.Rmdir(ctx, "x") }, procRmdir, true},
		{"rename", func(c *Client) error { return c.Rename(ctx, "x", "y") }, procRename, true},
		{"link", func(c *Client) error { return c.Link(ctx, "x", "y") }, procLink, true},
		{"link of a file", func(c *Client) error { return (&File{c: c, h: "f"}).Link(ctx, "y") }, procLink, true},
		{"guarded creation", func(c *Client) error { _, err := c.CreateGuarded(ctx, "x", 0o644); return err }, procCreate, true},
		{"synced write", func(c *Client) error { return (&File{c: c, h: "f"}).WriteSync(ctx, make([]byte, 4), 0) }, procWrite, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var calls atomic.Int32
			c := scripted(t, 10*time.Second, func(xid, num uint32) []byte {
				if num != tt.proc.num { // a look-up, or what follows
					attr := &nfsv3.PostOpAttr_TRUE{Attributes: nfsv3.Fattr3{Type: nfsv3.NF3REG}}
					if num == procSetattr.num {
						return accepted(xid, words{0, 0}, attr)
					}
					return accepted(xid, words{0, 4, 0x66696c65}, attr, words{0})
				}
				if calls.Add(1) == 1 {
					return nil
				}
				switch num {
				case procGetattr.num:
					return accepted(xid, words{0}, &nfsv3.Fattr3{Type: nfsv3.NF3DIR})
				case procCommit.num:
					return accepted(xid, words{0, 0, 0, 1, 2})
				case procWrite.num:
					return accepted(xid, words{0, 0, 0, 4, uint32(nfsv3.FILE_SYNC), 1, 2})
				}
				return accepted(xid, words{0, 1, 4, 0x66696c65, 0, 0, 0})
			})
			err := tt.do(c)
			wantCalls := int32(2)
			if tt.unknown {
				wantCalls = 1
				want(t, err, ErrUnknownOutcome, ErrNoAnswer)
			} else if err != nil {
				t.Error(err)
			}
			if calls.Load() != wantCalls {
				t.Errorf("%d calls, want %d", calls.Load(), wantCalls)
			}
		})
	}
}

// A server that asks to come back later is asked again, also for what must not be done twice: it
// has not been done.
func TestJukebox(t *testing.T) {
	var calls atomic.Int32
	c := scripted(t, 10*time.Second, func(xid, _ uint32) []byte {
		if calls.Add(1) < 3 {
			return accepted(xid, words{uint32(nfsv3.NFS3ERR_JUKEBOX), 0, 0})
		}
		return accepted(xid, words{0, 0, 0, 0, 0})
	})
	if err := c.Mkdir(t.Context(), "d", 0o755); err != nil || calls.Load() != 3 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
	c = scripted(t, 200*time.Millisecond, func(xid, _ uint32) []byte {
		return accepted(xid, words{uint32(nfsv3.NFS3ERR_JUKEBOX), 0, 0})
	})
	want(t, c.Mkdir(t.Context(), "d", 0o755), syscall.EAGAIN)
}

// A server without exclusive creation (RFC 1813, section 3.3.8) gets a guarded one.
func TestNoExclusive(t *testing.T) {
	var calls atomic.Int32
	c := scripted(t, 10*time.Second, func(xid, num uint32) []byte {
		switch {
		case num == procSetattr.num:
			return accepted(xid, words{0, 0}, &nfsv3.PostOpAttr_TRUE{Attributes: nfsv3.Fattr3{Type: nfsv3.NF3REG}})
		case calls.Add(1) == 1:
			return accepted(xid, words{uint32(nfsv3.NFS3ERR_NOTSUPP), 0, 0})
		}
		return accepted(xid, words{0, 1, 4, 0x66696c65, 0, 0, 0})
	})
	f, err := c.Create(t.Context(), "f", 0o644)
	if err != nil || f.h != "file" || calls.Load() != 2 {
		t.Errorf("%v after %d calls: %v", f, calls.Load(), err)
	}
}

// A directory that goes round in circles ends.
func TestEndlessDirectory(t *testing.T) {
	c := scripted(t, time.Second, func(xid, _ uint32) []byte {
		return accepted(xid, words{0, 0, 0, 0, 0, 0})
	})
	var last error
	for _, err := range c.ReadDir(t.Context(), ".") {
		last = err
	}
	want(t, last, ErrProtocol)
}

func TestDirCacheIsBounded(t *testing.T) {
	var d dirCache
	for i := range 3 * maxDirs {
		d.put(fmt.Sprint("d", i), handle(fmt.Sprint(i)))
	}
	if len(d.m) != maxDirs {
		t.Errorf("%d directories", len(d.m))
	}
	if h, ok := d.get(fmt.Sprint("d", 3*maxDirs-1)); !ok || h != handle(fmt.Sprint(3*maxDirs-1)) {
		t.Errorf("the newest is %q, %v", h, ok)
	}
	d.clear()
	for _, name := range []string{"a", "a/b", "a/b/c", "ab", "b/a"} {
		d.put(name, "x")
	}
	d.drop("a")
	if diff := cmp.Diff(map[string]handle{"ab": "x", "b/a": "x"}, d.m); diff != "" {
		t.Error(diff)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 2, 1, 2})
	f.Add([]byte{0, 0, 0, 1, 1, 0x80, 0, 0, 1, 2})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x80, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readRecord(bytes.NewReader(in))
		if err != nil {
			return
		}
		if len(got) > maxRecord || len(got) > len(in) {
			t.Fatalf("%d bytes of %d", len(got), len(in))
		}
		again, err := readRecord(bytes.NewReader(record(got)))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q became %q: %v", got, again, err)
		}
	})
}

// FuzzReply has every reader read what a server could send in place of a reply.
func FuzzReply(f *testing.F) {
	f.Add(uint8(0), accepted(1, words{0})[4:])
	f.Add(uint8(17), accepted(1, words{0, 0, 0, 0, 1, 0, 7, 1, 0x61000000, 0, 1, 0, 0, 0, 1})[4:])
	f.Add(uint8(6), accepted(1, words{0, 0, 4, 1, 4, 0x61626364})[4:])
	f.Add(uint8(1), accepted(1, words{0, 0xffffffff})[4:])
	f.Add(uint8(3), []byte{})
	f.Fuzz(func(t *testing.T, which uint8, rec []byte) {
		if _, err := xidOf(rec); err != nil {
			return
		}
		body, err := resultOf(procGetattr, rec)
		if err != nil {
			return
		}
		r := bytes.NewReader(body)
		switch which {
		case 1:
			res, _, err := mount.ReadMountres3(r)
			if err == nil && res == nil {
				t.Fatal("neither a result nor an error")
			}
		case 17:
			entries, _, status, err := readPage(r, position{})
			if err != nil || status != 0 {
				return
			}
			for _, e := range entries {
				if e.name == "" || len(e.name) > maxName || strings.ContainsAny(e.name, "/\x00") {
					t.Fatalf("the name %q", e.name)
				}
			}
		default:
			// All others by way of a client: the answer to whatever is asked.
			c := scripted(t, time.Second, func(xid, _ uint32) []byte {
				out := bytes.Clone(rec)
				binary.BigEndian.PutUint32(out, xid)
				return record(out)
			})
			file := &File{c: c, h: "f", name: "f"}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			switch which % 15 {
			case 0:
				err = c.Ping(ctx)
			case 2:
				_, err = c.Stat(ctx, "a/b")
			case 3:
				_, err = c.Open(ctx, "a")
			case 4:
				_, err = c.Create(ctx, "a", 0)
			case 5:
				err = c.Link(ctx, "a", "b")
			case 6:
				p := make([]byte, 8)
				var n int
				if n, err = file.ReadAtContext(ctx, p, 0); n < 0 || n > len(p) || n < len(p) && err == nil {
					t.Fatalf("read %d: %v", n, err)
				}
			case 7:
				_, err = file.WriteAt(ctx, make([]byte, 8), 0)
			case 8:
				err = file.Sync(ctx)
			case 9:
				_, err = c.Space(ctx)
			case 10:
				err = c.fsinfo(ctx)
				if l := c.Limits(); err == nil && (l.Read < minTransfer || l.Read > maxTransfer || l.Write < minTransfer || l.Write > maxTransfer) {
					t.Fatalf("limits %+v", l)
				}
			case 11:
				err = c.Chmod(ctx, "a", 0)
			case 12:
				err = file.WriteSync(ctx, make([]byte, 8), 0)
			case 13:
				_, err = c.CreateGuarded(ctx, "a", 0)
			case 14:
				err = file.Link(ctx, "a")
			}
			if err != nil && err != io.EOF {
				if _, is := errors.AsType[*Error](err); !is {
					t.Fatalf("the error %v has no operation", err)
				}
			}
		}
	})
}
