package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// through asks a handler without a network.
func through(h http.Handler) transport {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return w.Result(), nil
	}
}

// follow runs a follower in a bubble of virtual time.
func follow(t *testing.T, rt http.RoundTripper) (f *Follower, events func() []Event) {
	t.Helper()
	var mu sync.Mutex
	var heard []Event
	f, err := NewFollower(FollowerConfig{Transport: rt, OnChange: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f, func() []Event {
		mu.Lock()
		defer mu.Unlock()
		list := heard
		heard = nil
		return list
	}
}

// pass lets d go by and everything that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func TestNewFollowerRefusesEveryMistakeAtOnce(t *testing.T) {
	_, err := NewFollower(FollowerConfig{URL: "ftp://x/y", Wait: time.Hour})
	for _, want := range []string{"Transport", "OnChange", "URL", "Wait"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(3))
		l := newLibrary(t, feed)
		f, events := follow(t, through(newHandler(t, Config{Library: l})))
		check := func(when string, want ...Event) {
			t.Helper()
			if diff := cmp.Diff(want, events(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		at := func(seq int64) remora.Position { return remora.Position{Epoch: "epoch-1", Seq: seq} }
		pass(0)
		check("at first", Event{Position: at(1), Gap: true})
		began := time.Now()
		feed.Put(catalogtest.Activity(1))
		refresh(t, l)
		pass(time.Second)
		check("after a change", Event{Position: at(2), Changes: []Change{{2, catalogtest.FirstActivity + 1, KindChanged}}})
		feed.Remove(catalogtest.FirstActivity)
		refresh(t, l)
		synctest.Wait()
		check("it hears of a change at once", Event{Position: at(3), Changes: []Change{{3, catalogtest.FirstActivity, KindGone}}})
		if took := time.Since(began); took != time.Second {
			t.Errorf("that took %v of virtual time", took)
		}
		restored := feed.NewEpoch(catalogtest.Activity(2))
		refresh(t, l)
		pass(time.Second)
		check("after a restore", Event{Position: restored, Gap: true})
		want := FollowerStatus{Position: restored, Changes: 2, Gaps: 2}
		if diff := cmp.Diff(want, f.Status(), cmpopts.IgnoreFields(FollowerStatus{}, "Contact")); diff != "" || f.Position() != restored || f.Status().Contact.IsZero() {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestFollowSeveral: two front ends of which one lags.
func TestFollowSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(3))
		var fronts [2]*live.Library
		var rts [2]transport
		for i := range fronts {
			fronts[i] = newLibrary(t, feed)
			rts[i] = through(newHandler(t, Config{Library: fronts[i]}))
		}
		turn := 0
		only := -1
		var mu sync.Mutex
		f, events := follow(t, transport(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			turn++
			i := turn % 2
			if only >= 0 {
				i = only
			}
			mu.Unlock()
			return rts[i](r)
		}))
		pass(0)
		var last remora.Position
		for range 5 {
			last = feed.Put(catalogtest.Activity(0))
			refresh(t, fronts[0])
			pass(26 * time.Second) // one that waits at the slow one comes back by then
		}
		if f.Position() != last {
			t.Errorf("at %+v, want %+v", f.Position(), last)
		}
		seen := int64(0)
		for _, e := range events() {
			if e.Position.Seq <= seen || e.Gap != (seen == 0) {
				t.Errorf("%+v after %d", e, seen)
			}
			seen = e.Position.Seq
		}
		mu.Lock()
		only, turn = 1, 0
		mu.Unlock()
		pass(30*time.Second + 25*time.Second)
		if got := f.Position(); got != fronts[1].View().Position() {
			t.Errorf("nobody knows of %+v any more, yet it is at %+v", last, got)
		}
		if list := events(); len(list) != 1 || !list[0].Gap {
			t.Errorf("heard %+v", list)
		}
		mu.Lock()
		defer mu.Unlock()
		if turn > 250 {
			t.Errorf("it asked %d times in a minute", turn)
		}
	})
}

func TestFollowInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked, status, body, fault := 0, 200, "", errors.New("refused")
		f, events := follow(t, transport(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			if fault != nil {
				return nil, fault
			}
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
		}))
		set := func(s int, b string, e error) {
			mu.Lock()
			defer mu.Unlock()
			asked, status, body, fault = 0, s, b, e
		}
		pass(time.Minute)
		if asked < 10 || asked > 40 || !errors.Is(f.Status().Fault, fault) {
			t.Errorf("%d questions in a minute of trouble; %v", asked, f.Status().Fault)
		}
		for name, c := range map[string]struct {
			status int
			body   string
		}{
			"an error":   {503, `{}`},
			"no JSON":    {200, `<html>`},
			"endless":    {200, `{"epoch":"` + strings.Repeat("e", maxAnswer) + `"}`},
			"nothing":    {200, `{"epoch":"","seq":0}`},
			"no gap":     {200, `{"epoch":"e","seq":3}`},
			"backwards":  {200, `{"epoch":"","seq":-1,"gap":true}`},
			"both":       {200, `{"epoch":"e","seq":3,"gap":true,"changes":[{"seq":2}]}`},
			"nowhere":    {200, `{"epoch":"","seq":0,"gap":true}`},
			"other type": {200, `{"epoch":1}`},
		} {
			set(c.status, c.body, nil)
			pass(10 * time.Second)
			if f.Status().Fault == nil || f.Position() != (remora.Position{}) || asked > 10 {
				t.Errorf("%s: %+v after %d questions", name, f.Status(), asked)
			}
		}
		if list := events(); len(list) > 0 {
			t.Errorf("heard %+v", list)
		}
		// Two histories in turn must not make it race.
		set(200, `{"epoch":"e","seq":3,"gap":true}`, nil)
		pass(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if f.Status().Fault != nil || asked < 10 || asked > 50 {
			t.Errorf("%d questions in ten seconds of gaps; %v", asked, f.Status().Fault)
		}
	})
}

func FuzzPage(f *testing.F) {
	for _, body := range []string{"", "{}", `{"epoch":"e","seq":7,"changes":[{"seq":6,"activity_id":1,"kind":"changed"},{"seq":7,"kind":"new"}]}`, `{"epoch":"x","seq":1,"gap":true}`, `{"epoch":"e","seq":4}`, `{"changes":[{"seq":9},{"seq":8}]}`} {
		f.Add([]byte(body), int64(5))
	}
	f.Fuzz(func(t *testing.T, body []byte, seq int64) {
		after := remora.Position{Epoch: "e", Seq: seq}
		p, err := parsePage(body, after)
		if err != nil {
			return
		}
		last := seq
		for _, c := range p.Changes {
			if c.Seq <= seq || c.Seq < last || c.Seq > p.Seq || p.Gap {
				t.Fatalf("%+v after %d", p, seq)
			}
			last = c.Seq
		}
		if p.Seq < 0 || p.Epoch != "e" && p.Epoch != "" && !p.Gap {
			t.Fatalf("%+v after %+v", p, after)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parsePage(again, after); err != nil || fmt.Sprint(q) != fmt.Sprint(p) {
			t.Fatalf("%+v became %+v, %v", p, q, err)
		}
	})
}
