package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStress: while many read, change, purge and go away at the same time, whoever asks after a change
// was answered sees it or a later one, and every answer is whole.
func TestStress(t *testing.T) {
	const paths, workers, rounds = 4, 16, 150
	var versions, seen [paths]atomic.Int64 // at the backend, and by who has changed something
	pad := strings.Repeat("x", small)
	c, h := site(t, &Options{Bytes: 1 << 20, CoalesceWait: 5 * time.Millisecond, FinishBytes: -1}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			t.Error(err)
			return
		}
		if r.Method == "PUT" {
			fmt.Fprint(w, versions[i].Add(1))
			return
		}
		v := versions[i].Load()
		tag := fmt.Sprintf(`"%d"`, v)
		w.Header().Set("Etag", tag)
		w.Header().Set("Surrogate-Key", r.URL.Path[1:])
		w.Header().Set("Cache-Control", []string{"max-age=60", "max-age=60, stale-if-error=9", "no-cache", "max-age=0"}[i])
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, "%d ", v)
		w.Write([]byte(pad[:rand.IntN(2)*small]))
		w.Write([]byte("."))
	}))
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range rounds {
				i := rand.IntN(paths)
				path := fmt.Sprintf("/%d", i)
				switch rand.IntN(20) {
				case 0:
					v, err := strconv.ParseInt(serve(h, request("PUT", path)).Body.String(), 10, 64)
					if err != nil {
						t.Error(err)
					}
					for old := seen[i].Load(); old < v && !seen[i].CompareAndSwap(old, v); old = seen[i].Load() {
					}
				case 1:
					c.PurgeTag(strconv.Itoa(i))
				case 2:
					if rand.IntN(20) == 0 {
						c.PurgeAll()
					}
				case 3:
					ctx, cancel := context.WithCancel(t.Context())
					go cancel()
					attempt(h, httptest.NewRecorder(), request("GET", path).WithContext(ctx))
				default:
					r := request("GET", path)
					if rand.IntN(5) == 0 {
						r.Header.Set("Cache-Control", "no-cache")
					}
					before := seen[i].Load()
					w := httptest.NewRecorder()
					if !attempt(h, w, r) {
						t.Error("an answer has broken off")
						continue
					}
					text, _, _ := strings.Cut(w.Body.String(), " ")
					v, err := strconv.ParseInt(text, 10, 64)
					if err != nil || v < before || !strings.HasSuffix(w.Body.String(), ".") {
						t.Errorf("%s: version %q after %d: %v", path, text, before, err)
					}
				}
			}
		})
	}
	all.Wait()
	if s := c.Stats(); s.Pending != 0 || s.Hits == 0 || len(c.interests.keys) != 0 || len(c.flights) != 0 {
		t.Errorf("%+v, %d interests, %d flights", s, len(c.interests.keys), len(c.flights))
	}
}
