package sugar

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of a batch check.
const (
	maxBatchBody = 64 << 10 // bytes
	maxBatchIDs  = 1000
)

// A batchRequest is what a laptop has.
type batchRequest struct {
	Sugar        string            `json:"sugar"`        // its release; "": unknown
	Experimental bool              `json:"experimental"` // wants experimental versions too
	Installed    map[string]string `json:"installed"`    // bundle id to version; "" offers any version
	Known        string            `json:"known"`        // etag of the last answer
}

// A batchOffer is one newer version.
type batchOffer struct {
	Version string        `json:"version"`
	URL     string        `json:"url"`
	Size    int64         `json:"size"` // bytes
	SHA256  remora.Digest `json:"sha256"`
}

// serveBatch answers, in one request, what the updater asks for in one request per activity.
func (h *Handler) serveBatch(w http.ResponseWriter, r *http.Request) {
	q, err := readBatch(w, r)
	if err != nil {
		problem(w, err)
		return
	}
	client := remora.Client{Experimental: q.Experimental}
	if q.Sugar != "" {
		if client.Sugar, err = remora.ParseSugar(q.Sugar); err != nil {
			problem(w, err)
			return
		}
	}
	view := h.library.View()
	base := h.site.ClientBase(r)
	updates := []byte{'{'}
	for _, id := range slices.Sorted(maps.Keys(q.Installed)) {
		a := view.ByBundleID(id)
		if a == nil {
			continue
		}
		v := a.Select(client)
		if v == nil || !newerThan(v, q.Installed[id]) {
			continue
		}
		if len(updates) > 1 {
			updates = append(updates, ',')
		}
		updates = appendJSON(updates, id)
		updates = append(updates, ':')
		updates = appendJSON(updates, batchOffer{v.Number.String(), base + bundlePath(a, v), v.Size, v.SHA256})
	}
	updates = append(updates, '}')
	etag := etagOf(updates)
	plain := etag[1 : len(etag)-1]
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Etag", etag)
	if q.Known == plain || q.Known == etag {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body := append([]byte(`{"seq":`), strconv.FormatInt(view.Position().Seq, 10)...)
	body = append(body, `,"etag":"`+plain+`","updates":`...)
	body = append(append(body, updates...), '}', '\n')
	header.Set("Content-Type", "application/json")
	header.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		packed, err := pack(body)
		if err != nil {
			h.log.ErrorContext(r.Context(), "cannot compress an answer", "error", err)
		} else {
			header.Set("Content-Encoding", "gzip")
			body = packed
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// Nobody is left to tell when the client has gone.
	_, _ = w.Write(body)
}

func readBatch(w http.ResponseWriter, r *http.Request) (q batchRequest, err error) {
	if r.Header.Get("Content-Encoding") != "" {
		return q, remora.Errorf(remora.KindInvalid, "updates.encoding", "Send the request as plain JSON, without a Content-Encoding.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBatchBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return q, remora.Errorf(remora.KindTooLarge, "updates.size", "The request is longer than %d bytes. Ask for fewer activities at once.", maxBatchBody)
		}
		return q, &remora.Error{Kind: remora.KindInvalid, Code: "updates.read", Message: "The request ended before it was complete. Send it again.", Err: err}
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return q, &remora.Error{
			Kind: remora.KindInvalid, Code: "updates.syntax", Err: err,
			Message: `The request is not JSON such as {"sugar":"0.120","installed":{"org.laptop.Log":"41"}}.`,
		}
	}
	if len(q.Installed) > maxBatchIDs {
		return q, remora.Errorf(remora.KindTooLarge, "updates.count", "The request names %d activities; %d at once is the most.", len(q.Installed), maxBatchIDs)
	}
	return q, nil
}

// newerThan reports whether v is to be offered to who has installed. A version that cannot be read
// cannot be compared; offering then would make the laptop fetch the same bundle again and again.
func newerThan(v *remora.Version, installed string) bool {
	if installed == "" {
		return true
	}
	n, err := remora.ParseNumber(installed)
	return err == nil && v.Number.Compare(n) > 0
}

// problem answers with an error as RFC 9457 has it.
func problem(w http.ResponseWriter, err error) {
	kind := remora.KindOf(err).Info()
	code := ""
	if e, ok := errors.AsType[*remora.Error](err); ok {
		code = e.Code
	}
	body := appendJSON(nil, struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code,omitempty"`
	}{http.StatusText(kind.HTTPStatus), kind.HTTPStatus, remora.MessageOf(err), code})
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(kind.HTTPStatus)
	// Nobody is left to tell when the client has gone.
	_, _ = w.Write(body)
}
