package nfsstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

const (
	// roomAge is how long an answer about the space is good.
	roomAge = time.Second
	// repairSmall is the size up to which a repair may use what is kept free, bytes.
	repairSmall = 1 << 20
	// The trash is for a disk with room: when less than a twentieth is free, and no more than
	// trashRoom bytes, what is removed goes straight away.
	trashShare = 20
	trashRoom  = 1 << 30
	// fullFor is how long a store that was found full does without its trash, so that what is
	// removed makes room.
	fullFor = 10 * time.Minute
)

// A budget knows what room there is, without asking for each file.
type budget struct {
	keep, keepFiles int64 // free; 0: nothing

	turn chan struct{} // held by the one who asks

	mu      sync.Mutex
	room    vol.Space
	asked   time.Time // zero: never
	pending vol.Space // only Free and FreeFiles: what is being stored
	since   vol.Space // likewise: what was stored since the room was asked for
	full    time.Time // when the last file did not fit
}

func newBudget(o *Options) *budget {
	return &budget{keep: o.Reserve, keepFiles: o.ReserveFiles, turn: make(chan struct{}, 1)}
}

// recent returns the room as it was a moment ago, without what was stored since.
func (b *budget) recent(ctx context.Context, s *Store) (vol.Space, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return vol.Space{}, ctx.Err()
	}
	b.mu.Lock()
	stale, before := b.asked.IsZero() || time.Since(b.asked) >= roomAge, b.since
	b.mu.Unlock()
	var room vol.Space
	var err error
	if stale {
		room, err = through(ctx, s.gate, func() (vol.Space, error) { return s.vol.Space(ctx) }, nil)
	}
	if err != nil {
		return vol.Space{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if stale {
		// What was stored while the question was under way counts once more, to be safe.
		b.room, b.asked = room, time.Now()
		b.since.Free -= before.Free
		b.since.FreeFiles -= before.FreeFiles
	}
	room = b.room
	room.Free -= b.since.Free
	room.FreeFiles -= b.since.FreeFiles
	return room, nil
}

// claim takes room for a file that is about to be stored, unless less than the reserve would be left.
// The caller has to call release, with whether it was stored.
func (b *budget) claim(ctx context.Context, s *Store, size int64) (release func(stored bool), err error) {
	if b.keep == 0 && b.keepFiles == 0 {
		return func(bool) {}, nil
	}
	room, err := b.recent(ctx, s)
	if errors.Is(err, errors.ErrUnsupported) {
		return func(bool) {}, nil // nobody can be asked; the disk itself will tell
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	free, files := max(room.Free-b.pending.Free, 0), max(room.FreeFiles-b.pending.FreeFiles, 0)
	switch {
	case b.keep > 0 && size > free-b.keep:
		b.full = time.Now()
		return nil, &failure{op: "put", kind: ErrNoSpace, sentence: fmt.Sprintf(
			"%d bytes are free in %s and %d are kept free, so a file of %d does not fit; make room, or keep less", free, s.dir, b.keep, size)}
	case b.keepFiles > 0 && room.TotalFiles > 0 && files <= b.keepFiles:
		b.full = time.Now()
		return nil, &failure{op: "put", kind: ErrNoSpace, sentence: fmt.Sprintf(
			"there is room for %d more files (inodes) in %s and for %d it is kept free, so no more are stored; remove some, or keep less", files, s.dir, b.keepFiles)}
	}
	b.pending.Free += size
	b.pending.FreeFiles++
	return func(stored bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.pending.Free -= size
		b.pending.FreeFiles--
		if stored {
			b.since.Free += size
			b.since.FreeFiles++
		}
	}, nil
}

// refused remembers that a file did not fit.
func (b *budget) refused() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = time.Now()
}

// trashTakes reports whether there is room enough to keep what is removed.
func (s *Store) trashTakes(ctx context.Context) bool {
	b := s.budget
	b.mu.Lock()
	full := !b.full.IsZero() && time.Since(b.full) < fullFor
	b.mu.Unlock()
	if full {
		return false
	}
	room, err := b.recent(ctx, s)
	if err != nil {
		return true // the next call will tell what is wrong
	}
	return room.Free > max(b.keep, min(room.Total/trashShare, trashRoom)) &&
		(room.TotalFiles == 0 || room.FreeFiles > max(b.keepFiles, room.TotalFiles/trashShare))
}
