// Package voltest is the contract of a volume ([vol.Vol]) as a test.
package voltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Run tests the volumes that newVol returns, each of which is empty and belongs to one test, which
// closes it. They must be writable. newVol may be called by several goroutines.
func Run(t *testing.T, newVol func(t testing.TB) vol.Vol) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"Caps", testCaps},
		{"Content", testContent},
		{"Create", testCreate},
		{"Names", testNames},
		{"Absent", testAbsent},
		{"FileAsFolder", testFileAsFolder},
		{"Mkdir", testMkdir},
		{"Link", testLink},
		{"Rename", testRename},
		{"Move", testMove},
		{"Remove", testRemove},
		{"OpenDir", testOpenDir},
		{"OpenDirOfNone", testOpenDirOfNone},
		{"Persist", testPersist},
		{"UnlinkWhileOpen", testUnlinkWhileOpen},
		{"Creators", testCreators},
		{"Linkers", testLinkers},
		{"EndedContext", testEndedContext},
		{"Close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVol(t)
			t.Cleanup(func() {
				if err := v.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			c.test(&bench{T: t, v: v})
		})
	}
}

// A bench is a test with its volume, and what most tests do.
type bench struct {
	*testing.T
	v vol.Vol
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// want reports an error that does not match.
func (b *bench) want(what string, err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: %v, want %v", what, err, want)
	}
}

func (b *bench) create(name string, content []byte) error {
	ctx := b.Context()
	w, err := b.v.Create(ctx, name)
	if err != nil {
		return err
	}
	for rest := content; len(rest) > 0 && err == nil; {
		n := min(len(rest), 100_000)
		err = w.Write(ctx, rest[:n])
		rest = rest[n:]
	}
	if err == nil {
		err = w.Sync(ctx)
	}
	return errors.Join(err, w.Close(ctx))
}

func (b *bench) read(name string) ([]byte, error) {
	f, err := b.v.Open(b.Context(), name)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(f)
	return got, errors.Join(err, f.Close())
}

func (b *bench) holds(name string, want []byte) {
	b.Helper()
	if got, err := b.read(name); err != nil || !bytes.Equal(got, want) {
		b.Errorf("%s holds %d other bytes, want %d, %v", name, len(got), len(want), err)
	}
}

func (b *bench) absent(name string) {
	b.Helper()
	_, err := b.v.Stat(b.Context(), name)
	b.want("Stat of "+name, err, fs.ErrNotExist)
}

func (b *bench) stat(name string) fs.FileInfo {
	b.Helper()
	info, err := b.v.Stat(b.Context(), name)
	b.must(err)
	return info
}

// content returns size bytes of which no two chunks are the same.
func content(size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i*7 + i/251 + i/65521)
	}
	return p
}

func testCaps(b *bench) {
	if c := b.v.Caps(); c.Names == 0 || !c.Names.Valid() || c != b.v.Caps() {
		b.Errorf("the capabilities are %+v", c)
	}
	if b.v.String() == "" {
		b.Error("the volume has no name for messages")
	}
	s, err := b.v.Space(b.Context())
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil || s.Free < 0 || s.Free > s.Total || s.Total <= 0 || s.FreeFiles < 0 || s.FreeFiles > s.TotalFiles:
		b.Errorf("Space: %+v, %v", s, err)
	}
}

func testContent(b *bench) {
	for _, size := range []int{0, 1, 300, 70_000, 2_500_000} {
		name := fmt.Sprint("file-", size)
		p := content(size)
		b.must(b.create(name, p))
		b.holds(name, p)
		info := b.stat(name)
		if info.Name() != name || info.Size() != int64(size) || !info.Mode().IsRegular() || info.IsDir() {
			b.Errorf("%s: %s, %d bytes, %v", name, info.Name(), info.Size(), info.Mode())
		}
		if perm := info.Mode().Perm(); perm&0o222 != 0 {
			b.Errorf("%s may be written to by others: %v", name, perm)
		}
		if n := vol.Links(info); n > 1 {
			b.Errorf("%s has %d names", name, n)
		}
	}
	f, err := b.v.Open(b.Context(), "file-300")
	b.must(err)
	if err := iotest.TestReader(f, content(300)); err != nil {
		b.Error(err)
	}
	b.must(f.Sync())
	b.must(f.Close())
	f, err = b.v.Open(b.Context(), "file-70000")
	b.must(err)
	p := make([]byte, 100)
	if _, err := f.ReadAt(p, 65_500); err != nil || !bytes.Equal(p, content(70_000)[65_500:65_600]) {
		b.Errorf("ReadAt: %v", err)
	}
	if at, err := f.Seek(-5, io.SeekEnd); err != nil || at != 69_995 {
		b.Errorf("Seek: %d, %v", at, err)
	}
	if rest, err := io.ReadAll(f); err != nil || len(rest) != 5 {
		b.Errorf("after Seek there are %d bytes, %v", len(rest), err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 70_000 {
		b.Errorf("Stat of the open file: %v", err)
	}
	b.must(f.Close())
}

func testCreate(b *bench) {
	b.must(b.create("a", []byte("first")))
	b.want("Create of what is there", b.create("a", []byte("second")), fs.ErrExist)
	b.holds("a", []byte("first"))
	b.must(b.v.Mkdir(b.Context(), "d"))
	b.want("Create of a directory", b.create("d", nil), fs.ErrExist)
	b.must(b.create("d/a", []byte("third")))
	b.holds("d/a", []byte("third"))
}

// each calls every operation that takes a name; other is a second name that is fine.
func (b *bench) each(ctx context.Context, name, other string, f func(what string, err error)) {
	w, err := b.v.Create(ctx, name)
	if err == nil {
		b.must(w.Close(ctx))
	}
	f("Create", err)
	r, err := b.v.Open(ctx, name)
	if err == nil {
		b.must(r.Close())
	}
	f("Open", err)
	_, err = b.v.Stat(ctx, name)
	f("Stat", err)
	_, err = b.list(ctx, name)
	f("OpenDir", err)
	f("Mkdir", b.v.Mkdir(ctx, name))
	f("Link from", b.v.Link(ctx, name, other))
	f("Link to", b.v.Link(ctx, other, name))
	f("Rename from", b.v.Rename(ctx, name, other))
	f("Rename to", b.v.Rename(ctx, other, name))
	f("Remove", b.v.Remove(ctx, name))
	f("Persist", b.v.Persist(ctx, name, true))
}

func testNames(b *bench) {
	b.must(b.create("file", []byte("x")))
	for _, name := range []string{"", "/", "/file", "..", "../file", "d/../file", "./file", "d//file", "file/", "fi\x00le"} {
		b.each(b.Context(), name, "file", func(what string, err error) {
			b.want(fmt.Sprintf("%s of %q", what, name), err, fs.ErrInvalid)
		})
	}
	b.holds("file", []byte("x"))
	for _, name := range []string{"a b", "ü", ".hidden", "a~+!-_b", string(bytes.Repeat([]byte("n"), 255))} {
		b.must(b.create(name, []byte(name)))
		b.holds(name, []byte(name))
	}
	long := string(bytes.Repeat([]byte("n"), 256))
	err := b.create(long, nil)
	if f := vol.FaultOf(err); f != vol.FaultLongName {
		b.Errorf("a name of 256 bytes: %v, which is %v", err, f)
	}
}

func testAbsent(b *bench) {
	b.must(b.create("file", nil))
	b.each(b.Context(), "absent/below", "file", func(what string, err error) {
		if what == "Persist" && err != nil {
			return
		}
		b.want(what+" of a name in a directory that is absent", err, fs.ErrNotExist)
	})
	b.absent("absent")
	ctx := b.Context()
	_, err := b.read("nowhere")
	b.want("Open of an absent name", err, fs.ErrNotExist)
	b.want("Remove of an absent name", b.v.Remove(ctx, "nowhere"), fs.ErrNotExist)
	b.want("Rename of an absent name", b.v.Rename(ctx, "nowhere", "x"), fs.ErrNotExist)
	if b.v.Caps().Link {
		b.want("Link of an absent name", b.v.Link(ctx, "nowhere", "x"), fs.ErrNotExist)
	}
	b.absent("x")
}

func testFileAsFolder(b *bench) {
	b.must(b.create("file", []byte("x")))
	b.must(b.create("other", []byte("y")))
	b.each(b.Context(), "file/below", "other", func(what string, err error) {
		if f := vol.FaultOf(err); f != vol.FaultNotDir && what != "Persist" {
			b.Errorf("%s of a name below a file: %v, which is %v", what, err, f)
		}
	})
	b.holds("file", []byte("x"))
	b.holds("other", []byte("y"))
}
