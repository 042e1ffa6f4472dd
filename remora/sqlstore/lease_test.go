package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// A clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(1_700_000_000_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Microseconds()) }

func lease(t testing.TB, s *sqlstore.Store, holder string, ttl time.Duration) (sqlstore.Lease, bool) {
	t.Helper()
	l, ok, err := s.Lease(t.Context(), "tidy", holder, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l, ok
}

func TestLease(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newClock()
		d.store.SetClock(c.now)
		at := position(t, d.store)
		first, ok := lease(t, d.store, "a", time.Minute)
		if !ok || first.Holder != "a" || first.Fence != 1 || !first.Until.Equal(c.now().Add(time.Minute)) {
			t.Fatalf("the first is %+v, %v", first, ok)
		}
		if l, ok := lease(t, d.store, "b", time.Hour); ok || l != first {
			t.Errorf("another is told %+v, %v", l, ok)
		}
		c.advance(30 * time.Second)
		renewed, ok := lease(t, d.store, "a", time.Minute)
		if !ok || renewed.Fence != 1 || !renewed.Until.Equal(c.now().Add(time.Minute)) {
			t.Errorf("renewed it is %+v, %v", renewed, ok)
		}
		c.advance(time.Minute)
		second, ok := lease(t, d.store, "b", time.Minute)
		if !ok || second.Fence != 2 {
			t.Errorf("after it ran out another has %+v, %v", second, ok)
		}
		// The first is late; it can end nobody's lease but its own.
		if err := d.store.Release(t.Context(), renewed); err != nil {
			t.Fatal(err)
		}
		if l, ok := lease(t, d.store, "a", time.Minute); ok || l != second {
			t.Errorf("the first is told %+v, %v", l, ok)
		}
		if err := d.store.Release(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if l, ok := lease(t, d.store, "b", time.Minute); !ok || l.Fence != 3 {
			t.Errorf("begun anew it is %+v, %v", l, ok)
		}
		if now := position(t, d.store); now != at {
			t.Errorf("leases moved the feed from %v to %v", at, now)
		}
		for what, err := range map[string]error{
			"no name":     third(d.store.Lease(t.Context(), "", "a", time.Second)),
			"long name":   third(d.store.Lease(t.Context(), strings.Repeat("x", 65), "a", time.Second)),
			"no holder":   third(d.store.Lease(t.Context(), "x", "", time.Second)),
			"no time":     third(d.store.Lease(t.Context(), "x", "a", 0)),
			"much time":   third(d.store.Lease(t.Context(), "x", "a", 25*time.Hour)),
			"run, holder": d.store.RunLeased(t.Context(), "x", "", time.Second, nil),
			"run, time":   d.store.RunLeased(t.Context(), "x", "a", time.Millisecond, nil),
		} {
			if !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "lease.invalid"}) {
				t.Errorf("%s: %v", what, err)
			}
		}
		mustMode(t, d.store, sqlstore.WriteFrozen)
		if _, _, err := d.store.Lease(t.Context(), "tidy", "b", time.Minute); !errors.Is(err, remora.ErrReadOnly) {
			t.Errorf("while frozen: %v", err)
		}
	})
}

func third[A, B any](_ A, _ B, err error) error { return err }

// TestLeaseByTheDatabasesClock: a program whose clock is far off neither takes nor keeps a lease by it.
func TestLeaseByTheDatabasesClock(t *testing.T) {
	d := engines["mariadb"](t)
	const ttl = 300 * time.Millisecond
	if l, ok := lease(t, d.store, "a", time.Hour); !ok || time.Until(l.Until) < 50*time.Minute || time.Until(l.Until) > 70*time.Minute {
		t.Errorf("a lease of an hour is %+v, %v", l, ok)
	}
	first, _, err := d.store.Lease(t.Context(), "short", "a", ttl)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		l, ok, err := d.store.Lease(t.Context(), "short", "b", ttl)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			if l.Fence != first.Fence+1 || l.Until.Sub(first.Until) < ttl {
				t.Errorf("another got %+v after %+v", l, first)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a lease never ends")
		}
	}
}

// TestLeaseModel: whatever several holders do, one has the lease at each moment, and fences only rise.
func TestLeaseModel(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		c := newClock()
		d.store.SetClock(c.now)
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			name := "l" + time.Duration(run).String()
			var now sqlstore.Lease // who has it
			fence := int64(0)
			for range rapid.IntRange(1, 12).Draw(rt, "steps") {
				holder := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "holder")
				switch rapid.IntRange(0, 3).Draw(rt, "what") {
				case 0:
					c.advance(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "ms")) * time.Millisecond)
				case 1:
					l := sqlstore.Lease{Name: name, Holder: holder, Fence: fence}
					if err := d.store.Release(t.Context(), l); err != nil {
						rt.Fatal(err)
					}
					if now.Holder == holder {
						now.Until = time.UnixMicro(0)
					}
				default:
					ttl := time.Duration(rapid.IntRange(1, 2000).Draw(rt, "ttl")) * time.Millisecond
					free := !now.Until.After(c.now())
					l, ok, err := d.store.Lease(t.Context(), name, holder, ttl)
					if err != nil {
						rt.Fatal(err)
					}
					if ok != (free || now.Holder == holder) {
						rt.Fatalf("%s got %v; %+v had it", holder, ok, now)
					}
					want := fence
					if free {
						want++
					}
					if l.Fence != want {
						rt.Fatalf("the fence is %d, not %d", l.Fence, want)
					}
					now, fence = l, l.Fence
				}
			}
		})
	})
}

// TestLeaseAtOnce: of many who ask for a new lease at once, one gets it.
func TestLeaseAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		var got atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, ok, err := d.store.Lease(t.Context(), "tidy", string(rune('a'+i)), time.Hour)
				if err != nil {
					t.Error(err)
				}
				if ok {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d have it", got.Load())
		}
	})
}

func isLost(err error) bool {
	return errors.Is(err, &remora.Error{Kind: remora.KindUnavailable, Code: "lease.lost"})
}

// await fails the test when c is not ready in a while.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s never happened", what)
	}
}

func TestRunLeased(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		stop := errors.New("stop")
		var first sqlstore.Lease
		err := d.store.RunLeased(t.Context(), "tidy", "a", 300*time.Millisecond, func(ctx context.Context, l sqlstore.Lease) error {
			first = l
			// It is renewed: who asks sees another end of it.
			for deadline := time.Now().Add(30 * time.Second); ; {
				seen, ok := lease(t, d.store, "b", time.Second)
				if ok {
					t.Error("another got the lease")
					break
				}
				if seen.Until.After(l.Until) {
					break
				}
				if time.Now().After(deadline) {
					t.Error("it is not renewed")
					break
				}
			}
			if err := d.store.RunLeased(t.Context(), "tidy", "a", time.Second, nil); !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "lease.held"}) {
				t.Errorf("a second of the same name: %v", err)
			}
			if ctx.Err() != nil {
				t.Errorf("the work was stopped: %v", context.Cause(ctx))
			}
			return stop
		})
		if !errors.Is(err, stop) || isLost(err) {
			t.Errorf("the error is %v", err)
		}
		// It was released.
		err = d.store.RunLeased(t.Context(), "tidy", "b", time.Hour, func(_ context.Context, l sqlstore.Lease) error {
			if l.Fence != first.Fence+1 {
				t.Errorf("the next has fence %d after %d", l.Fence, first.Fence)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = d.store.RunLeased(ctx, "tidy", "b", time.Hour, func(ctx context.Context, _ sqlstore.Lease) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) || isLost(err) {
			t.Errorf("ended by its caller: %v", err)
		}
		if _, ok := lease(t, d.store, "c", time.Second); !ok {
			t.Error("a lease whose caller ended was not released")
		}
	})
}

// TestRunLeasedLoses stops work whose lease another has got, as after the program stood still, and
// work whose lease cannot be renewed.
func TestRunLeasedLoses(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, d *database, c *clock){
		"to another": func(t *testing.T, d *database, c *clock) {
			c.advance(time.Hour)
			if _, ok := lease(t, d.store, "b", time.Hour); !ok {
				t.Error("the lease did not run out")
			}
		},
		"and got anew by nobody": func(_ *testing.T, _ *database, c *clock) { c.advance(time.Hour) },
		"because writes froze":   func(t *testing.T, d *database, _ *clock) { mustMode(t, d.store, sqlstore.WriteFrozen) },
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, d *database) {
				c := newClock()
				d.store.SetClock(c.now)
				err := d.store.RunLeased(t.Context(), "tidy", "a", 400*time.Millisecond, func(ctx context.Context, _ sqlstore.Lease) error {
					lose(t, d, c)
					await(t, "the end of the work", ctx.Done())
					if !isLost(context.Cause(ctx)) {
						t.Errorf("the cause is %v", context.Cause(ctx))
					}
					return nil // whatever it returns, it was not the only one
				})
				if !isLost(err) {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}
