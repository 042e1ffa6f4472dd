package filehttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// A gate is a handler that can be made to behave otherwise.
type gate struct {
	http.Handler
	mu    sync.Mutex
	other func(w http.ResponseWriter, r *http.Request) bool // reports whether it has answered; nil: never
	asked []string
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, strings.TrimSpace(r.Method+" "+r.Header.Get("Range")))
	other := g.other
	g.mu.Unlock()
	if other == nil || !other(w, r) {
		g.Handler.ServeHTTP(w, r)
	}
}

func (g *gate) set(other func(http.ResponseWriter, *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.other = other
}

func (g *gate) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := g.asked
	g.asked = nil
	return asked
}

func status(n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(n); return true }
}

// elsewhere serves files as another machine, under /files/.
func elsewhere(t testing.TB, o Options) (*gate, *httptest.Server) {
	t.Helper()
	g := &gate{Handler: handler(t, o)}
	s := httptest.NewServer(http.StripPrefix("/files", g))
	t.Cleanup(s.Close)
	return g, s
}

func remote(t testing.TB, o *RemoteOptions, servers ...*httptest.Server) *Remote {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL+"/files/")
	}
	r, err := NewRemote(o, urls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

type seekable interface {
	fs.File
	io.ReaderAt
	io.Seeker
}

func mustOpen(t testing.TB, r *Remote, name string) seekable {
	t.Helper()
	f, err := r.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f.(seekable)
}

// TestRemote reads files as they are, with few requests.
func TestRemote(t *testing.T) {
	data, small := random(streamSize+300_000), random(1000)
	s, _ := store(t, map[string][]byte{named(data): data, "public/a": small, "public/empty": nil})
	g, server := elsewhere(t, Options{Store: s})
	r := remote(t, nil, server)

	f := mustOpen(t, r, named(data))
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(data)) || info.ModTime().IsZero() || !info.Mode().IsRegular() || info.IsDir() || info.Name() != filepath.Base(named(data)) || info.Sys() != nil {
		t.Errorf("%v %v", info, err)
	}
	// As it is served: a byte of it, then all in order.
	if n, err := f.ReadAt(make([]byte, 1), 0); n != 1 || err != nil {
		t.Errorf("the first byte: %d %v", n, err)
	}
	got, err := io.ReadAll(struct{ io.Reader }{f})
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("in order: %d bytes, %v", len(got), err)
	}
	want := []string{"HEAD", "GET bytes=0-65535", "GET bytes=65536-8454143", "GET bytes=8454144-8688607"}
	if diff := cmp.Diff(want, g.take()); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
	for _, name := range []string{"public/a", "public/empty"} {
		f := mustOpen(t, r, name)
		got, err := io.ReadAll(f)
		if err != nil || len(got) != map[string]int{"public/a": 1000, "public/empty": 0}[name] {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s at its end: %d %v", name, n, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed file: %v", err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// TestRemoteIsAFile: whatever is read where, it is what a file of the system gives.
func TestRemoteIsAFile(t *testing.T) {
	data := random(300_000)
	s, _ := store(t, map[string][]byte{named(data): data})
	_, server := elsewhere(t, Options{Store: s})
	r := remote(t, nil, server)
	rapid.Check(t, func(rt *rapid.T) {
		f, err := r.Open(context.Background(), named(data))
		if err != nil {
			rt.Fatal(err)
		}
		defer f.Close()
		file, model := f.(seekable), bytes.NewReader(data)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			n := rapid.SampledFrom([]int{0, 1, 100, 32 << 10, pieceSize, 100_000}).Draw(rt, "bytes")
			off := rapid.Int64Range(-1, int64(len(data))+10).Draw(rt, "offset")
			a, b := make([]byte, n), make([]byte, n)
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				k, err := io.ReadFull(file, a)
				wantK, wantErr := io.ReadFull(model, b)
				if k != wantK || err != wantErr || !bytes.Equal(a, b) {
					rt.Fatalf("reading %d: %d %v, want %d %v", n, k, err, wantK, wantErr)
				}
			case 1:
				k, err := file.ReadAt(a, off)
				if off < 0 {
					if err == nil && n > 0 {
						rt.Fatal("a negative offset is read")
					}
					continue
				}
				wantK, wantErr := model.ReadAt(b, off)
				if n == 0 {
					continue // the two may differ about the end
				}
				if k != wantK || err != wantErr || !bytes.Equal(a, b) {
					rt.Fatalf("reading %d at %d: %d %v, want %d %v", n, off, k, err, wantK, wantErr)
				}
			default:
				whence := rapid.IntRange(-1, 3).Draw(rt, "whence")
				k, err := file.Seek(off-5, whence)
				wantK, wantErr := model.Seek(off-5, whence)
				if k != wantK || (err == nil) != (wantErr == nil) {
					rt.Fatalf("seeking %d from %d: %d %v, want %d %v", off-5, whence, k, err, wantK, wantErr)
				}
			}
		}
	})
}

// TestRemoteFailsOver to a mirror that has the same file, when it is opened and in the middle of it.
func TestRemoteFailsOver(t *testing.T) {
	data := random(400_000)
	name := named(data)
	s1, _ := store(t, map[string][]byte{name: data})
	s2, _ := store(t, map[string][]byte{name: data})
	one, first := elsewhere(t, Options{Store: s1})
	two, second := elsewhere(t, Options{Store: s2})
	broken := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			w.Header().Set("Etag", `"`+filepath.Base(name)+`"`)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %s/%d", strings.TrimPrefix(r.Header.Get("Range"), "bytes="), len(data)))
			w.Header().Set("Content-Length", "50000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[:20_000])
			panic(http.ErrAbortHandler)
		}
		return false
	}
	for _, tt := range []struct {
		name   string
		one    func(http.ResponseWriter, *http.Request) bool
		two    func(http.ResponseWriter, *http.Request) bool
		wanted error
	}{
		{"both are well", nil, nil, nil},
		{"the first is away", status(502), nil, nil},
		{"the first has it not", status(404), nil, nil},
		{"the first breaks off", broken, nil, nil},
		{"both are away", status(503), status(403), nfsstore.ErrUnavailable},
		{"one has it not, the other is away", status(404), status(503), nfsstore.ErrUnavailable},
		{"none has it", status(404), status(404), fs.ErrNotExist},
		{"both break off", broken, broken, nfsstore.ErrUnavailable},
	} {
		r := remote(t, nil, first, second)
		one.set(tt.one)
		two.set(tt.two)
		f, err := r.Open(t.Context(), name)
		if err == nil {
			var got []byte
			got, err = io.ReadAll(f)
			if err == nil && !bytes.Equal(got, data) {
				t.Errorf("%s: other bytes", tt.name)
			}
			f.Close()
		}
		if !errors.Is(err, tt.wanted) || (err == nil) != (tt.wanted == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.wanted)
		}
		if tt.wanted == nfsstore.ErrUnavailable && errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is taken for a file that does not exist", tt.name, err)
		}
	}
	// One that cannot be reached is asked last for a while.
	one.set(nil)
	two.set(nil)
	r := remote(t, nil, first, second)
	first.Close()
	mustOpen(t, r, name)
	if order := r.order(); order[0] != r.mirrors[1] {
		t.Error("a machine that is away is asked first again")
	}
}

// TestRemoteNeverMixes two files under one name.
func TestRemoteNeverMixes(t *testing.T) {
	data := random(400_000)
	other := bytes.Clone(data)
	other[len(other)-1] ^= 1
	var tagged atomic.Bool
	s, dir := store(t, nil)
	sum := func(context.Context, string) ([]byte, error) {
		if !tagged.Load() {
			return nil, nil
		}
		now, err := os.ReadFile(filepath.Join(dir, "a"))
		return sumOf(now), err
	}
	_, server := elsewhere(t, Options{Store: s, Sum: sum})
	r := remote(t, nil, server)
	for _, tags := range []bool{true, false} {
		tagged.Store(tags)
		if err := os.WriteFile(filepath.Join(dir, "a"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Unix(1e9, 0)
		if err := os.Chtimes(filepath.Join(dir, "a"), old, old); err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, r, "a")
		if n, err := f.Read(make([]byte, 100)); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a"), other, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); !errors.Is(err, nfsstore.ErrChanged) {
			t.Errorf("with tags %v: %d bytes, %v", tags, len(got), err)
		}
	}
}

// TestRemoteVerifies: a mirror that is damaged and does not know it gives nobody a whole file.
func TestRemoteVerifies(t *testing.T) {
	data := random(400_000)
	name := named(data)
	s, dir := store(t, map[string][]byte{name: data})
	flip(t, filepath.Join(dir, filepath.FromSlash(name)), true)
	g, server := elsewhere(t, Options{Store: s})
	r := remote(t, nil, server)
	f := mustOpen(t, r, name)
	for range 2 {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); !errors.Is(err, nfsstore.ErrCorrupt) || len(got) >= len(data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	// One that says another sum than the name is not read at all.
	g.set(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Etag", `"`+strings.Repeat("00", 32)+`"`)
		w.Header().Set("Content-Length", "3")
		return true
	})
	if _, err := r.Open(t.Context(), name); !errors.Is(err, nfsstore.ErrUnavailable) || !strings.Contains(err.Error(), "differs from what was declared") {
		t.Errorf("another sum: %v", err)
	}
	g.set(nil)
	if _, err := r.OpenSum(t.Context(), name, sumOf(nil)); !errors.Is(err, nfsstore.ErrUnavailable) {
		t.Errorf("another sum is wanted: %v", err)
	}
	if _, err := r.OpenSum(t.Context(), name, []byte("short")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("no sum: %v", err)
	}
	// Where the handler verifies, the mirror has none to give.
	_, careful := elsewhere(t, Options{Store: s, Verifier: verifier(t, nil)})
	if _, err := remote(t, nil, careful).Open(t.Context(), name); !errors.Is(err, nfsstore.ErrUnavailable) {
		t.Errorf("a damaged file of a careful mirror: %v", err)
	}
}

// TestRemoteIsBoundedInTime: a mirror that says nothing more holds nobody up, nor does closing.
func TestRemoteIsBoundedInTime(t *testing.T) {
	data := random(400_000)
	name := named(data)
	s, _ := store(t, map[string][]byte{name: data})
	g, server := elsewhere(t, Options{Store: s})
	hang := make(chan struct{})
	stuck := func(after bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				return false
			}
			if after {
				w.Header().Set("Etag", `"`+filepath.Base(name)+`"`)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %s/%d", strings.TrimPrefix(r.Header.Get("Range"), "bytes="), len(data)))
				w.WriteHeader(http.StatusPartialContent)
				w.Write(data[:1000])
				http.NewResponseController(w).Flush()
			}
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return true
		}
	}
	for _, after := range []bool{false, true} {
		g.set(stuck(after))
		f := mustOpen(t, remote(t, &RemoteOptions{Timeout: 200 * time.Millisecond}, server), name)
		if n, err := f.ReadAt(make([]byte, len(data)), 0); n != 0 || !errors.Is(err, nfsstore.ErrUnavailable) {
			t.Errorf("stuck after the header %v: %d %v", after, n, err)
		}
	}
	f := mustOpen(t, remote(t, &RemoteOptions{Timeout: time.Hour}, server), name)
	g.take()
	done := make(chan error)
	go func() { _, err := f.ReadAt(make([]byte, len(data)), 0); done <- err }()
	for len(g.take()) == 0 {
		select {
		case err := <-done:
			t.Fatalf("it did not hang: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a read that was under way succeeds after Close")
	}
	close(hang)
}

// How long a machine is asked last does not depend on the clock, which may be set back by years.
func TestRemoteAvoidsWhateverTheClockSays(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	r := remote(t, nil, gone)
	if _, err := r.Open(t.Context(), "a"); !errors.Is(err, nfsstore.ErrUnavailable) {
		t.Fatal(err)
	}
	if until := r.mirrors[0].avoid.Load(); until == nil || !strings.Contains(until.String(), " m=") {
		t.Errorf("until %v by the clock on the wall", until)
	}
}

func TestNewRemoteMistakes(t *testing.T) {
	if _, err := NewRemote(nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("no mirror: %v", err)
	}
	_, err := NewRemote(&RemoteOptions{Timeout: -1}, "ftp://a/", "http://", "http://a/?x", "http://u:secret@a/", "http://good/x", "http://u:secret@a/%zz")
	for _, want := range []string{"Timeout", "ftp://a/", "http:///", "http://a/?x", "http://u:xxxxx@a/", "number 6"} {
		want = strings.TrimSuffix(want, "//") // as %q writes it
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "good") || strings.Contains(err.Error(), "secret")) {
		t.Errorf("%v tells of an address without fault, or of a password", err)
	}
	r, err := NewRemote(nil, "http://a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(t.Context(), "../a"); !errors.Is(err, nfsstore.ErrName) {
		t.Errorf("a name that leads out: %v", err)
	}
}
