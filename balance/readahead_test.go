package balance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// noise is bytes of which no two parts are alike.
func noise(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// narrow starts a server whose connections hold little, so that a client that does not read is felt.
func narrow(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = discardLog
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if err := c.(*net.TCPConn).SetWriteBuffer(128 << 10); err != nil {
			t.Error(err)
		}
		return ctx
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// lazy connects a client that sends a request and reads nothing by itself.
func lazy(t testing.TB, s *httptest.Server, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	return c
}

func read(c net.Conn) (body []byte, err error) {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// until waits for what comes by itself.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		if t.Context().Err() != nil {
			t.Fatal(what)
		}
		runtime.Gosched()
	}
}

// brokenFile is a file on a disk that becomes full after some bytes.
type brokenFile struct {
	spoolFile
	left int
}

func (f *brokenFile) WriteAt(p []byte, at int64) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if _, err := f.spoolFile.WriteAt(p[:n], at); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func fullDisk(room int) func(string) (spoolFile, error) {
	return func(folder string) (spoolFile, error) {
		f, err := openSpool(folder)
		return &brokenFile{f, room}, err
	}
}

// TestReadAhead: a backend is free as soon as there is room for the rest of its answer, although the client
// has read nothing, and the answer is the same however it was held.
func TestReadAhead(t *testing.T) {
	const size = 3 << 20
	page := noise(size)
	length := func(w http.ResponseWriter, n int) { w.Header().Set("Content-Length", fmt.Sprint(n)) }
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			length(w, size)
			w.Write(page)
		case "/stream":
			w.Header().Set("X-Accel-Buffering", "no")
			length(w, size)
			w.Write(page)
		case "/chunked":
			w.Write(page)
		case "/drops":
			for p := range bytes.SplitSeq(page[:size/2], []byte("x")) {
				w.Write(p)
				w.(http.Flusher).Flush()
			}
		case "/broken":
			length(w, size)
			w.Write(page[:size/2])
			panic(http.ErrAbortHandler)
		}
	}))
	none := func(string) (spoolFile, error) { return nil, os.ErrPermission }
	for name, tt := range map[string]struct {
		path   string
		o      BodyOptions
		open   func(string) (spoolFile, error)
		leaves bool // while the client reads nothing
		spills bool
		want   []byte
		err    error
		errors uint64
	}{
		"memory":            {"/length", BodyOptions{PerAnswer: 4 << 20}, nil, true, false, page, nil, 0},
		"file":              {"/length", BodyOptions{}, nil, true, true, page, nil, 0},
		"chunked":           {"/chunked", BodyOptions{PerAnswer: 64 << 10}, nil, true, true, page, nil, 0},
		"drops":             {"/drops", BodyOptions{PerAnswer: 64 << 10}, nil, true, true, bytes.ReplaceAll(page[:size/2], []byte("x"), nil), nil, 0},
		"no files":          {"/length", BodyOptions{SpoolMax: -1}, nil, false, false, page, nil, 0},
		"little disk":       {"/length", BodyOptions{SpoolMax: 1 << 20}, nil, false, true, page, nil, 0},
		"little memory":     {"/length", BodyOptions{Memory: 1 << 20, PerAnswer: 8 << 20, SpoolMax: -1}, nil, false, false, page, nil, 0},
		"no file":           {"/length", BodyOptions{}, none, false, false, page, nil, 1},
		"disk becomes full": {"/length", BodyOptions{}, fullDisk(1_000_001), false, true, page, nil, 1},
		"not wanted":        {"/stream", BodyOptions{}, nil, false, false, page, nil, 0},
		"off":               {"/length", BodyOptions{Memory: -1}, nil, false, false, page, nil, 0},
		"broken":            {"/broken", BodyOptions{}, nil, true, true, page[:size/2], io.ErrUnexpectedEOF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Spool = t.TempDir()
			b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Bodies: tt.o})
			if tt.open != nil {
				b.bodies.open = tt.open
			}
			c := lazy(t, narrow(t, b), tt.path)
			until(t, "the backend is not asked", func() bool { return b.Stats().Requests == 1 })
			if tt.leaves {
				if err := b.Drain(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				if s := b.Stats().Bodies; s.Memory+s.Spool == 0 || s.Ahead != 1 {
					t.Errorf("it holds %+v", s)
				}
			}
			if tt.spills {
				until(t, "no file is made", func() bool { return b.Stats().Bodies.Spilled == 1 })
			}
			if tt.errors > 0 {
				until(t, "no file fails", func() bool { return b.Stats().Bodies.SpoolErrors == tt.errors })
			}
			if files, err := os.ReadDir(tt.o.Spool); len(files) != 0 || err != nil {
				t.Errorf("there are files: %v, %v", files, err)
			}
			got, err := read(c)
			if !errors.Is(err, tt.err) || !bytes.Equal(got[:min(len(got), len(tt.want))], tt.want[:min(len(got), len(tt.want))]) || err == nil && len(got) != len(tt.want) {
				t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(tt.want), tt.err)
			}
			until(t, "something is still held", func() bool { s := b.Stats().Bodies; return s.Memory == 0 && s.Spool == 0 })
			if s := b.Stats(); s.Bodies.SpoolErrors != tt.errors || (s.Bodies.Spilled == 1) != tt.spills {
				t.Errorf("%+v", s)
			}
			if s := b.Stats().Bodies; s.Ahead != 0 && (tt.path == "/stream" || tt.o.Memory < 0) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestReadAheadEnds: what is held for a client goes with it, also while the backend still sends.
func TestReadAheadEnds(t *testing.T) {
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(noise(2 << 20))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, nil)
	c := lazy(t, narrow(t, b), "/")
	until(t, "nothing is read ahead", func() bool { return b.Stats().Bodies.Spool > 1<<20 })
	c.Close()
	until(t, "something is still held", func() bool { s := b.Stats().Bodies; return s.Memory == 0 && s.Spool == 0 })
	if err := b.Drain(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if s := b.Snapshot()[0]; s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

// TestReadAheadCatchesUp: a client that was slow for a while streams again.
func TestReadAheadCatchesUp(t *testing.T) {
	page, more := noise(1<<20), make(chan struct{})
	back := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(page)
		for range 3 {
			io.WriteString(w, "data")
			w.(http.Flusher).Flush()
			<-more
		}
	}))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, nil)
	c := lazy(t, narrow(t, b), "/")
	until(t, "nothing is read ahead", func() bool { return b.Stats().Bodies.Ahead == 1 })
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(page))
	if _, err := io.ReadFull(res.Body, got); err != nil || !bytes.Equal(got, page) {
		t.Fatal("the page is wrong", err)
	}
	for range 3 {
		if _, err := io.ReadFull(res.Body, got[:4]); err != nil || string(got[:4]) != "data" {
			t.Fatalf("%q, %v", got[:4], err)
		}
		more <- struct{}{}
	}
	if _, err := res.Body.Read(got); err != io.EOF {
		t.Error(err)
	}
}

// pipes is a listener for connections that hold nothing at all.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// pages is a transport to a backend that answers with a page.
type pages []byte

func (p pages) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: make(http.Header), ContentLength: int64(len(p)), Body: io.NopCloser(bytes.NewReader(p)), Request: r}, nil
}

// TestMemoryIsBounded: a thousand slow clients take no more than one allowance.
func TestMemoryIsBounded(t *testing.T) {
	page := noise(100_000)
	b := mustNew(t, []Backend{{Name: "a", URL: "http://a"}}, &Options{Transport: pages(page), Bodies: BodyOptions{Memory: 2 << 20, SpoolMax: 20 << 20}})
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	front := &http.Server{Handler: b, ErrorLog: discardLog}
	served := make(chan error, 1)
	go func() { served <- front.Serve(l) }()
	defer func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	}()
	clients := make([]net.Conn, 1000)
	for i := range clients {
		var c net.Conn
		clients[i], c = net.Pipe()
		l.conns <- c
		if _, err := io.WriteString(clients[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the memory is not used", func() bool { return b.Stats().Bodies.Memory > 2<<20-bufferSize })
	stop := make(chan struct{})
	var all, watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if s := b.Stats().Bodies; s.Memory > 2<<20 || s.Spool > 20<<20 {
				t.Errorf("%+v", s)
				return
			}
			runtime.Gosched()
		}
	})
	for _, c := range clients {
		all.Go(func() {
			if got, err := read(c); err != nil || !bytes.Equal(got, page) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			c.Close()
		})
	}
	all.Wait()
	close(stop)
	watch.Wait()
	until(t, "something is still held", func() bool { s := b.Stats().Bodies; return s.Memory == 0 && s.Spool == 0 })
}

func TestBodyOptions(t *testing.T) {
	_, err := New(nil, &Options{Bodies: BodyOptions{Memory: 1, PerAnswer: -1, PerUpload: 5, SpoolMax: -2, Spool: "/dev/null"}})
	want := `balance: Options.Bodies.Memory is 1; it must be at least 1048576 bytes, -1 for none, or 0 for 67108864
balance: Options.Bodies.PerAnswer is -1; it must be at least 65536 bytes, or 0 for 262144
balance: Options.Bodies.PerUpload is 5; it must be at least 65536 bytes, or 0 for 1048576
balance: Options.Bodies.SpoolMax is -2; it must be at least 1048576 bytes, -1 for none, or 0 for 1073741824`
	if diff := cmp.Diff(want, reason(err)); diff != "" {
		t.Error(diff)
	}
	if _, err := New(nil, &Options{Bodies: BodyOptions{Spool: "/dev/null"}}); err == nil {
		t.Error("a spool that is no folder is taken")
	}
}
