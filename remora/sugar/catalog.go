package sugar

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// A catalogEntry is what activities.json says of an activity, in the words that Sugar's later
// updater reads.
type catalogEntry struct {
	Version  string        `json:"version"`
	MinSugar string        `json:"minSugarVersion"`
	URL      string        `json:"xo_url"`
	Size     int64         `json:"xo_size"` // bytes
	SHA256   remora.Digest `json:"xo_sha256"`
}

// A catalog keeps the last few documents made: the whole catalog is much to write, and it is the
// same for everybody who came by the same address.
type catalog struct {
	mu   sync.Mutex // held while a document is made, so that it is made once
	kept []*catalogDocument
}

type catalogDocument struct {
	at            remora.Position
	base          string
	plain, packed []byte
	etag, zipped  string // entity tags of plain and packed
}

// keptCatalogs is how many addresses (names, http and https) documents are kept for.
const keptCatalogs = 4

// serveCatalog answers with the newest version of every listed activity, whatever Sugar it is for.
func (h *Handler) serveCatalog(w http.ResponseWriter, r *http.Request) {
	d, err := h.catalog.document(h.library.View(), h.site.ClientBase(r))
	if err != nil {
		h.log.ErrorContext(r.Context(), "cannot compress the catalog", "error", err)
		sentence(w, http.StatusInternalServerError, "The list of activities could not be made.")
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header["Cache-Control"] = cacheHour
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		writeBody(w, r, d.packed, d.zipped, time.Time{})
		return
	}
	writeBody(w, r, d.plain, d.etag, time.Time{})
}

func (c *catalog) document(view *live.View, base string) (*catalogDocument, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := view.Position()
	for _, d := range c.kept {
		if d.at == at && d.base == base {
			return d, nil
		}
	}
	d := &catalogDocument{at: at, base: base, plain: catalogBody(view, base)}
	packed, err := pack(d.plain)
	if err != nil {
		return nil, err
	}
	d.packed = packed
	d.etag = etagOf(d.plain)
	d.zipped = etagOf(d.packed)
	// Of an address only the newest document is of use.
	c.kept = slices.DeleteFunc(c.kept, func(k *catalogDocument) bool { return k.base == base })
	if len(c.kept) == keptCatalogs {
		c.kept = slices.Delete(c.kept, 0, 1)
	}
	c.kept = append(c.kept, d)
	return d, nil
}

func catalogBody(view *live.View, base string) []byte {
	type offer struct {
		a *remora.Activity
		v *remora.Version
	}
	offers := make([]offer, 0, view.Len())
	for a := range view.All {
		if !a.InLists() {
			continue
		}
		if v := a.Select(remora.Client{}); v != nil {
			offers = append(offers, offer{a, v})
		}
	}
	slices.SortFunc(offers, func(x, y offer) int { return cmp.Compare(x.a.BundleID, y.a.BundleID) })
	b := []byte(`{"activities":{`)
	for i, o := range offers {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = appendJSON(b, o.a.BundleID)
		b = append(b, ':')
		oldest, _ := writtenRange(o.v.Range)
		b = appendJSON(b, catalogEntry{o.v.Number.String(), oldest.String(), base + bundlePath(o.a, o.v), o.v.Size, o.v.SHA256})
	}
	return append(b, "}}\n"...)
}
