package frontdoor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/cache"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/session"
)

// snapshotField says in every answer of a front end how far it is: "seq=12, age=0".
const snapshotField = "Remora-Snapshot"

// deafAfter is how long nothing may be heard from the front ends until nothing is kept any more. They
// answer at least every 25 seconds, changes or not.
const deafAfter = 40 * time.Second

// kept are the answers that the balancer keeps. Front ends allow to keep them for a minute or an hour,
// but here the changes of the catalog are heard of within moments, so nobody need get yesterday's
// answer: with each change all is dropped, and what a front end answers that has not heard of it yet is
// not kept.
type kept struct {
	*cache.Cache
	seq   atomic.Int64
	heard func() time.Time
}

func newKept(bytes int64, onHit func(in balance.Info, status int, bytes int64), heard func() time.Time) (*kept, error) {
	k := &kept{heard: heard}
	var err error
	k.Cache, err = cache.New(&cache.Options{Bytes: bytes, Name: "beamrider", OnHit: onHit, Key: keyOf})
	return k, err
}

// keyOf keeps those out who have written something: they must see it, and front ends know how.
func keyOf(in balance.Info) string {
	if in.Header(session.HeaderSeen) != "" {
		return ""
	}
	for _, line := range in.Values("Cookie") {
		if strings.Contains(line, session.CookieName+"=") {
			return ""
		}
	}
	return in.Scheme + "://" + in.Host + in.Target
}

// figures are for the status page.
func (k *kept) figures() []balance.Extra {
	s := k.Stats()
	asked := s.Hits + s.Stale + s.Misses
	share := "none yet"
	if asked > 0 {
		share = fmt.Sprintf("%.0f %% of %d", 100*float64(s.Hits+s.Stale+s.Collapsed)/float64(asked), asked)
	}
	return []balance.Extra{
		{Name: "Answered from what is kept", Value: share},
		{Name: "Answers kept", Value: fmt.Sprintf("%d, in %.1f MB", s.Resources, float64(s.Bytes)/1e6)},
		{Name: "Dropped by changes of the catalog", Value: strconv.FormatInt(s.Purged, 10)},
	}
}

func (k *kept) changed(e peer.Event) {
	k.seq.Store(e.Position.Seq)
	k.PurgeAll()
}

// Serve implements [balance.Cache].
func (k *kept) Serve(ctx context.Context, w http.ResponseWriter, in balance.Info, backend balance.Fetcher) error {
	if time.Since(k.heard()) > deafAfter {
		return backend.Fetch(ctx, w, nil)
	}
	return k.Cache.Serve(ctx, w, in, fetcher{backend, k})
}

// A fetcher sees to it that answers which are behind are not kept.
type fetcher struct {
	balance.Fetcher
	k *kept
}

func (f fetcher) Fetch(ctx context.Context, w http.ResponseWriter, change http.Header) error {
	return f.Fetcher.Fetch(ctx, &checked{ResponseWriter: w, k: f.k}, change)
}

func (f fetcher) Detach() (balance.Fetcher, balance.Info) {
	inner, in := f.Fetcher.Detach()
	return fetcher{inner, f.k}, in
}

type checked struct {
	http.ResponseWriter
	k    *kept
	done bool
}

func (c *checked) WriteHeader(status int) {
	if !c.done && status >= 200 {
		c.done = true
		if h := c.Header(); behind(h.Get(snapshotField), c.k.seq.Load()) {
			h.Set("CDN-Cache-Control", "no-store") // RFC 9213: meant for caches like this one
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *checked) Write(p []byte) (int, error) {
	if !c.done {
		c.WriteHeader(http.StatusOK)
	}
	return c.ResponseWriter.Write(p)
}

// ReadFrom keeps the fast ways of the writer below.
func (c *checked) ReadFrom(r io.Reader) (int64, error) {
	if !c.done {
		c.WriteHeader(http.StatusOK)
	}
	return io.Copy(c.ResponseWriter, r)
}

// Unwrap is for [http.ResponseController].
func (c *checked) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// behind reports whether an answer with that field is from before seq. One without it shows nothing of
// the catalog.
func behind(field string, seq int64) bool {
	if field == "" {
		return false
	}
	value, ok := strings.CutPrefix(field, "seq=")
	if !ok {
		return true
	}
	value, _, _ = strings.Cut(value, ",")
	n, err := strconv.ParseInt(value, 10, 64)
	return err != nil || n < seq || strings.Contains(field, "stale")
}
