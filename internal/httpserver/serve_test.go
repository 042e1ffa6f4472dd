package httpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/httpserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// A running server, and how to end it.
type running struct {
	url    string
	stop   func()       // begins the end
	result func() error // what Serve returned, once it has
}

func start(t *testing.T, h http.Handler, drain time.Duration, log *slog.Logger) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, ln, h, drain, log)
}

func startOn(t *testing.T, ln net.Listener, h http.Handler, drain time.Duration, log *slog.Logger) *running {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = httpserver.Serve(ctx, ln, h, drain, log)
	}()
	s := &running{url: "http://" + ln.Addr().String(), stop: cancel, result: func() error { <-done; return err }}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		<-done
	})
	return s
}

// safe is a buffer that a server may log to.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() }) // read to its end or cut, there is nothing to lose
	return r
}

// slow answers with a beginning, and with the rest once told to go on or when it is cut.
func slow(goOn <-chan struct{}, cut chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "first")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		select {
		case <-goOn:
			io.WriteString(w, " last")
		case <-r.Context().Done():
			close(cut)
		}
	})
}

func TestServeDrains(t *testing.T) {
	goOn := make(chan struct{})
	s := start(t, slow(goOn, make(chan struct{})), time.Minute, quiet)
	r := get(t, s.url)
	first := make([]byte, 5)
	if _, err := io.ReadFull(r.Body, first); err != nil {
		t.Fatal(err)
	}
	s.stop()
	refused := func() bool { // new connections are, once Serve has noticed
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			return true
		}
		c.Close()
		return false
	}
	for deadline := time.Now().Add(30 * time.Second); !refused(); {
		if time.Now().After(deadline) {
			t.Fatal("new connections are accepted after the end")
		}
	}
	close(goOn)
	rest, err := io.ReadAll(r.Body)
	if err != nil || string(first)+string(rest) != "first last" {
		t.Errorf("the download in progress gave %q%q, %v", first, rest, err)
	}
	if err := s.result(); err != nil {
		t.Errorf("Serve says %v", err)
	}
}

func TestServeCuts(t *testing.T) {
	var log safe
	cut := make(chan struct{})
	s := start(t, slow(nil, cut), 20*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)))
	r := get(t, s.url)
	s.stop()
	if err := s.result(); err != nil {
		t.Errorf("Serve says %v", err)
	}
	<-cut
	got, err := io.ReadAll(r.Body)
	if err == nil || string(got) != "first" {
		t.Errorf("the download that was cut gave %q, %v", got, err)
	}
	if !strings.Contains(log.String(), "cut") {
		t.Errorf("the log does not speak of it: %s", &log)
	}
}

func TestServeEndsIdleConnections(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), time.Minute, quiet)
	r := get(t, s.url)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := s.result(); err != nil {
		t.Errorf("Serve says %v", err)
	}
}

// breaking is a listener that fails when told.
type breaking struct {
	net.Listener
	broken chan struct{}
	err    error
}

func (b *breaking) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	select {
	case <-b.broken:
		if err == nil {
			err = c.Close()
		}
		return nil, errors.Join(b.err, err)
	default:
		return c, err
	}
}

func TestServeWhenTheListenerFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	b := &breaking{Listener: ln, broken: make(chan struct{}), err: errors.New("out of file descriptors")}
	s := startOn(t, b, slow(nil, cut), time.Minute, quiet)
	get(t, s.url)
	close(b.broken)
	c, err := net.Dial("tcp", ln.Addr().String()) // so that Accept returns
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := s.result(); !errors.Is(err, b.err) {
		t.Errorf("Serve says %v", err)
	}
	<-cut // or the handler would run on without end
}

// An observation is what Observe has told about one request.
type observation struct {
	status int
	bytes  int64
}

func TestObserve(t *testing.T) {
	abort := func() { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    observation
		status  int    // what the client gets; 0: a cut connection
		body    string // the whole one; where it is cut, "" stands for an error in reading
		logged  string
	}{
		{"nothing said", func(w http.ResponseWriter, r *http.Request) {}, observation{200, 0}, 200, "", ""},
		{"a body", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }, observation{200, 5}, 200, "hello", ""},
		{"a status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); io.WriteString(w, "no") }, observation{404, 2}, 404, "no", ""},
		{"two statuses", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404); w.WriteHeader(200) }, observation{404, 0}, 404, "", ""},
		{"a hint before", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); io.WriteString(w, "x") }, observation{200, 1}, 200, "x", ""},
		{"a reader", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(w, strings.NewReader("from a reader")); err != nil {
				panic(err)
			}
		}, observation{200, 13}, 200, "from a reader", ""},
		{"a fault of ours", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "sorry", http.StatusServiceUnavailable) }, observation{503, 6}, 503, "sorry\n", "level=WARN"},
		{"a panic", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Cache-Control", "max-age=86400")
			w.Header().Set("Content-Length", "100000")
			panic("oh no")
		}, observation{500, 34}, 500, "Something went wrong on our side.\n", "oh no"},
		{"a panic after a hint", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); panic("oh") }, observation{500, 34}, 500, "Something went wrong on our side.\n", "panic=oh"},
		{"a panic in the middle", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			panic("oh")
		}, observation{200, 4}, 200, "", "panic=oh"},
		{"an abort", func(w http.ResponseWriter, r *http.Request) { abort() }, observation{0, 0}, 0, "", ""},
		{"an abort in the middle", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			abort()
		}, observation{200, 4}, 200, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log safe
			told := make(chan observation, 1)
			h := httpserver.Observe(c.handler, func(r *http.Request, status int, bytes int64, took time.Duration) {
				if r.URL.Path != "/some/path" || took < 0 {
					t.Errorf("told of %s, %v", r.URL, took)
				}
				told <- observation{status, bytes}
			}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})))
			s := start(t, h, time.Minute, quiet)
			// POST, as the client does not send it again on a new connection when it is cut.
			r, err := http.Post(s.url+"/some/path", "text/plain", strings.NewReader("x"))
			if got := <-told; got != c.want {
				t.Errorf("Observe told %+v, want %+v", got, c.want)
			}
			s.stop()
			if err := s.result(); err != nil {
				t.Error(err)
			}
			if c.logged != "" && !strings.Contains(log.String(), c.logged) || c.logged == "" && log.String() != "" {
				t.Errorf("logged: %s", &log)
			}
			if c.status == 0 {
				if err == nil {
					t.Errorf("the client got %s", r.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			cut := strings.Contains(c.name, "in the middle")
			if r.StatusCode != c.status || !cut && (err != nil || string(body) != c.body) || cut && err == nil {
				t.Errorf("the client got %s, %q, %v", r.Status, body, err)
			}
			if c.status == 500 && (r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("Content-Encoding") != "") {
				t.Errorf("the header of an apology is %v", r.Header)
			}
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(b) // never fails
	return b
}

// TestFiles sends files as downloads are sent, around the size of the pieces they go in.
func TestFiles(t *testing.T) {
	const chunk = httpserver.StallChunk
	dir := t.TempDir()
	told := make(chan observation, 1)
	files := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(filepath.Join(dir, filepath.Base(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		switch {
		case strings.HasPrefix(r.URL.Path, "/copy/"):
			_, err = io.Copy(w, f)
		case strings.HasPrefix(r.URL.Path, "/plain/"): // a reader that is nothing but one
			_, err = io.Copy(w, struct{ io.Reader }{f})
		case strings.HasPrefix(r.URL.Path, "/limited/"): // the limit lies behind the end
			_, err = io.Copy(w, io.LimitReader(f, 1<<40))
		default:
			w.Header().Set("Content-Type", "application/vnd.olpc-sugar")
			http.ServeContent(w, r, "", time.Time{}, f)
		}
		if err != nil {
			t.Error(err)
		}
	})
	s := start(t, httpserver.Observe(files, func(r *http.Request, status int, bytes int64, took time.Duration) {
		told <- observation{status, bytes}
	}, quiet), time.Minute, quiet)
	for _, size := range []int{0, 1, 511, 512, 513, chunk - 1, chunk, chunk + 1, chunk + 512, 2 * chunk, 3*chunk + 17} {
		content := noise(size)
		name := fmt.Sprint(size)
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, way := range []string{"content", "copy", "plain", "limited"} {
			r := get(t, s.url+"/"+way+"/"+name)
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s %d: %d bytes, %v; they are not the file's", way, size, len(got), err)
			}
			if o := <-told; o != (observation{200, int64(size)}) {
				t.Errorf("%s %d: Observe told %+v", way, size, o)
			}
		}
		for _, span := range []struct{ from, to int }{{0, 0}, {0, chunk - 1}, {0, chunk}, {1, chunk}, {chunk - 1, chunk}, {chunk, 2*chunk - 1}, {17, 2*chunk + 16}, {size - 1, size - 1}, {size / 2, size - 1}} {
			if span.from < 0 || span.to >= size || span.from > span.to {
				continue
			}
			status, got := ranged(t, s.url+"/content/"+name, fmt.Sprintf("bytes=%d-%d", span.from, span.to))
			if status != http.StatusPartialContent || !bytes.Equal(got, content[span.from:span.to+1]) {
				t.Errorf("%d, range %v: status %d, %d bytes; they are not the file's", size, span, status, len(got))
			}
			if o := <-told; o != (observation{206, int64(span.to - span.from + 1)}) {
				t.Errorf("%d, range %v: Observe told %+v", size, span, o)
			}
		}
	}
	if status, _ := ranged(t, s.url+"/content/513", "bytes=513-"); status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: status %d", status)
	}
	<-told
}

func ranged(t *testing.T, url, span string) (status int, body []byte) {
	t.Helper()
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Range", span)
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err = io.ReadAll(r.Body); err != nil {
		t.Error(err)
	}
	return r.StatusCode, body
}

// TestSeveralRanges: the parts of a multipart answer go through one writer one after the other.
func TestSeveralRanges(t *testing.T) {
	const chunk = httpserver.StallChunk
	content := noise(3 * chunk)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.olpc-sugar")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}), time.Minute, quiet)
	q, err := http.NewRequest("GET", s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Range", fmt.Sprintf("bytes=0-4,%d-%d,%d-%d", chunk-3, chunk+3, 10, chunk+10))
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	for _, want := range [][]byte{content[:5], content[chunk-3 : chunk+4], content[10 : chunk+11]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; they are not the file's", p.Header.Get("Content-Range"), len(got), err)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
}
