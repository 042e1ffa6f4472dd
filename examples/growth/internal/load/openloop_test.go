package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A pipeListener is a network in memory, on which time can be that of a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.close(); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stalled runs a load for ten seconds against a site that does not answer for two of them, from
// the third on.
func stalled(t *testing.T, room int) Report {
	var report Report
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		site := &fakeSite{}
		server := &http.Server{Handler: site}
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		l, err := New(Config{Target: "http://library", Dial: ln.dial, Rates: Rates{Update: 10, Import: 1}, ImportToken: secret, MaxInFlight: room})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		<-l.Ready()
		began := time.Now()
		stall := trick(func(_ *fakeSite, w http.ResponseWriter, r *http.Request) bool {
			if at := time.Since(began); at >= 3*time.Second && at < 5*time.Second {
				time.Sleep(5*time.Second - at)
			}
			return false
		})
		site.trick.Store(&stall)
		time.AfterFunc(10*time.Second-time.Millisecond, cancel)
		if err := <-done; err != nil {
			t.Error(err)
		}
		report = l.Report()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	checkSums(t, report, true)
	return report
}

func TestOpenLoop(t *testing.T) {
	r := stalled(t, 0)
	n := r.Total(KindUpdate)
	if n.Sent != 100 || n.OK != 100 {
		t.Errorf("in ten seconds of ten requests: %+v", n)
	}
	// A fifth of all requests had to wait, on average a second; the first of them two.
	if n.P99 < 1800*time.Millisecond || n.P99 > 2200*time.Millisecond || n.LongestGap < 1900*time.Millisecond || n.LongestGap > 2200*time.Millisecond {
		t.Errorf("p99 %v, longest gap %v; want two seconds", n.P99, n.LongestGap)
	}
	if n := r.Total(KindImport); n.Sent != 10 || n.OK != 10 || n.LongestPause < 1900*time.Millisecond {
		t.Errorf("imports: %+v", n)
	}
}

func TestNoRoomIsFailed(t *testing.T) {
	n := stalled(t, 4).Total(KindUpdate)
	if n.Sent != 100 || n.Failed < 10 || n.OK+n.Failed != 100 {
		t.Errorf("with room for four: %+v", n)
	}
}

func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTally(Rates{Page: 1})
		l.mark("one")
		l.begin(time.Now())
		good := func() { l.done(l.send(KindPage), time.Now(), outcome{}) }
		time.Sleep(3 * time.Second)
		good()
		time.Sleep(time.Second)
		l.done(l.send(KindPage), time.Now(), outcome{class: classFailed})
		l.mark("two")
		time.Sleep(4 * time.Second)
		good()
		time.Sleep(time.Second)
		l.mark("three")
		time.Sleep(2 * time.Second)
		l.finish(time.Now())
		good()
		r := l.report(time.Now())
		var got []string
		for _, s := range r.Steps {
			got = append(got, fmt.Sprintf("%s %v %v", s.Name, s.Length, s.Kinds[0].LongestGap))
		}
		if want := []string{"one 4s 3s", "two 5s 5s", "three 2s 3s"}; !slices.Equal(got, want) {
			t.Errorf("steps, lengths and gaps %v, want %v", got, want)
		}
		for range MaxSteps {
			l.mark("more")
		}
		if l.mark("too many") || len(l.steps) != MaxSteps {
			t.Errorf("there are %d steps", len(l.steps))
		}
	})
}

func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		list := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Minute)), 1, 200).Draw(t, "durations")
		for _, d := range list {
			h.add(time.Duration(d))
		}
		slices.Sort(list)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		exact := time.Duration(list[min(int(q*float64(len(list))), len(list)-1)])
		if got := h.quantile(q); got < exact-time.Microsecond || got > exact+exact/16+time.Microsecond {
			t.Fatalf("quantile %v of %v is %v, want %v", q, list, got, exact)
		}
	})
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("nothing has a median")
	}
}

func TestBundlesAreTheSameAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := map[string]bool{}
	for i := range 2000 {
		w := word(5, i)
		if words[w] || len(w) != 10 {
			t.Fatalf("the word %q is there twice, or is not of ten letters", w)
		}
		words[w] = true
	}
	for range 5 {
		seed, place := r.Uint64(), r.IntN(30)
		make := func() *bundle {
			m := newModel(seed)
			c := m.choose(true)
			c.place = place
			b, err := pack(t.Context(), t.TempDir(), c)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if a, b := make(), make(); a.sum != b.sum || a.act.bundleID != b.act.bundleID {
			t.Errorf("seed %d gives %v and %v", seed, a.sum, b.sum)
		}
	}
}
