package balance

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// slowWrite is how long the client may take for one buffer of an answer until the backend's answer is
// read ahead. A write takes so long only when the buffers of the connection are full.
const slowWrite = 10 * time.Millisecond

// A readAhead is what has been read of an answer and not been written to the client: first blocks, then
// what is in the file. One goroutine fills it as long as the client is slower than the backend, and
// ends when the client has caught up; so there are never more of them than Memory has buffers. All
// is guarded by answer.mu.
type readAhead struct {
	a       *answer
	changed sync.Cond
	blocks  []block
	from    int64 // the file holds the bytes from here
	to      int64 // to here
	file    spool
	running bool  // somebody fills it
	filing  bool  // and writes to the file just now
	hungry  bool  // the reader waits for more
	err     error // how the answer ends
}

type block struct {
	data []byte
	r, w int
}

func (h *readAhead) filed() bool { return h.from < h.to || h.filing }

// run reads the backend's answer ahead; a.mu is held, but not while it waits.
func (h *readAhead) run() {
	a, all := h.a, h.a.x.b.bodies
	h.running = true
	defer func() {
		h.running = false
		if a.closed {
			h.free()
		}
		h.changed.Broadcast()
	}()
	var spare []byte
	defer func() {
		if spare != nil {
			all.free(spare)
		}
	}()
	for h.err == nil && !a.closed {
		if spare == nil {
			if spare = h.room(); spare == nil {
				if len(h.blocks) == 0 && !h.filed() {
					return // others have all the memory; the client is served without
				}
				h.changed.Wait()
				continue
			}
		}
		n, err := a.fill(spare)
		if a.closed {
			return
		}
		if n > 0 {
			spare = h.keep(spare, n)
		}
		h.err = err // not before what has come is kept
		caughtUp := h.hungry && !h.filed() && len(h.blocks) <= 1
		h.changed.Broadcast()
		if caughtUp {
			return // from here the client's own goroutine reads, unless it is slow again
		}
	}
}

// room returns a buffer, nil if this answer or all together have as many as they may.
func (h *readAhead) room() []byte {
	all := h.a.x.b.bodies
	if int64(len(h.blocks)+1)*bufferSize > all.o.PerAnswer {
		return nil
	}
	return all.buffer()
}

// keep takes n bytes that are in p, and returns a buffer for the next ones, nil if there is none.
func (h *readAhead) keep(p []byte, n int) []byte {
	if !h.filed() {
		if last := len(h.blocks) - 1; last >= 0 && bufferSize-h.blocks[last].w >= n {
			b := &h.blocks[last] // a trickle must not take a buffer for each drop
			copy(b.data[b.w:], p[:n])
			b.w += n
			return p
		}
		if int64(len(h.blocks)+2)*bufferSize <= h.a.x.b.bodies.o.PerAnswer {
			if next := h.a.x.b.bodies.buffer(); next != nil {
				h.blocks = append(h.blocks, block{p, 0, n})
				return next
			}
		}
		h.from, h.to = 0, 0
	}
	done := h.spill(p[:n])
	if done == n {
		return p
	}
	for h.filed() && !h.a.closed {
		h.changed.Wait() // the rest must not overtake what is in the file
	}
	h.blocks = append(h.blocks, block{p, done, n})
	return nil
}

// spill puts p into the file and returns how much of it is there.
func (h *readAhead) spill(p []byte) int {
	if h.file.broken != nil {
		return 0
	}
	h.filing = true
	at := h.to
	h.a.mu.Unlock()
	n, err := h.file.write(p, at)
	h.a.mu.Lock()
	h.filing = false
	h.to += int64(n)
	if err != nil && h.file.broken != nil {
		h.a.x.b.o.Logger.LogAttrs(h.a.x.ctx, slog.LevelWarn, "answers for slow clients wait at their backends, since they cannot be written to a file", slog.Any("error", err))
	}
	return n
}

// read takes what has been read ahead; 0: there is nothing now.
func (h *readAhead) read(p []byte) (n int, err error) {
	switch {
	case len(h.blocks) > 0:
		b := &h.blocks[0]
		n = copy(p, b.data[b.r:b.w])
		if b.r += n; b.r == b.w {
			h.a.x.b.bodies.free(b.data)
			h.blocks[0] = block{}
			if h.blocks = h.blocks[1:]; len(h.blocks) == 0 {
				h.blocks = nil
			}
		}
	case h.from < h.to:
		p = p[:min(int64(len(p)), h.to-h.from)]
		at := h.from
		h.a.mu.Unlock()
		n, err = h.file.file.ReadAt(p, at)
		h.a.mu.Lock()
		h.from += int64(n)
		if n == len(p) {
			err = nil
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF // a file has become shorter
		}
	}
	h.changed.Broadcast()
	return n, err
}

func (h *readAhead) free() {
	for _, b := range h.blocks {
		h.a.x.b.bodies.free(b.data)
	}
	h.blocks = nil
	h.file.close()
}
