package nfsstore

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// A mirrorJob is what is to be done about a name.
type mirrorJob struct {
	change  Change
	next    *Change   // came while change was carried out
	since   time.Time // when the first change of the name came
	running bool
	waiting bool // for due, and not in a queue
	done    bool
	tries   int // that count
	waits   int // all of them, for the pause
	due     time.Time

	ctx  context.Context // of carrying change out; nil before that
	stop context.CancelCauseFunc
}

// receive adds a change that was sent.
func (m *mirror) receive(c Change) {
	if m.comparing != nil {
		m.comparing.newer(c.Name)
	}
	m.take(c)
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
	case job == nil && m.all != nil && (len(m.jobs) >= 2*m.pending || len(m.jobs) >= m.pending && !c.Gone):
		if m.forgotten++; m.forgotten == 1 {
			m.forgottenSince = time.Now()
			m.log.Warn("More changes wait than the mirror remembers; it will compare everything.", "waiting", len(m.jobs))
		}
		m.report()
		return
	case job == nil:
		job = &mirrorJob{change: c, since: time.Now()}
		m.jobs[c.Name] = job
		m.order = append(m.order, job)
		m.enqueue(job)
	case job.running:
		if job.next = &c; c.Gone && !job.change.Gone {
			job.stop(errWithdrawn)
		}
		return
	default:
		m.stats.Left -= job.change.toCopy()
		if !job.waiting && job.change.Gone != c.Gone {
			m.dequeue(job)
			job.change = c
			m.enqueue(job)
		}
		job.change, job.tries, job.waits, job.due = c, 0, 0, time.Time{}
	}
	m.stats.Left += c.toCopy()
}

func (c Change) fault() error {
	if err := CheckName(c.Name); err != nil || c.Gone {
		return err
	}
	if len(c.SHA256) != 32 {
		return &failure{op: "mirror", name: c.Name, kind: fs.ErrInvalid, sentence: fmt.Sprintf(
			"a SHA-256 of %d bytes was given; it must have 32", len(c.SHA256))}
	}
	return nil
}

// toCopy returns how many bytes a change asks to be copied, as far as it knows.
func (c Change) toCopy() int64 {
	if c.Gone {
		return 0
	}
	return max(c.Size, 0)
}

// enqueue makes a job one that can be done now.
func (m *mirror) enqueue(job *mirrorJob) {
	if job.change.Gone {
		m.removals = append(m.removals, job)
	} else {
		m.copies = append(m.copies, job)
	}
}

func (m *mirror) dequeue(job *mirrorJob) {
	queue := &m.copies
	if job.change.Gone {
		queue = &m.removals
	}
	if i := slices.Index(*queue, job); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
	}
}

// pick returns the copy to begin now, or nil. It stays in its queue.
func (m *mirror) pick(ctx context.Context) *mirrorJob {
	now := time.Now()
	m.later = slices.DeleteFunc(m.later, func(job *mirrorJob) bool {
		if job.due.After(now) {
			return false
		}
		job.waiting = false
		m.enqueue(job)
		return true
	})
	if m.stats.Away || len(m.copies) == 0 {
		return nil
	}
	return m.copies[0].prepare(ctx)
}

// pickRemoval returns the withdrawal to begin now, or nil. It stays in its queue.
func (m *mirror) pickRemoval(ctx context.Context) *mirrorJob {
	if len(m.removals) == 0 {
		return nil
	}
	return m.removals[0].prepare(ctx)
}

func (job *mirrorJob) prepare(ctx context.Context) *mirrorJob {
	if job.ctx == nil {
		job.ctx, job.stop = context.WithCancelCause(ctx)
	}
	return job
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
	if m.all != nil && m.comparing == nil && !m.waitsForRoom() && m.compareAt.Before(at) {
		at = m.compareAt
	}
	return max(time.Until(at), 0)
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
	job.stop(nil)
	job.running, job.ctx, job.stop = false, nil, nil
	m.count(r)
	if job.next != nil {
		// What became of the earlier change does not matter any more.
		m.stats.Left += job.next.toCopy() - job.change.toCopy()
		job.change, job.next, job.tries, job.waits = *job.next, nil, 0, 0
		m.enqueue(job)
		m.report()
		return
	}
	switch {
	case r.err == nil:
		m.drop(job)
	case r.away:
		m.enqueue(job)
	case !r.wait && job.tries+1 >= mirrorTries:
		m.log.Error("A file cannot be mirrored and is given up.", "name", job.change.Name, "tries", job.tries+1, "error", r.err)
		m.stats.Failed++
		m.drop(job)
	default:
		if !r.wait {
			job.tries++
		}
		if job.waits == 0 {
			m.log.Warn("A file could not be mirrored and will be tried again.", "name", job.change.Name, "error", r.err)
		}
		longest := mirrorLastWait
		if job.change.Gone {
			longest = removalLastWait
		}
		job.due = time.Now().Add(min(mirrorFirstWait<<min(job.waits, 16), longest))
		job.waits++
		job.waiting = true
		m.later = append(m.later, job)
	}
	m.report()
}

// drop forgets a job that is dealt with.
func (m *mirror) drop(job *mirrorJob) {
	job.done = true
	delete(m.jobs, job.change.Name)
	m.stats.Left -= job.change.toCopy()
}

func (m *mirror) count(r mirrorResult) {
	m.stats.Resumed += r.resumed
	switch {
	case r.err != nil:
	case r.copied:
		m.stats.Copied++
		m.stats.Bytes += r.bytes
	case r.job.change.Gone:
		m.stats.Removed++
	default:
		m.stats.Skipped++
	}
}

func (m *mirror) report() {
	m.stats.Behind = len(m.jobs) + m.forgotten
	m.stats.Oldest = m.oldest()
	m.progress(m.stats)
}

// oldest returns when the oldest change came that is not dealt with.
func (m *mirror) oldest() time.Time {
	for len(m.order) > 0 && m.order[0].done {
		m.order = m.order[1:]
	}
	// One that waits for long must not keep all that came after it.
	if len(m.order) > 2*len(m.jobs)+1000 {
		m.order = slices.DeleteFunc(m.order, func(job *mirrorJob) bool { return job.done })
	}
	at := m.forgottenSince
	if len(m.order) > 0 && (at.IsZero() || m.order[0].since.Before(at)) {
		at = m.order[0].since
	}
	return at
}
