package balance

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// TestDiskFull: on a disk that is full nothing is lost, and what was taken of it is given back.
func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		require.Skip(t, "a small disk can be made by root alone: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err) // such as a file that is still open
		}
	})
	b := mustNew(t, []Backend{{Name: "a", URL: serve(t, http.HandlerFunc(digest)).URL}}, &Options{Bodies: BodyOptions{Spool: folder}})
	body := noise(4 << 20)
	for n := range uint64(2) {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest("POST", "/", bytes.NewReader(body)))
		if got, want := w.Body.String(), digested(len(body), body); got != want {
			t.Errorf("%d %s, want %s", w.Code, got, want)
		}
		nothingHeld(t, b)
		if s := b.Stats().Bodies; s.SpoolErrors != n+1 || s.NoRoom != n+1 || s.Spilled != n+1 {
			t.Errorf("%+v", s)
		}
	}
}

// TestSpoolHasNoName: a file for bodies cannot be left behind, on any file system.
func TestSpoolHasNoName(t *testing.T) {
	for name, open := range map[string]func(string) (spoolFile, error){"never had": openSpool, "lost": unnamed} {
		folder := t.TempDir()
		f, err := open(folder)
		if err != nil {
			t.Fatal(name, err)
		}
		p := []byte("body")
		if _, err := f.WriteAt(p, 3); err != nil {
			t.Error(name, err)
		}
		if files, err := os.ReadDir(folder); len(files) != 0 || err != nil {
			t.Errorf("%s: %v, %v", name, files, err)
		}
		if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, []byte("\x00\x00\x00b")) {
			t.Errorf("%s: %q, %v", name, p, err)
		}
		if err := f.Close(); err != nil {
			t.Error(name, err)
		}
		if _, err := open(folder + "/none"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
