package nfsd

import (
	"container/list"
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
)

// Bounds of what is kept. The longest reply to a call that must not be made twice has a handle and
// three sets of attributes.
const (
	maxReplies     = 16384
	maxReplyBytes  = 8 << 20
	replyOverhead  = 256 // what an entry takes besides its reply
	maxCachedReply = 1024
)

// replies is a duplicate-request cache. Some calls must not be carried out twice, as the removal of
// a name that was used again meanwhile. A client that got no reply, because the connection broke,
// sends the same call again over another one, and gets the first reply.
type replies struct {
	seed            maphash.Seed
	most, mostBytes int

	mu    sync.Mutex
	byKey map[callKey]*answer
	old   list.List // of *answer, the last one in front
	bytes int
}

// A callKey tells calls apart: the numbers (xid) alone begin anew when a client restarts.
type callKey struct {
	from netip.Addr
	xid  uint32
	prog uint32
	proc uint32
	size int
	sum  uint64 // of the whole call
}

// An answer is a call that came, and its reply when done is closed.
type answer struct {
	key   callKey
	done  chan struct{}
	reply []byte // nil: there was none to keep
	elem  *list.Element
}

func newReplies() *replies {
	return &replies{seed: maphash.MakeSeed(), most: maxReplies, mostBytes: maxReplyBytes, byKey: make(map[callKey]*answer)}
}

func (rs *replies) key(from netip.Addr, h *callHead, record []byte) callKey {
	return callKey{from: from, xid: h.xid, prog: h.prog, proc: h.proc, size: len(record), sum: maphash.Bytes(rs.seed, record)}
}

// once calls f and returns its reply, or that of the first time. replayed says which. While the
// first is under way it waits; it returns nil when ctx ends before.
func (rs *replies) once(ctx context.Context, k callKey, f func() (reply []byte, keep bool)) (reply []byte, replayed bool) {
	rs.mu.Lock()
	if a := rs.byKey[k]; a != nil {
		rs.mu.Unlock()
		select {
		case <-a.done:
			return a.reply, true
		case <-ctx.Done():
			return nil, true
		}
	}
	a := &answer{key: k, done: make(chan struct{})}
	rs.byKey[k] = a
	rs.mu.Unlock()

	reply, keep := f()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	a.reply = reply
	close(a.done)
	if !keep || len(reply) > maxCachedReply {
		delete(rs.byKey, k)
		return reply, false
	}
	a.elem = rs.old.PushFront(a)
	rs.bytes += len(reply) + replyOverhead
	for rs.old.Len() > rs.most || rs.bytes > rs.mostBytes {
		last := rs.old.Back()
		b := rs.old.Remove(last).(*answer)
		delete(rs.byKey, b.key)
		rs.bytes -= len(b.reply) + replyOverhead
	}
	return reply, false
}
