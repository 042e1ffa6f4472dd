package balance

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestReport: a backend that says that it is draining gets nothing, one that says that it is busy gets
// less, and what was said long ago is forgotten.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b"}, func(o *Options) { o.Picker = Random{} })
		report := func(name string, r Report) {
			t.Helper()
			if err := s.b.Report(name, r); err != nil {
				t.Fatal(err)
			}
		}
		report("b", Report{Draining: true})
		s.expect("draining", 100, map[string]int{"a": 100})
		if st := s.b.Snapshot()[1]; st.State != "leaving" || st.Reason != "it says that it is draining" || !st.Until.Equal(time.Now().Add(10*time.Second)) {
			t.Errorf("%+v", st)
		}
		report("a", Report{Draining: true})
		s.expect("all drain", 10, map[string]int{})
		report("a", Report{})
		s.expect("one comes back", 10, map[string]int{"a": 10})
		time.Sleep(10 * time.Second)
		about := func(when string, share float64) {
			t.Helper()
			const n = 4000
			got := float64(s.asks(n)["b"]) / n
			if got < share-0.04 || got > share+0.04 { // five standard deviations
				t.Errorf("%s: b gets %.3f, want about %.3f", when, got, share)
			}
		}
		about("forgotten", 0.5)
		for load, share := range map[float64]float64{0: 0.5, 0.5: 0.5, 0.75: 0.275, 1: 0.05, 30: 0.05} {
			report("b", Report{Load: load})
			about("load", share)
		}
		if st := s.b.Snapshot()[1]; st.Reported != time.Now().UTC() {
			t.Errorf("%+v", st)
		}
		report("b", Report{Load: 1})
		if err := s.b.Disable("a", ""); err != nil {
			t.Fatal(err)
		}
		s.expect("the only one is busy", 10, map[string]int{"b": 10})
		if err := s.b.Report("x", Report{}); !errors.Is(err, ErrUnknownBackend) {
			t.Error(err)
		}
		for _, load := range []float64{-1, math.NaN(), math.Inf(1)} {
			if err := s.b.Report("b", Report{Load: load}); err == nil || !strings.Contains(err.Error(), "the load is") {
				t.Error(err)
			}
		}
	})
}

// TestPanic: below the share all are used again, and it is counted.
func TestPanic(t *testing.T) {
	s := newSite(t, []string{"a", "b", "c", "d"}, func(o *Options) { o.Panic = 0.5 })
	of := func(name string) *state { return s.b.pool.Load().find(name).state }
	for _, n := range []string{"a", "b", "c", "d"} {
		of(n).turn(up, "")
	}
	of("a").turn(down, "ill")
	of("b").turn(down, "ill")
	s.expect("half is enough", 4, map[string]int{"c": 2, "d": 2})
	of("c").turn(down, "ill")
	s.expect("less is not", 4, map[string]int{"a": 1, "b": 1, "c": 1, "d": 1})
	if st := s.b.Stats(); st.Panicked != 4 {
		t.Errorf("%+v", st)
	}
	of("b").turn(up, "")
	s.expect("enough again", 4, map[string]int{"b": 2, "d": 2})
}

// TestCutOff: when this machine is what is sick, the last healthy backend is not blamed.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gateway, backends atomic.Bool
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.CheckInterval, o.Fall = time.Second, 2
			o.Checker = checkFunc(func(context.Context, Backend) error {
				if backends.Load() {
					return errors.New("no route")
				}
				return nil
			})
			o.Self = func(context.Context) error {
				if gateway.Load() {
					return errors.New("the gateway is silent")
				}
				return nil
			}
		})
		stop := run(t, s.b)
		defer stop()
		time.Sleep(2 * time.Second)
		states := func() string {
			var list []string
			for _, st := range s.b.Snapshot() {
				list = append(list, st.State+" "+st.Reason)
			}
			return strings.Join(list, ", ")
		}
		gateway.Store(true)
		backends.Store(true)
		time.Sleep(10 * time.Second)
		if got := states(); strings.Count(got, "unhealthy no route") != 1 || strings.Count(got, "healthy this machine seems to be cut off: the gateway is silent") != 1 {
			t.Error(got)
		}
		gateway.Store(false)
		time.Sleep(5 * time.Second)
		if got := states(); got != "unhealthy no route, unhealthy no route" {
			t.Error(got)
		}
		backends.Store(false)
		time.Sleep(5 * time.Second)
		if got := states(); got != "healthy , healthy " {
			t.Error(got)
		}
	})
}
