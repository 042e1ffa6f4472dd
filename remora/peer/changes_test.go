package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

func TestNewRefusesEveryMistakeAtOnce(t *testing.T) {
	_, err := New(Config{Waiters: -1, Import: Import{Token: "short", MaxBundle: -1, AtOnce: -1}})
	for _, want := range []string{"Library", "Waiters", "Token", "Importer", "Store", "MaxBundle", "AtOnce"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "short") {
		t.Errorf("the error shows the token: %v", err)
	}
}

func TestParseQuery(t *testing.T) {
	at := func(epoch string, seq int64, wait time.Duration) query {
		return query{after: remora.Position{Epoch: epoch, Seq: seq}, wait: wait}
	}
	for _, c := range []struct {
		raw  string
		want query
		code string
	}{
		{raw: "", want: query{}},
		{raw: "after=7&epoch=e1", want: at("e1", 7, 0)},
		{raw: "wait=25s&epoch=e%2D1&after=0", want: at("e-1", 0, 25*time.Second)},
		{raw: "wait=30s", want: at("", 0, MaxWait)},
		{raw: "after=9223372036854775807", want: at("", 1<<63-1, 0)},
		{raw: "after=", code: "peer.after"},
		{raw: "after=-1", code: "peer.after"},
		{raw: "after=+1", code: "peer.after"},
		{raw: "after=07", code: "peer.after"},
		{raw: "after=9223372036854775808", code: "peer.after"},
		{raw: "after=1&after=2", code: "peer.query"},
		{raw: "wait=31s", code: "peer.wait"},
		{raw: "wait=-1s", code: "peer.wait"},
		{raw: "wait=25", code: "peer.wait"},
		{raw: "since=1", code: "peer.query"},
		{raw: "after=%zz", code: "peer.query"},
		{raw: "epoch=" + strings.Repeat("e", maxQuery), code: "peer.query"},
	} {
		got, err := parseQuery(c.raw)
		if c.code != "" {
			if !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: c.code}) {
				t.Errorf("%.40q: %+v, %v, want %s", c.raw, got, err, c.code)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v, want %+v", c.raw, got, err, c.want)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, raw := range []string{"", "after=7&epoch=e1&wait=25s", "after=07", "wait=1h", "after=1;epoch=2", "%zz", "wait=1e9s", "epoch=%00"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			if remora.KindOf(err) != remora.KindInvalid || remora.MessageOf(err) == "" {
				t.Fatal(err)
			}
			return
		}
		if q.after.Seq < 0 || q.wait < 0 || q.wait > MaxWait || len(q.after.Epoch) > maxQuery {
			t.Fatalf("%q became %+v", raw, q)
		}
		written := url.Values{"after": {strconv.FormatInt(q.after.Seq, 10)}, "epoch": {q.after.Epoch}, "wait": {q.wait.String()}}.Encode()
		if len(written) > maxQuery {
			return // percent signs make it longer
		}
		if again, err := parseQuery(written); err != nil || again != q {
			t.Fatalf("%q became %+v, then %+v, %v", raw, q, again, err)
		}
	})
}

func pageOf(t testing.TB, w *httptest.ResponseRecorder) (p Page) {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, head %v, body %s", w.Code, w.Header(), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChanges(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	l := newLibrary(t, feed)
	h := newHandler(t, Config{Library: l})
	first := catalogtest.FirstActivity
	feed.Put(catalogtest.Activity(1))
	refresh(t, l)
	feed.Remove(first)
	refresh(t, l)
	feed.SetCollections(remora.Collection{Nickname: "c"})
	refresh(t, l)
	changes := []Change{{2, first + 1, KindChanged}, {3, first, KindGone}, {4, 0, KindCatalog}}
	for _, c := range []struct {
		query string
		want  Page
	}{
		{"", Page{Epoch: "epoch-1", Seq: 4, Gap: true, Changes: []Change{}}},
		{"?after=1&epoch=epoch-1", Page{Epoch: "epoch-1", Seq: 4, Changes: changes}},
		{"?after=3&epoch=epoch-1&wait=30s", Page{Epoch: "epoch-1", Seq: 4, Changes: changes[2:]}},
		{"?after=4&epoch=epoch-1", Page{Epoch: "epoch-1", Seq: 4, Changes: []Change{}}},
		{"?after=9&epoch=epoch-1&wait=30s", Page{Epoch: "epoch-1", Seq: 4, Changes: []Change{}}},
		{"?after=4&epoch=other&wait=30s", Page{Epoch: "epoch-1", Seq: 4, Gap: true, Changes: []Change{}}},
	} {
		if diff := cmp.Diff(c.want, pageOf(t, ask(h, "GET", ChangesPath+c.query))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.query, diff)
		}
	}
	if w := ask(h, "GET", ChangesPath+"?after=x"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"code":"peer.after"`) || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("a query that cannot be read: %d %s", w.Code, w.Body)
	}
}

func TestPagesAreBounded(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	l := newLibrary(t, feed)
	h := newHandler(t, Config{Library: l})
	const n = 3000
	for range n {
		feed.Remove(1)
		refresh(t, l)
	}
	seen, at := 0, int64(1)
	for range 10 {
		p := pageOf(t, ask(h, "GET", ChangesPath+"?epoch=epoch-1&after="+strconv.FormatInt(at, 10)))
		if p.Gap || len(p.Changes) > maxPage {
			t.Fatalf("gap %v, %d changes", p.Gap, len(p.Changes))
		}
		seen, at = seen+len(p.Changes), p.Seq
	}
	if seen != n || at != n+1 {
		t.Errorf("%d changes up to %d", seen, at)
	}
}

// waiting asks in the background; the answer comes with how long it took.
func waiting(ctx context.Context, h http.Handler, query string) <-chan waited {
	done := make(chan waited, 1)
	began := time.Now()
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", ChangesPath+query, nil).WithContext(ctx))
		done <- waited{w, time.Since(began)}
	}()
	return done
}

type waited struct {
	*httptest.ResponseRecorder
	took time.Duration
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(3))
		l, err := live.New(feed, nil)
		if err != nil {
			t.Fatal(err)
		}
		running, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(running) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		<-l.Ready()
		draining := make(chan struct{})
		h := newHandler(t, Config{Library: l, Waiters: 2, Draining: draining})
		at := func(seq int64) string { return "?wait=25s&epoch=epoch-1&after=" + strconv.FormatInt(seq, 10) }

		if w := <-waiting(t.Context(), h, at(1)); w.took != 25*time.Second || len(pageOf(t, w.ResponseRecorder).Changes) != 0 {
			t.Errorf("nothing happens: %v %s", w.took, w.Body)
		}
		early := waiting(t.Context(), h, at(1))
		time.Sleep(10 * time.Second) // virtual
		feed.Put(catalogtest.Activity(0))
		if w := <-early; w.took < 10*time.Second || w.took > 11*time.Second || len(pageOf(t, w.ResponseRecorder).Changes) != 1 {
			t.Errorf("a change after ten seconds: %v %s", w.took, w.Body)
		}
		// Two may wait, a third may not; who goes makes room.
		gone, cancel := context.WithCancel(t.Context())
		one, two := waiting(gone, h, at(2)), waiting(t.Context(), h, at(2))
		synctest.Wait()
		if w := <-waiting(t.Context(), h, at(2)); w.took != 0 || w.Code != http.StatusOK {
			t.Errorf("one too many waits %v", w.took)
		}
		cancel()
		<-one
		three := waiting(t.Context(), h, at(2))
		synctest.Wait()
		select {
		case <-three:
			t.Error("there is room again, and it does not wait")
		default:
		}
		feed.NewEpoch(catalogtest.Activity(0))
		for _, w := range []waited{<-two, <-three} {
			if p := pageOf(t, w.ResponseRecorder); !p.Gap || p.Epoch != "epoch-2" {
				t.Errorf("after a restore: %s", w.Body)
			}
		}
		// Cut off from its database it has nothing to tell.
		query := "?wait=25s&epoch=epoch-2&after=1"
		cut := waiting(t.Context(), h, query)
		feed.Fail(&remora.Error{Kind: remora.KindUnavailable})
		if w := <-cut; w.took < 4*time.Second || w.took > 8*time.Second || !pageOf(t, w.ResponseRecorder).Stale {
			t.Errorf("cut off: %v %s", w.took, w.Body)
		}
		if w := <-waiting(t.Context(), h, query); w.took != 0 {
			t.Errorf("cut off, and asked again: %v", w.took)
		}
		feed.Fail(nil)
		time.Sleep(5 * time.Second) // virtual
		// About to end.
		last := waiting(t.Context(), h, query)
		synctest.Wait()
		close(draining)
		if w := <-last; w.took != 0 || w.Code != http.StatusOK {
			t.Errorf("draining: %v %d", w.took, w.Code)
		}
	})
}

func TestOtherRequests(t *testing.T) {
	status := Status{Version: "1.2", Roles: []string{"frontend"}, Epoch: "e", Seq: 7, Stale: true}
	with := newHandler(t, Config{Status: func() Status { return status }})
	without := newHandler(t, Config{})
	for _, c := range []struct {
		h            http.Handler
		method, path string
		want         int
	}{
		{with, "GET", StatusPath, 200},
		{with, "POST", StatusPath, 405},
		{with, "POST", ChangesPath, 405},
		{with, "HEAD", ChangesPath, 405},
		{with, "POST", ImportPath, 404},
		{with, "GET", "/internal/", 404},
		{with, "GET", "/internal/changes/", 404},
		{without, "GET", StatusPath, 404},
	} {
		w := ask(c.h, c.method, c.path)
		if w.Code != c.want {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if c.want == 405 && w.Header().Get("Allow") != "GET" {
			t.Errorf("%s %s: Allow %q", c.method, c.path, w.Header().Get("Allow"))
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: head %v", c.method, c.path, w.Header())
		}
	}
	want := `{"version":"1.2","roles":["frontend"],"epoch":"e","seq":7,"stale":true,"draining":false}` + "\n"
	if diff := cmp.Diff(want, ask(with, "GET", StatusPath).Body.String()); diff != "" {
		t.Error(diff)
	}
}
