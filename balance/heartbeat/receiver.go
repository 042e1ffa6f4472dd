package heartbeat

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/balance"
)

// Reporter is told what backends say; a balance.Balancer is one.
type Reporter interface {
	// Report takes a report into account. The error matches balance.ErrUnknownBackend for a name that
	// it does not know.
	Report(name string, r balance.Report) error
}

// A Receiver takes heartbeats. It is an [http.Handler] and may be called concurrently.
type Receiver struct {
	to   Reporter
	keys [][]byte
	log  *slog.Logger

	mu   sync.Mutex
	last map[string]message // of backends that are known
}

// maxBackends bounds what is remembered; a pool has no more.
const maxBackends = 1000

// NewReceiver returns a receiver that reports to a balancer what is signed by one of the keys, of 16 bytes
// or more each. To change the key, give the new one beside the old until all senders have it. log
// gets what is refused although it is signed; nil: nobody does.
func NewReceiver(to Reporter, keys [][]byte, log *slog.Logger) (*Receiver, error) {
	err := checkKeys(keys)
	if to == nil {
		err = errors.Join(err, errors.New("heartbeat: there is nobody to report to"))
	}
	if err != nil {
		return nil, err
	}
	r := &Receiver{to: to, log: log, last: make(map[string]message)}
	for _, k := range keys {
		r.keys = append(r.keys, append([]byte(nil), k...))
	}
	if log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// ServeHTTP takes one heartbeat: 204; or says in a sentence why not.
func (h *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "A heartbeat is a POST.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuse(w, http.StatusRequestEntityTooLarge, "A heartbeat has at most "+strconv.Itoa(maxMessage)+" bytes.")
		return
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "The heartbeat broke off.")
		return
	}
	if !signed(h.keys, body, r.Header.Get(SignatureField)) {
		refuse(w, http.StatusUnauthorized, "The heartbeat is not signed with a key that is known here.")
		return
	}
	status, err := h.take(body, time.Now())
	if err != nil {
		h.log.Warn("a heartbeat was refused", "from", r.RemoteAddr, "error", err)
		refuse(w, status, "The heartbeat was refused: "+err.Error()+".")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *Receiver) take(body []byte, now time.Time) (status int, err error) {
	m, err := parse(body)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if skew := now.Sub(time.UnixMilli(m.Time)); skew > MaxSkew || skew < -MaxSkew {
		return http.StatusBadRequest, fmt.Errorf("it is %v off the clock here, and at most %v are allowed; have both clocks set by NTP", skew.Round(time.Millisecond), MaxSkew)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if last, ok := h.last[m.Name]; ok && !m.after(&last) {
		return http.StatusConflict, fmt.Errorf("one of %q that is as new, or newer, has come before", m.Name)
	}
	if err := h.to.Report(m.Name, m.report()); err != nil {
		if errors.Is(err, balance.ErrUnknownBackend) {
			return http.StatusNotFound, err
		}
		return http.StatusBadRequest, err
	}
	if len(h.last) >= maxBackends {
		for name, last := range h.last {
			if now.Sub(time.UnixMilli(last.Time)) > 2*MaxSkew { // it could not be sent again
				delete(h.last, name)
			}
		}
	}
	h.last[m.Name] = m
	return 0, nil
}

func refuse(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.Error(w, sentence, status)
}
