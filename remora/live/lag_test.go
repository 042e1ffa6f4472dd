package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

type contextKey string

const (
	toPrimary   contextKey = "primary"
	withSession contextKey = "session" // its value is the number that must be there
)

func asPrimary(ctx context.Context) context.Context { return context.WithValue(ctx, toPrimary, true) }

func sessionAt(ctx context.Context, seq int64) context.Context {
	return context.WithValue(ctx, withSession, seq)
}

// A pair is a feed of a primary and a replica that lags. Number n of its log says which activity
// changed then; an odd multiple of three took it away.
type pair struct {
	mu       sync.Mutex
	epoch    [2]string // of primary and replica
	log      []int64   // of the primary; number 1 is log[0]
	replica  int64     // how far the replica is
	away     [2]bool
	tells    bool // an answer to a question from ahead is the older position, not a gap
	since    [2]int
	loads    [2]int
	hold     chan struct{} // if not nil, answers wait for it
	held     int           // 1: only those of the primary
	overlaps int
	inside   int
}

func newPair() *pair { return &pair{epoch: [2]string{"e1", "e1"}, log: []int64{1}, replica: 1} }

func (p *pair) write(id int64) remora.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, id)
	return remora.Position{Epoch: p.epoch[0], Seq: int64(len(p.log))}
}

func (p *pair) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *pair) calls() (since, loads [2]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, p.loads
}

// enter chooses who answers: 0 the primary, 1 the replica.
func (p *pair) enter(ctx context.Context) (who int, h remora.Header, err error) {
	p.mu.Lock()
	if p.inside++; p.inside > 1 {
		p.overlaps++
	}
	who = 1
	if need, ok := ctx.Value(withSession).(int64); ok && need > p.replica || ctx.Value(toPrimary) != nil {
		who = 0
	}
	hold := p.hold
	if who == 1 && p.held == 1 {
		hold = nil
	}
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside--
	if err := ctx.Err(); err != nil {
		return who, h, err
	}
	if p.away[who] {
		return who, h, errAway
	}
	h.Position = remora.Position{Epoch: p.epoch[who], Seq: p.replica}
	if who == 0 {
		h.Seq = int64(len(p.log))
	}
	return who, h, nil
}

func goneAt(seq int64) bool { return seq%6 == 3 }

// state returns the number of the last change of each activity up to to, of those after from.
func (p *pair) state(from, to int64) map[int64]int64 {
	m := map[int64]int64{}
	for n := from + 1; n <= to; n++ {
		m[p.log[n-1]] = n
	}
	return m
}

func activityAt(id, seq int64) remora.Activity {
	return remora.Activity{ID: id, BundleID: fmt.Sprint("org.test.A", id), Slug: "a", DefaultLocale: "en", Revision: seq}
}

func (p *pair) Load(ctx context.Context, add func(remora.Activity) error) (remora.Header, error) {
	who, h, err := p.enter(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loads[who]++
	if err != nil {
		return h, err
	}
	for id, n := range p.state(0, h.Seq) {
		if goneAt(n) {
			continue
		}
		if err := add(activityAt(id, n)); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (p *pair) Since(ctx context.Context, after remora.Position) (d remora.Delta, err error) {
	who, h, err := p.enter(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since[who]++
	if err != nil {
		return d, err
	}
	d.Header = h
	switch {
	case after.Epoch != h.Epoch, after.Seq > h.Seq && !p.tells:
		return remora.Delta{}, remora.ErrGap
	case after.Seq >= h.Seq:
		return d, nil
	}
	for id, n := range p.state(after.Seq, h.Seq) {
		if goneAt(n) {
			d.Gone = append(d.Gone, id)
		} else {
			d.Activities = append(d.Activities, activityAt(id, n))
		}
	}
	return d, nil
}

func (p *pair) Downloads(context.Context) (map[int64]int64, error) { return nil, nil }

// TestReplicaBehindTheView: the View has something from the primary, then polls reach a replica.
func TestReplicaBehindTheView(t *testing.T) {
	for _, tells := range []bool{false, true} {
		t.Run(fmt.Sprintf("tells %v", tells), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair()
				p.tells = tells
				l, _ := start(t, p, &Options{Primary: asPrimary})
				pass(0)
				at := p.write(2)
				if err := l.CatchUp(sessionAt(t.Context(), at.Seq), at); err != nil {
					t.Fatal(err)
				}
				v := l.View()
				_, before := p.calls()
				pass(time.Minute)
				if l.View() != v {
					t.Errorf("polls that reached a replica behind changed the View: %+v", l.View().Position())
				}
				if s := l.Status(); s.Stale || s.Fault != nil {
					t.Errorf("the primary answers all the time, yet %+v", s)
				}
				if _, loads := p.calls(); loads != before {
					t.Errorf("the whole catalog was loaded: %v, before %v", loads, before)
				}
				// What is new on the primary comes in although the replica does not move.
				later := p.write(3)
				pass(time.Second)
				if got := l.View().Position(); got != later {
					t.Errorf("at %+v, want %+v", got, later)
				}
				p.set(func() { p.replica = later.Seq })
				since, _ := p.calls()
				pass(time.Minute)
				if now, _ := p.calls(); now[0] != since[0] {
					t.Error("the primary is asked although the replica has caught up")
				}
			})
		})
	}
}

func TestReplicaBehindAndPrimaryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.tells = true
		l, _ := start(t, p, &Options{Primary: asPrimary})
		pass(0)
		at := p.write(2)
		if err := l.CatchUp(sessionAt(t.Context(), at.Seq), at); err != nil {
			t.Fatal(err)
		}
		p.set(func() { p.away[0] = true })
		_, before := p.calls()
		pass(4 * time.Second)
		if s := l.Status(); s.Stale || s.Fault != nil || s.Position != at {
			t.Errorf("four seconds behind: %+v", s)
		}
		pass(4 * time.Second)
		if s := l.Status(); !s.Stale || !errors.Is(s.Fault, errLags) || s.Position != at {
			t.Errorf("eight seconds behind: %+v", s)
		}
		if err := l.Refresh(t.Context()); err != nil {
			t.Errorf("Refresh = %v; a replica that lags has answered", err)
		}
		if _, loads := p.calls(); loads != before {
			t.Errorf("loaded %v, before %v", loads, before)
		}
		p.set(func() { p.replica = at.Seq })
		pass(time.Second)
		if s := l.Status(); s.Stale || s.Fault != nil {
			t.Errorf("the replica has caught up: %+v", s)
		}
	})
}

// TestGapAndPrimaryAway: a gap that nobody confirms leads to a load, but not to an older View.
func TestGapAndPrimaryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		l, _ := start(t, p, &Options{Primary: asPrimary})
		pass(0)
		at := p.write(2)
		if err := l.CatchUp(sessionAt(t.Context(), at.Seq), at); err != nil {
			t.Fatal(err)
		}
		p.set(func() { p.away[0] = true })
		pass(4 * time.Second)
		if s := l.Status(); s.Position != at {
			t.Errorf("the View went back to %+v", s.Position)
		}
		p.set(func() { p.epoch[1] = "e2" })
		pass(3 * time.Second)
		if got, want := l.View().Position(), (remora.Position{Epoch: "e2", Seq: 1}); got != want {
			t.Errorf("at %+v, want the other history at %+v", got, want)
		}
	})
}

// TestHistoryWentBack: the database with the last word is older than the View.
func TestHistoryWentBack(t *testing.T) {
	for name, o := range map[string]*Options{"one database": nil, "with replicas": {Primary: asPrimary}} {
		for _, tells := range []bool{false, true} {
			t.Run(fmt.Sprint(name, tells), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair()
					p.tells = tells
					for id := range int64(5) {
						p.write(id)
					}
					p.replica = 6
					l, _ := start(t, p, o)
					pass(0)
					p.set(func() { p.log, p.replica = p.log[:4], 4 })
					pass(time.Second)
					if got, want := l.View().Position(), (remora.Position{Epoch: "e1", Seq: 4}); got != want {
						t.Errorf("at %+v, want %+v", got, want)
					}
					if changes := l.Changes(remora.Position{Epoch: "e1", Seq: 3}, 10); !changes.Gap {
						t.Errorf("a reader is not told that everything may have changed: %+v", changes)
					}
				})
			})
		}
	}
}

func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		l, err := New(p, &Options{Primary: asPrimary})
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if err := l.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		at := p.write(2)

		// Nobody says that the replica is not enough.
		if err := l.CatchUp(ctx, at); !errors.Is(err, ErrBehind) {
			t.Errorf("without a session: %v", err)
		}
		// Many callers, each with its session, some of whom give up at once.
		gate := make(chan struct{})
		p.set(func() { p.hold = gate })
		before, _ := p.calls()
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(sessionAt(ctx, at.Seq), 300*time.Millisecond)
				defer cancel()
				if i%3 == 0 {
					cancel()
				}
				err := l.CatchUp(ctx, at)
				if i%3 == 0 && (!errors.Is(err, ErrBehind) || !errors.Is(err, context.Canceled)) {
					t.Errorf("one who has gone: %v", err)
				}
				if i%3 != 0 && err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		p.set(func() { p.hold = nil })
		close(gate)
		wg.Wait()
		after, _ := p.calls()
		if p.overlaps > 0 {
			t.Errorf("%d questions were asked beside others", p.overlaps)
		}
		if n := after[0] + after[1] - before[0] - before[1]; n > 4 {
			t.Errorf("sixty callers asked %d questions; one for all and one with a session would do", n)
		}

		// The context ends while the question is on its way; the question goes on.
		at = p.write(3)
		gate = make(chan struct{})
		p.set(func() { p.hold = gate })
		short, cancel := context.WithTimeout(sessionAt(ctx, at.Seq), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := l.CatchUp(short, at); !errors.Is(err, ErrBehind) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a database that hangs: %v", err)
		}
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("it took %v of virtual time", took)
		}
		p.set(func() { p.hold = nil; p.replica = at.Seq })
		close(gate)
		synctest.Wait()
		if !l.reached(at) {
			t.Error("the question died with who asked it")
		}

		// The same with the question that only the primary can answer.
		at = p.write(4)
		gate = make(chan struct{})
		p.set(func() { p.hold, p.held = gate, 1 })
		short, cancel = context.WithTimeout(sessionAt(ctx, at.Seq), 300*time.Millisecond)
		defer cancel()
		if err := l.CatchUp(short, at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a primary that hangs: %v", err)
		}
		p.set(func() { p.hold = nil })
		close(gate)
		synctest.Wait()
		if !l.reached(at) {
			t.Error("the question with the caller's values died with who asked it")
		}

		// Another history.
		if err := l.CatchUp(ctx, remora.Position{Epoch: "e0", Seq: 1}); !errors.Is(err, ErrEpoch) {
			t.Errorf("a position from before a restore: %v", err)
		}
		p.set(func() { p.epoch[0] = "e2" })
		if err := l.CatchUp(asPrimary(ctx), remora.Position{Epoch: "e2", Seq: 4}); err != nil {
			t.Errorf("a position from after a restore that the replica does not know of: %v", err)
		}
		p.set(func() { p.away = [2]bool{true, true} })
		if err := l.CatchUp(ctx, remora.Position{Epoch: "e3", Seq: 2}); !errors.Is(err, ErrBehind) || !errors.Is(err, remora.ErrUnavailable) {
			t.Errorf("nobody answers: %v", err)
		}
		if err := l.CatchUp(ctx, remora.Position{}); err != nil {
			t.Errorf("nothing to catch up with: %v", err)
		}
	})
}

func TestCatchUpAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		l, stop := start(t, p, nil)
		pass(0)
		at := p.write(2)
		stop()
		before, _ := p.calls()
		if err := l.CatchUp(sessionAt(t.Context(), at.Seq), at); !errors.Is(err, ErrBehind) {
			t.Errorf("CatchUp = %v", err)
		}
		if after, _ := p.calls(); after != before {
			t.Error("the feed was asked after the end of Run")
		}
	})
}

// TestRunEndsWhileCatchingUp: a question with a caller's values hangs, and Run must not.
func TestRunEndsWhileCatchingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		l, stop := start(t, p, nil)
		pass(0)
		at := p.write(2)
		gate := make(chan struct{})
		defer close(gate)
		p.set(func() { p.hold, p.held = gate, 1 })
		done := make(chan error, 1)
		go func() { done <- l.CatchUp(sessionAt(t.Context(), at.Seq), at) }()
		synctest.Wait()
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("Run ended %v after its context", took)
		}
		if err := <-done; !errors.Is(err, ErrBehind) {
			t.Errorf("CatchUp = %v", err)
		}
	})
}

func TestCatchUpCostsNothing(t *testing.T) {
	p := newPair()
	l, err := New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := l.View().Position()
	if n := testing.AllocsPerRun(100, func() {
		if err := l.CatchUp(t.Context(), at); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations where nothing is to be done", n)
	}
}

// TestCatchUpOrder draws what may happen between a primary, a replica and those who read.
func TestCatchUpOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		p := newPair()
		p.tells = rapid.Bool().Draw(t, "tells")
		l, err := New(p, &Options{Primary: asPrimary})
		if err != nil {
			t.Fatal(err)
		}
		l.limits = small
		if err := l.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		last := l.View().Position().Seq
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) { p.write(rapid.Int64Range(1, 9).Draw(t, "id")) },
			"replicate": func(t *rapid.T) {
				p.replica = rapid.Int64Range(p.replica, int64(len(p.log))).Draw(t, "to")
			},
			"away": func(t *rapid.T) { p.away[rapid.IntRange(0, 1).Draw(t, "who")] = rapid.Bool().Draw(t, "is") },
			"poll": func(t *rapid.T) {
				if _, err := l.step(ctx); err != nil && !errors.Is(err, errAway) {
					t.Fatal(err)
				}
			},
			"read": func(t *rapid.T) {
				at := remora.Position{Epoch: "e1", Seq: rapid.Int64Range(1, int64(len(p.log))).Draw(t, "at")}
				err := l.CatchUp(sessionAt(ctx, at.Seq), at)
				if err == nil && l.View().Position().Seq < at.Seq {
					t.Fatalf("CatchUp to %d returned at %d", at.Seq, l.View().Position().Seq)
				}
				if err != nil && (!errors.Is(err, ErrBehind) || p.away == [2]bool{}) {
					t.Fatalf("away %v: %v", p.away, err)
				}
			},
			"": func(t *rapid.T) {
				at := l.View().Position()
				if at.Seq < last {
					t.Fatalf("the View went from %d back to %d", last, at.Seq)
				}
				last = at.Seq
				want, got := p.state(0, at.Seq), map[int64]int64{}
				maps.DeleteFunc(want, func(_, n int64) bool { return goneAt(n) })
				for a := range l.View().All {
					got[a.ID] = a.Revision
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
				_, loads := p.calls()
				if loads[0] != 0 || p.tells && loads[1] != 1 {
					t.Fatalf("the whole catalog was loaded: %v", loads)
				}
				if loads[1] != 1 {
					return // a load that was of no use; the feed cannot tell more than that there is a gap
				}
				after := remora.Position{Epoch: "e1", Seq: rapid.Int64Range(1, at.Seq).Draw(t, "after")}
				seen := map[int64]bool{}
				for from := after; from != at; {
					page := l.Changes(from, rapid.IntRange(1, 3).Draw(t, "limit"))
					if page.Gap || page.Position.Seq <= from.Seq {
						t.Fatalf("after %+v: %+v", from, page)
					}
					for _, c := range page.List {
						if seen[c.ActivityID] = true; c.Seq <= from.Seq || c.Seq > page.Position.Seq {
							t.Fatalf("%+v on the page from %d to %d", c, from.Seq, page.Position.Seq)
						}
					}
					from = page.Position
				}
				for id := range p.state(after.Seq, at.Seq) {
					if !seen[id] {
						t.Fatalf("the change of %d after %d is missing among %v", id, after.Seq, slices.Sorted(maps.Keys(seen)))
					}
				}
			},
		})
	})
}
