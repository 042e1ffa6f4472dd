package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var stickyKey = []byte("0123456789abcdef")

func mustSticky(t testing.TB, o StickyCookieOptions) *StickyCookie {
	t.Helper()
	if o.Keys == nil {
		o.Keys = [][]byte{stickyKey}
	}
	c, err := NewStickyCookie(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A visitor is a client that keeps cookies.
type visitor struct {
	b      *Balancer
	cookie string
}

// visit returns the answer and whether the visitor was marked.
func (v *visitor) visit() (said string, marked bool) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	v.b.ServeHTTP(w, r)
	if set := w.Header().Get("Set-Cookie"); set != "" {
		v.cookie, _, _ = strings.Cut(set, ";")
		marked = true
	}
	return w.Body.String(), marked
}

// TestSticky: a client stays where it was as long as that is well, has its place back after a moment in
// which it had none, and moves for good when it must.
func TestSticky(t *testing.T) {
	s := newSite(t, []string{"a", "b", "c"}, func(o *Options) { o.Sticker = mustSticky(t, StickyCookieOptions{}) })
	of := func(name string) *state { return s.b.pool.Load().find(name).state }
	v := &visitor{b: s.b}
	home, marked := v.visit()
	if !marked {
		t.Fatal("a new client is not marked")
	}
	other := "b"
	if home == "b" {
		other = "c"
	}
	steps := []struct {
		what  string
		do    func()
		stays bool
		marks bool
	}{
		{"nothing happens", func() {}, true, false},
		{"nobody knows whether it is healthy, but others are", func() { of(other).turn(up, "") }, true, false},
		{"it has little weight", func() { _ = s.b.SetWeight(other, maxWeight) }, true, false},
		{"it starts slowly", func() { of(home).warm(time.Now()) }, true, false},
		{"it is full", func() { of(home).warmed.Store(0); setLimit(t, s.b, home, 1); of(home).inFlight.Add(1) }, false, false},
		{"it has room again", func() { of(home).inFlight.Add(-1) }, true, false},
		{"a backup is there", func() { _ = s.b.Add(Backend{Name: "spare", URL: "http://spare", Backup: true}) }, true, false},
	}
	for _, tt := range steps {
		tt.do()
		for range 5 {
			said, marked := v.visit()
			if (said == home) != tt.stays || marked != tt.marks {
				t.Errorf("%s: %q answers, home is %q, marked %t", tt.what, said, home, marked)
			}
		}
	}
	for _, tt := range []struct {
		what string
		do   func(home string) error
	}{
		{"it is unhealthy", func(home string) error { of(home).turn(down, "ill"); return nil }},
		{"it is disabled", func(home string) error { return s.b.Disable(home, "") }},
		{"it is removed", func(home string) error {
			return errors.Join(s.b.Remove(home), s.b.Add(Backend{Name: "d", URL: "http://d"}))
		}},
		{"it refuses connections", func(home string) error { s.hosts[home] = refuses; return nil }},
	} {
		if err := tt.do(home); err != nil {
			t.Fatal(err)
		}
		said, marked := v.visit()
		if said == home || !marked {
			t.Errorf("%s: %q answers, home was %q, marked %t", tt.what, said, home, marked)
		}
		if again, marked := v.visit(); again != said || marked {
			t.Errorf("%s: then %q answers, and not %q, marked %t", tt.what, again, said, marked)
		}
		home = said
		for _, e := range s.b.Snapshot() {
			delete(s.hosts, e.Name)
			of(e.Name).turn(unknown, "")
			if err := s.b.Enable(e.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func setLimit(t *testing.T, b *Balancer, name string, most int) {
	t.Helper()
	if err := b.change(func(list []Backend) ([]Backend, error) {
		for i := range list {
			if list[i].Name == name {
				list[i].MaxInFlight = most
			}
		}
		return list, nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestStickyBackup: whoever has met a backup goes back when it is not needed any more, and when all are
// ill the wish counts again.
func TestStickyBackup(t *testing.T) {
	s := newSite(t, []string{"a", "b"}, func(o *Options) { o.Sticker = mustSticky(t, StickyCookieOptions{}) })
	if err := s.b.Add(Backend{Name: "spare", URL: "http://spare", Backup: true}); err != nil {
		t.Fatal(err)
	}
	turn := func(name string, h health) { s.b.pool.Load().find(name).state.turn(h, "") }
	turn("a", down)
	turn("b", down)
	v := &visitor{b: s.b}
	for range 3 {
		if said, _ := v.visit(); said != "spare" {
			t.Errorf("%q answers", said)
		}
	}
	turn("b", up)
	if said, marked := v.visit(); said != "b" || !marked {
		t.Errorf("%q answers, marked %t", said, marked)
	}
	for _, name := range []string{"a", "b", "spare"} {
		turn(name, down)
	}
	for range 4 {
		if said, _ := v.visit(); said != "b" {
			t.Errorf("%q answers when all are down", said)
		}
	}
}

// TestStickyCookieSays: what goes to clients and to backends.
func TestStickyCookieSays(t *testing.T) {
	const mine = "route=TTHC21E-nUeSXsEGMSR9Nw" // for a, by stickyKey
	later := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for name, tt := range map[string]struct {
		o       StickyCookieOptions
		in      http.Header // of the request
		https   bool
		answer  http.Header
		set     string   // Set-Cookie of ours
		control []string // Cache-Control
		cookies []string // that the backend sees
	}{
		"new":              {set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}},
		"https":            {https: true, set: mine + "; Path=/; HttpOnly; SameSite=Lax; Secure", control: []string{"private"}},
		"known":            {in: http.Header{"Cookie": {mine}}},
		"among others":     {in: http.Header{"Cookie": {"a=1;" + mine + "; b=\"2\"", "c=3"}}, cookies: []string{"a=1; b=\"2\"", "c=3"}},
		"others alone":     {in: http.Header{"Cookie": {"a=1;b=2;"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}, cookies: []string{"a=1;b=2;"}},
		"tampered":         {in: http.Header{"Cookie": {mine[:len(mine)-1] + "B"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}},
		"not ours":         {in: http.Header{"Cookie": {"route=a; x=y"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}, cookies: []string{"x=y"}},
		"of another name":  {in: http.Header{"Cookie": {"Xroute" + mine[5:]}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}, cookies: []string{"Xroute" + mine[5:]}},
		"named":            {o: StickyCookieOptions{Name: "node", MaxAge: time.Hour}, in: http.Header{"Cookie": {mine}}, set: "node=6s6ArZ3rbaUtJ9vJLD5JIw; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600", control: []string{"private"}, cookies: []string{mine}},
		"an old key":       {o: StickyCookieOptions{Keys: [][]byte{[]byte("fedcba9876543210"), stickyKey}}, in: http.Header{"Cookie": {mine}}, set: "route=tNdsxqCLHk2mcVXfXAsg4g; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}},
		"public":           {answer: http.Header{"Cache-Control": {"public"}}, control: []string{"public"}},
		"fresh":            {answer: http.Header{"Cache-Control": {"must-revalidate, Max-Age=60"}}, control: []string{"must-revalidate, Max-Age=60"}},
		"shared":           {answer: http.Header{"Cache-Control": {"s-maxage=\"60\""}}, control: []string{"s-maxage=\"60\""}},
		"expires":          {answer: http.Header{"Expires": {later}}},
		"has expired":      {answer: http.Header{"Expires": {"Thu, 19 Nov 1981 08:52:00 GMT"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private"}},
		"for a CDN":        {answer: http.Header{"Cdn-Cache-Control": {"max-age=60"}}},
		"stale at once":    {answer: http.Header{"Cache-Control": {"no-cache, max-age=0"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"no-cache, max-age=0", "private"}},
		"private":          {answer: http.Header{"Cache-Control": {"private, max-age=60"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"private, max-age=60"}},
		"not to be stored": {answer: http.Header{"Cache-Control": {"no-store"}}, set: mine + "; Path=/; HttpOnly; SameSite=Lax", control: []string{"no-store"}},
	} {
		for _, kind := range []string{"url", "handler"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var saw []string
				backend := Backend{Name: "a", URL: "http://a"}
				o := &Options{Sticker: mustSticky(t, tt.o)}
				o.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
					saw = r.Header["Cookie"]
					h := tt.answer.Clone()
					if h == nil {
						h = http.Header{}
					}
					return &http.Response{StatusCode: 200, Header: h, Body: http.NoBody, Request: r}, nil
				})
				if kind == "handler" {
					backend.URL, backend.Handler = "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						saw = r.Header["Cookie"]
						for k, v := range tt.answer {
							w.Header()[k] = append([]string(nil), v...)
						}
						io.WriteString(w, "x")
					})
				}
				b := mustNew(t, []Backend{backend}, o)
				w := httptest.NewRecorder()
				r := httptest.NewRequest("GET", "/", nil)
				if tt.https {
					r = httptest.NewRequest("GET", "https://example.org/", nil)
				}
				r.Header = tt.in.Clone()
				if r.Header == nil {
					r.Header = http.Header{}
				}
				b.ServeHTTP(w, r)
				if got := w.Result().Header.Get("Set-Cookie"); got != tt.set {
					t.Errorf("Set-Cookie: %q, want %q", got, tt.set)
				}
				if diff := cmp.Diff(tt.control, w.Result().Header["Cache-Control"]); diff != "" {
					t.Errorf("Cache-Control (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.cookies, saw); diff != "" {
					t.Errorf("the backend's Cookie (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.in, r.Header); tt.in != nil && diff != "" {
					t.Errorf("the request was changed (-before +after)\n%s", diff)
				}
			})
		}
	}
}

// TestStickyWriter: handlers reach all that the server's writer can.
func TestStickyWriter(t *testing.T) {
	ask := make(chan func(w http.ResponseWriter) string, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said := (<-ask)(w); said != "" {
			io.WriteString(w, said)
		}
	})
	b := mustNew(t, []Backend{{Name: "a", Handler: h}}, &Options{Sticker: mustSticky(t, StickyCookieOptions{})})
	front := serve(t, b)
	for name, f := range map[string]func(w http.ResponseWriter) string{
		"flush": func(w http.ResponseWriter) string { w.(http.Flusher).Flush(); return "done" },
		"hints": func(w http.ResponseWriter) string {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(203)
			return "done"
		},
		"nothing":    func(w http.ResponseWriter) string { return "" },
		"flush anew": func(w http.ResponseWriter) string { return fmt.Sprint(http.NewResponseController(w).Flush()) },
		"read from": func(w http.ResponseWriter) string {
			n, err := io.Copy(w, strings.NewReader("copied "))
			return fmt.Sprint(n, err)
		},
		"full duplex": func(w http.ResponseWriter) string {
			return fmt.Sprint(http.NewResponseController(w).EnableFullDuplex())
		},
	} {
		ask <- f
		got, header := do(t, front.Client(), request(t, "GET", front.URL, nil))
		want := map[string]string{"flush": "done", "hints": "done", "nothing": "", "flush anew": "<nil>", "read from": "copied 7 <nil>", "full duplex": "<nil>"}[name]
		if got.Body != want || header.Get("Set-Cookie") == "" {
			t.Errorf("%s: %+v, %v", name, got, header)
		}
	}
	ask <- func(w http.ResponseWriter) string {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return err.Error()
		}
		io.WriteString(rw, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
		rw.Flush()
		c.Close()
		return ""
	}
	if got, _ := do(t, front.Client(), request(t, "GET", front.URL, nil)); got.Body != "raw" {
		t.Errorf("%+v", got)
	}
	// The server does not wait for a handler that has taken the connection over.
	if err := b.Drain(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// TestDrainSoftly: while the grace lasts clients are served that were there, and no others.
func TestDrainSoftly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, []string{"a", "b"}, func(o *Options) {
			o.Sticker, o.Picker = mustSticky(t, StickyCookieOptions{}), ordered{}
		})
		old := &visitor{b: s.b}
		expect := func(when string, v *visitor, want string) {
			t.Helper()
			if got, _ := v.visit(); got != want {
				t.Errorf("%s: %q answers, want %q", when, got, want)
			}
		}
		expect("before", old, "a")
		done := make(chan error, 1)
		soft := func(ctx context.Context, grace time.Duration) {
			go func() { done <- s.b.DrainSoftly(ctx, "a", grace) }()
			synctest.Wait()
		}
		soft(t.Context(), time.Minute)
		expect("an old client", old, "a")
		expect("a new client", &visitor{b: s.b}, "b")
		if st := s.b.Snapshot()[0]; st.State != "draining" || time.Until(st.Until) != time.Minute || !strings.Contains(st.Reason, "serves the clients it has") {
			t.Errorf("%+v", st)
		}
		time.Sleep(59 * time.Second)
		expect("near the end", &visitor{b: s.b, cookie: old.cookie}, "a")
		release := make(chan struct{})
		s.hosts["a"] = func(*http.Request) (int, error) { <-release; return 200, nil }
		last := make(chan string, 1)
		go func() {
			said, _ := (&visitor{b: s.b, cookie: old.cookie}).visit()
			last <- said
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		expect("after the grace", &visitor{b: s.b, cookie: old.cookie}, "b")
		if st := s.b.Snapshot()[0]; st.State != "draining" || !st.Until.IsZero() || len(done) != 0 {
			t.Errorf("%+v", st)
		}
		close(release)
		if err := <-done; err != nil || <-last != "a" {
			t.Error(err)
		}

		undrain := func() {
			if err := s.b.Undrain("a"); err != nil {
				t.Error(err)
			}
		}
		undrain()
		expect("undrained", &visitor{b: s.b, cookie: old.cookie}, "a")
		soft(t.Context(), time.Minute)
		undrain()
		if err := <-done; !errors.Is(err, errUndrained) {
			t.Error(err)
		}
		expect("undrained meanwhile", &visitor{b: s.b}, "a")

		soft(t.Context(), time.Minute)
		if err := s.b.Drain(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		expect("drained meanwhile", &visitor{b: s.b, cookie: old.cookie}, "b")
		if err := <-done; err != nil {
			t.Error(err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		soft(ctx, time.Minute)
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		expect("nobody waits any more", &visitor{b: s.b, cookie: old.cookie}, "a")
		if err := s.b.DrainSoftly(t.Context(), "x", 0); !errors.Is(err, ErrUnknownBackend) {
			t.Error(err)
		}
	})
}

// TestDrainSoftlyWithoutSticker: nobody is kept, so there is nobody to wait for.
func TestDrainSoftlyWithoutSticker(t *testing.T) {
	s := newSite(t, []string{"a", "b"}, nil)
	if err := s.b.DrainSoftly(t.Context(), "a", time.Hour); err != nil {
		t.Fatal(err)
	}
	s.expect("drained", 2, map[string]int{"b": 2})
}

// TestStickyKeys: two balancers agree, and a new key lets nobody go.
func TestStickyKeys(t *testing.T) {
	next := []byte("a key that follows the first one")
	sticker := mustSticky(t, StickyCookieOptions{})
	s := newSite(t, []string{"a", "b", "c"}, func(o *Options) { o.Sticker = sticker })
	v := &visitor{b: s.b}
	home, _ := v.visit()
	twin := newSite(t, []string{"c", "b", "a"}, func(o *Options) { o.Sticker = mustSticky(t, StickyCookieOptions{}) })
	if said, marked := (&visitor{b: twin.b, cookie: v.cookie}).visit(); said != home || marked {
		t.Errorf("another balancer asks %q, and not %q, marked %t", said, home, marked)
	}
	before := v.cookie
	if err := sticker.SetKeys([][]byte{next, stickyKey}); err != nil {
		t.Fatal(err)
	}
	if said, marked := v.visit(); said != home || !marked || v.cookie == before {
		t.Errorf("%q answers, and not %q, marked %t", said, home, marked)
	}
	if err := sticker.SetKeys([][]byte{next}); err != nil {
		t.Fatal(err)
	}
	if said, marked := v.visit(); said != home || marked {
		t.Errorf("%q answers, and not %q, marked %t", said, home, marked)
	}
	if _, marked := (&visitor{b: s.b, cookie: before}).visit(); !marked {
		t.Error("a key that is gone is believed")
	}
	if err := sticker.SetKeys(nil); err == nil {
		t.Error("there is no key")
	}
	if said, marked := v.visit(); said != home || marked {
		t.Error("an error has changed the keys")
	}
}

func TestNewStickyCookieErrors(t *testing.T) {
	_, err := NewStickyCookie(StickyCookieOptions{Name: "a b", MaxAge: time.Millisecond, Keys: [][]byte{stickyKey, []byte("secret")}})
	for _, want := range []string{`the name "a b"`, "MaxAge is 1ms", "key 2 for the sticky cookie has 6 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("a key is in %v", err)
	}
	if _, err := NewStickyCookie(StickyCookieOptions{Keys: make([][]byte, 11)}); err == nil {
		t.Error("eleven keys")
	}
}

// FuzzStickyCookie: whatever clients send, a wish is for a backend of the pool and only by a cookie that was
// given, and nothing but ours is taken from what the backend gets.
func FuzzStickyCookie(f *testing.F) {
	c, err := NewStickyCookie(StickyCookieOptions{Keys: [][]byte{stickyKey}})
	if err != nil {
		f.Fatal(err)
	}
	names := []string{"a", "b"}
	for _, s := range []string{"", "route=", "a=1; route=TTHC21E-nUeSXsEGMSR9Nw; b=2", "route=\"x\";;route", "=;=", "route=TTHC21E-nUeSXsEGMSR9NB"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cookie": {one, two}}
		i := c.Wish(Info{Values: h.Values}, names)
		if i >= len(names) || i >= 0 && !strings.Contains(one+" "+two, c.token(stickyKey, names[i]).String()) {
			t.Fatalf("%q, %q: %d", one, two, i)
		}
		var want []string
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if name, _, _ := strings.Cut(pair, "="); strings.TrimSpace(name) != "route" && strings.TrimSpace(pair) != "" {
					want = append(want, strings.TrimSpace(pair))
				}
			}
		}
		c.Strip(h)
		var got []string
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if pair := strings.TrimSpace(pair); pair != "" {
					got = append(got, pair)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for range cookies(h["Cookie"], "route") {
			t.Errorf("it is still in %q", h)
		}
	})
}

func BenchmarkStickyWish(b *testing.B) {
	c := mustSticky(b, StickyCookieOptions{})
	names := []string{"a", "b", "c", "d"}
	h := http.Header{"Cookie": {"session=0123456789abcdef0123456789abcdef; route=" + c.token(stickyKey, "c").String()}}
	in := Info{Values: h.Values}
	b.ReportAllocs()
	for b.Loop() {
		if c.Wish(in, names) != 2 {
			b.Fatal("not found")
		}
		c.Mark(in, "c", nil)
	}
}
