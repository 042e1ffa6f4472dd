package nfsstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/pace"
)

// A Change says what a mirror has to have under a name: a file, or none.
type Change struct {
	Name   string
	Size   int64  // bytes; negative: not known, whatever has the SHA-256 will do
	SHA256 []byte // of the content, 32 bytes
	Gone   bool   // the name was withdrawn; Size and SHA256 mean nothing
}

// MirrorOptions change what [Mirror] does. The zero value and nil are good.
type MirrorOptions struct {
	// Logger hears of files that cannot be had and of a source that is away; nil discards.
	Logger *slog.Logger
	// Concurrency bounds how many files are copied at a time; 0: 4.
	Concurrency int
	// Pending bounds how many changes are remembered that wait; 0: 4096. Withdrawals are remembered up
	// to twice as many.
	Pending int
	// Bandwidth bounds how many bytes a second are read from the source, by all copies together; 0: any
	// number. What the mirror has already costs nothing.
	Bandwidth int64
	// Verify compares the SHA-256 of files that are there already, and not only their size.
	Verify bool
	// Reconcile, unless nil, returns everything that the mirror has to have. It is called, twice each
	// time, when the mirror begins, once a day, and after so many changes came that some could not be
	// remembered. It must know of every change that was sent before it was called; those that come
	// while it is at work count more than what it says. It may be consumed slowly, for as long as
	// files are copied. When it ends with an error it is called again later.
	Reconcile func(ctx context.Context) iter.Seq2[Change, error]
	// Within are the folders that are the mirror's alone: files in them that Reconcile does not name
	// are removed, unless it names nothing at all, which is rather a mistake. "." is everything.
	Within []string
	// Progress is called after every change that was dealt with, and when the source goes or comes
	// back; never twice at a time. It must not block.
	Progress func(MirrorStats)
}

// MirrorStats count what a [Mirror] has done since it began, and what it has to do.
type MirrorStats struct {
	Copied     int64 // files
	Bytes      int64 // in them
	Resumed    int64 // bytes of them that copies had which broke off, and were not read from the source again
	Skipped    int64 // files that were there
	Removed    int64 // names that were withdrawn, also when they were not there
	Failed     int64 // changes that were given up after some tries, or make no sense
	Reconciled int64 // times that everything was compared

	Behind int       // changes that were received and are not dealt with
	Left   int64     // bytes in those that are to be copied, as far as their sizes are known
	Oldest time.Time // when the oldest of the changes that are not dealt with was received; zero: there is none
	Away   bool      // the source does not answer; copying waits for it
}

const (
	// mirrorTries bounds how often a file is tried whose source is there but does not have it, or
	// not with the content that was named.
	mirrorTries = 8
	// How long a file waits for its next try, doubling; a withdrawal that failed does not wait long.
	mirrorFirstWait, mirrorLastWait, removalLastWait = time.Second, 5 * time.Minute, 15 * time.Second
	// How long the mirror waits before it looks again for a source that is away, doubling.
	awayFirstWait, awayLastWait = 250 * time.Millisecond, 5 * time.Second
	// mirrorStall is how long a read of the source may take before the source counts as away.
	mirrorStall = 30 * time.Second
)

// Mirror keeps in dst what changes name: it copies files from src and compares their SHA-256 on the
// way, and removes names that are gone. It returns nil when changes is closed and all is dealt with,
// and the error of ctx when that ends first; all it started has ended then. It may be repeated with
// the same changes: what is there with the right size is skipped.
//
// Changes of different names are independent and carried out in any order; of several changes of a
// name the last one counts. A file that src does not have, or with other bytes than named, is tried
// again some times, with growing pauses, and given up after some minutes (until the change comes
// again). A file in dst of the wrong content is replaced, once the right one was copied.
//
// A copy that broke off, also because the process was killed, goes on where it stopped; dst keeps
// what came of it in the folder .parts, until it is whole or [Store.Sweep] finds it too old. Nothing
// is shown before all of it has the SHA-256 that was named.
//
// Withdrawals have a way of their own past the copies that wait, and end the copy of their name. When
// as many changes wait as are remembered, further copies are forgotten, to be found again by Reconcile. Without it no
// more changes are received then, and withdrawals behind them wait as well.
//
// That src is away, or dst full or away, is no error: the mirror waits for it, and withdrawals are
// carried out meanwhile. An error that matches [fs.ErrInvalid] says that the arguments make no sense.
func Mirror(ctx context.Context, dst, src *Store, changes <-chan Change, o *MirrorOptions) error {
	if o == nil {
		o = new(MirrorOptions)
	}
	var errs []error
	refuse := func(sentence string) {
		errs = append(errs, &failure{op: "mirror", kind: fs.ErrInvalid, sentence: sentence})
	}
	switch {
	case dst == nil || src == nil || changes == nil:
		refuse("a mirror needs two stores and changes")
	case dst.readOnly:
		refuse("the store to copy to was opened read-only")
	}
	if o.Concurrency < 0 {
		refuse(fmt.Sprintf("the concurrency of %d is below 0", o.Concurrency))
	}
	if o.Pending < 0 {
		refuse(fmt.Sprintf("the bound of %d for changes that wait is below 0", o.Pending))
	}
	if o.Bandwidth < 0 {
		refuse(fmt.Sprintf("the bandwidth of %d bytes a second is below 0", o.Bandwidth))
	}
	if o.Reconcile == nil && len(o.Within) > 0 {
		refuse("what does not belong into the folders of Within only Reconcile can tell")
	}
	for _, dir := range o.Within {
		if err := CheckName(dir); err != nil && dir != "." {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	m := &mirror{
		dst: dst, src: src, verify: o.Verify, pace: pace.New(o.Bandwidth), log: o.Logger, progress: o.Progress,
		all: o.Reconcile, within: o.Within, pending: cmp.Or(o.Pending, 4096), jobs: make(map[string]*mirrorJob),
		parts: parts{store: dst},
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.progress == nil {
		m.progress = func(MirrorStats) {}
	}
	return m.run(ctx, changes, cmp.Or(o.Concurrency, 4))
}

// A mirror plans in one goroutine, that of run, which alone touches what is below stats; others carry
// out.
type mirror struct {
	dst, src *Store
	verify   bool
	pace     *pace.Pace
	log      *slog.Logger
	progress func(MirrorStats)
	all      func(context.Context) iter.Seq2[Change, error] // nil: nobody knows
	within   []string
	pending  int
	parts    parts // has a lock of its own

	stats    MirrorStats
	jobs     map[string]*mirrorJob // by name; all there are
	order    []*mirrorJob          // as they were received, with some that are done
	removals []*mirrorJob          // to be done now
	copies   []*mirrorJob          // to be done now, while the source is there
	later    []*mirrorJob          // to be done at their time
	backoff  time.Duration         // of looking for the source
	look     time.Time             // when to look next; zero while somebody looks

	forgotten      int       // changes since the last time that everything was compared
	forgottenSince time.Time // the first of them
	comparing      *comparison
	compareAt      time.Time     // when to compare everything next
	compareBackoff time.Duration // after a comparison that failed
}

// A mirrorResult is what came of a job, or, without one, of looking for the source.
type mirrorResult struct {
	job     *mirrorJob
	copied  bool
	bytes   int64
	resumed int64
	away    bool // the source is not there
	wait    bool // dst is not there, or full
	err     error
}

func (m *mirror) run(ctx context.Context, changes <-chan Change, workers int) error {
	// A copy may take an hour, so one worker does withdrawals and nothing else.
	copies, removals, results := make(chan *mirrorJob), make(chan *mirrorJob), make(chan mirrorResult)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	work := func(jobs <-chan *mirrorJob) {
		for job := range jobs {
			r := m.carryOut(ctx, job)
			select {
			case results <- r:
			case <-ctx.Done():
				return
			}
		}
	}
	for range workers {
		wg.Go(func() { work(copies) })
	}
	wg.Go(func() { work(removals) })
	defer wg.Wait()
	defer cancel() // somebody may still look for the source
	defer close(copies)
	defer close(removals)

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	if m.all != nil {
		m.compareAt = time.Now()
	}
	for changes != nil || len(m.jobs) > 0 || m.comparing != nil || m.unknown() {
		if m.timeToCompare() {
			m.compare(ctx, &wg)
		}
		in := changes
		if m.all == nil && len(m.jobs) >= m.pending {
			in = nil
		}
		job, toCopy := m.pick(ctx), copies
		if job == nil && !m.looking() {
			toCopy = nil // nil as a job means to look for the source
		}
		removal, toRemove := m.pickRemoval(ctx), removals
		if removal == nil {
			toRemove = nil
		}
		var found <-chan Change
		var compared <-chan error
		if m.comparing != nil {
			if compared = m.comparing.ended; len(m.jobs) < m.pending {
				found = m.comparing.found
			}
		}
		timer.Reset(m.pause())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-in:
			if ok {
				m.receive(c)
			} else {
				changes = nil
			}
		case c := <-found:
			m.hear(c)
		case err := <-compared:
			m.compared(err)
		case toRemove <- removal:
			m.removals = m.removals[1:]
			removal.running = true
		case toCopy <- job:
			if job == nil {
				m.look = time.Time{}
				continue
			}
			m.copies = m.copies[1:]
			job.running = true
		case r := <-results:
			m.finish(r)
		case <-timer.C:
		}
	}
	return nil
}
