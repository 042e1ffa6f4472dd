package nfsstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A part is what came of a copy that broke off. It lies in a folder of its own, under a name that tells
// when it was begun and the SHA-256 of the whole that it is to become.
const (
	partsDir = ".parts"
	// partWorth is the size from which on a part is worth keeping.
	partWorth = 256 << 10
	// maxParts bounds the parts that are remembered.
	maxParts = 4096
)

func newPart(sum []byte, now time.Time) string {
	return newTemp(partsDir, now) + "-" + hex.EncodeToString(sum)
}

// partOf returns when the part of that base name was begun and of what it is, in hexadecimal digits.
func partOf(base string) (at time.Time, sum string, ok bool) {
	head := len(base) - 1 - 2*sha256.Size
	if head < 0 || base[head] != '-' {
		return time.Time{}, "", false
	}
	sum = base[head+1:]
	at, ok = tempTime(base[:head])
	_, err := hex.DecodeString(sum)
	return at, sum, ok && err == nil
}

// parts knows the parts in a store. Its methods may be called concurrently.
type parts struct {
	store *Store

	mu    sync.Mutex
	known map[string][]string // names by what they are of; nil: not looked yet
}

// take returns the names of the parts of a whole, which are the caller's from then on.
func (p *parts) take(ctx context.Context, sum []byte) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		known := make(map[string][]string)
		err := p.store.readDir(ctx, partsDir, func(batch []fs.DirEntry) error {
			for _, e := range batch {
				if _, sum, ok := partOf(e.Name()); ok && len(known) < maxParts {
					known[sum] = append(known[sum], path.Join(partsDir, e.Name()))
				}
			}
			return nil
		})
		if err != nil && !vol.Absent(err) {
			return nil, err
		}
		p.known = known
	}
	key := hex.EncodeToString(sum)
	names := p.known[key]
	delete(p.known, key)
	return names, nil
}

// keep gives parts back for another try.
func (p *parts) keep(sum []byte, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(names) > 0 && p.known != nil && len(p.known) < maxParts {
		key := hex.EncodeToString(sum)
		p.known[key] = append(p.known[key], names...)
	}
}

// drop removes parts. What fails is for Sweep.
func (p *parts) drop(ctx context.Context, names ...string) {
	for _, name := range names {
		if name == "" {
			continue // it was not come to
		}
		p.store.setTemp(name, true) // it is ours, so it can be discarded
		p.store.discard(ctx, name)
		p.store.setTemp(name, false)
	}
}

// largest opens the largest of some parts that are not larger than the whole; nil: there is none. A
// part that cannot be read is none.
func (p *parts) largest(ctx context.Context, names []string, whole int64) (best vol.File, size int64) {
	for _, name := range names {
		f, info, err := p.store.open(ctx, name)
		if err != nil {
			continue
		}
		if n := info.Size(); n >= partWorth && n > size && n <= whole {
			f, best, size = best, f, n
		}
		if f != nil {
			p.store.report("closing a file", name, p.store.closeFile(ctx, f))
		}
	}
	return best, size
}

// parts removes the parts of copies that were begun long enough ago and that nobody goes on with.
func (w *sweep) parts(ctx context.Context) error {
	return w.entries(ctx, partsDir, 1, func(e fs.DirEntry, name string) error {
		if at, _, ok := partOf(e.Name()); ok && w.before(at, 0) && !w.s.inUse(name) {
			w.remove(ctx, name)
		}
		return nil
	})
}
