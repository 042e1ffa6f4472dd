package filehttp

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// TestOverNFS: files of an export are served whole, in parts, and not when they are damaged on the server.
func TestOverNFS(t *testing.T) {
	nfs := testnfs.Ganesha(t, nil)
	s, err := nfsstore.Open(t.Context(), nfs.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	data := random(1 << 20)
	name := named(data)
	if err := s.Put(t.Context(), name, bytes.NewReader(data), int64(len(data)), NamedSum(name)); err != nil {
		t.Fatal(err)
	}
	h := handler(t, Options{Store: s, Verifier: verifier(t, nil)})
	if w := ask(h, "GET", "/"+name); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), data) {
		t.Errorf("whole: status %d, %d bytes", w.Code, w.Body.Len())
	}
	if w := ask(h, "GET", "/"+name, "Range", "bytes=1000-700000"); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), data[1000:700_001]) {
		t.Errorf("a part: status %d, %d bytes", w.Code, w.Body.Len())
	}
	flip(t, filepath.Join(nfs.Dir(), filepath.FromSlash(name)), true)
	// The server tells the attributes that it remembers, so this is found at the next look only.
	h = handler(t, Options{Store: s, Verifier: verifier(t, nil)})
	if w := ask(h, "GET", "/"+name); w.Code != 503 {
		t.Errorf("damaged: status %d", w.Code)
	}
}
