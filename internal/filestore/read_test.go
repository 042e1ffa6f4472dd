package filestore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

const bundleName = "public/files/7/a-1.xo"

// files opens a main place and a copy in new folders.
func files(t testing.TB) (f *Files, main, copied string) {
	t.Helper()
	main, copied = t.TempDir(), t.TempDir()
	f, err := Open(t.Context(), Config{Main: main, Copy: copied})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, main, copied
}

func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, f fs.File, err error) ([]byte, error) {
	t.Helper()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// offered is a catalog with one version of that content.
func offered(data []byte) func(int64) *remora.Activity {
	a := &remora.Activity{ID: 7, Versions: []remora.Version{{Filename: "a-1.xo", Size: int64(len(data)), SHA256: sha256.Sum256(data)}}}
	return func(id int64) *remora.Activity {
		if id == a.ID {
			return a
		}
		return nil
	}
}

// TestReadingOrder: the copy, then the main place, then mirrors; and never what is damaged.
func TestReadingOrder(t *testing.T) {
	good := bytes.Repeat([]byte("good"), 50_000)
	bad := bytes.Clone(good)
	bad[99_999] ^= 1
	sum := sha256.Sum256(good)
	const served = remora.KindInternal // no error at all
	for _, tt := range []struct {
		name               string
		copy, main, mirror []byte // nil: absent
		mirrors            bool
		asked              bool // the mirror
		want               remora.Kind
	}{
		{"in the copy", good, nil, nil, true, false, served},
		{"in the main place", nil, good, nil, true, false, served},
		{"at a mirror", nil, nil, good, true, true, served},
		{"damaged in the copy", bad, good, bad, true, false, served},
		{"damaged here", bad, bad, good, true, true, served},
		{"too short here", good[:100], good[1:], good, true, true, served},
		{"damaged in the copy, and else absent", bad, nil, nil, false, false, remora.KindCorrupt},
		{"damaged everywhere", bad, bad, bad, true, true, remora.KindCorrupt},
		{"damaged, without mirrors", nil, bad, nil, false, false, remora.KindCorrupt},
		{"nowhere", nil, nil, nil, true, true, remora.KindNotFound},
		{"nowhere, without mirrors", nil, nil, nil, false, false, remora.KindNotFound},
	} {
		f, main, copied := files(t)
		other, elsewhere, _ := files(t)
		for dir, data := range map[string][]byte{main: tt.main, copied: tt.copy, elsewhere: tt.mirror} {
			if data != nil {
				write(t, dir, bundleName, data)
			}
		}
		h, err := other.Handler(offered(good), nil)
		if err != nil {
			t.Fatal(err)
		}
		var asked atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); h.ServeHTTP(w, r) }))
		if tt.mirrors {
			if err := f.ReadAlso(slog.New(slog.DiscardHandler), server.URL+MirrorPath); err != nil {
				t.Fatal(err)
			}
		}
		file, err := f.OpenSum(t.Context(), bundleName, int64(len(good)), sum[:])
		got, err := read(t, file, err)
		if tt.want == served && (err != nil || !bytes.Equal(got, good)) {
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		}
		if e, _ := errors.AsType[*remora.Error](err); tt.want != served && (e == nil || e.Kind != tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if (asked.Load() > 0) != tt.asked {
			t.Errorf("%s: the mirror was asked %d times", tt.name, asked.Load())
		}
		server.Close()
	}
}

// TestWhoDecidesThatThereIsNone: the main place, and not a mirror that has a file still; except for what the
// catalog says there is.
func TestWhoDecidesThatThereIsNone(t *testing.T) {
	data := []byte("data")
	sum := sha256.Sum256(data)
	icon := remora.IconName(sum)
	f, main, copied := files(t)
	other, elsewhere, _ := files(t)
	write(t, elsewhere, bundleName, data)
	write(t, elsewhere, icon, data)
	h, err := other.Handler(offered(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	if err := f.ReadAlso(nil, server.URL+MirrorPath); err != nil {
		t.Fatal(err)
	}
	open := func(what string, want error, file fs.File, err error) {
		t.Helper()
		if _, err = read(t, file, err); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	file, err := f.Open(t.Context(), bundleName)
	open("a name", fs.ErrNotExist, file, err)
	file, err = f.OpenSum(t.Context(), icon, -1, sum[:])
	open("a name that somebody made up", fs.ErrNotExist, file, err)
	file, err = f.OpenSum(t.Context(), bundleName, 4, sum[:])
	open("what is offered", nil, file, err)
	file, err = f.OpenHere(t.Context(), bundleName, sum[:])
	open("for another machine", fs.ErrNotExist, file, err)
	file, err = f.Open(t.Context(), "../x")
	if e, _ := errors.AsType[*remora.Error](err); file != nil || e == nil || e.Kind != remora.KindInvalid {
		t.Errorf("a name that leads out: %v", err)
	}
	// With the folders gone, what is offered is there still.
	for _, dir := range []string{main, copied} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	file, err = f.OpenSum(t.Context(), bundleName, 4, sum[:])
	open("what is offered, with the folder gone", nil, file, err)
}

// TestMirrorsDoNotGoInCircles: two that are each other's mirrors, and have a file both damaged.
func TestMirrorsDoNotGoInCircles(t *testing.T) {
	data := []byte("data")
	sum := sha256.Sum256(data)
	var asked atomic.Int64
	var handlers [2]atomic.Pointer[http.Handler]
	var servers [2]*httptest.Server
	for i := range servers {
		servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			(*handlers[i].Load()).ServeHTTP(w, r)
		}))
		defer servers[i].Close()
	}
	var all [2]*Files
	for i := range all {
		var main string
		all[i], main, _ = files(t)
		write(t, main, bundleName, []byte("atad"))
		if err := all[i].ReadAlso(nil, servers[1-i].URL+MirrorPath, servers[i].URL+MirrorPath); err != nil {
			t.Fatal(err)
		}
		h, err := all[i].Handler(offered(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		handlers[i].Store(&h)
	}
	_, err := all[0].OpenSum(t.Context(), bundleName, 4, sum[:])
	if e, _ := errors.AsType[*remora.Error](err); e == nil || e.Kind != remora.KindCorrupt {
		t.Error(err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d requests, want one to each", n)
	}
}

// TestHandlerTags files by what the catalog or the name says, and serves nothing that is damaged.
func TestHandlerTags(t *testing.T) {
	data := []byte("data")
	sum := sha256.Sum256(data)
	f, main, _ := files(t)
	h, err := f.Handler(offered(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, main, bundleName, data)
	write(t, main, "public/files/7/other.xo", data)
	write(t, main, "public/files/8/a-1.xo", data)
	write(t, main, remora.IconName(sum), data)
	write(t, main, remora.UploadName(sum), []byte("tada"))
	tag := fmt.Sprintf(`"%x"`, sum)
	for name, want := range map[string]struct {
		status int
		tag    string
	}{
		bundleName: {200, tag}, "public/files/7/other.xo": {200, ""}, "public/files/8/a-1.xo": {200, ""}, remora.IconName(sum): {200, tag},
		remora.UploadName(sum): {503, ""}, "public/files/x/a-1.xo": {404, ""}, "public/files/7": {404, ""}, "": {404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", MirrorPath+name, nil))
		if w.Code != want.status || w.Header().Get("Etag") != want.tag {
			t.Errorf("%s: status %d, tag %s", name, w.Code, w.Header().Get("Etag"))
		}
	}
}

func TestReadAlsoMistakes(t *testing.T) {
	f, _, _ := files(t)
	err := f.ReadAlso(nil, "http://a/", "nfs://b/")
	if e, _ := errors.AsType[*remora.Error](err); e == nil || e.Kind != remora.KindInvalid || !strings.Contains(err.Error(), "mirrors") {
		t.Error(err)
	}
}
