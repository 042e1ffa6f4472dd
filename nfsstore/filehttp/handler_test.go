package filehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/nfsstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// random returns n bytes that are not all alike.
func random(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 ^ i>>8 ^ i>>16)
	}
	return data
}

// named returns the name that content has by its sum.
func named(data []byte) string {
	sum := sha256.Sum256(data)
	return fmt.Sprintf("uploads/sha256/%x/%x", sum[:1], sum)
}

// store opens a store in a new folder, with these files.
func store(t testing.TB, files map[string][]byte) (*nfsstore.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := nfsstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, data := range files {
		if err := s.Put(t.Context(), name, bytes.NewReader(data), int64(len(data)), nil); err != nil {
			t.Fatal(err)
		}
	}
	return s, dir
}

func handler(t testing.TB, o Options) *Handler {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func verifier(t testing.TB, o *VerifierOptions) *Verifier {
	t.Helper()
	v, err := NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

func TestHandler(t *testing.T) {
	data := random(5000)
	byName := named(data)
	sum := byName[strings.LastIndex(byName, "/")+1:]
	s, _ := store(t, map[string][]byte{byName: data, "public/files/1/a-1.xo": data, "public/empty": nil})
	h := handler(t, Options{
		Store: s,
		ContentType: func(name string) string {
			if strings.HasSuffix(name, ".xo") {
				return "application/vnd.olpc-sugar"
			}
			return ""
		},
		Disposition: func(name string) string {
			if strings.HasSuffix(name, ".xo") {
				return "attachment"
			}
			return ""
		},
	})
	tag := `"` + sum + `"`
	made := ask(h, "HEAD", "/public/files/1/a-1.xo").Header().Get("Last-Modified")
	if made == "" {
		t.Error("a file has no date")
	}
	for _, tt := range []struct {
		name, method, path string
		header             []string
		status             int
		body               []byte
		want               map[string]string
	}{
		{"by sum", "GET", byName, nil, 200, data, map[string]string{"Etag": tag, "Cache-Control": cacheForever, "Content-Type": "application/octet-stream",
			"Content-Length": "5000", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Content-Disposition": ""}},
		{"head", "HEAD", byName, nil, 200, nil, map[string]string{"Etag": tag, "Content-Length": "5000"}},
		{"by name", "GET", "public/files/1/a-1.xo", nil, 200, data, map[string]string{"Etag": "", "Cache-Control": cacheAsk, "Content-Type": "application/vnd.olpc-sugar", "Content-Disposition": "attachment"}},
		{"empty", "GET", "public/empty", nil, 200, nil, map[string]string{"Content-Length": "0"}},
		{"range", "GET", byName, []string{"Range", "bytes=10-19"}, 206, data[10:20], map[string]string{"Content-Range": "bytes 10-19/5000", "Etag": tag}},
		{"same", "GET", byName, []string{"Range", "bytes=10-19", "If-Range", tag}, 206, data[10:20], nil},
		{"other", "GET", byName, []string{"Range", "bytes=10-19", "If-Range", `"x"`}, 200, data, nil},
		{"outside", "GET", byName, []string{"Range", "bytes=5000-"}, 416, nil, map[string]string{"Content-Range": "bytes */5000"}},
		{"other unit", "GET", byName, []string{"Range", "pages=1"}, 200, data, nil},
		{"known", "GET", byName, []string{"If-None-Match", tag}, 304, nil, map[string]string{"Etag": tag, "Cache-Control": cacheForever}},
		{"since", "GET", "public/files/1/a-1.xo", []string{"If-Modified-Since", made}, 304, nil, nil},
		{"mismatch", "GET", byName, []string{"If-Match", `"x"`}, 412, nil, nil},
		{"absent", "GET", "public/none", nil, 404, nil, map[string]string{"Cache-Control": "no-store", "Retry-After": "", "Content-Type": "text/plain; charset=utf-8"}},
		{"a folder", "GET", "public/files", nil, 404, nil, nil},
		{"out", "GET", "public/../../etc/passwd", nil, 404, nil, nil},
		{"hidden", "GET", ".nfsstore", nil, 404, nil, nil},
		{"nothing", "GET", "", nil, 404, nil, nil},
		{"posted", "POST", byName, nil, 405, nil, map[string]string{"Allow": "GET, HEAD", "X-Content-Type-Options": "nosniff"}},
		{"deleted", "DELETE", byName, nil, 405, nil, nil},
	} {
		w := ask(h, tt.method, "/"+tt.path, tt.header...)
		if w.Code != tt.status || tt.status < 300 && !bytes.Equal(w.Body.Bytes(), tt.body) {
			t.Errorf("%s: status %d, want %d, %d bytes", tt.name, w.Code, tt.status, w.Body.Len())
		}
		for name, want := range tt.want {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", tt.name, name, got, want)
			}
		}
	}
}

func TestNewMistakes(t *testing.T) {
	_, err := New(Options{Accel: "accel"})
	if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "Store") || !strings.Contains(err.Error(), "Accel") {
		t.Errorf("%v", err)
	}
}

func TestNamedSum(t *testing.T) {
	hex := strings.Repeat("ab", sha256.Size)
	for name, want := range map[string]bool{
		"uploads/sha256/ab/" + hex: true, "sha256/ab/" + hex: true, "icons/sha256/ab/" + hex + ".svg": true, "icons/sha256/ab/" + hex + "x": false,
		"uploads/sha256/ac/" + hex: false, "uploads/xsha256/ab/" + hex: false, "uploads/sha256/ab/" + strings.ToUpper(hex): false,
		"sha256/" + hex: false, "sha256/ab/" + hex[2:]: false, "sha256/zz/" + strings.Repeat("z", 64): false, "": false,
	} {
		if got := NamedSum(name); (got != nil) != want {
			t.Errorf("%s: %x", name, got)
		}
	}
}

// A faulty store fails to open, or gives a file that fails.
type faulty struct {
	open   error
	size   int64
	goodTo int64
	fault  error
}

func (f faulty) Open(context.Context, string) (fs.File, error) {
	if f.open != nil {
		return nil, f.open
	}
	return faultyFile{f}, nil
}

type faultyFile struct{ of faulty }

func (f faultyFile) Stat() (fs.FileInfo, error) { return faultyInfo{size: f.of.size}, nil }
func (f faultyFile) Read([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (f faultyFile) Close() error               { return nil }
func (f faultyFile) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, f.of.goodTo-off)))
	if n < len(p) {
		return n, f.of.fault
	}
	return n, nil
}

type faultyInfo struct {
	fs.FileInfo // none
	size        int64
}

func (i faultyInfo) Size() int64        { return i.size }
func (i faultyInfo) Name() string       { return "faulty" }
func (i faultyInfo) Mode() fs.FileMode  { return 0o444 }
func (i faultyInfo) ModTime() time.Time { return time.Time{} }
func (i faultyInfo) Sys() any           { return nil }

// TestTrouble before the first byte is told apart; after it, the connection breaks off.
func TestTrouble(t *testing.T) {
	for _, tt := range []struct {
		name   string
		store  faulty
		status int
	}{
		{"absent", faulty{open: fmt.Errorf("x: %w", fs.ErrNotExist)}, 404},
		{"a bad name", faulty{open: nfsstore.ErrName}, 404},
		{"away", faulty{open: nfsstore.ErrUnavailable}, 503},
		{"no permission", faulty{open: fs.ErrPermission}, 503},
		{"unreadable", faulty{size: 10, fault: errors.New("input/output error")}, 503},
	} {
		w := ask(handler(t, Options{Store: tt.store}), "GET", "/"+named(nil))
		if w.Code != tt.status || (w.Header().Get("Retry-After") != "") != (tt.status == 503) || w.Header().Get("Etag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %v", tt.name, w.Code, w.Header())
		}
	}
	for _, how := range []struct{ secure, sized bool }{{false, true}, {false, false}, {true, true}, {true, false}} {
		for _, f := range []faulty{{size: 100_000, goodTo: 99_999, fault: io.EOF}, {size: 100_000, goodTo: 1, fault: errors.New("input/output error")}} {
			h := handler(t, Options{Store: f})
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !how.sized {
					w = unsized{w}
				}
				h.ServeHTTP(w, r)
			}))
			if how.secure {
				s.EnableHTTP2 = true
				s.StartTLS()
			} else {
				s.Start()
			}
			resp, err := s.Client().Get(s.URL + "/a")
			if err == nil {
				var body []byte
				if body, err = io.ReadAll(resp.Body); err == nil {
					t.Errorf("%+v: %d bytes of %d look whole", how, len(body), f.size)
				}
				if resp.ProtoMajor == 2 != how.secure {
					t.Errorf("the protocol is %s", resp.Proto)
				}
				resp.Body.Close()
			}
			s.Close()
		}
	}
}

// unsized takes the length out of an answer, as what compresses does.
type unsized struct{ http.ResponseWriter }

func (u unsized) WriteHeader(status int) {
	u.Header().Del("Content-Length")
	u.ResponseWriter.WriteHeader(status)
}

// flip changes a byte of a file past the store, as a disk does: size and dates stay as they were.
func flip(t testing.TB, path string, keepDate bool) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if keepDate {
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADamagedFileIsNeverServed: not a byte of it, whatever is asked for, until it is repaired.
func TestADamagedFileIsNeverServed(t *testing.T) {
	data := random(300_000)
	name := named(data)
	s, dir := store(t, map[string][]byte{name: data})
	path := filepath.Join(dir, filepath.FromSlash(name))
	var mu sync.Mutex
	var told []string
	h := handler(t, Options{Store: s, Verifier: verifier(t, &VerifierOptions{Damaged: func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(err, nfsstore.ErrCorrupt) {
			t.Errorf("told of %v", err)
		}
		told = append(told, name)
	}})})
	if w := ask(h, "GET", "/"+name); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), data) {
		t.Fatalf("the good file: status %d, %d bytes", w.Code, w.Body.Len())
	}
	flip(t, path, true) // found though size and date of writing are the same
	for _, q := range [][]string{{"GET"}, {"HEAD"}, {"GET", "Range", "bytes=0-9"}, {"GET", "If-None-Match", `"x"`}} {
		w := ask(h, q[0], "/"+name, q[1:]...)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || bytes.Contains(w.Body.Bytes(), data[:8]) || w.Header().Get("Etag") != "" {
			t.Errorf("%v of a damaged file: status %d, %v", q, w.Code, w.Header())
		}
	}
	mu.Lock()
	if diff := cmp.Diff([]string{name}, told); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
	mu.Unlock()
	flip(t, path, true)
	if w := ask(h, "GET", "/"+name); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), data) {
		t.Errorf("the repaired file: status %d", w.Code)
	}
}
