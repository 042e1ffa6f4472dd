package web

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// askedPlaces is how many questions at once the sources of these tests have.
const askedPlaces = 3

// askedSource returns a source of the given function, and how often that was asked.
func askedSource(t testing.TB, fresh time.Duration, most uint64, ask func(ctx context.Context, key int64) (string, error)) (*source[int64, string], *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	s, err := newSource(func(ctx context.Context, key int64) (string, error) {
		asked.Add(1)
		return ask(ctx, key)
	}, askedPlaces, fresh, most, func(s string) uint32 { return uint32(len(s)) }, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s, asked
}

func say(text string) func(context.Context, int64) (string, error) {
	return func(context.Context, int64) (string, error) { return text, nil }
}

// TestSourceKeeps: an answer counts for as long as it is fresh, and no longer.
func TestSourceKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := askedSource(t, time.Minute, 1000, say("x"))
		for _, step := range []struct {
			wait  time.Duration
			asked int64
		}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
			time.Sleep(step.wait)
			if a, err := s.get(t.Context(), 7); err != nil || a.value != "x" {
				t.Errorf("it says %q, %v", a.value, err)
			}
			if n := asked.Load(); n != step.asked {
				t.Errorf("asked %d times, want %d", n, step.asked)
			}
		}
	})
}

// TestSourceAsksOnceForACrowd: all who want the same wait for one answer.
func TestSourceAsksOnceForACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := askedSource(t, time.Minute, 1000, func(context.Context, int64) (string, error) {
			time.Sleep(time.Second)
			return "x", nil
		})
		gone, leave := context.WithCancel(t.Context())
		var crowd sync.WaitGroup
		for i := range 100 {
			crowd.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = gone // who asked first may go away
				}
				if a, err := s.get(ctx, 7); i != 0 && (err != nil || a.value != "x") {
					t.Errorf("it says %q, %v", a.value, err)
				}
			})
			synctest.Wait()
		}
		leave()
		crowd.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestSourceWaits: nobody waits longer than two seconds, not even for a database that does not heed
// its context, and one that does not answer is left alone for a while.
func TestSourceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := askedSource(t, time.Minute, 1000, func(context.Context, int64) (string, error) {
			time.Sleep(10 * time.Second)
			return "", errors.New("away")
		})
		began := time.Now()
		if _, err := s.get(t.Context(), 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it says %v", err)
		}
		if waited := time.Since(began); waited != sourceWait {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(10 * time.Second)
		began = time.Now()
		for key := range int64(5) {
			if _, err := s.get(t.Context(), key); !errors.Is(err, errSilent) {
				t.Errorf("it says %v", err)
			}
		}
		if n := asked.Load(); n != 1 || time.Since(began) != 0 {
			t.Errorf("asked %d times, waited %v", n, time.Since(began))
		}
		time.Sleep(sourcePause)
		if _, err := s.get(t.Context(), 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it says %v", err)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(10 * time.Second)
	})
}

// TestSourceAsksLittleAtOnce: many different questions to a slow database are few at a time, and
// those that come too late are not asked.
func TestSourceAsksLittleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		s, asked := askedSource(t, 0, 1000, func(context.Context, int64) (string, error) {
			n := now.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			time.Sleep(900 * time.Millisecond)
			now.Add(-1)
			return "x", nil
		})
		began := time.Now()
		var crowd sync.WaitGroup
		var late atomic.Int64
		for key := range int64(50) {
			crowd.Go(func() {
				if _, err := s.get(t.Context(), key); errors.Is(err, context.DeadlineExceeded) {
					late.Add(1)
				}
			})
		}
		crowd.Wait()
		if waited := time.Since(began); waited > sourceWait {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(time.Second)
		if most.Load() != askedPlaces || asked.Load() != 3*askedPlaces || late.Load() != 50-2*askedPlaces {
			t.Errorf("asked %d, %d at once; %d came too late", asked.Load(), most.Load(), late.Load())
		}
		if _, err := s.get(t.Context(), 50); err != nil {
			t.Errorf("then it says %v", err)
		}
	})
}

// TestSourceKeepsTheOld: an old answer is better than none, and says that it is old.
func TestSourceKeepsTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		s, _ := askedSource(t, time.Minute, 1000, func(context.Context, int64) (string, error) {
			if away.Load() {
				return "", errors.New("away")
			}
			return "x", nil
		})
		began := time.Now()
		if _, err := s.get(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		away.Store(true)
		time.Sleep(time.Hour)
		for range 2 { // asked, and not asked again
			if a, err := s.get(t.Context(), 7); err == nil || a.value != "x" || !a.at.Equal(began) {
				t.Errorf("it says %q of %v, %v", a.value, a.at, err)
			}
		}
		if a, err := s.get(t.Context(), 8); err == nil || a.value != "" || !a.at.IsZero() {
			t.Errorf("of what was never asked it says %q, %v", a.value, err)
		}
	})
}

// TestSourceOfNothing: that there is nothing is an answer, and no reason to stop asking.
func TestSourceOfNothing(t *testing.T) {
	s, asked := askedSource(t, 0, 1000, func(_ context.Context, key int64) (string, error) {
		if key == 7 {
			return "x", nil
		}
		return "", remora.ErrNotFound
	})
	if _, err := s.get(t.Context(), 8); !errors.Is(err, remora.ErrNotFound) || troubled(err) {
		t.Errorf("it says %v", err)
	}
	if a, err := s.get(t.Context(), 7); err != nil || a.value != "x" {
		t.Errorf("it says %q, %v", a.value, err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestSourceIsBounded(t *testing.T) {
	s, _ := askedSource(t, 0, 1000, say("ten bytes."))
	for key := range int64(1000) {
		if _, err := s.get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	s.kept.CleanUp()
	if n := s.kept.WeightedSize(); n == 0 || n > 1000 {
		t.Errorf("%d bytes are kept", n)
	}
}
