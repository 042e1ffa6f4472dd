package sendfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// stored writes a file of n bytes that are not all alike.
func stored(t testing.TB, n int) (path string, data []byte) {
	t.Helper()
	data = make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, data
}

// A meter counts the bytes that connections are given to copy from files by themselves.
type meter struct {
	net.Listener
	n atomic.Int64
}

func (m *meter) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return metered{c.(*net.TCPConn), m}, nil
}

type metered struct {
	*net.TCPConn
	m *meter
}

// ReadFrom refuses to copy what is no file, so that only what the kernel copies is counted.
func (c metered) ReadFrom(r io.Reader) (int64, error) {
	src := r
	if limited, ok := r.(*io.LimitedReader); ok {
		src = limited.R
	}
	if _, ok := src.(*os.File); !ok {
		return io.Copy(struct{ io.Writer }{c.TCPConn}, r)
	}
	n, err := c.TCPConn.ReadFrom(r)
	c.m.n.Add(n)
	return n, err
}

// serve serves h, changed by change, and returns its address and what its connections copy.
func serve(t *testing.T, h http.Handler, change func(*httptest.Server)) (*httptest.Server, *meter) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	m := &meter{Listener: s.Listener}
	s.Listener = m
	s.Config.ErrorLog = nil
	if change != nil {
		change(s)
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, m
}

func secure(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

func get(t *testing.T, s *httptest.Server, rng string) (*http.Response, []byte, error) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rng != "" {
		q.Header.Set("Range", rng)
	}
	resp, err := s.Client().Do(q)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// TestTheKernelCopies a file, whole or a part of it, and is not asked to where it cannot.
func TestTheKernelCopies(t *testing.T) {
	const size = 1 << 20
	path, data := stored(t, size)
	var hide, began atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		var file fs.File = f
		if hide.Load() == 1 {
			file = struct {
				fs.File
				io.ReaderAt
			}{f, f}
		}
		c, err := New(file, size)
		if err != nil {
			t.Error(err)
			return
		}
		c.OnBegin(func() { began.Add(1) })
		w.Header().Set("Content-Type", "application/octet-stream")
		if err := c.Serve(w, r, time.Unix(1e9, 0)); err != nil {
			t.Error(err)
		}
	})
	plain, counted := serve(t, h, nil)
	tls, _ := serve(t, h, secure)
	for _, tt := range []struct {
		name   string
		server *httptest.Server
		rng    string
		hide   int64
		want   []byte
		least  int64 // copied by the kernel: all but what net/http looks at first
		most   int64
		began  int64
	}{
		{"whole", plain, "", 0, data, size - 1024, size, 1},
		{"a part", plain, "bytes=1000-600000", 0, data[1000:600001], 599001 - 1024, 599001, 0},
		{"to the end", plain, "bytes=900000-", 0, data[900000:], size - 900000 - 1024, size - 900000, 0},
		{"the beginning", plain, "bytes=0-9", 0, data[:10], 0, 10, 1},
		{"a unit nobody knows", plain, "lines=1-2", 0, data, size - 1024, size, 1},
		{"no file of the system", plain, "", 1, data, 0, 0, 1},
		{"http/2", tls, "", 0, data, 0, 0, 1},
	} {
		counted.n.Store(0)
		began.Store(0)
		hide.Store(tt.hide)
		_, got, err := get(t, tt.server, tt.rng)
		if err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		}
		if n := counted.n.Load(); n < tt.least || n > tt.most {
			t.Errorf("%s: the kernel copied %d bytes, want %d to %d", tt.name, n, tt.least, tt.most)
		}
		if n := began.Load(); n != tt.began {
			t.Errorf("%s: it began %d times, want %d", tt.name, n, tt.began)
		}
	}
	resp, got, err := get(t, plain, "bytes=0-9,100-109")
	if err != nil || resp.StatusCode != http.StatusPartialContent || !bytes.Contains(got, data[100:110]) {
		t.Errorf("several ranges: %v %v", resp, err)
	}
}

// unsized takes the length out of an answer, as a writer that compresses would.
type unsized struct{ http.ResponseWriter }

func (u unsized) WriteHeader(status int) {
	u.Header().Del("Content-Length")
	u.ResponseWriter.WriteHeader(status)
}

func (u unsized) ReadFrom(r io.Reader) (int64, error) { return io.Copy(u.ResponseWriter, r) }

// TestAShortFileNeverLooksWhole, whatever the protocol: one that lost its end after it was opened.
func TestAShortFileNeverLooksWhole(t *testing.T) {
	const size, left = 1 << 20, 700_000
	for _, how := range []struct {
		name string
		hide bool // the length
		tls  bool
	}{{"http/1.1 with a length", false, false}, {"http/1.1 in chunks", true, false}, {"http/2 with a length", false, true}, {"http/2 without", true, true}} {
		for _, kernel := range []bool{true, false} {
			for _, rng := range []string{"", "bytes=600000-800000", "bytes=0-9,600000-800000"} {
				path, _ := stored(t, size)
				var fault atomic.Pointer[error]
				start := func(s *httptest.Server) { s.Start() }
				if how.tls {
					start = secure
				}
				s, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					f, err := os.Open(path)
					if err != nil {
						t.Error(err)
						return
					}
					defer f.Close()
					var file fs.File = f
					if !kernel {
						file = struct {
							fs.File
							io.ReaderAt
						}{f, f}
					}
					c, err := New(file, size)
					if err != nil {
						t.Error(err)
						return
					}
					if err := os.Truncate(path, left); err != nil {
						t.Error(err)
						return
					}
					if how.hide {
						w = unsized{w}
					}
					w.Header().Set("Content-Type", "application/octet-stream")
					err = c.Serve(w, r, time.Time{})
					fault.Store(&err)
					if err != nil {
						panic(http.ErrAbortHandler)
					}
				}), start)
				_, got, err := get(t, s, rng)
				if err == nil {
					t.Errorf("%s, %q, by the kernel %v: %d bytes look whole", how.name, rng, kernel, len(got))
				}
				s.Close() // the handler has ended
				if why := fault.Load(); why == nil || !errors.Is(*why, io.ErrUnexpectedEOF) {
					t.Errorf("%s, %q, by the kernel %v: the fault is %v", how.name, rng, kernel, why)
				}
			}
		}
	}
}

// TestAClientThatLeavesIsNoFault of the file.
func TestAClientThatLeavesIsNoFault(t *testing.T) {
	const size = 32 << 20 // more than sockets hold
	path, _ := stored(t, size)
	left := make(chan struct{})
	ended := make(chan error, 1)
	s, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			ended <- err
			return
		}
		defer f.Close()
		c, err := New(f, size)
		if err == nil {
			c.OnBegin(func() { <-left })
			err = c.Serve(w, r, time.Time{})
		}
		ended <- err
	}), nil)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	close(left)
	if err := <-ended; err != nil {
		t.Errorf("it is told as %v", err)
	}
}

func TestNew(t *testing.T) {
	path, _ := stored(t, 10)
	for _, tt := range []struct {
		name string
		file func(*os.File) fs.File
		size int64
		want string
	}{
		{"as it should be", func(f *os.File) fs.File { return f }, 10, ""},
		{"another size", func(f *os.File) fs.File { return f }, 11, "10 bytes, not the 11"},
		{"no offsets", func(f *os.File) fs.File { return struct{ fs.File }{f} }, 10, "at an offset"},
		{"closed", func(f *os.File) fs.File { f.Close(); return f }, 10, "closed"},
	} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(tt.file(f), tt.size)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		f.Close()
	}
}

func TestSeek(t *testing.T) {
	c := &Content{at: bytes.NewReader([]byte("0123456789")), size: 10}
	for _, test := range []struct {
		offset int64
		whence int
		want   int64
	}{{3, io.SeekStart, 3}, {2, io.SeekCurrent, 5}, {-1, io.SeekEnd, 9}, {0, io.SeekEnd, 10}} {
		if got, err := c.Seek(test.offset, test.whence); got != test.want || err != nil {
			t.Errorf("%+v: %d, %v", test, got, err)
		}
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := c.Seek(-1, io.SeekStart); err == nil {
		t.Error("a negative offset is accepted")
	}
}
