package balance

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPoolOperations: each changes what it says and nothing else, and says what is wrong.
func TestPoolOperations(t *testing.T) {
	s := newSite(t, []string{"a", "b"}, nil)
	b := s.b
	for _, tt := range []struct {
		what string
		do   func() error
		want map[string]int // of 12 requests
		err  string
	}{
		{"nothing", func() error { return nil }, map[string]int{"a": 6, "b": 6}, ""},
		{"add", func() error { return b.Add(Backend{Name: "c", URL: "http://c", Weight: 2}) }, map[string]int{"a": 3, "b": 3, "c": 6}, ""},
		{"add again", func() error { return b.Add(Backend{Name: "c", URL: "http://c"}) }, nil, `balance: backend 4 ("c"): another backend has that name; give each its own`},
		{"weigh", func() error { return b.SetWeight("a", 3) }, map[string]int{"a": 6, "b": 2, "c": 4}, ""},
		{"weigh wrongly", func() error { return b.SetWeight("a", 0) }, nil, `balance: weigh "a": the weight is 0; it must be between 1 and 1000000`},
		{"weigh nobody", func() error { return b.SetWeight("x", 1) }, nil, `balance: weigh "x": unknown backend; see the status page for the names there are`},
		{"disable", func() error { return b.Disable("a", "a new disk") }, map[string]int{"b": 4, "c": 8}, ""},
		{"disable nobody", func() error { return b.Disable("x", "") }, nil, `balance: disable "x": unknown backend; see the status page for the names there are`},
		{"set keeps who is disabled", func() error {
			return b.Set([]Backend{{Name: "a", URL: "http://a"}, {Name: "b", URL: "http://b"}, {Name: "c", URL: "http://c"}})
		}, map[string]int{"b": 6, "c": 6}, ""},
		{"enable", func() error { return b.Enable("a") }, map[string]int{"a": 4, "b": 4, "c": 4}, ""},
		{"enable twice", func() error { return b.Enable("a") }, map[string]int{"a": 4, "b": 4, "c": 4}, ""},
		{"enable nobody", func() error { return b.Enable("x") }, nil, `balance: enable "x": unknown backend; see the status page for the names there are`},
		{"remove", func() error { return b.Remove("b") }, map[string]int{"a": 6, "c": 6}, ""},
		{"remove nobody", func() error { return b.Remove("b") }, nil, `balance: remove "b": unknown backend; see the status page for the names there are`},
		{"disable all", func() error { return errors.Join(b.Disable("a", ""), b.Disable("c", "")) }, map[string]int{}, ""},
	} {
		err := tt.do()
		if got := errorText(err); got != tt.err {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.err)
		}
		if tt.want != nil {
			s.expect(tt.what, 12, tt.want)
		}
	}
	if st := b.Snapshot()[0]; st.State != "disabled" || st.Reason != "" || time.Since(st.Since) > time.Minute {
		t.Errorf("%+v", st)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestBackup: backups serve when nobody else is healthy, before those that are not.
func TestBackup(t *testing.T) {
	s := newSite(t, []string{"a", "b"}, nil)
	if err := s.b.Add(Backend{Name: "spare", URL: "http://spare", Backup: true}); err != nil {
		t.Fatal(err)
	}
	of := func(name string) *state { return s.b.pool.Load().find(name).state }
	s.expect("nobody is checked", 2, map[string]int{"a": 1, "b": 1})
	of("a").turn(up, "")
	of("spare").turn(up, "")
	s.expect("one is healthy", 2, map[string]int{"a": 2})
	of("a").turn(down, "ill")
	s.expect("only the backup is", 2, map[string]int{"spare": 2})
	of("spare").turn(down, "ill")
	of("b").turn(down, "ill")
	s.expect("nobody is", 2, map[string]int{"a": 1, "b": 1})
}

// TestDisabledIsNotChecked: and when it is enabled it is looked at soon, as one that nobody knows.
func TestDisabledIsNotChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := make(chan string, 100)
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.CheckInterval = time.Second
			o.Checker = checkFunc(func(_ context.Context, e Backend) error { checks <- e.Name; return nil })
		})
		if err := s.b.Disable("b", "a new disk"); err != nil {
			t.Fatal(err)
		}
		stop := run(t, s.b)
		defer stop()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for len(checks) > 0 {
			if name := <-checks; name == "b" {
				t.Fatal("a disabled backend is checked")
			}
		}
		if err := s.b.Enable("b"); err != nil {
			t.Fatal(err)
		}
		if st := s.b.Snapshot()[1]; st.State != "unknown" {
			t.Errorf("%+v", st)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if st := s.b.Snapshot()[1]; st.State != "healthy" {
			t.Errorf("%+v", st)
		}
	})
}

// TestSlowStart: a new backend and one that is well again get more and more, those of the start all at
// once; and when nobody else is there, all.
func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.SlowStart, o.CheckInterval, o.Picker = 100*time.Second, 10*time.Millisecond, Random{}
			o.Checker = checkFunc(func(_ context.Context, e Backend) error {
				if sick.Load() && e.Name == "b" {
					return errors.New("ill")
				}
				return nil
			})
		})
		// The chance of a wrong verdict is below one in a million: five standard deviations.
		about := func(when string, name string, share float64) {
			t.Helper()
			const n = 4000
			got := float64(s.asks(n)[name]) / n
			if tolerance := 5 * 0.0079; got < share-tolerance || got > share+tolerance {
				t.Errorf("%s: %s gets %.3f, want about %.3f", when, name, got, share)
			}
		}
		stop := run(t, s.b)
		defer stop()
		synctest.Wait()
		about("start of all", "b", 0.5)
		if err := s.b.Add(Backend{Name: "c", URL: "http://c"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		about("new", "c", 0.1/3)
		time.Sleep(50 * time.Second)
		about("half of it", "c", 0.55/3)
		time.Sleep(50 * time.Second)
		about("after it", "c", 1./3)
		sick.Store(true)
		time.Sleep(time.Second)
		about("ill", "b", 0)
		sick.Store(false)
		time.Sleep(time.Second)
		about("well again", "b", 0.11/3)
		time.Sleep(100 * time.Second)
		if err := errors.Join(s.b.Disable("b", "a new disk"), s.b.Enable("b")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		about("enabled", "b", 0.11/3)
		if err := errors.Join(s.b.Remove("a"), s.b.Remove("c")); err != nil {
			t.Fatal(err)
		}
		about("alone", "b", 1)
	})
}

// TestDrainTwice: who waits for a drain that another has asked for is told too.
func TestDrainTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBlocking()
		b := mustNew(t, []Backend{{Name: "a", Handler: h}}, nil)
		go b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		<-h.in
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- b.Drain(t.Context(), "a") }()
		}
		synctest.Wait()
		if st := b.Snapshot()[0]; st.State != "draining" || len(done) != 0 {
			t.Errorf("%+v", st)
		}
		h.out <- struct{}{}
		for range 2 {
			if diff := cmp.Diff(nil, <-done); diff != "" {
				t.Error(diff)
			}
		}
	})
}
