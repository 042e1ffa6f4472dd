package failover

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/promote"
)

const secret = "sixteen bytes or more"

var _ promote.Voter = (*Voter)(nil)

func TestVoteIsGivenToOneAtATime(t *testing.T) {
	v, err := NewVote(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := v.until
	if v.give("a", longestVote, now.Add(-time.Nanosecond)) {
		t.Error("it was given although somebody may have it from before the start")
	}
	for i, s := range []struct {
		after  time.Duration
		holder string
		ttl    time.Duration
		want   bool
	}{
		{0, "a", longestVote, true},
		{0, "b", longestVote, false},
		{9 * time.Second, "a", longestVote, true}, // begins anew
		{9 * time.Second, "b", longestVote, false},
		{time.Second, "b", longestVote, true},
		{0, "a", 0, false}, // nobody gives back what another has
		{0, "b", 0, true},
		{0, "a", longestVote, true},
	} {
		now = now.Add(s.after)
		if got := v.give(s.holder, s.ttl, now); got != s.want {
			t.Errorf("step %d: given %t, want %t", i+1, got, s.want)
		}
	}
}

func TestVoter(t *testing.T) {
	v, err := NewVote(secret)
	if err != nil {
		t.Fatal(err)
	}
	v.until = time.Time{}
	server := httptest.NewServer(v)
	defer server.Close()
	ask := func(secret string) *Voter {
		voter, err := NewVoter("monitor", server.URL, secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		return voter
	}
	ctx := t.Context()
	if ok, err := ask(secret).Lock(ctx, "a", time.Second); !ok || err != nil {
		t.Errorf("a: %t, %v", ok, err)
	}
	if ok, err := ask(secret).Lock(ctx, "b", time.Second); ok || err != nil {
		t.Errorf("b while a has it: %t, %v", ok, err)
	}
	if err := ask(secret).Unlock(ctx, "a"); err != nil {
		t.Error(err)
	}
	if ok, err := ask(secret).Lock(ctx, "b", time.Second); !ok || err != nil {
		t.Errorf("b: %t, %v", ok, err)
	}
	if _, err := ask("another secret of size").Lock(ctx, "b", time.Second); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "another") {
		t.Errorf("a wrong secret gives %v", err)
	}
	if _, err := ask(secret).Lock(ctx, "b", time.Hour); err == nil || !strings.Contains(err.Error(), "ttl_ms") {
		t.Errorf("a vote for an hour gives %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := ask(secret).Lock(over, "b", time.Second); err == nil {
		t.Error("an ended context gives no error")
	}
}

func TestVoteRefuses(t *testing.T) {
	v, err := NewVote(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, body, secret string
		want                 int
	}{
		{"POST", `{"holder":"a","ttl_ms":1}`, "", 401},
		{"GET", "", secret, 405},
		{"POST", "no question", secret, 400},
		{"POST", `{"holder":"","ttl_ms":1}`, secret, 400},
		{"POST", `{"holder":"a","ttl_ms":-1}`, secret, 400},
		{"POST", `{"holder":"` + strings.Repeat("a", maxQuestion) + `","ttl_ms":1}`, secret, 400},
		{"POST", `{"holder":"a","ttl_ms":1}`, secret, 200},
	} {
		r := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+c.secret)
		w := httptest.NewRecorder()
		v.ServeHTTP(w, r)
		if w.Code != c.want {
			body, _ := io.ReadAll(w.Body)
			t.Errorf("%s %.40s: status %d, want %d: %s", c.method, c.body, w.Code, c.want, body)
		}
	}
	if _, err := NewVote("short"); err == nil {
		t.Error("a short secret was taken")
	}
	_, err = NewVoter("", "ftp://x", "short", nil)
	for _, want := range []string{"needs a name", "address", "16 or more"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func FuzzVote(f *testing.F) {
	f.Add(`{"holder":"a","ttl_ms":1}`)
	f.Add(`{"holder":1}`)
	v, err := NewVote(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		v.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("status %d", w.Code)
		}
	})
}
