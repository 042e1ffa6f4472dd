package balance

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// digest answers what it has been sent: the length it was told, and a digest of the body.
func digest(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	if _, err := io.Copy(h, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "%d %x", r.ContentLength, h.Sum(nil))
}

func digested(length int, body []byte) string {
	return fmt.Sprintf("%d %x", length, sha256.Sum256(body))
}

// nothingHeld waits until nothing is held.
func nothingHeld(t testing.TB, b *Balancer) {
	t.Helper()
	until(t, "something is still held", func() bool { s := b.Stats().Bodies; return s.Memory == 0 && s.Spool == 0 })
}

// TestReceive: the body arrives as it is, wherever it was held, and what could not be held follows.
func TestReceive(t *testing.T) {
	back := serve(t, http.HandlerFunc(digest))
	none := func(string) (spoolFile, error) { return nil, os.ErrPermission }
	for name, tt := range map[string]struct {
		size    int
		chunked bool
		o       BodyOptions
		open    func(string) (spoolFile, error)
		want    BodyStats
		status  int
		length  int // that the backend is told; -1: none
	}{
		"small":             {10, false, BodyOptions{}, nil, BodyStats{Uploads: 1}, 200, 10},
		"chunked":           {10, true, BodyOptions{}, nil, BodyStats{Uploads: 1}, 200, 10},
		"empty":             {0, true, BodyOptions{}, nil, BodyStats{Uploads: 1}, 200, 0},
		"one buffer":        {bufferSize, true, BodyOptions{}, nil, BodyStats{Uploads: 1}, 200, bufferSize},
		"some buffers":      {200_000, true, BodyOptions{}, nil, BodyStats{Uploads: 1}, 200, 200_000},
		"file":              {1 << 20, true, BodyOptions{}, nil, BodyStats{Uploads: 1, Spilled: 1}, 200, 1 << 20},
		"file with length":  {1_000_001, false, BodyOptions{PerUpload: 64 << 10}, nil, BodyStats{Uploads: 1, Spilled: 1}, 200, 1_000_001},
		"off":               {1 << 20, true, BodyOptions{Memory: -1}, nil, BodyStats{}, 200, -1},
		"little disk":       {3 << 20, true, BodyOptions{SpoolMax: 1 << 20}, nil, BodyStats{NoRoom: 1, Spilled: 1}, 200, -1},
		"no files":          {1 << 20, true, BodyOptions{SpoolMax: -1}, nil, BodyStats{NoRoom: 1}, 200, -1},
		"no file":           {1 << 20, false, BodyOptions{}, none, BodyStats{NoRoom: 1, SpoolErrors: 1}, 200, 1 << 20},
		"disk becomes full": {3 << 20, true, BodyOptions{}, fullDisk(1_000_001), BodyStats{NoRoom: 1, SpoolErrors: 1, Spilled: 1}, 200, -1},
		"no room":           {3 << 20, true, BodyOptions{Refuse: true}, fullDisk(1_000_001), BodyStats{NoRoom: 1, SpoolErrors: 1, Spilled: 1}, 503, 0},
		"too large":         {3 << 20, false, BodyOptions{Refuse: true, Memory: 1 << 20, SpoolMax: 2 << 20}, nil, BodyStats{}, 413, 0},
		"too large for all": {3 << 20, true, BodyOptions{Refuse: true, Memory: 1 << 20, SpoolMax: 2 << 20}, nil, BodyStats{NoRoom: 1, Spilled: 1}, 413, 0},
		"streams":           {3 << 20, false, BodyOptions{Memory: 1 << 20, SpoolMax: 2 << 20}, nil, BodyStats{}, 200, 3 << 20},
		"is to stream":      {10, true, BodyOptions{Stream: func(in Info) bool { return in.Path == "/" }}, nil, BodyStats{}, 200, -1},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Spool = t.TempDir()
			if tt.o.PerUpload == 0 {
				tt.o.PerUpload = 256 << 10
			}
			b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Bodies: tt.o})
			if tt.open != nil {
				b.bodies.open = tt.open
			}
			body := noise(tt.size)
			var reader io.Reader = bytes.NewReader(body)
			if tt.chunked {
				reader = struct{ io.Reader }{reader}
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("POST", "/", reader)
			b.ServeHTTP(w, r)
			if w.Code != tt.status || tt.status == 503 && w.Header().Get("Retry-After") == "" {
				t.Errorf("%d, %v, want %d", w.Code, w.Header(), tt.status)
			}
			if got, want := w.Body.String(), digested(tt.length, body); tt.status == 200 && got != want {
				t.Errorf("%s, want %s", got, want)
			}
			nothingHeld(t, b)
			if diff := cmp.Diff(tt.want, b.Stats().Bodies); diff != "" {
				t.Error(diff)
			}
			if asked := b.Stats().Requests == 1; asked != (tt.status == 200) {
				t.Errorf("the backend is asked: %t", asked)
			}
		})
	}
}

// TestReceiveFirst: until all has come, no backend has anything to do with it, also when it never comes.
func TestReceiveFirst(t *testing.T) {
	back := serve(t, http.HandlerFunc(digest))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Bodies: BodyOptions{PerUpload: 64 << 10}})
	front := serve(t, b)
	body := noise(400_000)
	for _, breaks := range []bool{false, true} {
		c, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
		if _, err := c.Write(body[:len(body)-1]); err != nil {
			t.Fatal(err)
		}
		until(t, "nothing arrives", func() bool { return b.Stats().Bodies.Spool > 0 })
		before := b.Snapshot()[0].Requests
		if n := inFlight(b); n != 0 {
			t.Errorf("%d in flight", n)
		}
		if breaks {
			c.Close()
			nothingHeld(t, b)
			if s := b.Snapshot()[0]; s.Requests != before || s.Failures != 0 {
				t.Errorf("%+v", s)
			}
			continue
		}
		if _, err := c.Write(body[len(body)-1:]); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); string(got) != digested(len(body), body) || err != nil || before != 0 {
			t.Errorf("%s, %v; %d requests before", got, err, before)
		}
	}
}

// TestReceivedIsRepeated: what has been received goes to another backend whole, if its method allows it.
func TestReceivedIsRepeated(t *testing.T) {
	body := noise(400_000)
	kill := rawServer(t, func(c *net.TCPConn) {
		readHead(c)
		io.CopyN(io.Discard, c, 300_000)
		c.SetLinger(0)
	})
	good := serve(t, http.HandlerFunc(digest))
	lacks := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(500)
	}))
	early := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	for _, tt := range []struct {
		method, first string
		want          result
	}{
		{"PUT", kill, result{200, digested(len(body), body), ""}},
		{"PUT", lacks.URL, result{200, digested(len(body), body), ""}},
		{"PUT", early.URL, result{200, digested(len(body), body), ""}},
		{"POST", lacks.URL, result{500, "", ""}},
		{"POST", deadURL(t), result{200, digested(len(body), body), ""}},
		{"POST", kill, result{502, "The server behind this address has not answered. Please try again.\n", ""}},
	} {
		b := mustNew(t, []Backend{{Name: "a", URL: tt.first}, {Name: "b", URL: good.URL}},
			&Options{Picker: ordered{}, Elsewhere: func(in Info, _ int) bool { return in.Method == http.MethodPut }})
		front := serve(t, b)
		got, _ := do(t, front.Client(), request(t, tt.method, front.URL, bytes.NewReader(body)))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, %s: %s", tt.method, tt.first, diff)
		}
		nothingHeld(t, b)
	}
}

// TestReceivedIsGivenBack: what a backend has been sent is not held while it answers.
func TestReceivedIsGivenBack(t *testing.T) {
	more := make(chan struct{})
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest(w, r)
		w.(http.Flusher).Flush()
		<-more
	}))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, nil)
	front := serve(t, b)
	res, err := front.Client().Do(request(t, "POST", front.URL, bytes.NewReader(noise(400_000))))
	if err != nil {
		t.Fatal(err)
	}
	nothingHeld(t, b)
	close(more)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestReceiveNot: what needs both directions at a time streams.
func TestReceiveNot(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	b := mustNew(t, []Backend{{Name: "a", URL: serve(t, h).URL}}, nil)
	front := serve(t, b)
	for i, field := range []string{"Content-Type: application/grpc+proto", "Expect: 100-continue", "Trailer: X-Sum", "Connection: Upgrade\r\nUpgrade: echo"} {
		name, value, _ := strings.Cut(field[strings.LastIndex(field, "\n")+1:], ": ")
		r := httptest.NewRequest("POST", "/", strings.NewReader("body"))
		r.Header.Set(name, value)
		if name == "Trailer" {
			r.Trailer = http.Header{value: nil}
		}
		if b.holds(r, Info{}) {
			t.Errorf("%s: it is received first", field)
		}
		c, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n\r\n", field)
		until(t, field+": no backend is asked before the body has come", func() bool { return b.Stats().Requests == uint64(i+1) })
		io.WriteString(c, "0\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Error(field, err)
		}
	}
	if b.Stats().Bodies.Uploads != 0 {
		t.Errorf("%+v", b.Stats())
	}
	if local := mustNew(t, []Backend{{Name: "a", Handler: h}}, nil); local.holds(httptest.NewRequest("POST", "/", strings.NewReader("body")), Info{}) {
		t.Error("a Handler waits for the body")
	}
}

// TestReceiveMany: uploads at a time share one allowance; what has no room streams.
func TestReceiveMany(t *testing.T) {
	back := serve(t, http.HandlerFunc(digest))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}, {Name: "b", Handler: http.HandlerFunc(digest)}}, &Options{Bodies: BodyOptions{Memory: 1 << 20, SpoolMax: 2 << 20}})
	body := noise(150_000)
	want := sha256.Sum256(body)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			w := httptest.NewRecorder()
			b.ServeHTTP(w, httptest.NewRequest("PUT", "/", struct{ io.Reader }{bytes.NewReader(body)}))
			if _, got, _ := strings.Cut(w.Body.String(), " "); got != fmt.Sprintf("%x", want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if s := b.Stats().Bodies; s.Memory > 1<<20 || s.Spool > 2<<20 {
				t.Errorf("%+v", s)
			}
		})
	}
	all.Wait()
	nothingHeld(t, b)
}

// TestHeld: readers read what was sent, in whatever steps, and however much of it could be held.
func TestHeld(t *testing.T) {
	page := noise(1 << 20)
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		o := BodyOptions{PerUpload: 64 << 10, Memory: 1 << 20, SpoolMax: rapid.Int64Range(1, 1<<20).Draw(t, "disk"), Spool: folder}
		all := newHoldings(o, new(bufferPool))
		all.open = fullDisk(rapid.IntRange(0, 1<<20).Draw(t, "room"))
		want := page[:rapid.IntRange(0, len(page)).Draw(t, "size")]
		h, err := all.receive(io.NopCloser(bytes.NewReader(want)))
		if err != nil {
			t.Fatal(err)
		}
		step := rapid.IntRange(1, 100_000).Draw(t, "step")
		var got bytes.Buffer
		if _, err := io.CopyBuffer(&got, struct{ io.Reader }{&heldReader{h: h}}, make([]byte, step)); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%d bytes of %d, %v", got.Len(), len(want), err)
		}
		h.free()
		h.free()
		if _, err := h.readAt(make([]byte, 1), 0); err != errViewClosed {
			t.Fatal(err)
		}
		if all.memory.used.Load() != 0 || all.disk.used.Load() != 0 {
			t.Fatalf("%+v", all.snapshot())
		}
	})
}
