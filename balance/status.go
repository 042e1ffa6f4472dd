package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// Stats counts what has happened since [New]. Requests that the cache answers alone are not in the
// first six.
type Stats struct {
	Requests uint64 `json:"requests"`  // given to at least one backend
	Retries  uint64 `json:"retries"`   // attempts after the first one of a request
	Refused  uint64 `json:"refused"`   // requests that no backend might take
	Failed   uint64 `json:"failed"`    // requests that no backend has answered; clients that went away too
	Cut      uint64 `json:"cut"`       // answers that a backend broke off
	FailOpen uint64 `json:"fail_open"` // attempts at unhealthy backends for want of others
	// Outliers: how often a backend was ejected, how often one was spared since too many were, and how
	// often one was found that answered nothing any more.
	Ejections uint64 `json:"ejections"`
	Spared    uint64 `json:"spared"`
	Stalls    uint64 `json:"stalls"`
	// Panicked counts attempts to which all were candidates since too few were healthy (Options.Panic).
	Panicked uint64 `json:"panicked"`

	// Answers, Ends, Sent and Received are of the requests of [Balancer.ServeHTTP] that have ended, those
	// the cache has answered too: by class of status, by why they ended, and the bytes of the bodies.
	Answers  Answers   `json:"answers"`
	Ends     EndCounts `json:"ends"`
	Sent     int64     `json:"sent_bytes"`
	Received int64     `json:"received_bytes"`

	Queue   QueueStats   `json:"queue"`
	Bodies  BodyStats    `json:"bodies"`
	Handoff HandoffStats `json:"handoff"`
}

type counters struct {
	requests, retries, refused, failures, cut, failOpen, ejections, spared, stalls, panicked atomic.Uint64
}

// Stats returns the counters. They are read one after the other: sums may be off by those requests
// that happen meanwhile.
func (b *Balancer) Stats() Stats {
	return Stats{
		Requests: b.requests.Load(), Retries: b.retries.Load(), Refused: b.refused.Load(),
		Failed: b.failures.Load(), Cut: b.cut.Load(), FailOpen: b.failOpen.Load(),
		Ejections: b.ejections.Load(), Spared: b.spared.Load(), Stalls: b.stalls.Load(), Panicked: b.panicked.Load(),
		Answers: b.figures.answers.load(), Ends: b.figures.endCounts(), Sent: b.figures.sent.Load(), Received: b.figures.got.Load(),
		Queue: b.queue.snapshot(), Bodies: b.bodies.snapshot(), Handoff: b.handoffs.snapshot(),
	}
}

// Status is what is known of a backend.
type Status struct {
	Name string `json:"name"`
	// URL is "" for a Handler.
	URL         string `json:"url,omitempty"`
	Weight      int    `json:"weight"`
	MaxInFlight int    `json:"max_in_flight,omitempty"`
	InFlight    int    `json:"in_flight"`
	Draining    bool   `json:"draining"`
	// State sums up whether it gets requests: "healthy", "unhealthy", "unknown" when no check has judged,
	// "draining", "leaving" when it says by a [Report] that it is, "disabled", "ejected" until Until for its failures, or "on trial" after that.
	State string `json:"state"`
	// Since is when State became what it is, and Reason why it is not better.
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// Health is what health checks say: "healthy", "unhealthy", or "unknown".
	Health string `json:"health"`
	// Checked is when the last one ended, CheckTook how long it took.
	Checked   time.Time     `json:"checked,omitzero"`
	CheckTook time.Duration `json:"check_took_ns,omitempty"`
	// Latency is about how long it takes to begin an answer; see [Candidate].
	Latency time.Duration `json:"latency_ns,omitempty"`
	// Load is what it has said of itself, and Reported when it last has.
	Load     float64   `json:"load,omitempty"`
	Reported time.Time `json:"reported,omitzero"`
	// Backup is that of the backend.
	Backup bool `json:"backup,omitempty"`
	// Ejections is how often it was ejected of late; the next one is the longer for it.
	Ejections int `json:"ejections,omitempty"`
	// Requests counts the attempts at this backend; Failures those without an answer, and answers
	// that broke off.
	Requests uint64 `json:"requests"`
	Failures uint64 `json:"failures"`
	// Answers counts the answers of a backend with a URL by class of status.
	Answers Answers `json:"answers"`
	// LastError is the last failure, at the time Erred; "" if there was none yet.
	LastError string    `json:"last_error,omitempty"`
	Erred     time.Time `json:"erred,omitzero"`
}

// Snapshot returns the status of all backends in the order they were given.
func (b *Balancer) Snapshot() []Status {
	members := b.pool.Load().members
	list := make([]Status, 0, len(members))
	now := time.Now()
	for _, e := range members {
		list = append(list, e.status(now))
	}
	return list
}

func (e *backend) status(now time.Time) Status {
	s := e.state
	st := Status{
		Name: e.Name, URL: e.URL, Weight: e.Weight, MaxInFlight: e.MaxInFlight, Backup: e.Backup,
		InFlight: int(s.inFlight.Load()), Draining: s.draining.Load(),
		Health: health(s.health.Load()).String(), Latency: s.latency.estimate(now),
		Requests: s.requests.Load(), Failures: s.failures.Load(),
	}
	s.mu.Lock()
	st.Since, st.Reason = s.since.UTC(), s.reason
	st.Checked, st.CheckTook = s.checked, s.checkedIn
	st.Answers, st.LastError, st.Erred = s.answers.load(), s.lastError, s.erredAt
	drained, disabled, why := s.drained, s.disabledSince, s.disabledWhy
	s.mu.Unlock()
	st.State = st.Health
	if until := s.ejected.Load(); until != 0 {
		st.State, st.Until = "ejected", time.Unix(0, until).UTC()
		if !now.Before(st.Until) {
			st.State = "on trial"
		}
		s.record.mu.Lock()
		st.Since, st.Reason = s.record.since.UTC(), s.record.reason
		s.record.mu.Unlock()
	}
	s.record.mu.Lock()
	st.Ejections = s.record.ejections
	s.record.mu.Unlock()
	if at := s.said.at.Load(); at != 0 {
		st.Reported = time.Unix(0, at).UTC()
		if s.said.until.Load() > now.UnixNano() {
			st.Load = math.Float64frombits(s.said.load.Load())
		}
	}
	if s.said.leaves() {
		st.State, st.Since, st.Until, st.Reason = "leaving", st.Reported, time.Unix(0, s.said.leaving.Load()).UTC(), "it says that it is draining"
	}
	if st.Draining {
		st.State, st.Since, st.Until, st.Reason = "draining", drained.UTC(), time.Time{}, "it was told to finish"
		if keeps := s.keeps.Load(); now.UnixNano() < keeps {
			st.Until, st.Reason = time.Unix(0, keeps).UTC(), "it was told to finish, and serves the clients it has until then"
		}
	}
	if s.disabled.Load() {
		st.State, st.Since, st.Until, st.Reason = "disabled", disabled.UTC(), time.Time{}, why
	}
	return st
}

func (h health) String() string {
	switch h {
	case up:
		return "healthy"
	case down:
		return "unhealthy"
	}
	return "unknown"
}
