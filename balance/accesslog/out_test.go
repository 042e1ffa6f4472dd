package accesslog

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
)

// buffer may be looked at while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) lines() int { return bytes.Count([]byte(b.String()), []byte("\n")) }

// stuck is a disk that does not answer until it is free.
type stuck struct {
	buffer
	in, out chan struct{}
	free    atomic.Bool
}

func (s *stuck) Write(p []byte) (int, error) {
	if !s.free.Load() {
		s.in <- struct{}{}
		<-s.out
	}
	return s.buffer.Write(p)
}

var errRoom = errors.New("no space left")

// full is a disk with so much room; a newline always fits.
type full struct {
	buffer
	room int
}

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	if string(p) == "\n" {
		n = 1
	}
	f.room = max(0, f.room-n)
	if _, err := f.buffer.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, errRoom
	}
	return n, nil
}
