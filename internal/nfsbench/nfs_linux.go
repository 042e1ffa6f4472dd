package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Workloads over NFS.
const (
	nfsPut16k   = "NFS put 16 KiB"
	nfsGet16k   = "NFS get 16 KiB"
	nfsStat     = "NFS stat"
	nfsReaddir  = "NFS list 10,000"
	nfsWrite64m = "NFS put 64 MiB"
	nfsRead64m  = "NFS read 64 MiB"
)

// Subjects over NFS: our client, unless another is named, at a server.
const (
	atGanesha        = "NFS-Ganesha"
	atGaneshaFenced  = "NFS-Ganesha, fence"
	atNfsd           = "nfsd"
	atNfsdLater      = "nfsd, HiddenLater"
	atGonfsd         = "go-nfs"
	foreignAtGanesha = "go-nfs-client at NFS-Ganesha"
)

// workers is how many work at a time over NFS, but for those that show the throughput of one.
const workers = 8

// A client is our client at a server, alone and under a store.
type client struct {
	name   string
	server *server
	vol    *nfs3vol.Vol
	store  *nfsstore.Store
}

// subject does something with the client.
func (c *client) subject(do func(ctx context.Context, i int) error) subject {
	return subject{name: c.name, server: c.server.pid, do: do}
}

// path returns where something in the export is on the disk.
func (c *client) path(name string) string { return filepath.Join(c.server.dir, name) }

// dial makes a client of a server, whose names are safe in that way.
func dial(ctx context.Context, name string, s *server, names vol.Names) (*client, error) {
	u, err := url.Parse(s.url() + "&names=" + names.String())
	if err != nil {
		return nil, err
	}
	config, err := nfs3vol.ParseURL(u)
	if err != nil {
		return nil, err
	}
	v, err := nfs3vol.New(config)
	if err != nil {
		return nil, err
	}
	st, err := nfsstore.Open(ctx, u.String(), nil)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &client{name, s, v, st}, nil
}

func (c *client) close() error { return errors.Join(c.store.Close(), c.vol.Close()) }

// overNFS runs a workload with clients of those servers that are there.
func overNFS(workload string, w work, names []string, make func(ctx context.Context, b *bench, c *client) (subject, error), others ...func(*bench, *server) []subject) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) (err error) {
		var subjects []subject
		for _, name := range names {
			start, way := b.ganesha, vol.NamesByServer
			switch name {
			case atGaneshaFenced:
				way = vol.NamesByFence
			case atNfsd:
				start = b.nfsd
			case atNfsdLater:
				start = b.nfsdLater
			case atGonfsd:
				start = b.gonfsd
			}
			s, err := start(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if s == nil {
				continue
			}
			c, err := dial(ctx, name, s, way)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			defer func() { err = errors.Join(err, c.close()) }()
			x, err := make(ctx, b, c)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			subjects = append(subjects, x)
			if name == atGanesha {
				for _, other := range others {
					subjects = append(subjects, other(b, s)...)
				}
			}
		}
		if len(subjects) == 0 {
			return errors.New("there is no NFS server to measure")
		}
		return b.turns(ctx, workload, subjects, w)
	}
}

// putOverNFS is a durable put. Each turn has a folder of its own, as with go-nfs-client.
var putOverNFS = overNFS(nfsPut16k, puts(small, workers), []string{atGanesha, atGaneshaFenced, atNfsd, atNfsdLater},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		dir := ""
		data := content(small)
		sum := sha256.Sum256(data)
		put := func(ctx context.Context, name string) error {
			return c.store.Put(ctx, name, bytes.NewReader(data), small, sum[:])
		}
		s := c.subject(func(ctx context.Context, i int) error { return put(ctx, fmt.Sprintf("%s/f%d", dir, i)) })
		s.begin = func(ctx context.Context, turn int) error {
			dir = fmt.Sprintf("%s/%d", folder, turn)
			return put(ctx, dir+"/first")
		}
		s.tidy = func() error { return empty(c.path(folder)) }
		return s, nil
	},
	func(b *bench, s *server) []subject {
		return b.foreign(foreignAtGanesha, s, func(r *foreignReport) foreignMeasure { return r.Put })
	})

// How many small files there are to be read, and empty ones to be listed.
const (
	smallFiles = 2000
	emptyFiles = 10_000
)

// getOverNFS opens a small file by its name and reads it.
var getOverNFS = overNFS(nfsGet16k, work{n: 400, turns: 4, workers: workers, rate: "gets/s", units: 1}, []string{atGanesha, atNfsd, atGonfsd},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		if err := fill(c.path("small"), smallFiles, content(small)); err != nil {
			return subject{}, err
		}
		return c.subject(func(ctx context.Context, i int) error {
			f, err := c.store.Open(ctx, fmt.Sprintf("small/f%d", i%smallFiles))
			return drain(f, err, small)
		}), nil
	},
	func(b *bench, s *server) []subject {
		return b.foreign(foreignAtGanesha, s, func(r *foreignReport) foreignMeasure { return r.Get })
	})

// statOverNFS asks for the attributes of one of many files by its name.
var statOverNFS = overNFS(nfsStat, work{n: 4000, turns: 4, workers: workers, rate: "stats/s", units: 1}, []string{atGanesha, atNfsd},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		return c.subject(func(ctx context.Context, i int) error {
			_, err := c.vol.Stat(ctx, fmt.Sprintf("many/f%d", i*7919%emptyFiles))
			return err
		}), fill(c.path("many"), emptyFiles, nil)
	})

// listOverNFS reads a folder with the attributes of all that is in it.
var listOverNFS = overNFS(nfsReaddir, work{n: 4, turns: 4, workers: 1, rate: "names/s", units: emptyFiles}, []string{atGanesha, atNfsd},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		return c.subject(func(ctx context.Context, _ int) error {
			d, err := c.vol.OpenDir(ctx, "many")
			if err != nil {
				return err
			}
			names := 0
			for err == nil {
				entries, e := d.ReadDir(1000)
				names, err = names+len(entries), e
			}
			if err == io.EOF {
				err = nil
			}
			if err == nil && names != emptyFiles {
				err = fmt.Errorf("%d names were listed, not %d", names, emptyFiles)
			}
			return errors.Join(err, d.Close())
		}), fill(c.path("many"), emptyFiles, nil)
	})

// writeOverNFS stores a large file, all of it safe at the end.
var writeOverNFS = overNFS(nfsWrite64m, work{n: 1, turns: 2, workers: 1, rate: "MB/s", units: large / 1e6, tidy: true}, []string{atGanesha, atNfsd},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		data := content(large)
		s := c.subject(func(ctx context.Context, i int) error {
			return c.store.Put(ctx, fmt.Sprintf("%s/large%d", folder, i), bytes.NewReader(data), large, nil)
		})
		s.tidy = func() error { return empty(c.path(folder)) }
		return s, nil
	})

// readOverNFS reads a large file, which the server has in memory.
var readOverNFS = overNFS(nfsRead64m, work{n: 2, turns: 2, workers: 1, rate: "MB/s", units: large / 1e6}, []string{atGanesha, atNfsd},
	func(_ context.Context, _ *bench, c *client) (subject, error) {
		if err := fill(c.path("large"), 1, content(large)); err != nil {
			return subject{}, err
		}
		return c.subject(func(ctx context.Context, _ int) error {
			f, err := c.store.Open(ctx, "large/f0")
			return drain(f, err, large)
		}), nil
	})

// fill makes a folder on the disk with n files f0, f1, … of that content, unless it is there.
func fill(dir string, n int, content []byte) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	// What is there has all its files, whoever is stopped in between.
	part := dir + ".part"
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(part, fmt.Sprint("f", i)), content, 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(part, dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close()) // so that no measurement has to write it
}
