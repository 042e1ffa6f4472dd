package frontdoor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/sugar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A front is a pretended front end: it counts what it is asked, and shows a position.
type front struct {
	mu    sync.Mutex
	seq   int64
	asked []string
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Set(snapshotField, fmt.Sprintf("seq=%d, age=0", f.seq))
	io.WriteString(w, fmt.Sprint("at ", f.seq))
}

func (f *front) at(seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq = seq
}

func (f *front) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// TestKept: an answer is given again until something changes; one from before the change is not kept; who
// has written sees front ends; and when nothing is heard any more, everybody does.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &front{seq: 5}
		heard := time.Now()
		k, err := newKept(1<<20, nil, func() time.Time { return heard })
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		b, err := balance.New([]balance.Backend{{Name: "a", Handler: f}}, &balance.Options{Cache: k})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(cookie string) string {
			r := httptest.NewRequest("GET", "/page", nil)
			if cookie != "" {
				r.Header.Set("Cookie", cookie)
			}
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			return fmt.Sprint(w.Body.String(), ", asked ", len(f.take()))
		}
		k.changed(peer.Event{Position: remora.Position{Seq: 5}})
		for _, step := range []struct{ do, want string }{
			{"", "at 5, asked 1"},
			{"", "at 5, asked 0"},
			{"lang=es", "at 5, asked 0"},
			{"lang=es; remora_seen=abc", "at 5, asked 1"},
			{"front end 6", "at 5, asked 0"}, // it has changed, and nobody has said so
			{"heard 6", "at 6, asked 1"},
			{"", "at 6, asked 0"},
			{"heard 7", "at 6, asked 1"}, // another front end is behind
			{"", "at 6, asked 1"},
			{"front end 7", "at 7, asked 1"},
			{"", "at 7, asked 0"},
			{"deaf", "at 7, asked 1"},
		} {
			var seq int64
			cookie := ""
			if n, _ := fmt.Sscanf(step.do, "front end %d", &seq); n == 1 {
				f.at(seq)
			} else if n, _ := fmt.Sscanf(step.do, "heard %d", &seq); n == 1 {
				k.changed(peer.Event{Position: remora.Position{Seq: seq}})
				if seq == 6 {
					f.at(6)
				}
			} else if step.do == "deaf" {
				time.Sleep(deafAfter + time.Second)
			} else {
				cookie = step.do
			}
			if got := ask(cookie); got != step.want {
				t.Errorf("%q: %s, want %s", step.do, got, step.want)
			}
		}
		// Ten may be answered from what is kept: not the writer's, nor that of the end.
		want := []balance.Extra{{Name: "Answered from what is kept", Value: "50 % of 10"}, {Name: "Answers kept", Value: k.figures()[1].Value}, {Name: "Dropped by changes of the catalog", Value: "2"}}
		if diff := cmp.Diff(want, k.figures()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestBehind(t *testing.T) {
	for field, want := range map[string]bool{
		"": false, "seq=7, age=0": false, "seq=8, age=12": false, "seq=6, age=0": true, "seq=7, age=900, stale": true, "seq=x": true, "age=0": true, "seq=7": false,
	} {
		if got := behind(field, 7); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		want         bool
	}{
		{"GET", "/b/1/a.xo", 503, true},
		{"HEAD", "/", 503, true},
		{"GET", "/", 500, false},
		{"POST", peer.ImportPath, 503, true},
		{"POST", peer.ImportPath, 502, false},
		{"POST", "/api/v1/updates", 503, false},
	} {
		if got := elsewhere(balance.Info{Method: tt.method, Path: tt.path}, tt.status); got != tt.want {
			t.Errorf("%s %s %d: %v", tt.method, tt.path, tt.status, got)
		}
	}
}

// A front that hears of downloads, and may be away.
type listener struct {
	mu    sync.Mutex
	away  bool
	heard []string
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, io.ErrUnexpectedEOF
	}
	l.heard = append(l.heard, strings.Join([]string{r.Method, r.Host, r.URL.RequestURI(), r.Header.Get(sugar.HeaderDownloaded), r.Header.Get("X-Forwarded-For"), r.UserAgent()}, " "))
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// TestHits: front ends hear of the downloads that they were not asked for, when they are there again, and
// at the end of those that are left.
func TestHits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		h := newHits(l, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		note := func(method, target string, status int) {
			r := httptest.NewRequest(method, target, nil)
			r.Header.Set("User-Agent", "Sugar/0.112")
			b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.NotFoundHandler()}}, &balance.Options{Classify: func(in *balance.Info) { h.note(*in, status, 1) }})
			if err != nil {
				t.Fatal(err)
			}
			b.ServeHTTP(httptest.NewRecorder(), r)
		}
		l.away = true
		note("GET", "/activities/100030/a-1.1.xo?src=updater", 200)
		synctest.Wait()
		l.mu.Lock()
		l.away = false
		l.mu.Unlock()
		time.Sleep(hitPause)
		synctest.Wait()
		note("GET", "/b/12/a.xol", 200)
		note("GET", "/downloads/file/3", 200)
		for _, other := range []struct {
			method, target string
			status         int
		}{{"HEAD", "/a.xo", 200}, {"GET", "/a.xo", 206}, {"GET", "/a.xo", 304}, {"GET", "/en/browse", 200}, {"GET", "/?x=.xo", 200}} {
			note(other.method, other.target, other.status)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{
			"HEAD example.com /activities/100030/a-1.1.xo?src=updater 1 192.0.2.1 Sugar/0.112",
			"HEAD example.com /b/12/a.xol 1 192.0.2.1 Sugar/0.112",
			"HEAD example.com /downloads/file/3 1 192.0.2.1 Sugar/0.112",
		}
		if diff := cmp.Diff(want, l.heard); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
