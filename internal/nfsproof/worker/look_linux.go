package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// look prints whether a store has a file.
func look(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("look", flag.ExitOnError)
	dir := flags.String("dir", "", "the `folder` of the store")
	name := flags.String("name", "", "of the `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	store, err := nfsstore.Open(ctx, *dir, &nfsstore.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	said := "there"
	file, err := store.Open(ctx, *name)
	switch {
	case err == nil:
		err = file.Close()
	case errors.Is(err, fs.ErrNotExist):
		said, err = "absent", nil
	}
	if err = errors.Join(err, store.Close()); err == nil {
		fmt.Println(said)
	}
	return err
}
