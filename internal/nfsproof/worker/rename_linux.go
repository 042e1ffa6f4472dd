package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/nfsproof"
	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// renamed writes files as [publish] does, without a store and without links: for servers that have none.
func renamed(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("rename", flag.ExitOnError)
	at := flags.String("url", "", "the `place` to write in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	u, err := url.Parse(*at)
	if err != nil {
		return err
	}
	c, err := nfs3vol.ParseURL(u)
	if err != nil {
		return err
	}
	v, err := nfs3vol.New(c)
	if err != nil {
		return err
	}
	p := &publisher{}
	if err := v.Mkdir(ctx, "files"); err != nil {
		return err
	}
	for n := range 16 {
		if err := v.Mkdir(ctx, path.Dir(nfsproof.Name("", n, 0))); err != nil {
			return err
		}
	}
	var all errgroup.Group
	for w := range 4 {
		all.Go(func() error {
			for n := 0; ; n++ {
				name := nfsproof.Name(fmt.Sprint("w", w), n, size(n))
				if err := writeRenamed(ctx, v, name); err != nil {
					return err
				}
				if err := p.ack(nfsproof.Ack{Name: name}); err != nil {
					return err
				}
			}
		})
	}
	return all.Wait()
}

func writeRenamed(ctx context.Context, v vol.Vol, name string) error {
	content, err := nfsproof.Content(name)
	if err != nil {
		return err
	}
	temp := path.Join(path.Dir(name), "."+path.Base(name))
	w, err := v.Create(ctx, temp)
	if err != nil {
		return err
	}
	if err := w.Write(ctx, content); err != nil {
		return err
	}
	if err := w.Sync(ctx); err != nil {
		return err
	}
	if err := w.Close(ctx); err != nil {
		return err
	}
	if err := v.Rename(ctx, temp, name); err != nil {
		return err
	}
	return v.Persist(ctx, name, true)
}
