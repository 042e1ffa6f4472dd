package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// Workloads and subjects in a directory.
const (
	localPut16k  = "put 16 KiB"
	localPut16k8 = "put 16 KiB, 8 at a time"
	localPut1m   = "put 1 MiB"
	localRead64m = "read 64 MiB"

	bareRename = "bare, rename"
	bareLink   = "bare, link"
	store      = "Store"
	osFile     = "os.File"
)

// content returns bytes that nothing can compress, the same in each run.
func content(size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], 1)
	rand.NewChaCha8(key).Read(b) // it never fails
	return b
}

// A barePlace is a directory with nothing between it and who writes to it.
type barePlace struct {
	root string
	dir  *os.File
}

func newBarePlace(root string) (*barePlace, error) {
	if err := os.Mkdir(root, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	return &barePlace{root, dir}, nil
}

// put is the least that a file needs which must not be seen by half and must outlive a power cut. A
// rename would replace another file of that name, a link would not.
func (p *barePlace) put(name string, b []byte, publish func(temp, name string) error) error {
	temp := filepath.Join(p.root, ".temp-"+name)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := publish(temp, filepath.Join(p.root, name)); err != nil {
		return err
	}
	return p.dir.Sync()
}

func linkAndRemove(temp, name string) error {
	if err := os.Link(temp, name); err != nil {
		return err
	}
	return os.Remove(temp)
}

// empty removes all files of a directory, outside of what is measured.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was put
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// puts is how much a round of puts is.
func puts(size, workers int) work {
	switch size {
	case small:
		return work{n: 100, turns: 4, workers: workers, rate: "puts/s", units: 1}
	default:
		return work{n: 25, turns: 4, workers: workers, rate: "puts/s", units: 1, tidy: true}
	}
}

// putLocally compares a store in a directory with the system calls that are the least.
func putLocally(workload string, size, workers int) func(ctx context.Context, b *bench) error {
	return func(ctx context.Context, b *bench) (err error) {
		root, err := os.MkdirTemp(b.dir, "local-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
		data := content(size)
		var subjects []subject
		for _, way := range []struct {
			name    string
			publish func(temp, name string) error
		}{{bareRename, os.Rename}, {bareLink, linkAndRemove}} {
			p, err := newBarePlace(filepath.Join(root, way.name))
			if err != nil {
				return err
			}
			defer p.dir.Close()
			subjects = append(subjects, subject{
				name: way.name,
				do:   func(_ context.Context, i int) error { return p.put(fmt.Sprint("f", i), data, way.publish) },
				tidy: func() error { return empty(p.root) },
			})
		}
		s, err := nfsstore.Open(ctx, filepath.Join(root, store), nil)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		subjects = append(subjects, putting(store, s, data, func() error { return empty(filepath.Join(root, store, folder)) }))
		return b.turns(ctx, workload, subjects, puts(size, workers))
	}
}

// folder is where stores put.
const folder = "uploads"

// putting puts into a store.
func putting(name string, s *nfsstore.Store, data []byte, tidy func() error) subject {
	sum := sha256.Sum256(data)
	return subject{name: name, tidy: tidy, do: func(ctx context.Context, i int) error {
		return s.Put(ctx, fmt.Sprintf("%s/f%d", folder, i), bytes.NewReader(data), int64(len(data)), sum[:])
	}}
}

// readLocally compares reading a file of a store with reading it by the system's calls.
func readLocally(ctx context.Context, b *bench) (err error) {
	root, err := os.MkdirTemp(b.dir, "local-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	s, err := nfsstore.Open(ctx, root, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	data := content(large)
	if err := s.Put(ctx, "large", bytes.NewReader(data), large, nil); err != nil {
		return err
	}
	return b.turns(ctx, localRead64m, []subject{
		{name: osFile, do: func(context.Context, int) error {
			f, err := os.Open(filepath.Join(root, "large"))
			return drain(f, err, large)
		}},
		{name: store, do: func(ctx context.Context, _ int) error {
			f, err := s.Open(ctx, "large")
			return drain(f, err, large)
		}},
	}, work{n: 2, turns: 4, workers: 1, rate: "MB/s", units: large / 1e6})
}

// buffers are read into; new ones each time would be measured as well.
var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// drain reads an opened file to its end.
func drain(f fs.File, err error, size int64) error {
	if err != nil {
		return err
	}
	var total int64
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	for err == nil {
		var n int
		n, err = f.Read(buf[:])
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	if err == nil && total != size {
		err = fmt.Errorf("%d bytes were read, not %d", total, size)
	}
	return errors.Join(err, f.Close())
}
