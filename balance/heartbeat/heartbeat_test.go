package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testKey = []byte("0123456789abcdef")

// A pool remembers reports.
type pool struct {
	mu   sync.Mutex
	said []string
}

func (p *pool) Report(name string, r balance.Report) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name != "a" {
		return fmt.Errorf("%q: %w", name, balance.ErrUnknownBackend)
	}
	if r.Load < 0 {
		return errors.New("the load is negative")
	}
	p.said = append(p.said, fmt.Sprint(r.Load, r.Draining))
	return nil
}

func (p *pool) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.said
	p.said = nil
	return said
}

func TestReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{}
		old := []byte("the key of before")
		h, err := NewReceiver(p, [][]byte{testKey, old}, nil)
		if err != nil {
			t.Fatal(err)
		}
		at := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
		for _, tt := range []struct {
			name, method, body string
			key                []byte
			signature          string // in the place of the right one
			status             int
			says               string
			want               []string
		}{
			{name: "good", body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":1,"load":0.5,"draining":false}`, at(0)), status: 204, want: []string{"0.5 false"}},
			{name: "again", body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":1,"load":0.5,"draining":false}`, at(0)), status: 409, says: "has come before"},
			{name: "older", body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":9,"load":0.5,"draining":false}`, at(-time.Second)), status: 409, says: "has come before"},
			{name: "the next", body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":2,"load":0.25,"draining":true}`, at(0)), status: 204, want: []string{"0.25 true"}},
			{name: "the old key", key: old, body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":0}`, at(time.Second)), status: 204, want: []string{"0 false"}},
			{name: "another key", key: []byte("somebody else's key"), body: `{"name":"a"}`, status: 401, says: "not signed"},
			{name: "no signature", signature: "-", body: `{"name":"a"}`, status: 401, says: "not signed"},
			{name: "half a signature", signature: "00", body: `{"name":"a"}`, status: 401, says: "not signed"},
			{name: "slow clock", body: fmt.Sprintf(`{"name":"a","time":%d}`, at(-31*time.Second)), status: 400, says: "it is 31s off the clock here"},
			{name: "fast clock", body: fmt.Sprintf(`{"name":"a","time":%d}`, at(31*time.Second)), status: 400, says: "it is -31s off"},
			{name: "just in time", body: fmt.Sprintf(`{"name":"a","time":%d}`, at(30*time.Second)), status: 204, want: []string{"0 false"}},
			{name: "unknown", body: fmt.Sprintf(`{"name":"b","time":%d}`, at(0)), status: 404, says: "unknown backend"},
			{name: "refused", body: fmt.Sprintf(`{"name":"a","time":%d,"sequence":1,"load":-1}`, at(30*time.Second)), status: 400, says: "the load is negative"},
			{name: "no name", body: `{}`, status: 400, says: "the name must"},
			{name: "long name", body: `{"name":"` + strings.Repeat("x", 65) + `"}`, status: 400, says: "the name must"},
			{name: "unknown field", body: `{"name":"a","cpu":1}`, status: 400, says: "not the JSON"},
			{name: "no JSON", body: `name=a`, status: 400, says: "not the JSON"},
			{name: "more", body: `{"name":"a"} {}`, status: 400, says: "something follows"},
			{name: "long", body: strings.Repeat(" ", 1025), status: 413, says: "at most 1024"},
			{name: "a look", method: "GET", status: 405, says: "is a POST"},
		} {
			if tt.method == "" {
				tt.method = "POST"
			}
			if tt.key == nil {
				tt.key = testKey
			}
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			if tt.signature == "" {
				tt.signature = sign(tt.key, []byte(tt.body))
			}
			r.Header.Set(SignatureField, tt.signature)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%s: %d %q", tt.name, w.Code, w.Body)
			}
			if diff := cmp.Diff(tt.want, p.take()); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
			}
		}
	})
}

// A handlerTransport sends requests to a handler.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestSender: each second, at once when something has changed, and that it ends; what fails is said once.
func TestSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{}
		h, err := NewReceiver(p, [][]byte{testKey}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		away, load := false, 0.0
		var log strings.Builder
		s, err := NewSender("a", []string{"http://one.invalid/heartbeat"}, testKey, func() balance.Report {
			mu.Lock()
			defer mu.Unlock()
			return balance.Report{Load: load}
		}, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Client: &http.Client{Transport: handlerTransport{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			gone := away
			mu.Unlock()
			if gone {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		if diff := cmp.Diff([]string{"0 false"}, p.take()); diff != "" {
			t.Error("at once", diff)
		}
		time.Sleep(10 * time.Second)
		if n := len(p.take()); n < 9 || n > 11 {
			t.Errorf("%d in ten seconds", n)
		}
		mu.Lock()
		load = 0.75
		mu.Unlock()
		s.Now()
		synctest.Wait()
		if diff := cmp.Diff([]string{"0.75 false"}, p.take()); diff != "" {
			t.Error("something has changed", diff)
		}
		mu.Lock()
		away = true
		mu.Unlock()
		time.Sleep(10 * time.Second)
		mu.Lock()
		away, load = false, math.NaN()
		mu.Unlock()
		time.Sleep(1500 * time.Millisecond)
		mu.Lock()
		load = 1
		mu.Unlock()
		time.Sleep(1500 * time.Millisecond)
		p.take()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"1 true"}, p.take()); diff != "" {
			t.Error("at the end", diff)
		}
		if strings.Count(log.String(), "does not take") != 1 || strings.Count(log.String(), "takes heartbeats again") != 1 || !strings.Contains(log.String(), "cannot be written") || strings.Contains(log.String(), string(testKey)) {
			t.Error(log.String())
		}
	})
}

// TestToABalancer: over a real connection, to a real balancer.
func TestToABalancer(t *testing.T) {
	b, err := balance.New([]balance.Backend{{Name: "a", Handler: http.NotFoundHandler()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewReceiver(b, [][]byte{testKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(h)
	defer front.Close()
	s, err := NewSender("a", []string{front.URL}, testKey, func() balance.Report { return balance.Report{Load: 0.5} }, &Options{Interval: time.Minute, Client: front.Client()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if st := b.Snapshot()[0]; st.State != "leaving" || st.Load != 0.5 {
		t.Errorf("%+v", st)
	}
}

func TestErrors(t *testing.T) {
	_, err := NewReceiver(nil, [][]byte{[]byte("short")}, nil)
	_, err2 := NewSender("", []string{"ftp://x"}, nil, nil, &Options{Interval: time.Hour})
	_, err3 := NewSender("a", nil, testKey, func() balance.Report { return balance.Report{} }, nil)
	_, err4 := NewReceiver(&pool{}, nil, nil)
	all := errors.Join(err, err2, err3, err4)
	for _, want := range []string{"nobody to report to", "key 1 has 5 bytes", "the name must", "target 1 must be", "nobody says how", "Interval is 1h0m0s", "no balancer to send to", "there is no key"} {
		if all == nil || !strings.Contains(all.Error(), want) {
			t.Errorf("%q is not in %v", want, all)
		}
	}
}

// FuzzTake: whatever is signed is taken or refused with a reason, and what is taken is never taken again.
func FuzzTake(f *testing.F) {
	f.Add([]byte(`{"name":"a","time":1000,"sequence":1,"load":0.5,"draining":true}`))
	f.Add([]byte(`{"name":"a","time":1e3,"load":-0}`))
	f.Add([]byte(`{"name":"b"}{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := NewReceiver(&pool{}, [][]byte{testKey}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.UnixMilli(1000)
		status, err := h.take(body, now)
		if (err == nil) != (status == 0) {
			t.Fatalf("%d, %v", status, err)
		}
		if err == nil {
			if status, err := h.take(body, now); status != http.StatusConflict || err == nil {
				t.Fatalf("a second time: %d, %v", status, err)
			}
		}
	})
}

func ExampleNewReceiver() {
	key := []byte("at least sixteen bytes")
	pool, err := balance.New([]balance.Backend{{Name: "app", URL: "http://192.0.2.1:8000"}}, nil)
	if err != nil {
		panic(err)
	}
	receiver, err := NewReceiver(pool, [][]byte{key}, nil)
	if err != nil {
		panic(err)
	}
	at := httptest.NewServer(receiver) // where only backends come
	defer at.Close()
	sender, err := NewSender("app", []string{at.URL}, key, func() balance.Report { return balance.Report{Load: 0.2} }, nil)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the backend ends
	if err := sender.Run(ctx); err != nil {
		panic(err)
	}
	fmt.Println(pool.Snapshot()[0].State)
	// Output: leaving
}

func ExampleNewSender() {
	_, err := NewSender("app", []string{"192.0.2.1"}, []byte("short"), func() balance.Report { return balance.Report{} }, nil)
	fmt.Println(err)
	// Output:
	// heartbeat: key 1 has 5 bytes; it must have 16 or more that nobody can guess
	// heartbeat: target 1 must be the address of a receiver, like http://192.0.2.1/heartbeat
}
