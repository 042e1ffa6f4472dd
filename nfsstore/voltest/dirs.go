package voltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// list returns the names in a directory with their types.
func (b *bench) list(ctx context.Context, name string) (map[string]fs.FileMode, error) {
	d, err := b.v.OpenDir(ctx, name)
	if err != nil {
		return nil, err
	}
	found := make(map[string]fs.FileMode)
	for {
		entries, err := d.ReadDir(50)
		for _, e := range entries {
			if _, twice := found[e.Name()]; twice {
				b.Errorf("%s is listed twice", path.Join(name, e.Name()))
			}
			found[e.Name()] = e.Type()
		}
		if err == io.EOF {
			if len(entries) > 0 {
				b.Errorf("%d entries came with io.EOF", len(entries))
			}
			return found, d.Close()
		}
		if err != nil {
			return found, errors.Join(err, d.Close())
		}
		if len(entries) == 0 || len(entries) > 50 {
			b.Errorf("ReadDir(50) gave %d entries and no error", len(entries))
			return found, d.Close()
		}
	}
}

func testMkdir(b *bench) {
	ctx := b.Context()
	b.must(b.v.Mkdir(ctx, "a"))
	b.must(b.v.Mkdir(ctx, "a/b"))
	b.want("Mkdir of what is there", b.v.Mkdir(ctx, "a"), fs.ErrExist)
	b.must(b.create("file", nil))
	b.want("Mkdir of a file", b.v.Mkdir(ctx, "file"), fs.ErrExist)
	if info := b.stat("a/b"); !info.IsDir() || !info.Mode().IsDir() || info.Name() != "b" {
		b.Errorf("it is %s, %v", info.Name(), info.Mode())
	}
	if info := b.stat("."); !info.IsDir() {
		b.Errorf("the volume itself is %v", info.Mode())
	}
	if b.v.Same(b.stat("a"), b.stat("a/b")) || !b.v.Same(b.stat("a"), b.stat("a")) {
		b.Error("Same does not tell directories apart")
	}
}

func testOpenDir(b *bench) {
	ctx := b.Context()
	b.must(b.v.Mkdir(ctx, "d"))
	b.must(b.v.Mkdir(ctx, "d/folder"))
	const stay, leave = 2000, 1000
	b.all(8, stay+leave, func(i int) error {
		if i < stay {
			return b.create(fmt.Sprint("d/stays-", i), nil)
		}
		return b.create(fmt.Sprint("d/goes-", i), nil)
	})
	// Entries vanish while they are listed.
	var wg sync.WaitGroup
	wg.Go(func() {
		b.all(2, leave, func(i int) error { return b.v.Remove(ctx, fmt.Sprint("d/goes-", stay+i)) })
	})
	for range 3 {
		found, err := b.list(ctx, "d")
		if err != nil {
			b.Errorf("listing while names vanish: %v", err)
		}
		for i := range stay {
			if mode, ok := found[fmt.Sprint("stays-", i)]; !ok || mode != 0 {
				b.Errorf("stays-%d is listed: %v, as %v", i, ok, mode)
				break
			}
		}
		if found["folder"] != fs.ModeDir {
			b.Errorf("the folder is listed as %v", found["folder"])
		}
	}
	wg.Wait()
	found, err := b.list(ctx, "d")
	if err != nil || len(found) != stay+1 {
		b.Errorf("in the end there are %d names, %v; want %d", len(found), err, stay+1)
	}
	root, err := b.list(ctx, ".")
	delete(root, "d")
	for name := range root {
		if k, ok := b.v.(vol.Keeper); !ok || !k.Keeps(name) {
			b.Errorf("at the top there is %s as well", name)
		}
	}
	b.must(err)
}

func testOpenDirOfNone(b *bench) {
	b.must(b.create("file", nil))
	_, err := b.list(b.Context(), "file")
	if f := vol.FaultOf(err); f != vol.FaultNotDir {
		b.Errorf("listing a file: %v, which is %v", err, f)
	}
	_, err = b.list(b.Context(), "absent")
	b.want("listing what is absent", err, fs.ErrNotExist)
	b.must(b.v.Mkdir(b.Context(), "empty"))
	if found, err := b.list(b.Context(), "empty"); err != nil || len(found) != 0 {
		b.Errorf("an empty directory has %v, %v", found, err)
	}
}

// all calls f for 0 to n-1 from several goroutines.
func (b *bench) all(workers, n int, f func(i int) error) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
