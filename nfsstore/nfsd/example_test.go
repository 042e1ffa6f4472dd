//go:build linux

package nfsd_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

func ExampleNew() {
	state, err := os.MkdirTemp("", "nfsd-state")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(state)
	dir, err := os.MkdirTemp("", "nfsd-files")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	server, err := nfsd.New(nfsd.Config{
		Exports: []nfsd.Export{{
			Name: "/srv/remora", Dir: dir,
			// On a real site: Squash: nfsd.SquashAll, and the UID and GID of the owner of the files.
			Clients: []nfsd.Client{{Net: netip.MustParsePrefix("127.0.0.0/8"), Squash: nfsd.SquashNone}},
		}},
		StateDir: state,
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // 2049 is the usual port
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, l) }()

	// Another machine mounts it, or uses it without a mount.
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	store, err := nfsstore.Open(ctx, "nfs://127.0.0.1:"+port+"/srv/remora?mountport="+port, nil)
	if err != nil {
		log.Fatal(err)
	}
	text := "the bytes of a bundle"
	if err := store.Put(ctx, "public/dance-3.xo", strings.NewReader(text), int64(len(text)), nil); err != nil {
		log.Fatal(err)
	}
	f, err := store.Open(ctx, "public/dance-3.xo")
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(f)
	fmt.Printf("%s, %v\n", b, err)
	fmt.Println(f.Close(), store.Close())
	stop()
	fmt.Println(<-served)
	// Output:
	// the bytes of a bundle, <nil>
	// <nil> <nil>
	// <nil>
}
