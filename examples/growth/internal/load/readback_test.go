package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fronts serves one library at three addresses; behave, unless it is nil, answers in place of a front
// end (0, 1 or 2), or returns false.
func fronts(t *testing.T, behave func(site *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool) (addresses []string, asked *[3]atomic.Int64) {
	t.Helper()
	site := &fakeSite{}
	asked = new([3]atomic.Int64)
	for i := range asked {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[i].Add(1)
			if behave == nil || !behave(site, i, w, r) {
				site.serve(w, r)
			}
		}))
		t.Cleanup(server.Close)
		addresses = append(addresses, server.URL)
	}
	return addresses, asked
}

func isImport(r *http.Request) bool { return r.URL.Path == "/internal/import" }

func hasToken(r *http.Request) bool {
	_, err := r.Cookie(tokenName)
	return err == nil
}

func TestReadback(t *testing.T) {
	const rounds = 60 // each of the six pairs ten times
	var once atomic.Bool
	for _, test := range []struct {
		name   string
		behave func(site *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool
		missed int    // of 2 * rounds
		older  bool   // without a token
		again  int    // writes
		first  string // in the first miss
	}{
		{name: "all is well"},
		{name: "one front end is always behind", missed: 40, older: true, first: "behind: seq=1", behave: func(_ *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool {
			if front == 1 && hasToken(r) {
				w.Header().Set("Remora-Behind", "seq=1")
			}
			return front == 1 && !isImport(r) && !hasToken(r) && notFound(w, r)
		}},
		{name: "only those without a token see old pages", older: true, behave: func(_ *fakeSite, _ int, w http.ResponseWriter, r *http.Request) bool {
			return !isImport(r) && !hasToken(r) && notFound(w, r)
		}},
		{name: "one front end shows no activity", missed: 40, first: "shows nothing", behave: func(_ *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool {
			if front != 2 || isImport(r) || !hasToken(r) {
				return false
			}
			if strings.HasPrefix(r.URL.Path, "/services/") {
				(&fakeSite{}).serve(w, r)
				return true
			}
			return notFound(w, r)
		}},
		{name: "one front end is broken", missed: 40, first: "status 500: broken", behave: func(_ *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool {
			if front != 0 || isImport(r) {
				return false
			}
			http.Error(w, "broken", http.StatusInternalServerError)
			return true
		}},
		{name: "pages are well, update checks are not", missed: 60, first: "the update check at", behave: func(_ *fakeSite, _ int, w http.ResponseWriter, r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/services/") && notFound(w, r)
		}},
		{name: "a writer is told to come back", again: 1, behave: func(_ *fakeSite, _ int, w http.ResponseWriter, r *http.Request) bool {
			if !isImport(r) || !once.CompareAndSwap(false, true) {
				return false
			}
			w.Header().Set("Retry-After", "1")
			http.Error(w, "later", http.StatusServiceUnavailable)
			return true
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			addresses, asked := fronts(t, test.behave)
			r, err := Readback{Fronts: addresses, ImportToken: secret, Seed: 3, Rounds: rounds}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Rounds != rounds || r.Reads != 2*rounds || r.Missed != test.missed || r.Again != test.again {
				t.Errorf("%+v", r)
			}
			if r.P50 <= 0 || r.P99 < r.P50 || len(r.First) != min(test.missed, shownMisses) {
				t.Errorf("%+v", r)
			}
			if test.first != "" && !strings.Contains(strings.Join(r.First, "\n"), test.first) {
				t.Errorf("the misses are not told: %q", r.First)
			}
			// The first version of an activity has nothing older.
			if r.Without == 0 || r.Without > rounds/withoutEvery || (r.Older > 0) != test.older {
				t.Errorf("%d pages without a token, %d of them old", r.Without, r.Older)
			}
			for i := range asked {
				if n := asked[i].Load(); n < rounds {
					t.Errorf("front end %d was asked %d times", i, n)
				}
			}
		})
	}
}

func notFound(w http.ResponseWriter, r *http.Request) bool {
	http.NotFound(w, r)
	return true
}

// TestReadbackOlder shows one front end as it was before the newest version.
func TestReadbackOlder(t *testing.T) {
	addresses, _ := fronts(t, func(site *fakeSite, front int, w http.ResponseWriter, r *http.Request) bool {
		if isImport(r) {
			site.freeze() // what was there before
			site.serve(w, r)
			return true
		}
		return false
	})
	r, err := Readback{Fronts: addresses, ImportToken: secret, Rounds: 5, Writers: 1}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The first version has none before it that could be shown.
	if r.Missed != 8 || !strings.Contains(strings.Join(r.First, "\n"), "it shows version 1.0") {
		t.Errorf("%+v", r)
	}
}

func TestReadbackPairs(t *testing.T) {
	for n := 2; n <= 4; n++ {
		rb := &readback{}
		for range n {
			rb.at = append(rb.at, &Load{})
		}
		seen := map[[2]*Load]int{}
		for i := range int64(3 * n * (n - 1)) {
			w, r := rb.pair(i)
			if w == r {
				t.Fatalf("%d front ends, round %d: written where it is read", n, i)
			}
			seen[[2]*Load{w, r}]++
		}
		if len(seen) != n*(n-1) {
			t.Errorf("%d front ends: %d pairs", n, len(seen))
		}
		for _, times := range seen {
			if times != 3 {
				t.Errorf("%d front ends: a pair comes %d times", n, times)
			}
		}
	}
}

func TestReadbackFails(t *testing.T) {
	addresses, _ := fronts(t, nil)
	var all interface{ Unwrap() []error }
	if _, err := (Readback{Fronts: []string{"x"}, Writers: 1000}).Run(t.Context()); !errors.As(err, &all) || len(all.Unwrap()) != 4 {
		t.Errorf("mistakes: %v", err)
	}
	_, err := Readback{Fronts: addresses, ImportToken: "wrong", Rounds: 3}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("a wrong import token: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reading := make(chan struct{}, 1000)
	addresses, _ = fronts(t, func(_ *fakeSite, _ int, _ http.ResponseWriter, r *http.Request) bool {
		if !isImport(r) {
			reading <- struct{}{}
			<-r.Context().Done() // never answers
			return true
		}
		return false
	})
	go func() {
		<-reading
		cancel()
	}()
	r, err := Readback{Fronts: addresses, ImportToken: secret, Rounds: 100, Timeout: time.Minute}.Run(ctx)
	if !errors.Is(err, context.Canceled) || r.Missed != 0 {
		t.Errorf("canceled: %v, %+v", err, r)
	}
}
