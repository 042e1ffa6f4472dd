// Gonfsd exports a folder over NFS version 3 by github.com/willscott/go-nfs, to anybody who may connect.
// It serves MOUNT on the same port.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	nfs "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "gonfsd:", err)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("gonfsd", flag.ContinueOnError)
	address := f.String("l", "127.0.0.1:0", "the address to listen at")
	dir := f.String("d", "", "the folder to export")
	sync := f.Bool("sync", false, "bring what is written to disk before it is acknowledged")
	handles := f.Int("handles", 1<<17, "how many file handles are remembered")
	if err := f.Parse(args); err != nil {
		return err
	}
	info, err := os.Stat(*dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", *dir)
	}
	l, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	var fs billy.Filesystem = disk{osfs.New(*dir)}
	if *sync {
		fs = synced{disk{osfs.New(*dir)}}
	}
	fmt.Println("listening at", l.Addr())
	return nfs.Serve(l, helpers.NewCachingHandler(helpers.NewNullAuthHandler(fs), *handles))
}
