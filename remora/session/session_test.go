package session

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// A shelf is a library that answers CatchUp as it is told.
type shelf struct {
	err   error
	hangs bool
	asked []remora.Position
	ctx   context.Context // of the last call
}

func (s *shelf) CatchUp(ctx context.Context, at remora.Position) error {
	s.asked, s.ctx = append(s.asked, at), ctx
	if s.hangs {
		<-ctx.Done()
		return &remora.Error{Kind: remora.KindUnavailable, Code: "view.behind", Err: ctx.Err()}
	}
	return s.err
}

func TestNewRefusesEveryMistakeAtOnce(t *testing.T) {
	_, err := New(Config{Keys: [][]byte{[]byte("hush-hush")}, CatchUp: -1, MaxAge: time.Millisecond})
	for _, want := range []string{"Keys[0]", "Library", "Site", "CatchUp", "MaxAge"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hush") {
		t.Errorf("the error shows the key: %v", err)
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "at least one key") {
		t.Errorf("no key at all: %v", err)
	}
}

var position = remora.Position{Epoch: "e1", Seq: 7}

func text(t testing.TB, s *Sessions, token Token) string {
	t.Helper()
	text, err := s.Sign(token)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.Header().Set("Expires", "Thu, 01 Jan 2032 00:00:00 GMT")
	if _, err := io.WriteString(w, "page"); err != nil {
		panic(err)
	}
}

func TestHandler(t *testing.T) {
	behind := &remora.Error{Kind: remora.KindUnavailable, Code: "view.behind"}
	epoch := &remora.Error{Kind: remora.KindConflict, Code: "view.epoch", Message: "Another history."}
	signer := sessions(t, &shelf{}, nil)
	good := text(t, signer, Token{Position: position, Replica: "0-1-2"})
	other := text(t, signer, Token{Position: remora.Position{Epoch: "e1", Seq: 9}})
	forged := strings.Replace(good, ".7.", ".8.", 1)
	for _, c := range []struct {
		name   string
		header http.Header
		err    error
		asked  []remora.Position
		behind string
	}{
		{name: "no token"},
		{name: "other cookies", header: http.Header{"Cookie": {"a=b; xremora_seen=" + good + "; remora_seen2=" + good}}},
		{name: "a cookie", header: http.Header{"Cookie": {"remora_seen=" + good}}, asked: []remora.Position{position}},
		{name: "among others", header: http.Header{"Cookie": {"a=b; remora_seen=" + good + " ;c=d"}}, asked: []remora.Position{position}},
		{name: "in the second line", header: http.Header{"Cookie": {"a=b", "remora_seen=" + good}}, asked: []remora.Position{position}},
		{name: "behind a neighbour's", header: http.Header{"Cookie": {"remora_seen=x; remora_seen=" + good}}, asked: []remora.Position{position}},
		{name: "behind too many", header: http.Header{"Cookie": {strings.Repeat("remora_seen=x; ", maxTries) + "remora_seen=" + good}}},
		{name: "a header", header: http.Header{"Remora-Seen": {good}}, asked: []remora.Position{position}},
		{name: "the header wins", header: http.Header{"Remora-Seen": {other}, "Cookie": {"remora_seen=" + good}}, asked: []remora.Position{{Epoch: "e1", Seq: 9}}},
		{name: "two headers", header: http.Header{"Remora-Seen": {good, good}}},
		{name: "forged", header: http.Header{"Remora-Seen": {forged}, "Cookie": {"remora_seen=" + forged}}},
		{name: "behind", header: http.Header{"Remora-Seen": {good}}, err: behind, asked: []remora.Position{position}, behind: "seq=7"},
		{name: "some other trouble", header: http.Header{"Remora-Seen": {good}}, err: errors.New("broken"), asked: []remora.Position{position}, behind: "seq=7"},
		{name: "another epoch", header: http.Header{"Remora-Seen": {good}}, err: epoch, asked: []remora.Position{position}},
	} {
		t.Run(c.name, func(t *testing.T) {
			library := &shelf{err: c.err}
			r := httptest.NewRequest("GET", "/", nil)
			for k, v := range c.header {
				r.Header[k] = v
			}
			w := httptest.NewRecorder()
			sessions(t, library, nil).Handler(http.HandlerFunc(page)).ServeHTTP(w, r)
			if diff := cmp.Diff(c.asked, library.asked); diff != "" {
				t.Errorf("catching up with (-want +got):\n%s", diff)
			}
			want := http.Header{"Cache-Control": {"public, max-age=60"}, "Expires": {"Thu, 01 Jan 2032 00:00:00 GMT"}, "Content-Type": {"text/plain; charset=utf-8"}}
			if c.behind != "" {
				want.Set("Cache-Control", "no-store")
				want.Set("Remora-Behind", c.behind)
				want.Del("Expires")
			}
			if diff := cmp.Diff(want, w.Result().Header); diff != "" || w.Body.String() != "page" {
				t.Errorf("body %q, head (-want +got):\n%s", w.Body, diff)
			}
		})
	}
}

func TestAttach(t *testing.T) {
	type sessionKey struct{}
	for _, want := range []string{"", "0-1-2"} {
		library := &shelf{}
		s := sessions(t, library, func(c *Config) {
			c.Attach = func(ctx context.Context, token string) context.Context {
				return context.WithValue(ctx, sessionKey{}, "session "+token)
			}
		})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(HeaderSeen, text(t, s, Token{Position: position, Replica: want}))
		var got any
		s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.Context().Value(sessionKey{}) })).ServeHTTP(httptest.NewRecorder(), r)
		if got != "session "+want || library.ctx.Value(sessionKey{}) != got {
			t.Errorf("the handler's context has %v, that of catching up %v", got, library.ctx.Value(sessionKey{}))
		}
	}
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ set, want time.Duration }{{0, 300 * time.Millisecond}, {time.Second, time.Second}} {
			s := sessions(t, &shelf{hangs: true}, func(config *Config) { config.CatchUp = c.set })
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(HeaderSeen, text(t, s, Token{Position: position}))
			w := httptest.NewRecorder()
			began := time.Now()
			s.Handler(http.HandlerFunc(page)).ServeHTTP(w, r)
			if took := time.Since(began); took != c.want || w.Header().Get(HeaderBehind) != "seq=7" {
				t.Errorf("it took %v, want %v; Remora-Behind %q", took, c.want, w.Header().Get(HeaderBehind))
			}
		}
	})
}

// TestBehindWriter: what handlers can do with the server's writer they can do with ours, and the
// head says that the answer is behind in each case.
func TestBehindWriter(t *testing.T) {
	s := sessions(t, &shelf{err: errors.New("behind")}, nil)
	for name, h := range map[string]http.HandlerFunc{
		"nothing": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "public") },
		"status":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"304":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"hints": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Cache-Control", "public")
			w.WriteHeader(http.StatusOK)
		},
		"flush": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			w.(http.Flusher).Flush()
		},
		"controller": func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			if err := errors.Join(c.SetWriteDeadline(time.Now().Add(time.Minute)), c.Flush()); err != nil {
				t.Error(err)
			}
		},
		"string": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.WriteString(w, "text"); err != nil {
				t.Error(err)
			}
		},
		"reader": func(w http.ResponseWriter, r *http.Request) {
			if n, err := io.Copy(w, io.LimitReader(strings.NewReader("text"), 4)); n != 4 || err != nil {
				t.Error(n, err)
			}
		},
		"content": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("text"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(s.Handler(h))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(HeaderSeen, text(t, s, Token{Position: position}))
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.Header.Get(HeaderBehind) != "seq=7" || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("the head is %v", answer.Header)
			}
		})
	}
}

func TestHijack(t *testing.T) {
	s := sessions(t, &shelf{err: errors.New("behind")}, nil)
	server := httptest.NewServer(s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 299 Mine\r\n\r\n"); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nRemora-Seen: "+text(t, s, Token{Position: position})+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "HTTP/1.1 299 Mine\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestIssue(t *testing.T) {
	for _, c := range []struct {
		name    string
		replica string
		want    string
		request func(*http.Request)
		secure  bool
	}{
		{name: "plain", replica: "0-1-2", want: "0-1-2"},
		{name: "TLS", request: func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, secure: true},
		{name: "TLS at a trusted proxy", request: func(r *http.Request) {
			r.RemoteAddr = "127.0.0.1:1"
			r.Header.Set("X-Forwarded-Proto", "https")
		}, secure: true},
		{name: "somebody says TLS", request: func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }},
		{name: "a replica token that does not fit", replica: strings.Repeat("9", maxReplica+1), want: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sessions(t, &shelf{}, nil)
			r, w := httptest.NewRequest("POST", "/", nil), httptest.NewRecorder()
			if c.request != nil {
				c.request(r)
			}
			w.Header().Set("Cache-Control", "public")
			if err := s.Issue(w, r, position, c.replica); err != nil {
				t.Fatal(err)
			}
			token := text(t, s, Token{Position: position, Replica: c.want})
			cookies := w.Result().Cookies()
			if len(cookies) != 1 {
				t.Fatalf("cookies %v", cookies)
			}
			want := &http.Cookie{Name: "remora_seen", Value: token, Path: "/", MaxAge: 600, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteLaxMode, Raw: cookies[0].Raw}
			if diff := cmp.Diff(want, cookies[0]); diff != "" {
				t.Errorf("cookie (-want +got):\n%s", diff)
			}
			if w.Header().Get("Remora-Seen") != token || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("head %v", w.Header())
			}
		})
	}
	w := httptest.NewRecorder()
	if err := sessions(t, &shelf{}, nil).Issue(w, httptest.NewRequest("POST", "/", nil), remora.Position{}, ""); err == nil || len(w.Header()) > 0 {
		t.Errorf("a token for no position: %v, head %v", err, w.Header())
	}
}

// TestTwoFrontEnds: what was written through one is read through the other at once.
func TestTwoFrontEnds(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	var fronts [2]http.Handler
	var s [2]*Sessions
	for i := range fronts {
		library, err := live.New(feed, nil)
		if err != nil {
			t.Fatal(err)
		}
		s[i] = sessions(t, library, nil)
		fronts[i] = s[i].Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				a := catalogtest.Activity(0)
				a.Slug = r.URL.Query().Get("slug")
				if err := s[i].Issue(w, r, feed.Put(a), ""); err != nil {
					t.Error(err)
				}
				return
			}
			slug := ""
			if a := library.View().Activity(catalogtest.FirstActivity); a != nil {
				slug = a.Slug
			}
			if _, err := io.WriteString(w, slug); err != nil {
				t.Error(err)
			}
		}))
	}
	for i, slug := range []string{"one", "two", "three", "four"} {
		w := httptest.NewRecorder()
		fronts[i%2].ServeHTTP(w, httptest.NewRequest("POST", "/?slug="+slug, nil))
		r := httptest.NewRequest("GET", "/", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		w = httptest.NewRecorder()
		fronts[1-i%2].ServeHTTP(w, r)
		if w.Body.String() != slug || w.Header().Get(HeaderBehind) != "" {
			t.Errorf("the other front end shows %q, want %q; head %v", w.Body, slug, w.Header())
		}
	}
	// After a restore the token means nothing, and nobody is told to wait for it.
	foreign := text(t, s[0], Token{Position: remora.Position{Epoch: "epoch-9", Seq: 1}})
	token := text(t, s[0], Token{Position: remora.Position{Epoch: "epoch-1", Seq: 999}})
	get := func() *httptest.ResponseRecorder {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set(HeaderSeen, token)
		fronts[0].ServeHTTP(w, r)
		return w
	}
	if w := get(); w.Header().Get(HeaderBehind) != "seq=999" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("head %v", w.Header())
	}
	feed.NewEpoch(catalogtest.Activity(0))
	if w := get(); w.Header().Get(HeaderBehind) != "" || w.Body.String() == "four" {
		t.Errorf("after a restore %q, head %v", w.Body, w.Header())
	}
	feed.Fail(&remora.Error{Kind: remora.KindUnavailable})
	token = foreign
	if w := get(); w.Header().Get(HeaderBehind) != "seq=1" {
		t.Errorf("an epoch nobody can judge: head %v", w.Header())
	}
}

type silent struct{ header http.Header }

func (s silent) Header() http.Header         { return s.header }
func (s silent) Write(b []byte) (int, error) { return len(b), nil }
func (s silent) WriteHeader(int)             {}

func TestNoTokenCostsNothing(t *testing.T) {
	s := sessions(t, &shelf{}, nil)
	h := s.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, cookie := range map[string]string{"no cookie": "", "others": "lang=es; theme=dark; remora_lang=es"} {
		r := httptest.NewRequest("GET", "/", nil)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(silent{}, r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s := sessions(b, &shelf{}, nil)
	token := text(b, s, Token{Position: position})
	for _, c := range []struct {
		name, cookie string
		h            http.Handler
	}{
		{"bare", "", next},
		{"no cookie", "", s.Handler(next)},
		{"other cookies", "lang=es; theme=dark", s.Handler(next)},
		{"token", "remora_seen=" + token, sessions(b, nothing{}, nil).Handler(next)},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", "Sugar")
		r.Header.Set("Accept", "*/*")
		if c.cookie != "" {
			r.Header.Set("Cookie", c.cookie)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.h.ServeHTTP(silent{}, r)
			}
		})
	}
}

type nothing struct{}

func (nothing) CatchUp(context.Context, remora.Position) error { return nil }

var _ = []Library{(*live.Library)(nil)}
