package cache

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// A resource is what is stored under one key. It is never changed.
type resource struct {
	variants []*entry // newest first
	// alone: the last answer was of no use for others, so that requests do not wait for each other.
	alone  bool
	weight int
	tags   []string // of all variants, each once
}

func newStore(c *Cache) (*otter.Cache[key, *resource], error) {
	return otter.New(&otter.Options[key, *resource]{
		MaximumWeight: uint64(c.o.Bytes),
		Weigher: func(k key, r *resource) uint32 {
			return uint32(min(256+int64(len(k.scheme)+len(k.host)+len(k.target)+r.weight), math.MaxUint32))
		},
		OnAtomicDeletion: func(e otter.DeletionEvent[key, *resource]) {
			c.index.remove(e.Key, e.Value.tags)
			if e.Cause == otter.CauseOverflow {
				c.count.evicted.Add(int64(len(e.Value.variants)))
			}
		},
	})
}

// of makes a resource of variants.
func (c *Cache) resourceOf(variants []*entry) *resource {
	r := &resource{}
	for _, e := range variants {
		w := e.weight()
		if len(r.variants) == c.o.Variants || len(r.variants) > 0 && int64(r.weight+w) > c.o.ObjectBytes {
			break
		}
		r.variants = append(r.variants, e)
		r.weight += w
		r.tags = append(r.tags, e.tags...)
	}
	slices.Sort(r.tags)
	r.tags = slices.Compact(r.tags)
	return r
}

// find returns the newest variant that the request chooses (RFC 9111, section 4.1), and whether there
// are any.
func (c *Cache) find(r *resource, q *question) (e *entry, others bool) {
	all := c.all.Load()
	for _, e := range r.variants {
		if e.all == all {
			if others = true; matches(e.by, q) {
				return e, true
			}
		}
	}
	return nil, others
}

// A moment is when a request was sent on, in terms of what may come in between.
type moment struct {
	all, tags uint64
	changes   uint32
	of        *interest
}

// begin notes that a request for k is sent on now. It owes an end.
func (c *Cache) begin(k key) moment {
	i := c.interests.begin(k)
	return moment{c.all.Load(), c.index.purges.Load(), i.changes.Load(), i}
}

func (c *Cache) finish(k key, m moment) { c.interests.end(k, m.of) }

// unchanged says that nothing has come in between but perhaps purges of tags.
func (c *Cache) unchanged(m moment) bool {
	return c.all.Load() == m.all && m.of.changes.Load() == m.changes
}

// put stores e, which is the answer to a request sent at m, in the place of those that the same
// requests choose, and of prior. It reports whether nothing came in between.
func (c *Cache) put(k key, e, prior *entry, m moment) (stored bool) {
	if int64(e.weight()) > c.o.ObjectBytes {
		return false
	}
	e.all = m.all
	c.store.Compute(k, func(old *resource, found bool) (*resource, otter.ComputeOp) {
		if !c.unchanged(m) {
			return old, otter.CancelOp
		}
		variants := []*entry{e}
		if found {
			for _, v := range old.variants {
				if v != prior && v.all == m.all && !sameChoice(v.by, e.by) {
					variants = append(variants, v)
				}
			}
			// RFC 9111, section 4.1: of several that match, the newest by Date.
			slices.SortStableFunc(variants, func(a, b *entry) int { return b.date.Compare(a.date) })
		}
		r := c.resourceOf(variants)
		if !c.index.add(k, r.tags, m.tags) {
			return old, otter.CancelOp
		}
		stored = true
		return r, otter.WriteOp
	})
	if stored {
		c.count.stored.Add(1)
	}
	return stored
}

// drop removes the variants of k that gone chooses and returns how many these were.
func (c *Cache) drop(k key, gone func(e *entry) bool) (n int) {
	// ComputeIfPresent looks without the lock first, and would miss what put is about to store.
	c.store.Compute(k, func(old *resource, found bool) (*resource, otter.ComputeOp) {
		if !found {
			return nil, otter.CancelOp
		}
		var kept []*entry
		for _, v := range old.variants {
			if !gone(v) {
				kept = append(kept, v)
			}
		}
		if n = len(old.variants) - len(kept); n == 0 {
			return old, otter.CancelOp
		}
		if len(kept) == 0 {
			return nil, otter.InvalidateOp
		}
		r := c.resourceOf(kept)
		if !c.index.add(k, r.tags, c.index.purges.Load()) {
			return nil, otter.InvalidateOp
		}
		return r, otter.WriteOp
	})
	return n
}

// leave notes that requests for k need not wait for each other.
func (c *Cache) leaveAlone(k key) {
	c.store.Compute(k, func(old *resource, found bool) (*resource, otter.ComputeOp) {
		if found && (old.alone || len(old.variants) > 0) {
			return old, otter.CancelOp
		}
		return &resource{alone: true}, otter.WriteOp
	})
}

// An index knows which keys have a tag. What it holds is bounded by what is stored.
type index struct {
	mu   sync.Mutex
	keys map[string]map[key]int // how many stored resources: one that is being replaced counts with its heir
	// The last purges, for responses that were on their way: the number of a purge is its place.
	purged [64]string
	purges atomic.Uint64
}

// Bounds of the tags of one response; with more it is not stored, since purges would miss it.
const (
	maxTags   = 128
	maxTagLen = 1 << 10
)

// add notes the tags of k, unless one of them was purged since the moment.
func (x *index) add(k key, tags []string, since uint64) bool {
	if len(tags) == 0 {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	purges := x.purges.Load()
	if purges-since > uint64(len(x.purged)) {
		return false
	}
	for n := since; n < purges; n++ {
		if slices.Contains(tags, x.purged[n%uint64(len(x.purged))]) {
			return false
		}
	}
	for _, tag := range tags {
		if x.keys[tag] == nil {
			x.keys[tag] = make(map[key]int)
		}
		x.keys[tag][k]++
	}
	return true
}

func (x *index) remove(k key, tags []string) {
	if len(tags) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, tag := range tags {
		if x.keys[tag][k] > 1 {
			x.keys[tag][k]--
		} else if delete(x.keys[tag], k); len(x.keys[tag]) == 0 {
			delete(x.keys, tag)
		}
	}
}

// purge notes the purge of a tag and returns the keys that have it.
func (x *index) purge(tag string) (keys []key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.purged[x.purges.Load()%uint64(len(x.purged))] = tag
	x.purges.Add(1)
	for k := range x.keys[tag] {
		keys = append(keys, k)
	}
	return keys
}
