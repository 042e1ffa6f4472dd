package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// Workloads and subjects over NFS.
const (
	nfsPut16k   = "NFS put 16 KiB"
	nfsGet16k   = "NFS get 16 KiB"
	nfsWrite64m = "NFS write 64 MiB"
	nfsRead64m  = "NFS read 64 MiB"

	storeAtGanesha   = "Store @ NFS-Ganesha"
	storeAtGonfsd    = "Store @ go-nfs"
	foreignAtGanesha = "go-nfs-client @ NFS-Ganesha"
)

// workers is how many work at a time over NFS, but for those that show the throughput of one.
const workers = 8

// A client is a store on a server.
type client struct {
	name   string
	server *server
	store  *nfsstore.Store
}

// clients opens stores on servers. Those that only show what reading costs are left out of the rest.
func (b *bench) clients(ctx context.Context, reading bool) (list []client, closeAll func() error, err error) {
	closeAll = func() error {
		var errs []error
		for _, c := range list {
			errs = append(errs, c.store.Close())
		}
		return errors.Join(errs...)
	}
	for _, x := range []struct {
		name  string
		start func(context.Context) (*server, error)
		reads bool // only
	}{
		{storeAtGanesha, b.ganesha, false},
		{storeAtGonfsd, b.gonfsd, true},
	} {
		if x.reads && !reading {
			continue
		}
		s, err := x.start(ctx)
		if s == nil && err == nil {
			continue
		}
		var c *nfsstore.Store
		if err == nil {
			c, err = nfsstore.Open(ctx, s.url(), &nfsstore.Options{ReadOnly: x.reads})
		}
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("%s: %w", x.name, err), closeAll())
		}
		list = append(list, client{x.name, s, c})
	}
	if len(list) == 0 {
		return nil, nil, errors.New("there is no NFS server to measure")
	}
	return list, closeAll, nil
}

// putOverNFS compares durable puts.
func putOverNFS(ctx context.Context, b *bench) (err error) {
	list, closeAll, err := b.clients(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	data := content(small)
	var subjects []subject
	for _, c := range list {
		s := putting(c.name, c.store, data, func() error { return empty(filepath.Join(c.server.dir, folder)) })
		s.server = c.server.pid
		subjects = append(subjects, s)
		if c.name == storeAtGanesha {
			subjects = append(subjects, b.foreign(foreignAtGanesha, c.server, func(r *foreignReport) foreignMeasure { return r.Put })...)
		}
	}
	return b.turns(ctx, nfsPut16k, subjects, puts(small, workers))
}

// written writes a file to the disk, below a server's folder, outside of what is measured.
func written(name string, b []byte) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// getOverNFS compares reading small files, each of which is opened by its name.
func getOverNFS(ctx context.Context, b *bench) (err error) {
	list, closeAll, err := b.clients(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	const files = 200
	data := content(small)
	var subjects []subject
	for _, c := range list {
		if err := os.MkdirAll(filepath.Join(c.server.dir, "small"), 0o755); err != nil {
			return err
		}
		for i := range files {
			if err := written(filepath.Join(c.server.dir, "small", fmt.Sprint("f", i)), data); err != nil {
				return err
			}
		}
		subjects = append(subjects, subject{name: c.name, server: c.server.pid, do: func(ctx context.Context, i int) error {
			f, err := c.store.Open(ctx, fmt.Sprintf("small/f%d", i%files))
			return drain(f, err, small)
		}})
		if c.name == storeAtGanesha {
			subjects = append(subjects, b.foreign(foreignAtGanesha, c.server, func(r *foreignReport) foreignMeasure { return r.Get })...)
		}
	}
	return b.turns(ctx, nfsGet16k, subjects, work{n: 400, turns: 4, workers: workers, rate: "gets/s", units: 1})
}

// writeOverNFS compares storing a large file, all of it safe at the end.
func writeOverNFS(ctx context.Context, b *bench) (err error) {
	list, closeAll, err := b.clients(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	data := content(large)
	var subjects []subject
	for _, c := range list {
		subjects = append(subjects, subject{
			name: c.name, server: c.server.pid,
			do: func(ctx context.Context, i int) error {
				return c.store.Put(ctx, fmt.Sprintf("%s/large%d", folder, i), bytes.NewReader(data), large, nil)
			},
			tidy: func() error { return empty(filepath.Join(c.server.dir, folder)) },
		})
	}
	return b.turns(ctx, nfsWrite64m, subjects, work{n: 1, turns: 2, workers: 1, rate: "MB/s", units: large / 1e6})
}

// readOverNFS compares reading a large file, which the server has in memory.
func readOverNFS(ctx context.Context, b *bench) (err error) {
	list, closeAll, err := b.clients(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	data := content(large)
	var subjects []subject
	for _, c := range list {
		if err := written(filepath.Join(c.server.dir, "large"), data); err != nil {
			return err
		}
		subjects = append(subjects, subject{name: c.name, server: c.server.pid, do: func(ctx context.Context, _ int) error {
			f, err := c.store.Open(ctx, "large")
			return drain(f, err, large)
		}})
	}
	return b.turns(ctx, nfsRead64m, subjects, work{n: 2, turns: 2, workers: 1, rate: "MB/s", units: large / 1e6})
}
