package cache

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/balance"
)

// kept tells which of the targets are stored.
func kept(h http.Handler, targets ...string) (found []string) {
	for _, target := range targets {
		if serve(h, request("GET", target, "Cache-Control: only-if-cached")).Code == 200 {
			found = append(found, target)
		}
	}
	return found
}

func tagged(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "max-age=60")
	h.Set("Vary", "A")
	h.Set("Surrogate-Key", r.URL.Query().Get("tags"))
	h.Set("Cache-Tag", r.URL.Query().Get("more"))
}

func TestPurge(t *testing.T) {
	const one, two, three, four = "/?tags=a+b", "/?tags=b", "/?more=c,+d+d&tags=b", "https://example.com/?tags=a"
	for _, tt := range []struct {
		name string
		do   func(c *Cache) (int, error)
		n    int
		kept string
	}{
		{"a URL", func(c *Cache) (int, error) { return c.Purge("http://EXAMPLE.com:80/?tags=a+b") }, 2, two + " " + three + " " + four},
		{"a URL with a fragment", func(c *Cache) (int, error) { return c.Purge("http://example.com/?tags=b#x") }, 1, one + " " + three + " " + four},
		{"both schemes", func(c *Cache) (int, error) { return c.Purge("//example.com/?tags=a") }, 1, one + " " + two + " " + three},
		{"another host", func(c *Cache) (int, error) { return c.Purge("http://other/?tags=b") }, 0, one + " " + two + " " + three + " " + four},
		{"a tag", func(c *Cache) (int, error) { return c.PurgeTag("a"), nil }, 3, two + " " + three},
		{"a tag with a space", func(c *Cache) (int, error) { return c.PurgeTag("d d"), nil }, 1, one + " " + two + " " + four},
		{"a tag of all", func(c *Cache) (int, error) { return c.PurgeTag("b"), nil }, 4, four},
		{"no tag", func(c *Cache) (int, error) { return c.PurgeTag(""), nil }, 0, one + " " + two + " " + three + " " + four},
		{"everything", func(c *Cache) (int, error) { return c.PurgeAll(), nil }, 5, ""},
	} {
		c, h := site(t, nil, http.HandlerFunc(tagged))
		for _, target := range []string{one, two, three, four} {
			serve(h, request("GET", target))
		}
		serve(h, request("GET", one, "A: 1"))
		n, err := tt.do(c)
		got := strings.Join(kept(h, one, two, three, four), " ")
		if n != tt.n || got != tt.kept || err != nil {
			t.Errorf("%s: %d and kept %q, %v; want %d and %q", tt.name, n, got, err, tt.n, tt.kept)
		}
		if s := c.Stats(); s.Purged != int64(tt.n) || s.Stored != 5 {
			t.Errorf("%s: %+v", tt.name, s)
		}
		c.PurgeAll()
		if len(c.index.keys) != 0 {
			t.Errorf("%s: of an empty store the index knows %v", tt.name, c.index.keys)
		}
	}
	c, _ := site(t, nil, http.HandlerFunc(tagged))
	for _, bad := range []string{"", "/page", "example.com/page", "ftp://example.com/", "http://", "http://a\x7f/", "http://[::1"} {
		if _, err := c.Purge(bad); !errors.Is(err, ErrURL) {
			t.Errorf("purge %q: %v", bad, err)
		}
	}
}

// TestKey: with a key of one's own, purges and changes still find what is stored for a URL.
func TestKey(t *testing.T) {
	o := &Options{Key: func(in balance.Info) string {
		if strings.HasPrefix(in.Path, "/private") {
			return ""
		}
		return in.Path + " " + in.Header("Device")
	}}
	c, h := site(t, o, http.HandlerFunc(tagged))
	fill := func() {
		serve(h, request("GET", "/a?utm=1"))
		serve(h, request("GET", "/a?utm=1", "Device: phone"))
	}
	fill()
	if w := serve(h, request("GET", "/a?utm=2")); w.Header().Get("Age") == "" {
		t.Error("the same key, and no hit")
	}
	if w := serve(h, request("GET", "/private")); w.Header().Get("Cache-Status") != "balance; fwd=bypass" {
		t.Error(w.Header())
	}
	if n, err := c.Purge("http://example.com/a?utm=1"); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	fill()
	if n, err := c.Purge("http://example.com/a"); n != 1 || err != nil { // by its key alone
		t.Errorf("purged %d, %v", n, err)
	}
	fill()
	serve(h, request("POST", "/a?utm=1"))
	if got := kept(h, "/a"); len(got) != 0 {
		t.Errorf("after a change: %q", got)
	}
	if n := c.Stats().Invalidated; n != 2 {
		t.Errorf("%d are invalid, want 2", n)
	}
}

// TestTags: a response with more tags than can be kept is not stored, because purges would miss it;
// and KeepTags leaves them to caches before this one.
func TestTags(t *testing.T) {
	tags := "x"
	c, h := site(t, &Options{KeepTags: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Surrogate-Key", tags)
	}))
	for range 2 {
		if w := serve(h, request("GET", "/")); w.Header().Get("Surrogate-Key") != "x" {
			t.Error(w.Header())
		}
	}
	for i := range maxTags {
		tags += fmt.Sprintf(" t%d", i)
	}
	serve(h, request("GET", "/many"))
	tags = strings.Repeat("t", maxTagLen+1)
	serve(h, request("GET", "/long"))
	if s := c.Stats(); s.Stored != 1 || s.Passed != 2 {
		t.Errorf("%+v", s)
	}
}

// TestBounds: the store stays below its bytes, one URL below its share and its variants, and the index
// below the store.
func TestBounds(t *testing.T) {
	o := &Options{Bytes: 256 << 10, ObjectBytes: 32 << 10, Variants: 3}
	c, h := site(t, o, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tagged(w, r)
		w.Write(make([]byte, 4000))
	}))
	for i := range 500 {
		serve(h, request("GET", fmt.Sprintf("/?tags=t%d", i)))
	}
	for i := range 10 {
		serve(h, request("GET", "/v", fmt.Sprintf("A: %d", i)))
	}
	c.store.CleanUp()
	n := 0
	for _, r := range c.store.All() {
		n += len(r.variants)
		if len(r.variants) > 3 {
			t.Errorf("%d variants of one URL", len(r.variants))
		}
	}
	s := c.Stats()
	if s.Bytes > o.Bytes || n < 30 || s.Evicted == 0 {
		t.Errorf("%d responses; %+v", n, s)
	}
	if len(c.index.keys) > n {
		t.Errorf("%d tags for %d responses", len(c.index.keys), n)
	}
}

func TestOptions(t *testing.T) {
	_, err := New(&Options{
		Bytes: 1, ObjectBytes: 1, PendingBytes: -1, FinishBytes: 1 << 50, FetchTimeout: -1, CoalesceWait: 1, Background: -1, Variants: 1001, Name: "a b",
	})
	if err == nil {
		t.Fatal("all is taken")
	}
	for _, field := range []string{"Bytes", "ObjectBytes", "PendingBytes", "FinishBytes", "FetchTimeout", "CoalesceWait", "Background", "Variants", "Name"} {
		if !strings.Contains(err.Error(), "Options."+field+" ") {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
	for _, o := range []*Options{nil, {}, {Bytes: 64 << 10}, {Bytes: 1 << 40}, {Name: "a-b.c*"}, {FinishBytes: -1}} {
		c, err := New(o)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		c.Close()
	}
}

// TestOnHit: what is told of answers from the store.
func TestOnHit(t *testing.T) {
	var got []string
	o := &Options{OnHit: func(in balance.Info, status int, bytes int64) {
		got = append(got, fmt.Sprintf("%s %s %d %d", in.Method, in.Path, status, bytes))
	}}
	_, h := site(t, o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"a"`)
		w.Write(make([]byte, 10))
	}))
	serve(h, request("GET", "/a.xo"))
	serve(h, request("GET", "/a.xo"))
	serve(h, request("HEAD", "/a.xo"))
	serve(h, request("GET", "/a.xo", "Range: bytes=0-3"))
	serve(h, request("GET", "/a.xo", `If-None-Match: "a"`))
	serve(h, request("POST", "/a.xo"))
	serve(h, request("GET", "/a.xo"))
	want := "GET /a.xo 200 10|HEAD /a.xo 200 0|GET /a.xo 206 4|GET /a.xo 304 0"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}
