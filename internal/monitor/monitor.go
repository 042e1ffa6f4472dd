package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// Config is what [New] needs: at least one check or a track file.
type Config struct {
	// Checks are what Run and Round ask.
	Checks []Check
	// Track has the monitor keep a track file; nil: it keeps none.
	Track *Track
	// Linger bounds how long Run waits, at its end, for checks that do not return. 0 means 5 s; up to
	// 10 minutes.
	Linger time.Duration
	// Logger gets each change of a level once. nil discards.
	Logger *slog.Logger
}

// A Monitor runs checks and keeps what they found. It is safe for concurrent use; make it with [New].
type Monitor struct {
	checks []Check
	track  *tracker // nil: no track file
	linger time.Duration
	log    *slog.Logger

	rounds sync.Mutex // held by a Round
	probes []*probe   // of rounds; those of Run are its own

	mu      sync.Mutex
	running bool
	states  []state // one for each check
	waiting int     // checks that are not derived and have no result yet
	first   chan struct{}
	cutOff  bool
}

// state is what the monitor keeps of one check.
type state struct {
	result Result
	worse  int // findings in a row that were worse than the level
	better int
}

// New makes a monitor. It reports all mistakes of c at once, as an error of kind invalid, and starts
// nothing.
func New(c Config) (*Monitor, error) {
	m := &Monitor{linger: c.Linger, log: c.Logger}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.linger == 0 {
		m.linger = 5 * time.Second
	}
	var errs []error
	if m.linger < 0 || m.linger > 10*time.Minute {
		errs = append(errs, fmt.Errorf("checks that do not return may linger for up to 10m, not %v", m.linger))
	}
	if len(c.Checks) == 0 && c.Track == nil {
		errs = append(errs, errors.New("there is nothing to watch: neither a check nor a track file"))
	}
	if len(c.Checks) > MaxChecks {
		errs = append(errs, fmt.Errorf("there are %d checks; %d are possible", len(c.Checks), MaxChecks))
	}
	names := map[string]bool{}
	for _, check := range c.Checks {
		check = check.complete()
		errs = append(errs, check.mistakes()...)
		if names[check.Name] || check.Name == trackName || check.Name == cutOffName {
			errs = append(errs, fmt.Errorf("the name %q of a check is taken", clean(check.Name)))
		}
		names[check.Name] = true
		m.checks = append(m.checks, check)
		m.states = append(m.states, state{result: unchecked(check.Name)})
		m.probes = append(m.probes, newProbe(check, m.log))
	}
	if c.Track != nil {
		t, mistakes := newTracker(*c.Track, m.log)
		m.track = t
		errs = append(errs, mistakes...)
	}
	if len(errs) > 0 {
		return nil, &remora.Error{
			Kind: remora.KindInvalid, Op: "monitor.New", Code: "monitor.config",
			Message: "The monitor cannot be set up.", Err: errors.Join(errs...),
		}
	}
	m.rewind()
	return m, nil
}

func unchecked(name string) Result {
	return Result{Name: name, Finding: Finding{Level: Unknown, Summary: "It was not checked yet."}}
}

// rewind prepares the start of a Run: derived checks wait anew.
func (m *Monitor) rewind() {
	m.first = make(chan struct{})
	m.waiting = 0
	for i, c := range m.checks {
		if !c.Derived && m.states[i].result.Checked.IsZero() {
			m.waiting++
		}
	}
	if m.waiting == 0 {
		close(m.first)
	}
}

// Run watches until ctx ends. It returns nil when all it started has ended, and else, after Linger,
// an error of kind unavailable that names the checks which do not return. The track file says "1"
// before that wait begins. Run may be called again, but only once at a time.
func (m *Monitor) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.running {
		m.mu.Unlock()
		return &remora.Error{Kind: remora.KindConflict, Op: "monitor.Run", Message: "The monitor runs already."}
	}
	m.running = true
	m.rewind()
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.running = false
		m.mu.Unlock()
	}()

	var all sync.WaitGroup
	gone := make(chan struct{}) // closed when nobody waits any more for calls under way
	stuck := make([]string, len(m.checks)+1)
	for i, c := range m.checks {
		all.Go(func() {
			if !m.watch(ctx, i, gone) {
				stuck[i] = c.Name
			}
		})
	}
	if m.track != nil {
		all.Go(func() {
			if !m.track.run(ctx, gone) {
				stuck[len(m.checks)] = trackName
			}
		})
	}
	<-ctx.Done()
	linger := time.AfterFunc(m.linger, func() { close(gone) })
	all.Wait()
	linger.Stop()
	stuck = slices.DeleteFunc(stuck, func(s string) bool { return s == "" })
	if len(stuck) > 0 {
		return &remora.Error{
			Kind: remora.KindUnavailable, Op: "monitor.Run", Code: "monitor.stuck",
			Message: fmt.Sprintf("These checks did not return within %v after the stop: %s.", m.linger, strings.Join(stuck, ", ")),
		}
	}
	return nil
}

// watch asks check i until ctx ends; false: its last call has not returned when gone was closed.
func (m *Monitor) watch(ctx context.Context, i int, gone <-chan struct{}) bool {
	c := m.checks[i]
	p := newProbe(c, m.log)
	if c.Derived {
		m.mu.Lock()
		first := m.first
		m.mu.Unlock()
		select {
		case <-first:
		case <-ctx.Done():
			return true
		}
	}
	for {
		start := time.Now()
		if f, valid := p.ask(ctx); valid {
			m.record(i, f)
		}
		if !pause(ctx, c.Every-time.Since(start)) {
			return p.join(gone)
		}
	}
}

// pause waits for d; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// record keeps the finding of check i, and logs when the level changes by it.
func (m *Monitor) record(i int, f Finding) {
	f = f.cleaned()
	now := time.Now()
	c := m.checks[i]
	m.mu.Lock()
	s := &m.states[i]
	first, old := s.result.Checked.IsZero(), s.result.Level
	s.result.Checked = now
	switch {
	case first || f.Level == old:
		s.worse, s.better = 0, 0
	case f.Level.rank() > old.rank():
		s.worse, s.better = s.worse+1, 0
	default:
		s.worse, s.better = 0, s.better+1
	}
	accept := first || f.Level == old || s.worse >= c.Fall || s.better >= c.Rise
	s.result.Suspect = !accept && s.worse > 0
	if accept {
		s.worse, s.better = 0, 0
		s.result.Finding = f
		if first || f.Level != old {
			s.result.Since = now
		}
	}
	if first && !c.Derived {
		if m.waiting--; m.waiting == 0 {
			close(m.first)
		}
	}
	results := make([]Result, len(m.states))
	for j := range m.states {
		results[j] = m.states[j].result
	}
	cut := isolated(m.checks, results)
	turned := cut != m.cutOff
	m.cutOff = cut
	m.mu.Unlock()

	if first && f.Level != OK || !first && accept && f.Level != old {
		logChange(m.log, c.Name, old, f)
	}
	if turned && cut {
		logChange(m.log, cutOffName, OK, cutOffResult(m.checks).Finding)
	} else if turned {
		logChange(m.log, cutOffName, Bad, Finding{Level: OK, Summary: "Checks of other machines get answers again."})
	}
}

// logChange logs that something became what f says.
func logChange(log *slog.Logger, name string, old Level, f Finding) {
	level := slog.LevelInfo
	switch f.Level {
	case Bad:
		level = slog.LevelError
	case Warn, Unknown:
		level = slog.LevelWarn
	}
	args := []any{"check", name, "from", old.String(), "to", f.Level.String(), "summary", f.Summary}
	if f.Next != "" {
		args = append(args, "next", f.Next)
	}
	log.Log(context.Background(), level, "a check changed", args...)
}

// Leave gives the shared address away before the balancer drains: from now on the track file says
// "1", whatever the balancer answers, until the next Run. The error, of kind unavailable, says that
// the file could not be written, so the address stays here. Without a track file there is nothing to
// do. It may be called whether Run is at work or not.
func (m *Monitor) Leave() error {
	if m.track == nil {
		return nil
	}
	return m.track.leave()
}

// Round asks every check once, derived ones after the others, and returns what they found without
// waiting for confirmation: what is shown may be a single lost probe. It keeps nothing and leaves the
// track file alone, so it may be called beside Run, if the checks allow that. Rounds come one after
// the other; a check that still hangs from the last one is not called again.
func (m *Monitor) Round(ctx context.Context) Report {
	m.rounds.Lock()
	defer m.rounds.Unlock()
	results := make([]Result, len(m.checks))
	for _, derived := range []bool{false, true} {
		var all sync.WaitGroup
		for i, c := range m.checks {
			if c.Derived == derived {
				all.Go(func() {
					f, _ := m.probes[i].ask(ctx)
					results[i] = Result{Name: c.Name, Finding: f.cleaned(), Checked: time.Now()}
				})
			}
		}
		all.Wait()
	}
	return m.report(results)
}

// Report returns what is known now, the worst first.
func (m *Monitor) Report() Report {
	m.mu.Lock()
	results := make([]Result, len(m.states))
	for i, s := range m.states {
		results[i] = s.result
		results[i].Detail = slices.Clone(results[i].Detail)
	}
	m.mu.Unlock()
	if m.track != nil {
		results = append(results, m.track.result())
	}
	return m.report(results)
}

// report ranks results and adds the suspicion that this machine is cut off.
func (m *Monitor) report(results []Result) Report {
	if isolated(m.checks, results) {
		results = append(results, cutOffResult(m.checks))
	}
	return Ranked(time.Now(), results...)
}

// cutOffName is the name of the result that says this machine may be cut off.
const cutOffName = "this machine"

// isolated tells whether none of the remote checks, of which there must be two, got any answer.
// Results are in the order of checks.
func isolated(checks []Check, results []Result) bool {
	n := 0
	for i, c := range checks {
		if c.Remote {
			if !results[i].NoAnswer || results[i].Checked.IsZero() {
				return false
			}
			n++
		}
	}
	return n >= 2
}

func cutOffResult(checks []Check) Result {
	var names []string
	for _, c := range checks {
		if c.Remote {
			names = append(names, c.Name)
		}
	}
	return Result{Name: cutOffName, Finding: Finding{
		Level:   Bad,
		Summary: fmt.Sprintf("This machine itself may be cut off from the network: none of the %d checks of other machines gets an answer.", len(names)),
		Next:    "Look at this machine's own network first: ip -br address, then ping its gateway. Promote nothing from here before.",
		Detail:  []Pair{{"checks", strings.Join(names, ", ")}},
	}}
}
