package frontdoor

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/remora/sugar"
)

// hits tells front ends of downloads that the balancer has answered by itself, so that they count.
type hits struct {
	transport http.RoundTripper
	waiting   chan hit
	lost      atomic.Int64
	log       *slog.Logger
}

// A hit is a download that was answered from what is kept.
type hit struct {
	host, target, client, agent, referer string
}

const (
	maxWaiting  = 4096
	hitTimeout  = 5 * time.Second
	hitAttempts = 3
	hitPause    = 2 * time.Second
)

func newHits(transport http.RoundTripper, log *slog.Logger) *hits {
	return &hits{transport: transport, waiting: make(chan hit, maxWaiting), log: log}
}

// note is told of every answer from what is kept. Downloads that begin at the beginning count, as at front
// ends: a client that asks for the rest of a file has been counted.
func (h *hits) note(in balance.Info, status int, _ int64) {
	path, _, _ := strings.Cut(in.Target, "?")
	bundle := strings.HasSuffix(path, ".xo") || strings.HasSuffix(path, ".xol") || strings.Contains(path, "/downloads/file/")
	if !bundle || in.Method != http.MethodGet || status != http.StatusOK {
		return
	}
	x := hit{host: in.Host, target: in.Target, agent: in.Header("User-Agent"), referer: in.Header("Referer")}
	if in.Client.IsValid() {
		x.client = in.Client.String()
	}
	select {
	case h.waiting <- x:
	default:
		h.lost.Add(1)
	}
}

// Run tells front ends until ctx ends, and then of what waits still, for as long as one answers.
func (h *hits) Run(ctx context.Context) error {
	last := context.WithoutCancel(ctx)
	for {
		select {
		case x := <-h.waiting:
			h.tell(last, ctx.Done(), x)
		case <-ctx.Done():
			for {
				select {
				case x := <-h.waiting:
					if !h.tell(last, ctx.Done(), x) {
						h.log.Warn("no front end has heard of the last downloads, which are not counted", "downloads", len(h.waiting)+1)
						return nil
					}
				default:
					return nil
				}
			}
		}
	}
}

// tell tries a few times, but not for long when end is closed.
func (h *hits) tell(ctx context.Context, end <-chan struct{}, x hit) bool {
	var err error
	for range hitAttempts {
		if err = h.ask(ctx, x); err == nil {
			return true
		}
		pause := time.NewTimer(hitPause)
		select {
		case <-pause.C:
		case <-end:
			pause.Stop()
			return false
		}
	}
	h.lost.Add(1)
	h.log.Warn("no front end could be told of a download, which is not counted", "lost", h.lost.Load(), "error", err)
	return false
}

func (h *hits) ask(ctx context.Context, x hit) error {
	ctx, cancel := context.WithTimeout(ctx, hitTimeout)
	defer cancel()
	u, err := url.ParseRequestURI(x.target)
	if err != nil {
		return err
	}
	u.Scheme, u.Host = "http", x.host
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return err
	}
	r.Host = x.host
	r.Header.Set(sugar.HeaderDownloaded, "1")
	r.Header.Set("User-Agent", x.agent)
	if x.referer != "" {
		r.Header.Set("Referer", x.referer)
	}
	if x.client != "" {
		r.Header.Set("X-Forwarded-For", x.client)
	}
	res, err := h.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	err = res.Body.Close()
	if res.StatusCode >= 500 {
		return fmt.Errorf("a front end has answered %d", res.StatusCode)
	}
	return err // one that does not know the bundle any more cannot count it
}
