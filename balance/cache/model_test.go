package cache

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/balance"
)

// TestModel: whatever clients, backend and clock do, a cache never answers what RFC 9111 forbids. The
// oracle knows every version that the backend has sent, when, with what header and to whom, and judges
// each answer from the store by itself, in few words and seconds.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline, which rapid would ask for.
		for range 10 {
			rapid.Check(struct{ testing.TB }{t}, playModel)
		}
	})
}

// A version is one whole answer of the backend.
type version struct {
	n       int
	control string
	vary    string
	asked   http.Header
	sent    time.Time // when it was sent, or last confirmed
	changes int       // how many changes there had been
	path    string
}

func playModel(t *rapid.T) {
	controls := []string{
		"", "no-store", "private, max-age=5", "max-age=5", "max-age=0", "no-cache", "max-age=5, must-revalidate", "s-maxage=3, stale-if-error=9, stale-while-revalidate=9",
		"max-age=4, stale-while-revalidate=4", "max-age=4, stale-if-error=4", "public, max-age=6", "max-age=4, stale-while-revalidate=4, proxy-revalidate", "public",
	}
	var versions []*version
	changes := map[string]int{}
	current := map[string]*version{}
	var control, vary string
	fail, purged := false, 0
	c, err := New(&Options{CoalesceWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fetched := false // by the request itself, or in the background for it
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched = true
		if r.Method == "POST" {
			if !fail {
				changes[r.URL.Path]++
				delete(current, r.URL.Path)
			} else {
				w.WriteHeader(http.StatusConflict)
			}
			return
		}
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		v := current[r.URL.Path+r.Header.Get("A")]
		same := v != nil && v.changes == changes[r.URL.Path] && r.Header.Get("If-None-Match") == fmt.Sprintf(`"%d"`, v.n)
		if !same {
			v = &version{n: len(versions)}
			versions = append(versions, v)
			current[r.URL.Path+r.Header.Get("A")] = v
		}
		v.control, v.vary, v.asked, v.sent, v.changes, v.path = control, vary, r.Header.Clone(), time.Now(), changes[r.URL.Path], r.URL.Path
		w.Header().Set("Cache-Control", v.control)
		if v.vary != "" {
			w.Header().Set("Vary", v.vary)
		}
		w.Header().Set("Etag", fmt.Sprintf(`"%d"`, v.n))
		if same {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, strconv.Itoa(v.n))
	})}}, &balance.Options{Cache: c})
	if err != nil {
		t.Fatal(err)
	}
	path := rapid.SampledFrom([]string{"/a", "/b"})
	get := func(t *rapid.T) {
		r := request("GET", path.Draw(t, "path"))
		if a := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "A"); a != "" {
			r.Header.Set("A", a)
		}
		asks := rapid.SampledFrom([]string{"", "", "", "no-cache", "max-age=2", "min-fresh=2", "max-stale", "only-if-cached"}).Draw(t, "asks")
		if asks != "" {
			r.Header.Set("Cache-Control", asks)
		}
		if rapid.IntRange(0, 4).Draw(t, "authorized") == 0 {
			r.Header.Set("Authorization", "x")
		}
		before := make([]version, len(versions))
		for i, v := range versions {
			before[i] = *v
		}
		fetched = false
		w := serve(b, r)
		line := w.Header().Get("Cache-Status")
		if w.Code != 200 {
			if w.Code == 503 && !fail || w.Code == 504 && asks != "only-if-cached" || w.Code != 503 && w.Code != 504 {
				t.Fatalf("%d", w.Code)
			}
			synctest.Wait()
			return
		}
		n, err := strconv.Atoi(w.Body.String())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if strings.Contains(line, "fwd=") && !strings.Contains(line, "hit") {
			if !fetched {
				t.Fatalf("%q, but the backend was not asked", line)
			}
			return // the backend itself has just said this
		}
		// It came from the store.
		v := before[n]
		if v.path != r.URL.Path {
			t.Fatalf("%s is answered by %s", r.URL.Path, v.path)
		}
		if n < purged {
			t.Fatalf("version %d is served after a purge", n)
		}
		if v.changes != changes[r.URL.Path] {
			t.Fatalf("version %d is served after a change", n)
		}
		has := func(word string) bool { return strings.Contains(v.control, word) }
		if has("no-store") || has("private") || has("no-cache") || v.control == "" {
			t.Fatalf("stored in spite of %q", v.control)
		}
		if (v.asked.Get("Authorization") != "" || r.Header.Get("Authorization") != "") && !has("public") && !has("s-maxage") && !has("must-revalidate") {
			t.Fatalf("Authorization and %q", v.control)
		}
		if v.vary != "" && v.asked.Get("A") != r.Header.Get("A") {
			t.Fatalf("Vary: A, stored for %q, served for %q", v.asked.Get("A"), r.Header.Get("A"))
		}
		age := int(time.Since(v.sent) / time.Second)
		if got := w.Header().Get("Age"); got != strconv.Itoa(age) {
			t.Fatalf("Age %s after %d s", got, age)
		}
		life := number0(v.control, "max-age=")
		if has("s-maxage") {
			life = number0(v.control, "s-maxage=")
		}
		if asks == "no-cache" || asks == "max-age=2" && age > 2 || asks == "min-fresh=2" && life-age < 2 {
			t.Fatalf("%q is answered from the store after %d s of %d", asks, age, life)
		}
		if age >= life {
			swr, sie := number0(v.control, "stale-while-revalidate="), number0(v.control, "stale-if-error=")
			if has("revalidate,") || has("must-revalidate") || has("proxy-revalidate") || has("s-maxage") || age-life > max(swr, sie) || !fetched || age-life > swr && !fail {
				t.Fatalf("%q is served %d s too late; backend asked %v, fails %v", v.control, age-life, fetched, fail)
			}
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"get":    get,
		"again":  get,
		"more":   get,
		"change": func(t *rapid.T) { serve(b, request("POST", path.Draw(t, "path"))) },
		"wait":   func(t *rapid.T) { time.Sleep(time.Duration(rapid.IntRange(1, 6).Draw(t, "s")) * time.Second) },
		"say": func(t *rapid.T) {
			control, vary = rapid.SampledFrom(controls).Draw(t, "control"), rapid.SampledFrom([]string{"", "A"}).Draw(t, "vary")
			// What is stored keeps what it was told; what is asked for from here on is new.
			clear(current)
		},
		"fail":  func(t *rapid.T) { fail = rapid.Bool().Draw(t, "fail") },
		"purge": func(*rapid.T) { c.PurgeAll(); purged = len(versions); clear(current) },
	})
}

// number0 is the number after word in s; 0 if there is none.
func number0(s, word string) int {
	_, after, _ := strings.Cut(s, word)
	digits, _, _ := strings.Cut(after, ",")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
