package voltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func testLink(b *bench) {
	ctx := b.Context()
	b.must(b.create("a", []byte("first")))
	b.must(b.create("other", []byte("second")))
	b.must(b.v.Mkdir(ctx, "d"))
	if !b.v.Caps().Link {
		if err := b.v.Link(ctx, "a", "b"); !vol.CopyInstead(err) {
			b.Errorf("a link where there are none: %v", err)
		}
		return
	}
	b.must(b.v.Link(ctx, "a", "d/b"))
	b.holds("d/b", []byte("first"))
	if !b.v.Same(b.stat("a"), b.stat("d/b")) || b.v.Same(b.stat("a"), b.stat("other")) {
		b.Error("Same does not tell one file from two")
	}
	if n := vol.Links(b.stat("a")); n != 0 && n != 2 {
		b.Errorf("it has %d names", n)
	}
	b.want("Link to what is taken", b.v.Link(ctx, "a", "other"), fs.ErrExist)
	b.want("Link to a name of the same file", b.v.Link(ctx, "a", "d/b"), fs.ErrExist)
	b.want("Link to itself", b.v.Link(ctx, "a", "a"), fs.ErrExist)
	b.want("Link to a directory", b.v.Link(ctx, "a", "d"), fs.ErrExist)
	if err := b.v.Link(ctx, "d", "e"); err == nil {
		b.Error("a directory has got a second name")
	}
	b.holds("other", []byte("second"))
	b.must(b.v.Remove(ctx, "a"))
	b.holds("d/b", []byte("first"))
}

func testRename(b *bench) {
	ctx := b.Context()
	b.must(b.v.Mkdir(ctx, "d"))
	b.must(b.create("a", []byte("first")))
	before := b.stat("a")
	b.must(b.v.Rename(ctx, "a", "d/b"))
	b.absent("a")
	b.holds("d/b", []byte("first"))
	if !b.v.Same(before, b.stat("d/b")) {
		b.Error("it is another file")
	}
	b.must(b.create("a", []byte("second")))
	if err := b.v.Rename(ctx, "a", "d/b"); err == nil {
		b.absent("a")
		b.holds("d/b", []byte("second"))
	} else {
		b.want("Rename to what is taken", err, fs.ErrExist)
		b.holds("d/b", []byte("first"))
	}
	if err := b.create("a", []byte("third")); err != nil && !errors.Is(err, fs.ErrExist) {
		b.must(err)
	}
	if err := b.v.Rename(ctx, "a", "d"); err == nil {
		b.Error("a file has taken the place of a directory")
	}
}

func testMove(b *bench) {
	m, ok := b.v.(vol.Mover)
	if !ok {
		b.Skip("this volume cannot move")
	}
	ctx := b.Context()
	b.must(b.v.Mkdir(ctx, "d"))
	b.must(b.create("a", []byte("first")))
	b.must(b.create("d/taken", []byte("second")))
	err := m.Move(ctx, "a", "d/taken")
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip("this file system cannot move")
	}
	b.want("Move to what is taken", err, fs.ErrExist)
	b.want("Move to a directory", m.Move(ctx, "a", "d"), fs.ErrExist)
	b.want("Move to itself", m.Move(ctx, "a", "a"), fs.ErrExist)
	b.want("Move of an absent name", m.Move(ctx, "nowhere", "x"), fs.ErrNotExist)
	b.want("Move to an absent directory", m.Move(ctx, "a", "nowhere/x"), fs.ErrNotExist)
	b.want("Move out of the volume", m.Move(ctx, "a", "../x"), fs.ErrInvalid)
	b.holds("a", []byte("first"))
	b.holds("d/taken", []byte("second"))
	b.must(m.Move(ctx, "a", "d/free"))
	b.absent("a")
	b.holds("d/free", []byte("first"))
	for i := range 8 {
		b.must(b.create(fmt.Sprint("from-", i), []byte{byte(i)}))
	}
	name := "goal"
	var wins atomic.Int32
	b.all(8, 8, func(i int) error {
		err := m.Move(ctx, fmt.Sprint("from-", i), name)
		if err == nil {
			wins.Add(1)
		} else if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		return err
	})
	if n := wins.Load(); n != 1 {
		b.Errorf("Move: %d have won", n)
	}
}

func testRemove(b *bench) {
	ctx := b.Context()
	b.must(b.create("a", nil))
	b.must(b.v.Remove(ctx, "a"))
	b.absent("a")
	b.want("Remove again", b.v.Remove(ctx, "a"), fs.ErrNotExist)
	b.must(b.create("a", []byte("anew")))
	b.holds("a", []byte("anew"))
	b.must(b.v.Mkdir(ctx, "d"))
	b.must(b.create("d/x", nil))
	if err := b.v.Remove(ctx, "d"); err == nil {
		b.Error("a directory that is not empty was removed")
	}
	b.holds("d/x", nil)
	b.must(b.v.Remove(ctx, "d/x"))
	b.must(b.v.Remove(ctx, "d"))
	b.absent("d")
}

func testPersist(b *bench) {
	ctx := b.Context()
	b.must(b.v.Mkdir(ctx, "d"))
	b.must(b.v.Persist(ctx, "d", true))
	b.must(b.create("d/a", []byte("x")))
	b.must(b.v.Persist(ctx, "d/a", true))
	b.must(b.v.Remove(ctx, "d/a"))
	b.must(b.v.Persist(ctx, "d/a", false))
	b.must(b.v.Remove(ctx, "d"))
	b.must(b.v.Persist(ctx, "d", false))
	b.must(b.v.Persist(ctx, "d/a", false)) // gone with its directory
	if err := b.v.Persist(ctx, "d/a", true); err == nil {
		b.Error("a name in a directory that is gone was made safe")
	}
	b.all(8, 64, func(i int) error {
		name := fmt.Sprint("file-", i)
		return errors.Join(b.create(name, nil), b.v.Persist(ctx, name, true))
	})
}

// What a reader gets of a file whose name is gone is its content, or an error; never an early end.
func testUnlinkWhileOpen(b *bench) {
	ctx := b.Context()
	p := content(700_000)
	b.must(b.create("a", p))
	f, err := b.v.Open(ctx, "a")
	b.must(err)
	head := make([]byte, 1000)
	if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head, p[:1000]) {
		b.Errorf("the first bytes: %v", err)
	}
	b.must(b.v.Remove(ctx, "a"))
	b.must(b.create("a", []byte("another")))
	rest, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(rest, p[1000:]) || err != nil && !bytes.HasPrefix(p[1000:], rest) {
		b.Errorf("after its name was gone, %d bytes were read, want %d; %v", len(rest), len(p)-1000, err)
	}
	b.must(f.Close())
	b.holds("a", []byte("another"))
}

// testCreators lets many make one name: one wins.
func testCreators(b *bench) {
	b.race("Create", func(name string, i int) error { return b.create(name, []byte{byte(i)}) })
}

func testLinkers(b *bench) {
	if !b.v.Caps().Link {
		b.Skip("this volume has no links")
	}
	const makers = 8
	for i := range makers {
		b.must(b.create(fmt.Sprint("from-", i), []byte{byte(i)}))
	}
	b.race("Link", func(name string, i int) error { return b.v.Link(b.Context(), fmt.Sprint("from-", i), name) })
}

func (b *bench) race(what string, f func(name string, i int) error) {
	for round := range 10 {
		name := fmt.Sprint("round-", round)
		var wins atomic.Int32
		var winner atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch err := f(name, i); {
				case err == nil:
					wins.Add(1)
					winner.Store(int32(i))
				case !errors.Is(err, fs.ErrExist):
					b.Errorf("%s of a name that others make too: %v", what, err)
				}
			})
		}
		wg.Wait()
		if n := wins.Load(); n != 1 {
			b.Errorf("%s: %d have won", what, n)
			return
		}
		b.holds(name, []byte{byte(winner.Load())})
	}
}

func testEndedContext(b *bench) {
	b.must(b.create("file", []byte("x")))
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	b.each(ctx, "a", "file", func(what string, err error) { b.want(what, err, context.Canceled) })
	_, err := b.v.Space(ctx)
	b.want("Space", err, context.Canceled)
	b.absent("a")
	b.holds("file", []byte("x"))
	w, err := b.v.Create(b.Context(), "b")
	b.must(err)
	if err := errors.Join(w.Write(ctx, []byte("x")), w.Sync(ctx)); err == nil {
		b.Error("Sync with a context that has ended reports success")
	}
	b.must(w.Close(b.Context()))
}

func testClose(b *bench) {
	b.must(b.create("file", []byte("x")))
	for range 2 {
		b.must(b.v.Close())
	}
	b.each(b.Context(), "a", "file", func(what string, err error) { b.want(what+" after Close", err, fs.ErrClosed) })
	_, err := b.v.Space(b.Context())
	b.want("Space after Close", err, fs.ErrClosed)
}
