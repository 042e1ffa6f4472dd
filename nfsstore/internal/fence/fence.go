// Package fence makes names safe on file servers that acknowledge them before they are on disk.
package fence

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/tempname"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// ErrAgain: the server was restarted before it had flushed the file, so it has to grow once more.
var ErrAgain = errors.New("the server was restarted under the fence")

// errTaken: the file of a fence was there each time. A server that is killed while it makes a file may
// say so of our own; it says nothing about the names that are to be made safe.
var errTaken = errors.New("the server says of each new name that it is taken")

// A File is what a fence is made of: a file of its own.
type File interface {
	// Grow writes a byte at the offset, which is the end, and has the file flushed.
	Grow(ctx context.Context, at int64) error
	Close(ctx context.Context) error
}

// A Ground is where a fence stands.
type Ground interface {
	// Make makes the file of a fence, which only its maker may read.
	Make(ctx context.Context, name string) (File, error)
	Remove(ctx context.Context, name string) error
}

const (
	// maxSize is how long the file of a fence grows, bytes.
	maxSize = 64 << 10
	// tryTimes bounds how often it is tried when the server was restarted or the file swept away.
	tryTimes = 4
	// closeWait is how long Close tries to remove the file.
	closeWait = 200 * time.Millisecond
)

// A Fence writes to a file of its own and has that flushed. On a file system with one journal for all
// (ext4, XFS) that takes everything along which the server had acknowledged before. Servers that make
// names safe by themselves, as that of the Linux kernel does on an export with sync, do not mind.
//
// Calls that come while one is under way share the next.
type Fence struct {
	ground Ground
	log    *slog.Logger
	turn   chan struct{} // held by the one who does it

	// By the holder of turn alone.
	file File
	size int64

	mu   sync.Mutex
	next *round
	name string // of file; "": none
}

// A round is what all share who came before it began.
type round struct {
	done  chan struct{}
	err   error
	again bool // whoever did it ran out of time, which says nothing
}

// New returns a fence that makes its file when it is first raised.
func New(ground Ground, log *slog.Logger) *Fence {
	return &Fence{ground: ground, log: log, turn: make(chan struct{}, 1)}
}

// Keeps reports whether name is that of the file, which is not to be swept away.
func (f *Fence) Keeps(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return name != "" && name == f.name
}

// Raise returns nil when all is safe that the server had acknowledged before it was called.
func (f *Fence) Raise(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.next == nil {
			f.next = &round{done: make(chan struct{})}
		}
		r := f.next
		f.mu.Unlock()

		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		case f.turn <- struct{}{}:
			f.mu.Lock()
			mine := f.next == r
			if mine {
				f.next = nil // those who come from now on need another
			}
			f.mu.Unlock()
			if mine {
				r.err = f.do(ctx)
				r.again = r.err != nil && ctx.Err() != nil
				close(r.done)
				<-f.turn
				return r.err
			}
			<-f.turn
			<-r.done // it was closed before the turn was given up
		}
		if !r.again {
			return r.err
		}
	}
}

// do raises the fence alone. The file may have been swept away by another process.
func (f *Fence) do(ctx context.Context) (err error) {
	for range tryTimes {
		if f.file == nil || f.size >= maxSize {
			if err = f.make(ctx); errors.Is(err, fs.ErrExist) {
				err = errTaken
				continue
			}
			if err != nil {
				return err
			}
		}
		// The file has to grow. Overwriting it changes no more than its time, which has a tick of
		// some milliseconds: in the same tick nothing is new in the journal about this file, and
		// an fsync of it does not commit what others have put there since.
		err = f.file.Grow(ctx, f.size)
		f.size++
		switch {
		case errors.Is(err, ErrAgain):
		case vol.FaultOf(err) == vol.FaultStale, errors.Is(err, fs.ErrNotExist):
			f.drop(ctx)
		default:
			return err
		}
	}
	return err
}

// drop gives up a file that the server knows no more.
func (f *Fence) drop(ctx context.Context) {
	if err := f.file.Close(ctx); err != nil {
		f.log.Debug("Closing an old file of the fence failed.", "error", err)
	}
	f.file = nil
}

func (f *Fence) make(ctx context.Context) error {
	name := tempname.New(".", time.Now())
	f.mu.Lock()
	old := f.name
	f.name = name
	f.mu.Unlock()
	file, err := f.ground.Make(ctx, name)
	if err != nil {
		f.mu.Lock()
		f.name = old
		f.mu.Unlock()
		return err
	}
	used := f.file
	f.file, f.size = file, 0
	if used == nil {
		return nil
	}
	if err := errors.Join(used.Close(ctx), f.ground.Remove(ctx, old)); err != nil {
		f.log.Debug("An old file of the fence is left to be swept.", "name", old, "error", err)
	}
	return nil
}

// Close removes the file, if that is quickly done; else it is left to be swept.
func (f *Fence) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return
	}
	if f.file == nil {
		return
	}
	if err := errors.Join(f.file.Close(ctx), f.ground.Remove(ctx, f.name)); err != nil {
		f.log.Debug("The file of the fence is left to be swept.", "name", f.name, "error", err)
	}
	f.file = nil
}
