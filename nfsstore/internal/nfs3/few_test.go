package nfs3

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/google/go-cmp/cmp"
)

// How a small write becomes safe, by what the server makes of the request to see to it at once.
func TestWriteSync(t *testing.T) {
	const w, c = 7, 21 // the procedures
	type reply struct {
		count uint32
		how   nfsv3.StableHow
	}
	for _, tt := range []struct {
		what    string
		replies []reply // to WRITE; the last one to all that follow
		size    int
		calls   []uint32
		restart bool // before the COMMIT
		want    error
	}{
		{"at once", []reply{{8, nfsv3.FILE_SYNC}}, 8, []uint32{w}, false, nil},
		{"only the content", []reply{{8, nfsv3.DATA_SYNC}}, 8, []uint32{w, c}, false, nil},
		{"not at all", []reply{{8, nfsv3.UNSTABLE}}, 8, []uint32{w, c}, false, nil},
		{"not at all, and a restart", []reply{{8, nfsv3.UNSTABLE}}, 8, []uint32{w, c}, true, ErrRewrite},
		{"a part at a time", []reply{{3, nfsv3.FILE_SYNC}, {4, nfsv3.UNSTABLE}, {1, nfsv3.UNSTABLE}}, 8, []uint32{w, w, w, c}, false, nil},
		{"nothing to write", nil, 0, []uint32{c}, false, nil},
		{"more than one request holds", []reply{{100, nfsv3.UNSTABLE}}, 200, []uint32{w, w, c}, false, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var mu sync.Mutex
			var calls []uint32
			client := scripted(t, 10*time.Second, func(xid, num uint32) []byte {
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, num)
				if num == c {
					verf := uint32(1)
					if tt.restart {
						verf = 2
					}
					return accepted(xid, words{0, 0, 0, 1, verf})
				}
				r := tt.replies[min(len(calls), len(tt.replies))-1]
				return accepted(xid, words{0, 0, 0, r.count, uint32(r.how), 1, 1})
			})
			client.limits.Write = 100
			f := &File{c: client, h: "f", name: "f"}
			err := f.WriteSync(t.Context(), make([]byte, tt.size), 0)
			if tt.want == nil && err != nil {
				t.Error(err)
			}
			if tt.want != nil {
				want(t, err, tt.want)
			}
			if diff := cmp.Diff(tt.calls, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
	f := &File{c: scripted(t, time.Second, nil), name: "f"}
	want(t, f.WriteSync(t.Context(), []byte("x"), -1), syscall.EINVAL)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, f.WriteSync(t.Context(), []byte("x"), 0), fs.ErrClosed)
}

// A file by few requests, on a real server.
func TestFewRequests(t *testing.T) {
	s, c := export(t, nil, nil)
	ctx := t.Context()
	if err := c.Mkdir(ctx, "d", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := c.CreateGuarded(ctx, "d/temp", 0o444)
	if err != nil {
		t.Fatal(err)
	}
	if f.Info().Mode() != 0o444 || f.Info().Size() != 0 {
		t.Errorf("it is made with %v and %d bytes", f.Info().Mode(), f.Info().Size())
	}
	_, err = c.CreateGuarded(ctx, "d/temp", 0o444)
	want(t, err, fs.ErrExist)
	_, err = c.CreateGuarded(ctx, "absent/temp", 0o444)
	want(t, err, fs.ErrNotExist)
	content := bytes.Repeat([]byte("content "), 1000)
	for _, at := range []int{0, 4000} {
		if err := f.WriteSync(ctx, content[at:at+4000], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Link(ctx, "d/name"); err != nil {
		t.Fatal(err)
	}
	want(t, f.Link(ctx, "d/name"), fs.ErrExist)
	if err := c.Remove(ctx, "d/temp"); err != nil {
		t.Fatal(err)
	}
	if err := f.Link(ctx, "other"); err != nil { // its first name is gone
		t.Fatal(err)
	}
	for _, name := range []string{"d/name", "other"} {
		if got, err := os.ReadFile(filepath.Join(s.Dir(), name)); err != nil || !bytes.Equal(got, content[:8000]) {
			t.Errorf("%s has %d other bytes: %v", name, len(got), err)
		}
	}
	if err := c.Remove(ctx, "d/name"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(ctx, "other"); err != nil {
		t.Fatal(err)
	}
	if err := f.Link(ctx, "again"); err == nil {
		t.Error("a file without a name got one")
	}
}

// Records that are used again are as long as they should be, whatever was in them.
func TestRecordsAreUsedAgain(t *testing.T) {
	for _, size := range []int{0, 1, minRecord - 1, minRecord, minRecord + 1, 100_000, maxTransfer, maxRecord} {
		for range 3 {
			b := newRecord(size)
			if len(b) != size || cap(b) < size || cap(b) > 2*max(size, minRecord) {
				t.Errorf("of %d bytes: %d with room for %d", size, len(b), cap(b))
			}
			release(b)
		}
	}
	release(nil)
	release(make([]byte, 10, minRecord+1)) // not one of ours
	if b := newRecord(minRecord + 1); cap(b) != 2*minRecord {
		t.Errorf("a strange one came back, with room for %d", cap(b))
	}
	// Answers of calls that run together do not run into each other.
	s, c := export(t, nil, nil)
	const files, size = 8, 100_000
	for i := range files {
		content := bytes.Repeat([]byte{byte(i)}, size)
		if err := os.WriteFile(filepath.Join(s.Dir(), strconv.Itoa(i)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() {
			f, err := c.Open(t.Context(), strconv.Itoa(i))
			if err != nil {
				t.Error(err)
				return
			}
			p := make([]byte, size)
			for range 50 {
				clear(p)
				if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, bytes.Repeat([]byte{byte(i)}, size)) {
					t.Errorf("file %d holds other bytes: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
