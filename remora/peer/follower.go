package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// An Event is what a [Follower] has heard.
type Event struct {
	// Position is how far the follower is now.
	Position remora.Position
	// Gap says that everything may have changed: at the first answer, after a long absence, and when
	// the database has another history, as after a restore.
	Gap bool
	// Changes are in the order of their numbers; lists of activities may be others after any.
	Changes []Change
}

// FollowerConfig says whom a Follower asks. Transport and OnChange are required.
type FollowerConfig struct {
	// Transport reaches a front end; a different one each time will do.
	Transport http.RoundTripper
	// URL is the address of the front ends, without a path ("http://localhost" if "", for a transport
	// that knows where to go).
	URL string
	// OnChange is called for each Event, one after the other. It must not block for long: nothing is
	// heard meanwhile.
	OnChange func(Event)
	// Wait is how long an answer may take when nothing changes, up to [MaxWait] (25 s if 0).
	Wait time.Duration
	// Logger hears of trouble; nil: nobody does.
	Logger *slog.Logger
}

// FollowerStatus is how a Follower stands.
type FollowerStatus struct {
	Position remora.Position // see [Follower.Position]
	Contact  time.Time       // of the last answer; zero: none yet
	Fault    error           // why the last question was not answered
	Changes  int64           // heard of since Run began
	Gaps     int64
}

// A Follower hears what front ends show differently. Make it with [NewFollower], then call Run.
type Follower struct {
	c    FollowerConfig
	base url.URL
	log  *slog.Logger

	behind time.Time // since when front ends have been behind the position; for Run alone

	mu     sync.Mutex
	status FollowerStatus
}

const (
	maxAnswer = 1 << 20 // bytes; a full page has less than a tenth of that
	grace     = 10 * time.Second
	// How often it asks at most: after news, and where waiting is not granted.
	paceNews = 50 * time.Millisecond
	paceIdle = 250 * time.Millisecond
	// How long to wait after failures, twice as long each time.
	backoffFirst = 250 * time.Millisecond
	backoffMost  = 5 * time.Second
	// A front end that lags is nothing to speak of. When no front end has come to our position for
	// longer than that, there is no such position any more.
	patience = 30 * time.Second
)

// NewFollower checks the configuration and returns every mistake in it at once. It starts nothing.
func NewFollower(c FollowerConfig) (*Follower, error) {
	var wrong []error
	if c.Transport == nil {
		wrong = append(wrong, errors.New("peer: FollowerConfig.Transport is required"))
	}
	if c.OnChange == nil {
		wrong = append(wrong, errors.New("peer: FollowerConfig.OnChange is required"))
	}
	if c.URL == "" {
		c.URL = "http://localhost"
	}
	base, err := url.Parse(c.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.Path != "" && base.Path != "/" || base.RawQuery != "" || base.Fragment != "" {
		wrong = append(wrong, errors.New("peer: FollowerConfig.URL must be http:// or https:// and a host, with nothing behind it"))
	}
	if c.Wait < 0 || c.Wait > MaxWait {
		wrong = append(wrong, fmt.Errorf("peer: FollowerConfig.Wait is not between 0 and %v", MaxWait))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	if c.Wait == 0 {
		c.Wait = 25 * time.Second
	}
	f := &Follower{c: c, base: url.URL{Scheme: base.Scheme, Host: base.Host, Path: ChangesPath}, log: c.Logger}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f, nil
}

// Position returns how far the follower is; zero: nothing was heard yet. OnChange has returned for
// all up to there.
func (f *Follower) Position() remora.Position { return f.Status().Position }

// Status returns how the follower stands now.
func (f *Follower) Status() FollowerStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Run follows until ctx ends, then returns nil. Front ends that do not answer are a state, which
// Status tells, and no error. It must not be called again while it runs.
func (f *Follower) Run(ctx context.Context) error {
	backoff := backoffFirst
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		page, err := f.ask(ctx)
		var news, gap bool
		if err == nil {
			news, gap, err = f.take(page)
		}
		if ctx.Err() != nil {
			break
		}
		f.note(err)
		if err != nil {
			if !failing {
				f.log.Warn("no front end tells what has changed", "error", err)
			}
			failing = true
			pause(ctx, backoff/2+rand.N(backoff/2+1))
			backoff = min(2*backoff, backoffMost)
			continue
		}
		if failing {
			f.log.Info("front ends tell again what has changed")
			failing = false
		}
		backoff = backoffFirst
		pace := paceIdle
		if news && !gap {
			pace = paceNews
		}
		pause(ctx, pace-time.Since(began))
	}
	return nil
}

func (f *Follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.status.Fault = err; err == nil {
		f.status.Contact = time.Now()
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// ask gets one page.
func (f *Follower) ask(ctx context.Context) (p Page, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.c.Wait+grace)
	defer cancel()
	at := f.Position()
	u := f.base
	u.RawQuery = url.Values{"after": {strconv.FormatInt(at.Seq, 10)}, "epoch": {at.Epoch}, "wait": {f.c.Wait.String()}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return p, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := f.c.Transport.RoundTrip(r)
	if err != nil {
		return p, fmt.Errorf("peer: no front end answers: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return p, fmt.Errorf("peer: a front end answers %s with status %d", ChangesPath, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return p, fmt.Errorf("peer: the answer of a front end broke off: %w", err)
	}
	if len(body) > maxAnswer {
		return p, fmt.Errorf("peer: the answer of a front end has more than %d bytes", maxAnswer)
	}
	return parsePage(body, at)
}

// parsePage reads the answer to a question after a position. It takes what it does not know for
// something of a newer front end, but what contradicts itself is an error.
func parsePage(body []byte, after remora.Position) (p Page, err error) {
	if err := json.Unmarshal(body, &p); err != nil {
		return Page{}, fmt.Errorf("peer: the answer of a front end is not what was asked for: %w", err)
	}
	bad := func(what string) (Page, error) {
		return Page{}, fmt.Errorf("peer: the answer of a front end contradicts itself: %s", what)
	}
	last := after.Seq
	switch {
	case p.Seq < 0:
		return bad("a number below 0")
	case p.Epoch == "" && (p.Seq != 0 || p.Gap || len(p.Changes) > 0):
		return bad("a position without an epoch")
	case p.Epoch != "" && p.Epoch != after.Epoch && !p.Gap:
		return bad("another epoch, but no gap")
	case p.Gap && len(p.Changes) > 0:
		return bad("changes in a gap")
	}
	for _, c := range p.Changes {
		if c.Seq <= after.Seq || c.Seq < last || c.Seq > p.Seq {
			return bad("a change out of order")
		}
		last = c.Seq
	}
	return p, nil
}

// take goes on to the position of a page and tells what it says.
func (f *Follower) take(p Page) (news, gap bool, err error) {
	if p.Epoch == "" {
		return false, false, errors.New("peer: the front end shows nothing yet")
	}
	at, to := f.Position(), remora.Position{Epoch: p.Epoch, Seq: p.Seq}
	e := Event{Position: to, Gap: p.Gap, Changes: p.Changes}
	if to.Epoch == at.Epoch && to.Seq < at.Seq {
		// Another front end has told more.
		if f.behind.IsZero() {
			f.behind = time.Now()
		}
		if time.Since(f.behind) <= patience {
			return false, false, nil
		}
		f.log.Warn("front ends are at a position before the one that was heard of; beginning anew from there", "seq", to.Seq, "heard", at.Seq)
		e.Gap, e.Changes = true, nil
	}
	f.behind = time.Time{}
	if to == at && !e.Gap {
		return false, false, nil
	}
	f.c.OnChange(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Position = to
	f.status.Changes += int64(len(e.Changes))
	if e.Gap {
		f.status.Gaps++
	}
	return true, e.Gap, nil
}
