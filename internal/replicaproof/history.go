package replicaproof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// An Outcome is what a client was told of its write.
type Outcome string

// The outcomes.
const (
	Acknowledged Outcome = "acknowledged"
	Failed       Outcome = "failed"  // for sure: nothing was written
	Unknown      Outcome = "unknown" // it may have been written or not
)

// A Write is one write, as its client saw it. Times are since the beginning of the history.
type Write struct {
	Token   int64         `json:"token"`
	Key     int           `json:"key"` // of the register; -1: none
	Session int           `json:"session,omitempty"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Outcome Outcome       `json:"outcome"`
	Version int64         `json:"version,omitempty"` // that the register got; 0: not known
	Error   string        `json:"error,omitempty"`
	Marker  string        `json:"marker,omitempty"`   // by which it can be found out what happened
	At      string        `json:"position,omitempty"` // of its session, afterwards
	// First and Last are the router's generation before and after.
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	Other bool   `json:"other,omitempty"` // by the other process
	// Stray says that it went past the router, by a client that is on the primary's side when the
	// network is cut.
	Stray bool `json:"stray,omitempty"`
}

// A Read is one read of a register or, with Own, of a row.
type Read struct {
	Session int           `json:"session"` // 0: a read from the primary
	Key     int           `json:"key"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Version int64         `json:"version"`
	Token   int64         `json:"token"`
	Own     int64         `json:"own,omitempty"` // the token of a write that must be seen
	Found   bool          `json:"found,omitempty"`
	Other   bool          `json:"other,omitempty"`    // in another process than the write
	Server  int           `json:"server,omitempty"`   // that answered
	At      string        `json:"position,omitempty"` // that the session had to see
}

// A Told is that a session was told of a lost write.
type Told struct {
	Session int    `json:"session"`
	Error   string `json:"error"`
}

// A Turn is a change of who is the primary, as the router saw it.
type Turn struct {
	At         time.Duration `json:"at"`
	Generation uint64        `json:"generation"`
	Primary    string        `json:"primary"`
}

// mostEntries bounds a history: when it is full, clients end.
const mostEntries = 200_000

// A history is all that clients did and were told. It is safe for concurrent use.
type history struct {
	begin time.Time

	mu      sync.Mutex
	writes  []Write
	reads   []Read
	turns   []Turn
	told    []Told
	refused map[string]int // reads that failed, by reason
	acked   int
	stray   int // acknowledged writes past the router
}

func newHistory() *history {
	return &history{begin: time.Now(), refused: make(map[string]int)}
}

func (h *history) now() time.Duration { return time.Since(h.begin) }

func (h *history) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.writes)+len(h.reads) >= mostEntries
}

func (h *history) write(w Write) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, w)
	switch {
	case w.Outcome != Acknowledged:
	case w.Stray:
		h.stray++
	default:
		h.acked++
	}
}

func (h *history) read(r Read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, r)
}

func (h *history) refuse(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := reason(err)
	if len(h.refused) < 20 || h.refused[text] > 0 {
		h.refused[text]++
	}
}

func (h *history) tell(t Told) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, t)
}

func (h *history) turn(t Turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turns = append(h.turns, t)
}

// acknowledged returns how many writes through the router were, so far.
func (h *history) acknowledged() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.acked
}

// strays returns how many writes past the router were, so far.
func (h *history) strays() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stray
}

// more waits until n more writes are acknowledged than now.
func (h *history) more(ctx context.Context, n int) error {
	want := h.acknowledged() + n
	return until(ctx, fmt.Sprintf("%d more writes are acknowledged", n), func() bool { return h.acknowledged() >= want || h.full() })
}

// save writes the whole history to a file and returns its name.
func (h *history) save(round *Round) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, err := os.CreateTemp("", fmt.Sprintf("replicaproof-%d-%s-*.json", round.Seed, strings.ReplaceAll(string(round.Fault), " ", "-")))
	if err != nil {
		return "", err
	}
	err = json.NewEncoder(f).Encode(struct {
		Round  *Round  `json:"round"`
		Turns  []Turn  `json:"turns"`
		Told   []Told  `json:"told"`
		Writes []Write `json:"writes"`
		Reads  []Read  `json:"reads"`
	}{round, h.turns, h.told, h.writes, h.reads})
	return f.Name(), errors.Join(err, f.Close())
}
