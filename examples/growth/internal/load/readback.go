package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Readback says how writes are read back: each is made at one front end and looked for, at once and
// with the session token that it was acknowledged with, at another.
type Readback struct {
	// Fronts are addresses such as "http://10.66.0.11:8081", at least two. They take turns in
	// writing, and for each of them the others take turns in reading.
	Fronts []string
	// Dial makes connections; nil: the usual way.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// ImportToken is the bearer token of POST /internal/import; required.
	ImportToken string
	// Seed decides what is imported. It should be no other load's on the same library.
	Seed uint64
	// Rounds is how many versions are written; at least 1. Each is looked for on its activity's page
	// and in the answer to an update check.
	Rounds int
	// Writers is how many write at a time, each versions of an activity of its own (4 if 0 or less).
	Writers int
	// Timeout is how long a whole answer is waited for (5 s if 0 or less).
	Timeout time.Duration
}

// Bounds of Readback.
const (
	defaultWriters = 4
	mostWriters    = 64
	mostRounds     = 1_000_000
)

// ReadbackReport is what [Readback.Run] saw.
type ReadbackReport struct {
	Rounds int           `json:"rounds"` // versions written
	Reads  int           `json:"reads"`  // two for each of them
	Missed int           `json:"missed"` // of the reads: not answered, or not with what was written, or said to be behind
	P50    time.Duration `json:"p50_ns"` // of the reads, to their last byte
	P99    time.Duration `json:"p99_ns"`
	First  []string      `json:"first"` // some of the misses, for people
	Again  int           `json:"again"` // writes that were sent once more, because they were told to or got no answer
	// Without counts pages that were asked for without a token, right before, and Older those of them
	// which showed an older version, as they may. They tell whether a token made a difference.
	Without int `json:"without_token"`
	Older   int `json:"older_without_token"`
}

const (
	shownMisses   = 5
	withoutEvery  = 10 // rounds
	writePatience = 15 * time.Second
	writePause    = 50 * time.Millisecond
)

// Run writes and reads until all rounds are done, or ctx ends. No read is ever repeated. The error
// says that a write was not taken, or that c has mistakes (all at once); that something written is
// not shown is in the report.
func (c Readback) Run(ctx context.Context) (r ReadbackReport, err error) {
	rb, err := c.prepare()
	if err != nil {
		return r, err
	}
	if rb.dir, err = os.MkdirTemp("", "beamrider-load-*"); err != nil {
		return r, fmt.Errorf("load: there is no room for temporary files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(rb.dir)) }()
	g, ctx := errgroup.WithContext(ctx)
	for range rb.writers {
		g.Go(func() error { return rb.write(ctx) })
	}
	err = g.Wait()
	r = rb.report
	if n := len(rb.took); n > 0 {
		slices.Sort(rb.took)
		r.P50, r.P99 = rb.took[n/2], rb.took[n*99/100]
	}
	return r, err
}

// A readback is one run of a Readback.
type readback struct {
	at      []*Load // by front end; they share their model
	model   *model
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	seed    uint64
	timeout time.Duration
	rounds  int64
	writers int
	dir     string
	next    atomic.Int64 // round

	mu     sync.Mutex
	report ReadbackReport
	took   []time.Duration
}

func (c Readback) prepare() (*readback, error) {
	var errs []error
	if len(c.Fronts) < 2 {
		errs = append(errs, errors.New("load: Readback.Fronts has fewer than two front ends"))
	}
	if c.Rounds < 1 || c.Rounds > mostRounds {
		errs = append(errs, fmt.Errorf("load: Readback.Rounds is %d, and must be from 1 to %d", c.Rounds, mostRounds))
	}
	if c.Writers <= 0 {
		c.Writers = defaultWriters
	}
	if c.Writers > mostWriters {
		errs = append(errs, fmt.Errorf("load: Readback.Writers is %d, and %d is the most", c.Writers, mostWriters))
	}
	rb := &readback{model: newModel(c.Seed), seed: c.Seed, rounds: int64(c.Rounds), writers: c.Writers}
	for _, front := range c.Fronts {
		l, err := New(Config{Target: front, Dial: c.Dial, ImportToken: c.ImportToken, Seed: c.Seed, Timeout: c.Timeout, Rates: Rates{Import: 1}})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.model = rb.model
		rb.at, rb.dial, rb.timeout = append(rb.at, l), l.dial, l.timeout
	}
	return rb, errors.Join(errs...)
}

// pair returns where round n is written and where it is read.
func (rb *readback) pair(n int64) (writer, reader *Load) {
	fronts := int64(len(rb.at))
	w := n % fronts
	return rb.at[w], rb.at[(w+1+n/fronts%(fronts-1))%fronts]
}

// write does rounds with versions of one activity, for as long as there are any.
func (rb *readback) write(ctx context.Context) error {
	from := newClient(true, rb.dial)
	defer from.close()
	act := rb.model.own()
	for place := 0; ; place++ {
		n := rb.next.Add(1) - 1
		if n >= rb.rounds {
			return nil
		}
		b, err := pack(ctx, rb.dir, chosen{act, place, rb.seed})
		if err != nil {
			return fmt.Errorf("load: a bundle could not be made: %w", err)
		}
		rb.model.sending(b)
		if err := rb.round(ctx, n, from, b); err != nil {
			return err
		}
	}
}

// round writes a version and looks for it.
func (rb *readback) round(ctx context.Context, n int64, from *client, b *bundle) error {
	writer, reader := rb.pair(n)
	if err := rb.send(ctx, writer, from, b); err != nil {
		return err
	}
	if n%withoutEvery == 0 && b.place > 0 {
		// It may be old or broken: it is not what is promised.
		if place, err := rb.look(ctx, reader, from, b, nil, false); err == nil {
			rb.mu.Lock()
			rb.report.Without++
			if place < b.place {
				rb.report.Older++
			}
			rb.mu.Unlock()
		}
	}
	t := from.current()
	for _, updater := range []bool{false, true} {
		began := time.Now()
		place, err := rb.look(ctx, reader, from, b, t, updater)
		took := time.Since(began)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && place != b.place {
			err = fmt.Errorf("it shows %s", shownAs(place))
		}
		rb.mu.Lock()
		rb.report.Reads++
		rb.took = append(rb.took, took)
		if err != nil {
			if rb.report.Missed++; len(rb.report.First) < shownMisses {
				what := "its page"
				if updater {
					what = "the update check"
				}
				rb.report.First = append(rb.report.First, fmt.Sprintf("version %s of %s, written at %s: %s at %s: %v", b.number(), b.act.bundleID, writer.target, what, reader.target, err))
			}
		}
		rb.mu.Unlock()
	}
	rb.mu.Lock()
	rb.report.Rounds++
	rb.mu.Unlock()
	return nil
}

// look asks a front end for the page of the bundle's activity, or as its updater does, and returns which version the answer
// shows. An answer to a request with a token that says to be behind is an error.
func (rb *readback) look(ctx context.Context, at *Load, from *client, b *bundle, t *token, updater bool) (place int, err error) {
	ctx, cancel := context.WithTimeout(ctx, rb.timeout)
	defer cancel()
	g := rb.model.at(b)
	path, agent, shows := "/en/activity/"+strconv.FormatInt(g.id, 10), agentBrowser, at.pageShows
	if updater {
		path, agent, shows = "/services/update-aslo.php?id="+b.act.bundleID+"&appVersion="+sugarRelease, agentSugar, at.updateOffers
	}
	rd := &reader{load: at, from: from, token: t}
	a, o := rd.get(ctx, path, agent)
	if a == nil {
		return -1, fmt.Errorf("status %d: %s", o.status, o.text)
	}
	if behind := a.header.Get("Remora-Behind"); t != nil && behind != "" {
		return -1, fmt.Errorf("it says that it is behind: %s", brief([]byte(behind)))
	}
	return shows(&g, a)
}

// send writes the bundle, if need be several times: only reads are never repeated.
func (rb *readback) send(ctx context.Context, at *Load, from *client, b *bundle) error {
	patience, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	pause := time.NewTimer(math.MaxInt64)
	defer pause.Stop()
	for {
		once, done := context.WithTimeout(patience, rb.timeout)
		o, again := at.send(once, b, from, false)
		done()
		if o.class == classOK {
			return nil
		}
		fault := fmt.Errorf("load: a version was not taken by %s: %s, status %d: %s", at.target, o.asked, o.status, o.text)
		if o.status == http.StatusServiceUnavailable && o.text == "" {
			fault = fmt.Errorf("load: a version was not taken by %s within %v: it said to come back", at.target, writePatience)
		}
		if !again {
			return fault
		}
		pause.Reset(writePause)
		select {
		case <-pause.C:
		case <-patience.Done():
			return errors.Join(fault, ctx.Err())
		}
		rb.mu.Lock()
		rb.report.Again++
		rb.mu.Unlock()
	}
}
