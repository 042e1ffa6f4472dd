//go:build linux

package nfsd

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"pgregory.net/rapid"
)

// TestSentAgain sends the bytes of calls again, as a client does whose connection broke before the
// reply: over another connection, when the name means something else already.
func TestSentAgain(t *testing.T) {
	s := start(t, nil, nil)
	c := s.raw(root)
	dir := c.root()
	for _, f := range []string{"remove", "rename", "link"} {
		if err := os.WriteFile(filepath.Join(s.dir, f), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	size := noAttrs()
	size.Size = &nfsv3.SetSize3_TRUE{Size: 0}
	linked := c.lookup(dir, "link")
	for what, msg := range map[string][]byte{
		"setattr": message(1, nfsProgram, version, 2, root, linked, size, number(0)),
		"write":   message(2, nfsProgram, version, 7, root, linked, long(0), number(3), number(0), text("old")),
		"create":  message(3, nfsProgram, version, 8, root, dir, text("create"), guarded(0o644)),
		"mkdir":   message(4, nfsProgram, version, 9, root, dir, text("mkdir"), noAttrs()),
		"remove":  message(5, nfsProgram, version, 12, root, dir, text("remove")),
		"rmdir":   message(6, nfsProgram, version, 13, root, dir, text("mkdir")),
		"rename":  message(7, nfsProgram, version, 14, root, dir, text("rename"), dir, text("renamed")),
		"link":    message(8, nfsProgram, version, 15, root, linked, dir, text("linked")),
	} {
		t.Run(what, func(t *testing.T) {
			if what == "rmdir" {
				if err := os.MkdirAll(filepath.Join(s.dir, "mkdir"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			before := s.server.Stats()
			c.send(framed(msg))
			first, err := c.receive()
			if err != nil {
				t.Fatal(err)
			}
			again := s.raw(root)
			again.send(framed(msg))
			second, err := again.receive()
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("the reply was\n%x, and is\n%x, %v", first, second, err)
			}
			now := s.server.Stats()
			if now.Replayed-before.Replayed != 1 || now.Calls-before.Calls != 1 {
				t.Errorf("carried out %d times, replayed %d times", now.Calls-before.Calls, now.Replayed-before.Replayed)
			}
			if b, err := result(first); err != nil || !bytes.Equal(b[:4], make([]byte, 4)) {
				t.Errorf("the call failed: %x, %v", b, err)
			}
		})
	}
	// The same number, and other arguments or another client: another call.
	c.send(framed(message(3, nfsProgram, version, 8, root, dir, text("create"), guarded(0o600))))
	b, err := c.receive()
	if err == nil {
		b, err = result(b)
	}
	if err != nil || nfsv3.Nfsstat3(b[3]) != nfsv3.NFS3ERR_EXIST {
		t.Errorf("another call with an old number: %x, %v", b, err)
	}
	other := s.rawFrom(root, "127.0.0.2")
	other.send(framed(message(3, nfsProgram, version, 8, root, dir, text("create"), guarded(0o644))))
	if b, err = other.receive(); err == nil {
		b, err = result(b)
	}
	if err != nil || nfsv3.Nfsstat3(b[3]) != nfsv3.NFS3ERR_EXIST {
		t.Errorf("the same call from another machine: %x, %v", b, err)
	}
}

// TestUnderWay sends calls again before the first was answered.
func TestUnderWay(t *testing.T) {
	rs := newReplies()
	k := rs.key(netip.MustParseAddr("10.0.0.1"), &callHead{xid: 1}, []byte("call"))
	began, finish := make(chan struct{}), make(chan struct{})
	var runs atomic.Int32
	run := func() ([]byte, bool) {
		runs.Add(1)
		close(began)
		<-finish
		return []byte("reply"), true
	}
	var wg sync.WaitGroup
	got := make([]string, 5)
	ask := func(i int) {
		wg.Go(func() {
			b, _ := rs.once(t.Context(), k, run)
			got[i] = string(b)
		})
	}
	ask(0)
	<-began
	for i := 1; i < len(got); i++ {
		ask(i)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if b, replayed := rs.once(gone, k, run); b != nil || !replayed {
		t.Errorf("one whose connection is gone: %q, %t", b, replayed)
	}
	close(finish)
	wg.Wait()
	if runs.Load() != 1 || fmt.Sprint(got) != "[reply reply reply reply reply]" {
		t.Errorf("ran %d times: %q", runs.Load(), got)
	}
	if b, replayed := rs.once(t.Context(), k, run); string(b) != "reply" || !replayed {
		t.Errorf("later: %q, %t", b, replayed)
	}
}

// TestRepliesAreBounded fills a cache with any calls and looks whether it keeps its bounds and its
// accounts, and the last replies.
func TestRepliesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := newReplies()
		rs.most, rs.mostBytes = 20, 20_000
		n := rapid.IntRange(1, 200).Draw(t, "calls")
		for i := range n {
			size := rapid.IntRange(0, 2*maxCachedReply).Draw(t, "size")
			keep := rapid.Bool().Draw(t, "keep")
			xid := uint32(rapid.IntRange(0, 50).Draw(t, "xid"))
			k := rs.key(netip.MustParseAddr("10.0.0.1"), &callHead{xid: xid}, nil)
			_, had := rs.byKey[k]
			reply, replayed := rs.once(context.Background(), k, func() ([]byte, bool) { return make([]byte, size), keep })
			if had != replayed {
				t.Fatalf("call %d: had it %t, replayed %t", i, had, replayed)
			}
			if _, has := rs.byKey[k]; !replayed && has != (keep && len(reply) <= maxCachedReply) {
				t.Fatalf("call %d of %d bytes, keep %t: kept %t", i, size, keep, has)
			}
			sum := 0
			for e := rs.old.Front(); e != nil; e = e.Next() {
				sum += len(e.Value.(*answer).reply) + replyOverhead
			}
			if sum != rs.bytes || len(rs.byKey) != rs.old.Len() || rs.old.Len() > rs.most || sum > rs.mostBytes {
				t.Fatalf("%d replies of %d bytes, counted %d; %d keys", rs.old.Len(), sum, rs.bytes, len(rs.byKey))
			}
		}
	})
}
