//go:build linux

package nfsd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"pgregory.net/rapid"
)

// TestRecord cuts records into any pieces and puts them together again.
func TestRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(firstPiece-10, firstPiece+10),
			rapid.IntRange(middlePiece-10, middlePiece+10), rapid.IntRange(maxRecord-10, maxRecord+10)).Draw(t, "size")
		want := content(uint64(n), n)
		var stream []byte
		pieces := rapid.IntRange(1, maxFragments+1).Draw(t, "pieces")
		rest := want
		for i := range pieces {
			size := len(rest)
			mark := uint32(lastFragment)
			if i < pieces-1 {
				size, mark = rapid.IntRange(0, len(rest)).Draw(t, "piece"), 0
			}
			stream = append(binary.BigEndian.AppendUint32(stream, mark|uint32(size)), rest[:size]...)
			rest = rest[size:]
		}
		var in io.Reader = bytes.NewReader(append(stream, "next"...))
		if n < 1000 && rapid.Bool().Draw(t, "slow") {
			in = iotest.OneByteReader(in)
		}
		rec, err := readRecord(in, nil)
		switch {
		case n > maxRecord:
			if !errors.Is(err, errLongRecord) && !errors.Is(err, errFragments) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			return
		case pieces > maxFragments:
			if !errors.Is(err, errFragments) {
				t.Fatalf("%d pieces: %v", pieces, err)
			}
			return
		}
		if err != nil || !bytes.Equal(rec.b, want) {
			t.Fatalf("%d bytes in %d pieces came as %d, %v", n, pieces, len(rec.b), err)
		}
		if left, err := io.ReadAll(in); err != nil || string(left) != "next" {
			t.Fatalf("after the record there is %q, %v", left, err)
		}
		rec.free()
	})
}

// TestRecordMemory claims long records and sends little of them.
func TestRecordMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 1000
	for range n {
		b := append(binary.BigEndian.AppendUint32(nil, lastFragment|maxRecord), make([]byte, 100)...)
		if _, err := readRecord(bytes.NewReader(b), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 2*firstPiece {
		t.Errorf("a claim of 1 MiB takes %d bytes", each)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(framed([]byte("a record")))
	f.Add([]byte{0, 0, 0, 1, 'a', 0x80, 0, 0, 1, 'b'})
	f.Add([]byte{0x80, 0x11, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := readRecord(bytes.NewReader(b), nil)
		if err == nil && len(rec.b) > len(b)-4 {
			t.Errorf("%d bytes came out of %d", len(rec.b), len(b))
		}
		rec.free()
	})
}

// FuzzCall gives any message to a server: it answers with a whole reply, or not at all, and what is
// outside of the export stays as it is.
func FuzzCall(f *testing.F) {
	s, dir, content := fuzzSession(f)
	// Handles are others in each process that fuzzes, so there are words for them.
	fh, file := text(strings.Repeat("D", len(dir))), text(strings.Repeat("F", len(content)))
	attrs := noAttrs()
	attrs.Mode = &nfsv3.SetMode3_TRUE{Mode: 0o640}
	attrs.Mtime = &nfsv3.SetMtime_SET_TO_CLIENT_TIME{Mtime: nfsv3.Nfstime3{Seconds: 1}}
	for proc, args := range map[uint32][]arg{
		0: nil, 1: {fh}, 2: {file, attrs, number(1), long(0)}, 3: {fh, text("f")}, 4: {fh, number(63)}, 5: {file},
		6: {file, long(0), number(100)}, 7: {file, long(2), number(3), number(2), text("abc")}, 8: {fh, text("n"), guarded(0o644)},
		9: {fh, text("d"), attrs}, 10: {fh, text("s"), attrs, text("/etc")}, 11: {fh, text("p"), number(7), attrs}, 12: {fh, text("n")},
		13: {fh, text("d")}, 14: {fh, text("n"), fh, text("m")}, 15: {file, fh, text("l")}, 16: {fh, long(0), long(0), number(4096)},
		17: {fh, long(0), long(0), number(512), number(4096)}, 18: {fh}, 19: {fh}, 20: {fh}, 21: {file, long(0), number(0)},
	} {
		f.Add(message(proc, nfsProgram, version, proc, root, args...))
	}
	f.Add(message(1, nfsProgram, version, 8, root, fh, text("x"), &nfsv3.Createhow3_EXCLUSIVE{}))
	for proc := range uint32(6) {
		f.Add(message(proc, mountProgram, version, proc, root, text(exportName+"/sub")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxRecord {
			return // no record is so long
		}
		b = bytes.ReplaceAll(b, []byte(fh), []byte(dir))
		b = bytes.ReplaceAll(b, []byte(file), []byte(content))
		r := bytes.NewReader(b)
		h, err := readHead(r)
		if err != nil {
			return
		}
		bound := replyBound(&h, b[len(b)-r.Len():])
		if bound < 0 || bound > max(maxRecord, maxDump) {
			t.Fatalf("a reply of %d bytes", bound)
		}
		rep, ok := s.answer(t.Context(), netip.MustParseAddr("127.0.0.1"), &h, b, r)
		if !ok {
			t.Fatal("there was no answer")
		}
		rec, err := readRecord(bytes.NewReader(append(bytes.Clone(rep.head), rep.data...)), nil)
		if err != nil || int64(len(rec.b)) > bound {
			t.Fatalf("the reply has %d bytes, %v", len(rec.b), err)
		}
		if rep.free != nil {
			rep.free()
		}
	})
}

// fuzzSession is a server without a listener, with the handles of its export and of a file in it.
func fuzzSession(f *testing.F) (s *session, fh, file text) {
	f.Helper()
	base := f.TempDir()
	dir := filepath.Join(base, "export")
	if err := os.Mkdir(dir, 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o644); err != nil {
		f.Fatal(err)
	}
	server, err := New(config(f, dir))
	if err != nil {
		f.Fatal(err)
	}
	l := listen(f, "127.0.0.1:0")
	s, err = server.begin(l)
	if err = errors.Join(err, l.Close()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		s.end()
		// Nothing was made beside the export.
		if names, err := os.ReadDir(base); err != nil || len(names) != 1 {
			f.Errorf("beside the export there is %v, %v", names, err)
		}
	})
	ch, err := s.exports[0].child(s.exports[0].root, s.exports[0].rootIno, "f")
	if err != nil {
		f.Fatal(err)
	}
	s.files.add(s.exports[0], string(ch.fh), ch.fd, ch.st.Mode&0o170000).release()
	return s, text(s.exports[0].fh), text(ch.fh)
}
