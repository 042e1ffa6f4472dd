package nfsstore

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

// A fence makes names safe on servers that acknowledge them before they are on disk, as NFS-Ganesha
// does: it writes to a file of its own and has that flushed. On a file system with one journal for
// all (ext4, XFS) that takes everything along which was done before. Servers that sync names by
// themselves, as that of the Linux kernel does on an export with sync, do not mind.
//
// Calls that come while one is under way share the next.
type fence struct {
	x    *export
	keep func(name string, live bool) // tells Sweep what is in use
	turn chan struct{}                // held by the one who does it

	// By the holder of turn alone.
	file *nfs3.File
	name string
	size int64

	mu   sync.Mutex
	next *fenceRound
}

// A fenceRound is what all share who came before it began.
type fenceRound struct {
	done  chan struct{}
	err   error
	again bool // whoever did it ran out of time, which says nothing
}

func (f *fence) init(x *export, keep func(string, bool)) {
	f.x, f.keep, f.turn = x, keep, make(chan struct{}, 1)
}

// raise returns nil when all is safe that the server had acknowledged before it was called.
func (f *fence) raise(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.next == nil {
			f.next = &fenceRound{done: make(chan struct{})}
		}
		round := f.next
		f.mu.Unlock()

		select {
		case <-round.done:
		case <-ctx.Done():
			return ctx.Err()
		case f.turn <- struct{}{}:
			f.mu.Lock()
			mine := f.next == round
			if mine {
				f.next = nil // those who come from now on need another
			}
			f.mu.Unlock()
			if mine {
				round.err = f.do(ctx)
				round.again = round.err != nil && ctx.Err() != nil
				close(round.done)
				<-f.turn
				return round.err
			}
			<-f.turn
			<-round.done // it was closed before the turn was given up
		}
		if !round.again {
			return round.err
		}
	}
}

// do raises the fence alone. The file may have been swept away by another process.
func (f *fence) do(ctx context.Context) (err error) {
	for range tryTimes {
		if f.file == nil || f.size >= maxFence {
			if err := f.make(ctx); err != nil {
				return err
			}
		}
		// The file has to grow. Overwriting it changes no more than its time, which has a tick of
		// some milliseconds: in the same tick nothing is new in the journal about this file, and
		// an fsync of it does not commit what others have put there since.
		err = writeSync(ctx, f.file, []byte{'\n'}, f.size)
		f.size++
		switch {
		case errors.Is(err, nfs3.ErrRewrite):
		case errors.Is(err, syscall.ESTALE), errors.Is(err, fs.ErrNotExist):
			f.file = nil
		default:
			return err
		}
	}
	return err
}

func (f *fence) make(ctx context.Context) error {
	c, err := f.x.dial(ctx)
	if err != nil {
		return err
	}
	name := newTemp(".", time.Now())
	file, err := c.Create(ctx, name, 0o600)
	if err != nil {
		return err
	}
	used, old := f.file != nil, f.name
	f.keep(name, true)
	f.keep(old, false)
	f.file, f.name, f.size = file, name, 0
	if !used {
		return nil
	}
	if err := f.x.remove(ctx, old); err != nil {
		f.x.config.Logger.Debug("An old file of the fence is left to Sweep.", "name", old, "error", err)
	}
	return nil
}

// maxFence is how long the file of a fence grows, bytes.
const maxFence = 64 << 10

// close removes the file, if that is quickly done; else it is left to Sweep.
func (f *fence) close() {
	ctx, cancel := context.WithTimeout(f.x.life, cleanupWaitOver)
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
	if err := errors.Join(f.file.Close(), f.x.remove(ctx, f.name)); err != nil {
		f.x.config.Logger.Debug("The file of the fence is left to Sweep.", "name", f.name, "error", err)
	}
	f.file = nil
}
