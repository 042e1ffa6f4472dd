package replicaproof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/failover"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// A Fault is what happens to one server in a round.
type Fault string

// The faults.
const (
	KillPrimary      Fault = "kill primary"      // and it stays down until another is the primary
	FreezePrimary    Fault = "freeze primary"    // SIGSTOP; it goes on when another is the primary
	PartitionPrimary Fault = "partition primary" // from replicas, router and guard; not from two clients
	KillReplica      Fault = "kill replica"
	FreezeReplica    Fault = "freeze replica"
	RestartPrimary   Fault = "restart primary" // killed, and started again at once
)

// Faults are all of them, in the order in which rounds take them.
var Faults = []Fault{KillPrimary, PartitionPrimary, FreezeReplica, FreezePrimary, RestartPrimary, KillReplica}

// A Round is what one round was and what came of it.
type Round struct {
	Number       int           `json:"number"`
	Seed         uint64        `json:"seed"`
	Fault        Fault         `json:"fault"`
	Behind       bool          `json:"behind"` // replicas had not applied what they had received
	Acknowledged int           `json:"acknowledged"`
	Failed       int           `json:"failed"`
	Unknown      int           `json:"unknown"`
	Happened     int           `json:"happened"` // of the unknown
	SessionReads int           `json:"session_reads"`
	OwnReads     int           `json:"own_reads"`   // of those: reads of a row that the session had written
	OtherReads   int           `json:"other_reads"` // of those: in another process
	StrongReads  int           `json:"strong_reads"`
	RefusedReads int           `json:"refused_reads"`
	Primary      string        `json:"primary"`  // in the end
	Promoted     string        `json:"promoted"` // by whom: guard, person; "": nobody
	Silence      time.Duration `json:"silence_ns"`
	Took         time.Duration `json:"took_ns"`
	Violations   []Violation   `json:"violations"`
	History      string        `json:"history,omitempty"` // the file with everything, if there are violations
	Notes        []string      `json:"notes,omitempty"`   // what was seen beside
}

// round is one round at work.
type round struct {
	*Round
	random  *rand.Rand
	cluster cluster
	history *history
	clients *clients
	guard   *failover.Guard
	struck  func() // the fault has happened

	mu     sync.Mutex
	events []failover.Event
}

// Run does one round in mode strict. An error means that it could not be carried out, which proves
// nothing; what the promises are worth is in Violations.
func Run(ctx context.Context, number int, seed uint64, fault Fault, judge bool) (_ *Round, err error) {
	r := &round{Round: &Round{Number: number, Seed: seed, Fault: fault, Violations: []Violation{}}, struck: func() {}, random: rand.New(rand.NewPCG(seed, uint64(number)))}
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	if r.cluster, err = openCluster(ctx, shape{servers: 3, mode: promote.Strict}); err != nil {
		return r.Round, err
	}
	defer func() { err = errors.Join(err, r.cluster.end()) }()
	stopGuard, err := r.watch(ctx, promote.Strict)
	if err != nil {
		return r.Round, err
	}
	defer func() { err = errors.Join(err, stopGuard()) }()
	router, stopRouter, err := route(ctx, r.cluster.nodes())
	if err != nil {
		return r.Round, err
	}
	defer func() { err = errors.Join(err, stopRouter()) }()
	if err := r.load(ctx, router); err != nil {
		return r.Round, errors.Join(r.explain(err), r.salvage(ctx))
	}
	return r.Round, r.check(ctx, router, judge)
}

// route runs a router.
func route(ctx context.Context, nodes []replica.Node) (*replica.Router, func() error, error) {
	router, err := replica.New(replica.Config{Nodes: nodes, Timeout: 2 * time.Second, MaxOpen: 64, Marker: markers})
	if err != nil {
		return nil, nil, err
	}
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- router.Run(run) }()
	stop := func() error {
		cancel()
		return errors.Join(<-ended, router.Close())
	}
	limit, done := context.WithTimeout(ctx, patience)
	defer done()
	if err := router.WaitReady(limit); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return router, stop, nil
}

// watch puts the cluster into a mode and has a guard watch it, which in mode strict promotes by itself.
func (r *round) watch(ctx context.Context, mode promote.Mode) (stop func() error, err error) {
	folder, err := os.MkdirTemp("", "replicaproof-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	r.guard, err = failover.New(failover.Config{
		Promote: r.cluster.promotion(mode), Automatic: mode == promote.Strict, Rejoin: true, Folder: folder,
		Events: func(e failover.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		},
	})
	if err != nil {
		return nil, err
	}
	if report, err := r.guard.Promoter().Prepare(ctx); err != nil {
		return nil, fmt.Errorf("mode %s: %w; %+v", mode, err, report)
	}
	run, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.guard.Run(run) }()
	stop = func() error { cancel(); return errors.Join(<-ended, os.RemoveAll(folder)) }
	err = until(ctx, "the guard is ready", func() bool {
		s := r.guard.Status()
		return s.Primary == "a" && (s.Held == "" || mode == promote.Available)
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// explain adds to an error what the guard knows.
func (r *round) explain(err error) error {
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if e.Kind == failover.Held && i > 0 && r.events[i-1].Kind == failover.Held {
			continue // the same, some time later
		}
		err = fmt.Errorf("%w\n  %s %s %s: %s", err, e.At.Format("05.000"), e.Kind, e.Node, e.Text)
		if e.Report != nil && len(e.Report.Left) > 0 {
			err = fmt.Errorf("%w\n    left: %s", err, strings.Join(e.Report.Left, " "))
		}
	}
	s := r.guard.Status()
	err = fmt.Errorf("%w\n  guard: primary %q, held %q, problem %q, candidate %q", err, s.Primary, s.Held, s.Problem, s.Candidate)
	for _, v := range r.cluster {
		err = fmt.Errorf("%w\n  server %s: %s", err, v.Name(), v.replication())
	}
	return err
}

// heard returns the first event of a kind.
func (r *round) heard(kind failover.Kind) *failover.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.events {
		if r.events[i].Kind == kind {
			return &r.events[i]
		}
	}
	return nil
}

func (r *round) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Writes that are acknowledged before the fault, and after each stage.
const (
	before = 300
	after  = 150
)

// load has clients at work while the fault happens and is made good again.
func (r *round) load(ctx context.Context, router *replica.Router) (err error) {
	r.history = newHistory()
	r.clients = newClients(ctx, router, r.history, r.Seed)
	defer func() {
		r.clients.end()
		if failed := r.clients.failed.Load(); failed != nil {
			err = errors.Join(err, *failed)
		}
	}()
	r.clients.begin()
	r.clients.other(r.cluster.nodes())
	if err := r.history.more(ctx, before); err != nil {
		return err
	}
	// A fault does not wait for a quiet moment.
	r.clients.pause(time.Duration(r.random.IntN(200)) * time.Millisecond)
	if err := r.fault(ctx); err != nil {
		return err
	}
	if err := r.whole(ctx); err != nil {
		return err
	}
	return r.history.more(ctx, after)
}

// whole waits until the cluster is as before, with whoever is the primary.
func (r *round) whole(ctx context.Context) error {
	return until(ctx, "two replicas follow one primary", func() bool {
		s := r.guard.Status()
		r.Primary = s.Primary
		if s.Primary == "" {
			return false
		}
		id := uint32(r.cluster.named(s.Primary).id)
		n := 0
		for _, v := range s.Nodes {
			if v.Role == replica.Replica && v.Source == id && v.Receives && v.Applies {
				n++
			}
		}
		return n == len(r.cluster)-1
	})
}

// check compares what clients were told with what there is.
func (r *round) check(ctx context.Context, router *replica.Router, judge bool) error {
	primary := r.cluster.named(r.Primary)
	for _, s := range r.cluster {
		if s != primary {
			if err := s.catchUp(primary); err != nil {
				return r.explain(err)
			}
		}
	}
	t, err := primary.truth(ctx, nil)
	if err != nil {
		return err
	}
	r.count(r.history, t)
	f := &findings{list: check(r.history, t)}
	if err := f.markers(ctx, router, r.history, t); err != nil {
		return r.explain(err)
	}
	if err := f.copies(r.cluster); err != nil {
		return err
	}
	if judge {
		if err := f.checksum(ctx, r, primary); err != nil {
			return err
		}
	}
	r.Violations = append(r.Violations, f.list...)
	if len(r.Violations) > 0 {
		if r.History, err = r.history.save(r.Round); err != nil {
			return err
		}
	}
	return nil
}

// salvage compares what clients were told with what the primary has, if there is one, in a round that
// could not be carried out.
func (r *round) salvage(ctx context.Context) error {
	s := r.cluster.named(r.guard.Status().Primary)
	if s == nil || s.down {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, salvageTime)
	defer cancel()
	t, err := s.truth(limit, nil)
	if err != nil {
		return fmt.Errorf("what there is cannot be compared with what clients were told: %w", err)
	}
	r.count(r.history, t)
	if r.Violations = append(r.Violations, check(r.history, t)...); len(r.Violations) > 0 {
		r.History, err = r.history.save(r.Round)
	}
	return err
}

const salvageTime = 10 * time.Second

// count fills in what there was.
func (r *Round) count(h *history, t truth) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ends []time.Duration
	for _, w := range h.writes {
		switch w.Outcome {
		case Acknowledged:
			r.Acknowledged++
			ends = append(ends, w.End)
		case Failed:
			r.Failed++
		case Unknown:
			r.Unknown++
			if _, there := t.rows[w.Token]; there {
				r.Happened++
			}
		}
	}
	slices.Sort(ends)
	for i := 1; i < len(ends); i++ {
		r.Silence = max(r.Silence, ends[i]-ends[i-1])
	}
	for _, v := range h.reads {
		switch {
		case v.Session == 0:
			r.StrongReads++
			continue
		case v.Own != 0:
			r.OwnReads++
		}
		if v.Other {
			r.OtherReads++
		}
		r.SessionReads++
	}
	for _, text := range slices.Sorted(maps.Keys(h.refused)) {
		r.RefusedReads += h.refused[text]
	}
}
