package web

import (
	"net/http"
	"sync/atomic"
	"weak"

	"github.com/maypok86/otter/v2"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/answer"
)

// Bounds of the pages that are kept.
const (
	keptBytes = 32 << 20 // all of them, with their compressed forms, in memory
	maxKeyLen = 1 << 10  // bytes of a path and query: longer ones are nobody's usual page
)

// A keptKey is what a page depends on besides the catalog. Where a page shows an offer, agent is
// the Sugar release that the reader's User-Agent names; a page that is the same for everybody is
// kept with none.
type keptKey struct {
	base, path, query string
	stale             string // the notice about it, "" while the catalog is fresh
	agent             string
}

// A keptPage is a page as it was rendered, and what it was made of.
type keptPage struct {
	header [][2]string // what it has besides what all have
	body   *answer.Body
	asks   []ask
	// holds is the last View in which the page is known to be true. It is a weak pointer because a
	// page that nobody asks for must not keep a View of the past in memory.
	holds atomic.Pointer[weak.Pointer[live.View]]
	// offers says that the page is kept for each agent; then there is nothing else here.
	offers bool
}

func newKeptPages(most int) (*otter.Cache[keptKey, *keptPage], error) {
	return otter.New(&otter.Options[keptKey, *keptPage]{
		MaximumWeight: uint64(most),
		Weigher: func(k keptKey, p *keptPage) uint32 {
			const each = 64 // bytes of a question and its answer, about
			n := 512 + len(k.base) + len(k.path) + len(k.query) + len(k.stale) + each*len(p.asks)
			if p.body != nil {
				n += p.body.Size()
			}
			return uint32(n)
		},
	})
}

// keyOf returns the key of the page that v asks for, whoever asks, and whether it may be kept.
func (h *Handler) keyOf(v *visit) (k keptKey, ok bool) {
	r := v.request
	k = keptKey{base: h.site.Base(r), path: r.URL.EscapedPath(), query: r.URL.RawQuery, stale: v.stale}
	return k, v.status.Ready && len(k.base)+len(k.path)+len(k.query) <= maxKeyLen
}

// agentOf returns the class of readers that a page with an offer is kept for; never "".
func agentOf(r *http.Request) string {
	return "Sugar " + remora.SugarFromUserAgent(r.UserAgent()).String()
}

// serveKept answers with a page that is kept and still true, and reports whether there was one.
func (h *Handler) serveKept(w http.ResponseWriter, v *visit) bool {
	k, ok := h.keyOf(v)
	if !ok {
		return false
	}
	p, found := h.kept.GetIfPresent(k)
	if found && p.offers {
		k.agent = agentOf(v.request)
		p, found = h.kept.GetIfPresent(k)
	}
	if !found || p.body == nil {
		return false
	}
	if view := weak.Make(v.view.view); *p.holds.Load() != view {
		if !holds(p.asks, v.view.view) {
			return false
		}
		p.holds.Store(&view)
	}
	h.serveBody(w, v, p.header, p.body)
	return true
}

// keep keeps a page that has just been made.
func (h *Handler) keep(v *visit, header [][2]string, body *answer.Body, offers bool) {
	k, ok := h.keyOf(v)
	if !ok {
		return
	}
	if offers {
		h.kept.Set(k, &keptPage{offers: true})
		k.agent = agentOf(v.request)
	}
	p := &keptPage{header: header, body: body, asks: v.view.asks}
	view := weak.Make(v.view.view)
	p.holds.Store(&view)
	h.kept.Set(k, p)
}

// sent notes that an answer did not reach its reader.
func (h *Handler) sent(err error, r *http.Request) {
	if err != nil {
		h.log.DebugContext(r.Context(), "a reader went away", "path", r.URL.Path, "error", err)
	}
}
