package balance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestBuckets: each duration is below the end of its bucket, by an eighth at most, and not below that of
// the bucket before.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "d") >> rapid.IntRange(0, 50).Draw(t, "shift"))
		i := bucketOf(d)
		if i < 0 || i >= buckets-1 || d >= bucketEnd(i) || i > 0 && d < bucketEnd(i-1) {
			t.Fatalf("%v is in bucket %d, which ends at %v", d, i, bucketEnd(i))
		}
		if over := bucketEnd(i) - d; over > max(d/8, time.Microsecond)+time.Microsecond {
			t.Fatalf("%v: its bucket ends %v later", d, over)
		}
	})
	if bucketOf(-1) != 0 || bucketOf(1<<62) != buckets-1 {
		t.Error("what is out of range has no bucket")
	}
}

func TestTimings(t *testing.T) {
	b := mustNew(t, nil, nil)
	for i := range 1000 {
		b.figures.add(&Record{Status: 200, Total: time.Duration(i+1) * time.Millisecond, FirstByte: time.Millisecond})
	}
	b.figures.add(&Record{End: ClientGone, Total: time.Second})
	h := b.Timings()
	for _, q := range []struct {
		q    float64
		want time.Duration
	}{{0, time.Millisecond}, {0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {1, time.Second}} {
		if got := h.Total[2].Quantile(q.q); got < q.want || got > q.want*9/8+time.Microsecond || got > time.Second {
			t.Errorf("quantile %v is %v", q.q, got)
		}
	}
	if h.Total[2].Count != 1000 || h.Total[2].Sum != 500500*time.Millisecond || h.Total[2].Max != time.Second || h.Total[0].Count != 1 || h.FirstByte[0].Count != 0 {
		t.Errorf("%+v", h)
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"total":{"2xx":{"count":1000,"sum_ns":500500000000,"p50_ns":`, `"none":{"count":1,`, `"queue":{}`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is not in %s", part, text)
		}
	}
	if h := (Histogram{}); h.Quantile(0.5) != 0 {
		t.Error("nothing has a quantile")
	}
}

func TestStatsJSON(t *testing.T) {
	want := Stats{Requests: 3, Answers: Answers{0: 1, 2: 4}, Ends: EndCounts{Done: 2, BackendIdle: 7}, Sent: 9}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Stats
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestErrorPage: people get a page, programs a sentence, and a page of one's own has all it needs.
func TestErrorPage(t *testing.T) {
	ask := func(o *Options, method, accept string) (*httptest.ResponseRecorder, Record) {
		told := newRecords()
		o.Events.Done = told.done
		r := httptest.NewRequest(method, "/a", nil)
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Language", "qu, es;q=0.5")
		w := httptest.NewRecorder()
		mustNew(t, nil, o).ServeHTTP(w, r)
		return w, told.next(t)
	}
	w, _ := ask(&Options{}, "GET", "*/*")
	if w.Body.String() != "All servers are busy or being looked after. Please try again in 1 s.\n" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	w, rec := ask(&Options{}, "GET", "text/html,*/*;q=0.8")
	page := w.Body.String()
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Security-Policy") != errorPolicy || rec.ID == "" {
		t.Errorf("%d %v %+v", w.Code, w.Header(), rec)
	}
	for _, part := range []string{"<html lang=\"en\">", "Please try again in 1 s.", rec.ID, "Error 503"} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is not in\n%s", part, page)
		}
	}
	for _, foreign := range []string{"http://", "https://", "src=", "<script", "url("} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	if w, _ := ask(&Options{}, "HEAD", "text/html"); w.Body.Len() > 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %v %s", w.Header(), w.Body)
	}
	var got ErrorInfo
	w, rec = ask(&Options{RetryAfter: 1500 * time.Millisecond, Operations: OperationsOptions{ErrorPage: func(w http.ResponseWriter, e ErrorInfo) {
		got = e
		w.WriteHeader(e.Status)
	}}}, "GET", "text/html")
	want := ErrorInfo{
		Status: 503, End: RefusedNoBackend, Sentence: "All servers are busy or being looked after. Please try again in 2 s.", RetryAfter: 2 * time.Second,
		ID: rec.ID, Method: "GET", Host: "example.com", Path: "/a", Accept: "text/html", AcceptLanguage: "qu, es;q=0.5",
	}
	if diff := cmp.Diff(want, got); diff != "" || w.Code != 503 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%s %v", diff, w.Header())
	}
}
