package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// serve exports a folder to the lab by our own server.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "", "the `address` to listen on")
	dir := flags.String("dir", "", "the `folder` to export, under its own name")
	later := flags.Bool("later", false, "let hidden names wait for the disk")
	parent := flags.String("state", "", "the `folder` that a folder for the keys is made in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	state := filepath.Join(*parent, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	s, err := nfsd.New(nfsd.Config{
		Exports:  []nfsd.Export{{Name: *dir, Dir: *dir, HiddenLater: *later, Clients: []nfsd.Client{{Net: netip.MustParsePrefix("10.77.0.0/24"), Squash: nfsd.SquashNone}}}},
		StateDir: state,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return s.Serve(ctx, l)
}
