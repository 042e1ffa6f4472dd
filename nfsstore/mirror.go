package nfsstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A Change says what a mirror has to have under a name: a file, or none.
type Change struct {
	Name   string
	Size   int64  // bytes
	SHA256 []byte // of the content, 32 bytes
	Gone   bool   // the name was withdrawn; Size and SHA256 mean nothing
}

// MirrorOptions change what [Mirror] does. The zero value and nil are good.
type MirrorOptions struct {
	// Logger hears of files that cannot be had and of a source that is away; nil discards.
	Logger *slog.Logger
	// Concurrency bounds how many files are copied at a time; 0: 4.
	Concurrency int
	// Verify compares the SHA-256 of files that are there already, and not only their size.
	Verify bool
	// Progress is called after every change that was dealt with, and when the source goes or comes
	// back; never twice at a time. It must not block.
	Progress func(MirrorStats)
}

// MirrorStats count what a [Mirror] has done since it began.
type MirrorStats struct {
	Copied  int64 // files
	Bytes   int64 // in them
	Skipped int64 // files that were there
	Removed int64 // names that were withdrawn, also when they were not there
	Failed  int64 // changes that were given up after some tries, or make no sense
	Behind  int   // changes that were received and are not dealt with
	Away    bool  // the source does not answer; copying waits for it
}

const (
	// mirrorPending bounds the changes that are remembered; when there are so many, no more are
	// received.
	mirrorPending = 4096
	// mirrorTries bounds how often a file is tried whose source is there but does not have it, or
	// not with the content that was named.
	mirrorTries = 8
	// How long a file waits for its next try, doubling.
	mirrorFirstWait, mirrorLastWait = time.Second, 5 * time.Minute
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
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	m := &mirror{dst: dst, src: src, verify: o.Verify, log: o.Logger, progress: o.Progress, jobs: make(map[string]*mirrorJob)}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.progress == nil {
		m.progress = func(MirrorStats) {}
	}
	workers := o.Concurrency
	if workers == 0 {
		workers = 4
	}
	return m.run(ctx, changes, workers)
}

// A mirror plans in one goroutine, that of run, which alone touches it; others carry out.
type mirror struct {
	dst, src *Store
	verify   bool
	log      *slog.Logger
	progress func(MirrorStats)

	stats   MirrorStats
	jobs    map[string]*mirrorJob // by name; all there are
	ready   []*mirrorJob          // to be done now
	later   []*mirrorJob          // to be done at their time
	backoff time.Duration         // of looking for the source
	look    time.Time             // when to look next; zero while somebody looks
}

// A mirrorJob is what is to be done about a name.
type mirrorJob struct {
	change  Change
	next    *Change // came while change was carried out
	running bool
	tries   int // that count
	waits   int // all of them, for the pause
	due     time.Time
}

// A mirrorResult is what came of a job, or, without one, of looking for the source.
type mirrorResult struct {
	job    *mirrorJob
	copied bool
	away   bool // the source is not there
	wait   bool // dst is not there, or full
	err    error
}

func (m *mirror) run(ctx context.Context, changes <-chan Change, workers int) error {
	work, results := make(chan *mirrorJob), make(chan mirrorResult)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for job := range work {
				r := m.carryOut(ctx, job)
				select {
				case results <- r:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	defer wg.Wait()
	defer cancel() // somebody may still look for the source
	defer close(work)

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for changes != nil || len(m.jobs) > 0 {
		in := changes
		if len(m.jobs) >= mirrorPending {
			in = nil
		}
		job, out := m.pick(), work
		if job == nil && !m.looking() {
			out = nil
		}
		timer.Reset(m.pause())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-in:
			if ok {
				m.take(c)
			} else {
				changes = nil
			}
		case out <- job:
			m.start(job)
		case r := <-results:
			m.finish(r)
		case <-timer.C:
		}
	}
	return nil
}

// take adds a change. A later one of the same name takes the place of an earlier.
func (m *mirror) take(c Change) {
	if why := c.fault(); why != nil {
		m.log.Error("A change makes no sense.", "name", c.Name, "error", why)
		m.stats.Failed++
		m.report()
		return
	}
	job := m.jobs[c.Name]
	switch {
	case job == nil:
		job = &mirrorJob{change: c}
		m.jobs[c.Name] = job
		m.ready = append(m.ready, job)
	case job.running:
		job.next = &c
	default:
		job.change, job.tries, job.waits, job.due = c, 0, 0, time.Time{}
	}
}

func (c Change) fault() error {
	if err := CheckName(c.Name); err != nil || c.Gone {
		return err
	}
	if c.Size < 0 || len(c.SHA256) != 32 {
		return &failure{op: "mirror", name: c.Name, kind: fs.ErrInvalid, sentence: fmt.Sprintf(
			"a size of %d and a SHA-256 of %d bytes were given; they must not be below 0, and 32", c.Size, len(c.SHA256))}
	}
	return nil
}

// pick returns a job that can be done now, or nil. While the source is away these are removals.
func (m *mirror) pick() *mirrorJob {
	now := time.Now()
	m.later = slices.DeleteFunc(m.later, func(job *mirrorJob) bool {
		if job.due.After(now) {
			return false
		}
		m.ready = append(m.ready, job)
		return true
	})
	if m.looking() {
		return nil // nil as a job means to look for the source
	}
	for _, job := range m.ready {
		if job.change.Gone || !m.stats.Away {
			return job
		}
	}
	return nil
}

// looking reports whether it is time to look for the source.
func (m *mirror) looking() bool {
	return m.stats.Away && !m.look.IsZero() && !m.look.After(time.Now())
}

// pause returns how long nothing will be due.
func (m *mirror) pause() time.Duration {
	at := time.Now().Add(time.Hour)
	for _, job := range m.later {
		if job.due.Before(at) {
			at = job.due
		}
	}
	if m.stats.Away && !m.look.IsZero() && m.look.Before(at) {
		at = m.look
	}
	return max(time.Until(at), 0)
}

func (m *mirror) start(job *mirrorJob) {
	if job == nil {
		m.look = time.Time{}
		return
	}
	i := slices.Index(m.ready, job)
	m.ready = slices.Delete(m.ready, i, i+1)
	job.running = true
}

func (m *mirror) finish(r mirrorResult) {
	job := r.job
	switch {
	case job == nil && r.away, job != nil && r.away && !m.stats.Away:
		if !m.stats.Away {
			m.log.Warn("The source of the mirror does not answer; copying waits for it.", "source", m.src.dir, "error", r.err)
			m.backoff = 0
		}
		m.backoff = min(max(2*m.backoff, awayFirstWait), awayLastWait)
		m.stats.Away, m.look = true, time.Now().Add(m.backoff)
	case job == nil:
		m.log.Info("The source of the mirror answers again.", "source", m.src.dir)
		m.stats.Away = false
	}
	if job == nil {
		m.report()
		return
	}
	job.running = false
	m.count(r, job.change)
	if job.next != nil {
		// What became of the earlier change does not matter any more.
		job.change, job.next, job.tries, job.waits = *job.next, nil, 0, 0
		m.ready = append(m.ready, job)
		m.report()
		return
	}
	switch {
	case r.err == nil:
		delete(m.jobs, job.change.Name)
	case r.away:
		m.ready = append(m.ready, job)
	case !r.wait && job.tries+1 >= mirrorTries:
		m.log.Error("A file cannot be mirrored and is given up.", "name", job.change.Name, "tries", job.tries+1, "error", r.err)
		m.stats.Failed++
		delete(m.jobs, job.change.Name)
	default:
		if !r.wait {
			job.tries++
		}
		if job.waits == 0 {
			m.log.Warn("A file could not be mirrored and will be tried again.", "name", job.change.Name, "error", r.err)
		}
		job.due = time.Now().Add(min(mirrorFirstWait<<min(job.waits, 16), mirrorLastWait))
		job.waits++
		m.later = append(m.later, job)
	}
	m.report()
}

func (m *mirror) count(r mirrorResult, c Change) {
	switch {
	case r.err != nil:
	case r.copied:
		m.stats.Copied++
		m.stats.Bytes += c.Size
	case c.Gone:
		m.stats.Removed++
	default:
		m.stats.Skipped++
	}
}

func (m *mirror) report() {
	m.stats.Behind = len(m.jobs)
	m.progress(m.stats)
}
