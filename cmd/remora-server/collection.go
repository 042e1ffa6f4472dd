package main

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/internal/collectionfile"
)

type collectionCmd struct {
	Import collectionImportCmd `cmd:"" help:"Make or replace a collection from a file."`
}

type collectionImportCmd struct {
	File string `arg:"" help:"TOML file." type:"existingfile"`
	why
}

func (c *collectionImportCmd) Help() string {
	return `The file says what is in the collection, in order. Laptops whose update group is the nickname
install it. A number pins a version; an optional activity is offered but not installed by itself.

  nickname = "first-day"
  listed = true
  [name]
  en = "First day with Sugar"
  [[activity]]
  bundle_id = "org.example.Dance"
  [[activity]]
  bundle_id = "org.example.Chess"
  number = "1.9"
  optional = true`
}

func (c *collectionImportCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error {
		list, err := collectionfile.Read(c.File)
		if err != nil {
			return err
		}
		id, err := h.store.PutCollection(ctx, c.actor(), list)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "collection %s has %d activities (id %d)\n", list.Nickname, len(list.Items), id)
		return err
	})
}
