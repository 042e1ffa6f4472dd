package nfs3vol

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestReadAhead(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x := open(t, server)
	b := content(4, 5*aheadChunk+777)
	write(t, x, "a", b)
	openFile := func(name string) vol.File {
		t.Helper()
		f, err := x.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	small := content(5, 300)
	write(t, x, "small", small)
	f := openFile("small")
	if err := iotest.TestReader(f, small); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f = openFile("a")
	for _, c := range []struct {
		off  int64
		size int
	}{{0, 10}, {10, aheadChunk}, {aheadChunk - 3, 7}, {3*aheadChunk + 1, 2 * aheadChunk}, {5, 1}, {5*aheadChunk + 770, 7}} {
		got := make([]byte, c.size)
		if _, err := f.Seek(c.off, io.SeekStart); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, b[c.off:c.off+int64(c.size)]) {
			t.Errorf("%d bytes from %d on are wrong, %v", c.size, c.off, err)
		}
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	// More readers than may read ahead, all in the middle of it.
	files := make([]vol.File, maxAhead+10)
	for i := range files {
		files[i] = openFile("a")
		if got, err := io.ReadAll(io.LimitReader(files[i], aheadChunk+10)); err != nil || !bytes.Equal(got, b[:aheadChunk+10]) {
			t.Fatalf("reader %d got %d bytes, %v", i, len(got), err)
		}
	}
	if n := len(x.ahead); n == 0 || n > maxAhead {
		t.Errorf("%d chunks are read ahead, want 1 to %d", n, maxAhead)
	}
	for i, f := range files {
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, b[aheadChunk+10:]) {
			t.Errorf("reader %d got %d bytes more, %v", i, len(got), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a closed file: %v", err)
		}
	}
	if n := len(x.ahead); n != 0 {
		t.Errorf("%d chunks are not given back", n)
	}
}

// A file that has become shorter is damaged. That must not look like its end.
func TestFileIsCutOnTheServer(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x := open(t, server)
	write(t, x, "a", content(4, 3*aheadChunk))
	f, err := x.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(server.Dir(), "a"), 2*aheadChunk+5); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if !errors.Is(err, io.ErrUnexpectedEOF) || vol.FaultOf(err) != vol.FaultIO {
		t.Errorf("%d bytes were read, and then %v; want io.ErrUnexpectedEOF as a fault of the disk", len(got), err)
	}
	if _, err := f.ReadAt(make([]byte, 100), 2*aheadChunk); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadAt: %v, want io.ErrUnexpectedEOF", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// The file of the fence is the volume's own: it goes with it, and a sweeper is told.
func TestFenceOnExport(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x := open(t, server)
	write(t, x, "a", []byte("x"))
	names := func() (own, other []string) {
		t.Helper()
		entries, err := os.ReadDir(server.Dir())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if x.Keeps(e.Name()) {
				own = append(own, e.Name())
			} else {
				other = append(other, e.Name())
			}
		}
		return own, other
	}
	own, other := names()
	if len(own) != 1 || len(other) != 1 {
		t.Fatalf("after one change there are %q of the volume and %q of its user", own, other)
	}
	// Another process sweeps it away. This server goes on with it, others call it stale.
	if err := os.Remove(filepath.Join(server.Dir(), own[0])); err != nil {
		t.Fatal(err)
	}
	write(t, x, "b", []byte("y"))
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(server.Dir()); err != nil || len(entries) != 2 {
		t.Errorf("after Close there are %v, %v", entries, err)
	}
}

// With names=server there is no fence.
func TestNamesByServer(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	x := open(t, server)
	x.names = vol.NamesByServer
	write(t, x, "a", []byte("x"))
	if entries, err := os.ReadDir(server.Dir()); err != nil || len(entries) != 1 {
		t.Errorf("there are %v, %v; want one file", entries, err)
	}
}
