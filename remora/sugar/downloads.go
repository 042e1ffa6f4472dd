package sugar

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// DownloadsOptions tune Downloads. The zero value, or nil, is good.
type DownloadsOptions struct {
	// Flush is how often counts are stored (1 minute if 0 or less).
	Flush time.Duration
	// MaxSeen bounds how many different downloads are told apart in one hour (262,144 if 0 or
	// less; some 20 MiB at most). Beyond it nothing is counted until the hour is over.
	MaxSeen int
	// MaxPending bounds how many sums wait to be stored while the store does not answer (65,536 if
	// 0 or less). Beyond it only sums that wait already still grow.
	MaxPending int
	// Logger hears when counts cannot be stored; nil: nobody does.
	Logger *slog.Logger
}

// DownloadsStats is how counting stands. All numbers are since New.
type DownloadsStats struct {
	Counted  int64 // downloads that count
	Repeated int64 // the same client again in the same hour
	Dropped  int64 // not counted because a bound was reached
	Stored   int64 // downloads handed to the store
	Failed   int64 // attempts to store that failed; their counts wait
	Pending  int64 // downloads that wait to be stored now
}

// Downloads counts downloads: once for each version, client network (the first 24 bits of an IPv4
// address, 48 of IPv6) and hour. Who downloaded is not kept: what is remembered, for the hour only,
// is an HMAC with a random key that lives for a day and is nowhere written down.
//
// Make it with [NewDownloads], then call Run. Counts are stored each minute and when Run ends; what
// could not be stored is kept and tried again. When the store fails after it has stored, such as
// at a broken connection, a minute's counts can be counted twice.
type Downloads struct {
	store downloadStore
	o     DownloadsOptions
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	day     string
	key     [32]byte // of the day
	hour    int64    // since 1970
	seen    map[[12]byte]struct{}
	pending map[downloadKey]int64
	stats   DownloadsStats
}

// downloadStore is the part of a store that counts are handed to; see remora.Store.
type downloadStore interface {
	AddDownloads(ctx context.Context, counts []remora.DownloadCount) error
}

var _ Counter = (*Downloads)(nil)

type downloadKey struct {
	day       string
	versionID int64
	source    string
}

// NewDownloads returns a counter that hands its counts to store. It starts nothing; Run does.
func NewDownloads(store interface {
	AddDownloads(ctx context.Context, counts []remora.DownloadCount) error
}, o *DownloadsOptions) *Downloads {
	d := &Downloads{store: store, now: time.Now, seen: map[[12]byte]struct{}{}, pending: map[downloadKey]int64{}}
	if o != nil {
		d.o = *o
	}
	if d.o.Flush <= 0 {
		d.o.Flush = time.Minute
	}
	if d.o.MaxSeen <= 0 {
		d.o.MaxSeen = 1 << 18
	}
	if d.o.MaxPending <= 0 {
		d.o.MaxPending = 1 << 16
	}
	d.log = d.o.Logger
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Count counts one download unless the same client's was counted this hour. It does not block.
// Clients whose address is unknown count as one.
func (d *Downloads) Count(versionID int64, source string, client netip.Addr) {
	now := d.now().UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	if day := now.Format(time.DateOnly); day != d.day {
		d.day = day
		// It never fails: crypto/rand.Read ends the program if the system has no randomness.
		_, _ = rand.Read(d.key[:])
	}
	if hour := now.Unix() / 3600; hour != d.hour {
		d.hour = hour
		clear(d.seen)
	}
	mark := d.mark(versionID, client)
	if _, again := d.seen[mark]; again {
		d.stats.Repeated++
		return
	}
	k := downloadKey{d.day, versionID, source}
	_, waits := d.pending[k]
	if len(d.seen) >= d.o.MaxSeen || !waits && len(d.pending) >= d.o.MaxPending {
		d.stats.Dropped++
		return
	}
	d.seen[mark] = struct{}{}
	d.pending[k]++
	d.stats.Counted++
	d.stats.Pending++
}

// mark returns what a download is remembered by. The hour is in it so that marks of different
// hours cannot be matched even while the key lives.
func (d *Downloads) mark(versionID int64, client netip.Addr) (mark [12]byte) {
	client = client.Unmap()
	bits := 48
	if client.Is4() {
		bits = 24
	}
	var network [16]byte
	// An address without a network (the zero Addr) stands for all unknown clients.
	if p, err := client.WithZone("").Prefix(bits); err == nil {
		network = p.Addr().As16()
	}
	var text []byte
	text = binary.BigEndian.AppendUint64(text, uint64(versionID))
	text = binary.BigEndian.AppendUint64(text, uint64(d.hour))
	text = append(text, network[:]...)
	h := hmac.New(sha256.New, d.key[:])
	h.Write(text)
	copy(mark[:], h.Sum(nil))
	return mark
}

// Stats returns how counting stands now.
func (d *Downloads) Stats() DownloadsStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// Bounds of storing.
const (
	flushBatch   = 500 // sums in one call of the store
	flushTimeout = 10 * time.Second
)

// Run stores counts until ctx ends, then once more, and returns. It must be called once.
func (d *Downloads) Run(ctx context.Context) error {
	tick := time.NewTicker(d.o.Flush)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			// The last minute's counts are worth a short wait at the end.
			if err := d.flush(context.WithoutCancel(ctx)); err != nil {
				d.log.Warn("the last download counts are lost: they cannot be stored", "downloads", d.Stats().Pending, "error", err)
			}
			return nil
		case <-tick.C:
		}
		switch err := d.flush(ctx); {
		case err != nil && ctx.Err() == nil && !failing:
			failing = true
			d.log.Warn("download counts cannot be stored; keeping them", "error", err)
		case err == nil && failing:
			failing = false
			d.log.Info("download counts are stored again")
		}
	}
}

// flush hands over what waits, and takes back what was not taken.
func (d *Downloads) flush(ctx context.Context) error {
	d.mu.Lock()
	taken := d.pending
	d.pending = make(map[downloadKey]int64, len(taken))
	d.mu.Unlock()
	list := make([]remora.DownloadCount, 0, len(taken))
	for k, n := range taken {
		list = append(list, remora.DownloadCount{Day: k.day, VersionID: k.versionID, Source: k.source, N: n})
	}
	// A fixed order of rows keeps several front ends from waiting for each other in a circle.
	slices.SortFunc(list, func(a, b remora.DownloadCount) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.VersionID, b.VersionID), cmp.Compare(a.Source, b.Source))
	})
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for batch := range slices.Chunk(list, flushBatch) {
		if err := d.store.AddDownloads(ctx, batch); err != nil {
			return errors.Join(err, d.putBack(taken))
		}
		var n int64
		for _, c := range batch {
			delete(taken, downloadKey{c.Day, c.VersionID, c.Source})
			n += c.N
		}
		d.mu.Lock()
		d.stats.Stored += n
		d.stats.Pending -= n
		d.mu.Unlock()
	}
	return nil
}

// putBack returns counts that were not stored to those that wait; those beyond the bound are lost,
// which the error says.
func (d *Downloads) putBack(taken map[downloadKey]int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.Failed++
	var lost int64
	for k, n := range taken {
		if _, waits := d.pending[k]; !waits && len(d.pending) >= d.o.MaxPending {
			lost += n
			continue
		}
		d.pending[k] += n
	}
	if lost > 0 {
		d.stats.Counted -= lost
		d.stats.Dropped += lost
		d.stats.Pending -= lost
		return errors.New("sugar: too many download counts wait; some were dropped")
	}
	return nil
}
