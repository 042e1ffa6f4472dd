package pace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// However many share it, and whatever the pieces, no more passes than the pace allows, and not much less.
func TestPace(t *testing.T) {
	for _, tc := range []struct {
		name           string
		rate           int64
		readers, piece int
		bytes          int
		want           time.Duration
	}{
		{"one", 1000, 1, 100, 10_000, 10 * time.Second},
		{"several share it", 1000, 5, 100, 2_000, 10 * time.Second},
		{"large pieces", 1000, 1, 1 << 20, 10_000, 10 * time.Second},
		{"slow", 3, 1, 512, 30, 10 * time.Second},
		{"unlimited", 0, 2, 100, 100_000, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, start := New(tc.rate), time.Now()
				var all sync.WaitGroup
				for range tc.readers {
					all.Go(func() {
						b := make([]byte, tc.piece)
						r := p.Reader(t.Context(), bytes.NewReader(make([]byte, tc.bytes)))
						n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, b)
						if n != int64(tc.bytes) || err != nil {
							t.Errorf("%d bytes, %v", n, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(start); took < tc.want-time.Second || took > tc.want+time.Second {
					t.Errorf("it took %v, want about %v", took, tc.want)
				}
			})
		})
	}
}

// In every window of time no more passes than the pace, the burst, and the pieces that are larger than it.
func TestPaceIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.Int64Range(1, 1_000_000).Draw(rt, "rate")
		pieces := rapid.SliceOfN(rapid.IntRange(1, 100_000), 1, 20).Draw(rt, "pieces")
		idle := rapid.SliceOfN(rapid.IntRange(0, 5000), len(pieces), len(pieces)).Draw(rt, "idle")
		synctest.Test(t, func(*testing.T) {
			p, start := New(rate), time.Now()
			var passed float64
			for i, n := range pieces {
				<-time.After(time.Duration(idle[i]) * time.Millisecond)
				if err := p.Wait(context.Background(), n); err != nil {
					rt.Fatal(err)
				}
				passed += float64(n)
				// The piece that was just let through may be of any size; those before it keep to the pace.
				if may := float64(rate) * (time.Since(start) + burst).Seconds(); passed-float64(n) > may+1 {
					rt.Fatalf("piece %d: %v bytes passed where %v may", i, passed-float64(n), may)
				}
			}
		})
	})
}

// Who gives up does not hold up the others.
func TestPaceOfWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(10)
		if err := p.Wait(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Wait(ctx, 1_000_000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := p.Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that has ended: %v", err)
		}
		start := time.Now()
		if err := p.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the next waited %v", took)
		}
	})
}

func TestReaderPassesErrorsOn(t *testing.T) {
	want := errors.New("broken")
	for _, p := range []*Pace{nil, New(1 << 40)} {
		got, err := io.ReadAll(p.Reader(t.Context(), io.MultiReader(bytes.NewReader([]byte("some")), iotest.ErrReader(want))))
		if string(got) != "some" || !errors.Is(err, want) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
