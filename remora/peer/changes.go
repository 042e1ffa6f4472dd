package peer

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// A Page is the answer of [ChangesPath].
type Page struct {
	// Epoch and Seq are the position to ask after next. It is not beyond what the front end shows,
	// and so may be before what was asked after. An empty epoch: it shows nothing yet.
	Epoch string `json:"epoch"`
	Seq   int64  `json:"seq"`
	// Gap says that everything may have changed; Changes is empty then.
	Gap bool `json:"gap"`
	// Stale says that the front end has not heard from its database for a while.
	Stale bool `json:"stale"`
	// Changes are in the order of their numbers.
	Changes []Change `json:"changes"`
}

// A Change is one thing that is shown differently.
type Change struct {
	Seq        int64 `json:"seq"`
	ActivityID int64 `json:"activity_id,omitempty"`
	// Kind is one of the constants below; a reader takes one it does not know for KindCatalog.
	Kind string `json:"kind"`
}

// Kinds of changes. Lists of activities may be others after any of them.
const (
	KindChanged = "changed" // the activity is new, or shown differently
	KindGone    = "gone"    // the activity is not offered any more
	KindCatalog = "catalog" // no activity, but maybe categories and collections
)

const (
	// MaxWait is how long a request may wait for changes.
	MaxWait = 30 * time.Second

	maxPage  = 1024 // changes, but for those of one number, which has no more than that either
	maxQuery = 512  // bytes
	// How often one that waits looks whether the database is still there: from a front end that is
	// cut off there is nothing to hear, and another may know more.
	lookAgain = time.Second
)

// A query is what stands behind the question mark of [ChangesPath].
type query struct {
	after remora.Position
	wait  time.Duration
}

// parseQuery reads after (a number, 0 if absent), epoch ("" if absent) and wait (a duration such as
// 25s, 0 if absent), each once, and nothing else.
func parseQuery(raw string) (q query, err error) {
	if len(raw) > maxQuery {
		return q, remora.Errorf(remora.KindInvalid, "peer.query", "The query has %d bytes; it has at most %d.", len(raw), maxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &remora.Error{Kind: remora.KindInvalid, Code: "peer.query", Message: "The query cannot be read. Check its percent signs.", Err: err}
	}
	for key, list := range values {
		if len(list) != 1 {
			return q, remora.Errorf(remora.KindInvalid, "peer.query", "The query has %q more than once.", key)
		}
		switch value := list[0]; key {
		case "after":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
				return q, remora.Errorf(remora.KindInvalid, "peer.after", "%q is no number of a change. Use the seq of the answer before, or 0.", value)
			}
			q.after.Seq = n
		case "epoch":
			q.after.Epoch = value
		case "wait":
			d, err := time.ParseDuration(value)
			if err != nil || d < 0 || d > MaxWait {
				return q, remora.Errorf(remora.KindInvalid, "peer.wait", "%q is no time to wait. Use a duration of at most %v, such as 25s.", value, MaxWait)
			}
			q.wait = d
		default:
			return q, remora.Errorf(remora.KindInvalid, "peer.query", "There is no parameter %q; there are after, epoch and wait.", key)
		}
	}
	return q, nil
}

func (h *Handler) changes(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	found := h.await(r.Context(), q)
	page := Page{
		Epoch: found.Position.Epoch, Seq: found.Position.Seq, Gap: found.Gap,
		Stale: h.c.Library.Status().Stale, Changes: make([]Change, 0, len(found.List)),
	}
	for _, c := range found.List {
		kind := KindChanged
		switch {
		case c.ActivityID == 0:
			kind = KindCatalog
		case c.Gone:
			kind = KindGone
		}
		page.Changes = append(page.Changes, Change{Seq: c.Seq, ActivityID: c.ActivityID, Kind: kind})
	}
	h.answer(w, r, http.StatusOK, page)
}

// await returns what changed as soon as something has, or when there is no use in waiting.
func (h *Handler) await(ctx context.Context, q query) live.Changes {
	// It is taken before looking, so that no change goes unseen.
	moved := h.c.Library.Changed()
	found := h.c.Library.Changes(q.after, maxPage)
	// Where it is behind who asks, another front end is the one to ask.
	if q.wait == 0 || found.Position != q.after || h.c.Library.Status().Stale {
		return found
	}
	select {
	case h.waiters <- struct{}{}:
		defer func() { <-h.waiters }()
	default:
		return found
	}
	over := time.NewTimer(q.wait)
	defer over.Stop()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return found
		case <-h.c.Draining:
			return found
		case <-over.C:
			return found
		case <-look.C:
			if h.c.Library.Status().Stale {
				return found
			}
		case <-moved:
			moved = h.c.Library.Changed()
			if found = h.c.Library.Changes(q.after, maxPage); found.Position != q.after {
				return found
			}
		}
	}
}
