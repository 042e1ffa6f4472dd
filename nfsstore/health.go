package nfsstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/dirvol"
	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// healthWait bounds how long [Store.Health] waits for an answer.
const healthWait = 3 * time.Second

// Health says how a store is.
type Health struct {
	Where   string        // the directory or the URL
	Kind    string        // disk, mount (a directory on a file system that may hang), nfs, memory or other
	Latency time.Duration // until the answer came, or was given up
	// Busy of the Slots are taken by calls that are in the file system; those of a server that is
	// gone stay. Without a slot no call is made.
	Busy, Slots int
	Free, Total int64 // bytes; both 0 where nobody can be asked
	// FreeFiles and TotalFiles are inodes; both 0 where they are not counted.
	FreeFiles, TotalFiles int64
	Names                 vol.Names // how names are made safe from a power cut
	ReadOnly              bool      // the store was opened read-only
}

// Health asks the disk or the server how it is. The answer, or an error that matches [ErrUnavailable],
// comes after 3 seconds at the latest, or when ctx ends. It costs a question about the space and one
// about the root, and never hangs more than one call in the file system, so it may be asked every
// second. After an error the fields that need no answer are set still.
func (s *Store) Health(ctx context.Context) (Health, error) {
	h := Health{Where: s.dir, Kind: s.kind(), Slots: cap(s.gate.slots), Names: s.vol.Caps().Names, ReadOnly: s.readOnly}
	start := time.Now()
	err := ctx.Err()
	if err == nil {
		var b *beat
		if b, err = s.pulse.ask(ctx, s); err == nil {
			h.Free, h.Total, h.FreeFiles, h.TotalFiles = b.room.Free, b.room.Total, b.room.FreeFiles, b.room.TotalFiles
		}
	}
	h.Busy, h.Latency = len(s.gate.slots), time.Since(start)
	if err != nil {
		return h, s.fail("health", s.dir, reading, err)
	}
	return h, nil
}

func (s *Store) kind() string {
	switch s.vol.(type) {
	case *dirvol.Vol:
		if s.vol.Caps().Deadline {
			return "disk"
		}
		return "mount"
	case *nfs3vol.Vol:
		return "nfs"
	case *memvol.Vol:
		return "memory"
	}
	return "other"
}

// A pulse asks one question at a time, which all share who come meanwhile: where a server hangs,
// each question more would hang as well.
type pulse struct {
	mu  sync.Mutex
	now *beat // under way; nil: none
}

// A beat is one question.
type beat struct {
	began time.Time
	done  chan struct{}
	room  vol.Space
	err   error
}

// ask returns a question that was answered.
func (p *pulse) ask(ctx context.Context, s *Store) (*beat, error) {
	p.mu.Lock()
	b := p.now
	if b == nil {
		b = &beat{began: time.Now(), done: make(chan struct{})}
		p.now = b
		// Not by ctx: others may wait for it too.
		go p.beat(context.WithoutCancel(ctx), s, b)
	}
	p.mu.Unlock()
	t := time.NewTimer(max(time.Until(b.began.Add(healthWait)), 0))
	defer t.Stop()
	select {
	case <-b.done:
		return b, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
	}
	select {
	case <-b.done:
		return b, b.err
	default:
	}
	return nil, &failure{op: "health", kind: ErrUnavailable, sentence: fmt.Sprintf(
		"%s has not answered for %v; look whether its disk or server hangs", s.dir, time.Since(b.began).Round(time.Second))}
}

// beat asks. On a mount that hangs it stays, in its slot, until the server is back.
func (p *pulse) beat(ctx context.Context, s *Store, b *beat) {
	defer close(b.done)
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	b.room, b.err = func() (vol.Space, error) {
		if err := s.gate.enter(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = &failure{op: "health", kind: ErrUnavailable, err: err, sentence: fmt.Sprintf(
					"all %d calls that may be in the file system of %s have not returned for %v; its disk or server hangs", cap(s.gate.slots), s.dir, healthWait)}
			}
			return vol.Space{}, err
		}
		defer s.gate.leave()
		room, err := s.vol.Space(ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return vol.Space{}, err
		}
		_, err = s.vol.Stat(ctx, ".")
		return room, err
	}()
	p.mu.Lock()
	p.now = nil
	p.mu.Unlock()
}
