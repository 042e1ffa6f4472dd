package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// script is a check that finds what it is told, and counts its calls.
type script struct {
	mu    sync.Mutex
	now   Finding
	calls int
}

func (s *script) set(f Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = f
}

func (s *script) run(context.Context) Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.now
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

var (
	good   = Finding{Level: OK, Summary: "It is good."}
	poor   = Finding{Level: Warn, Summary: "It is poor."}
	broken = Finding{Level: Bad, Summary: "It is broken.", Next: "mend it"}
	silent = Finding{Level: Bad, Summary: "It is silent.", NoAnswer: true}
)

// lines is a log whose messages are compared.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func start(t *testing.T, c Config) (*Monitor, func() error) {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var once sync.Once
	var result error
	stop := func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Log(err) // a test that expects none asks itself
		}
	})
	return m, stop
}

func only(t *testing.T, m *Monitor) Result {
	t.Helper()
	r := m.Report()
	if len(r.Results) != 1 {
		t.Fatalf("there are %d results, want 1: %+v", len(r.Results), r)
	}
	return r.Results[0]
}

// next lets one period of a second pass.
func next() { time.Sleep(time.Second); synctest.Wait() } // virtual time

func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{now: good}
		log := &lines{}
		began := time.Now()
		m, stop := start(t, Config{Checks: []Check{{Name: "it", Every: time.Second, Fall: 2, Rise: 3, Run: s.run}}, Logger: log.logger()})
		synctest.Wait()
		steps := []struct {
			f       Finding
			level   Level
			suspect bool
			since   time.Duration
		}{
			{good, OK, false, 0},
			{broken, OK, true, 0}, // one lost probe
			{good, OK, false, 0},
			{broken, OK, true, 0},
			{poor, Warn, false, 5 * time.Second}, // two in a row; the last one counts
			{broken, Warn, true, 5 * time.Second},
			{broken, Bad, false, 7 * time.Second},
			{good, Bad, false, 7 * time.Second},
			{good, Bad, false, 7 * time.Second},
			{broken, Bad, false, 7 * time.Second}, // not three in a row
			{good, Bad, false, 7 * time.Second},
			{good, Bad, false, 7 * time.Second},
			{good, OK, false, 13 * time.Second},
		}
		for i, step := range steps {
			s.set(step.f)
			next()
			got := only(t, m)
			if got.Level != step.level || got.Suspect != step.suspect || !got.Since.Equal(began.Add(step.since)) {
				t.Errorf("step %d: level %v, suspect %t, since %v; want %v, %t, %v", i, got.Level, got.Suspect, got.Since.Sub(began), step.level, step.suspect, step.since)
			}
			if got.Checked.Sub(began) != time.Duration(i+1)*time.Second {
				t.Errorf("step %d: checked after %v", i, got.Checked.Sub(began))
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := `level=WARN msg="a check changed" check=it from=ok to=warn summary="It is poor."
level=ERROR msg="a check changed" check=it from=warn to=bad summary="It is broken." next="mend it"
level=INFO msg="a check changed" check=it from=bad to=ok summary="It is good."
`
		if d := cmp.Diff(want, log.take()); d != "" {
			t.Errorf("log (-want +got):\n%s", d)
		}
	})
}

func TestHangingCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls, under, most atomic.Int32
		hang := func(context.Context) Finding { // it ignores its context
			calls.Add(1)
			most.Store(max(most.Load(), under.Add(1)))
			defer under.Add(-1)
			<-release
			return good
		}
		s := &script{now: good}
		m, stop := start(t, Config{Checks: []Check{
			{Name: "hangs", Every: time.Second, Timeout: 100 * time.Millisecond, Run: hang},
			{Name: "lives", Every: time.Second, Run: s.run},
		}})
		time.Sleep(10*time.Second + 500*time.Millisecond)
		synctest.Wait()
		r := m.Report()
		if r.Results[0].Name != "hangs" || r.Results[0].Level != Unknown || !r.Results[0].NoAnswer {
			t.Errorf("first is %+v, want the check that hangs, unknown", r.Results[0])
		}
		if calls.Load() != 1 {
			t.Errorf("the check that hangs was called %d times, want once", calls.Load())
		}
		if s.count() < 10 {
			t.Errorf("the other check was asked %d times in 10 s", s.count())
		}
		close(release)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := m.Report(); got.Level != OK {
			t.Errorf("after the release: %+v", got)
		}
		if most.Load() != 1 {
			t.Errorf("%d calls were under way at once", most.Load())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunNamesWhatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, stop := start(t, Config{
			Linger: 3 * time.Second,
			Checks: []Check{
				{Name: "stuck", Run: func(context.Context) Finding { <-release; return good }},
				{Name: "polite", Run: func(ctx context.Context) Finding { <-ctx.Done(); return good }},
			},
		})
		synctest.Wait()
		began := time.Now()
		err := stop()
		if !errors.Is(err, remora.ErrUnavailable) || !strings.Contains(err.Error(), "after the stop: stuck.") {
			t.Errorf("error %v, want one of kind unavailable that names the stuck check only", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("the stop took %v, want 3s", took)
		}
		close(release)
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{now: good}
		derived := &script{now: good}
		m, stop := start(t, Config{Checks: []Check{{Name: "it", Every: time.Second, Run: s.run}, {Name: "d", Derived: true, Run: derived.run}}})
		synctest.Wait()
		if err := m.Run(t.Context()); !errors.Is(err, remora.ErrConflict) {
			t.Errorf("a second Run at once: %v, want a conflict", err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		before := derived.count()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.Run(ctx); err != nil {
			t.Errorf("a second Run after the first: %v", err)
		}
		if derived.count() == before {
			t.Error("the derived check was not asked in the second Run")
		}
	})
}

func TestDerivedWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		checks := []Check{
			{Name: "derived", Derived: true, Run: func(context.Context) Finding {
				if !slow.Load() {
					return broken
				}
				return good
			}},
			{Name: "slow", Run: func(context.Context) Finding { time.Sleep(time.Second); slow.Store(true); return good }},
		}
		m, stop := start(t, Config{Checks: checks})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := m.Report(); got.Level != OK {
			t.Errorf("Run: %+v", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		slow.Store(false)
		if got := m.Round(t.Context()); got.Level != OK {
			t.Errorf("Round: %+v", got)
		}
	})
}

func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, local := &script{now: good}, &script{now: good}, &script{now: good}
		log := &lines{}
		m, stop := start(t, Config{Logger: log.logger(), Checks: []Check{
			{Name: "a", Every: time.Second, Remote: true, Run: a.run},
			{Name: "b", Every: time.Second, Remote: true, Run: b.run},
			{Name: "local", Every: time.Second, Run: local.run},
		}})
		synctest.Wait()
		top := func() string { return m.Report().Results[0].Name }
		a.set(silent)
		next()
		next()
		if top() != "a" {
			t.Errorf("with one of two silent the first is %q, want a", top())
		}
		b.set(broken) // it is sick, but it answers
		next()
		next()
		if top() == cutOffName {
			t.Error("a bad answer is an answer, but this machine is said to be cut off")
		}
		log.take()
		b.set(silent)
		for range 3 {
			next()
		}
		r := m.Report()
		if top() != cutOffName || r.ExitCode() != ExitUnknown {
			t.Errorf("with all silent the first is %q and the exit status %d, want %q and %d", top(), r.ExitCode(), cutOffName, ExitUnknown)
		}
		if got := log.take(); strings.Count(got, "cut off") != 1 {
			t.Errorf("the log says it not once:\n%s", got)
		}
		a.set(good)
		next()
		if top() == cutOffName {
			t.Error("one answers again, but this machine is said to be cut off")
		}
		if got := log.take(); !strings.Contains(got, "get answers again") {
			t.Errorf("the log does not say that answers come again:\n%s", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRoundCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) Finding { <-ctx.Done(); return silent }
		m, err := New(Config{Checks: []Check{{Name: "a", Remote: true, Run: wait}, {Name: "b", Remote: true, Run: wait}}})
		if err != nil {
			t.Fatal(err)
		}
		r := m.Round(t.Context())
		if r.Results[0].Name != cutOffName || r.ExitCode() != ExitUnknown {
			t.Errorf("got %+v", r)
		}
		if took := time.Since(r.At); took > 0 {
			t.Errorf("the report is from %v ago", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r := m.Round(ctx); r.Level != Unknown {
			t.Errorf("a round without time: %+v", r)
		}
		synctest.Wait()
	})
}

func TestPanickingCheck(t *testing.T) {
	log := &lines{}
	m, err := New(Config{Logger: log.logger(), Checks: []Check{{Name: "it", Run: func(context.Context) Finding { panic("boom") }}}})
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Round(t.Context()); r.Level != Unknown || r.ExitCode() != ExitUnknown {
		t.Errorf("got %+v, want unknown", r)
	}
	if got := log.take(); !strings.Contains(got, "boom") || !strings.Contains(got, "monitor_test.go") {
		t.Errorf("the log has neither panic nor place:\n%s", got)
	}
}

func TestNewReportsAllMistakes(t *testing.T) {
	run := func(context.Context) Finding { return good }
	_, err := New(Config{
		Linger: -1,
		Checks: []Check{
			{Name: "", Run: run}, {Name: "twice", Run: run}, {Name: "twice", Run: run}, {Name: cutOffName, Run: run},
			{Name: "no run"}, {Name: "often", Every: time.Millisecond, Run: run}, {Name: "long", Timeout: time.Hour, Run: run}, {Name: "low", Fall: -1, Run: run},
		},
		Track: &Track{Path: "relative", Every: time.Hour, Timeout: time.Hour, Fall: -1},
	})
	if e, ok := errors.AsType[*remora.Error](err); !ok || e.Kind != remora.KindInvalid {
		t.Fatalf("error %v, want one of kind invalid", err)
	}
	for _, want := range []string{"linger", `""`, `"twice" of a check is taken`, `"this machine" of a check is taken`, "has no Run", `"often" runs every`, `"long" has the time-out`, `"low" falls`, "absolute path", "needs a question", "is asked every 1h", "has the time-out 1h", "falls after -1 failures"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an empty Config is taken")
	}
	many := Config{}
	for i := range MaxChecks + 1 {
		many.Checks = append(many.Checks, Check{Name: fmt.Sprint(i), Run: run})
	}
	if _, err := New(many); err == nil || !strings.Contains(err.Error(), "257 checks") {
		t.Errorf("257 checks: %v", err)
	}
}
