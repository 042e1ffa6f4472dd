// Gonfsclient works on an NFS export by github.com/willscott/go-nfs-client.
//
//	gonfsclient -nfs 127.0.0.1:2049 -export /srv/remora job < steps
//	gonfsclient -nfs 127.0.0.1:2049 -export /srv/remora bench -n 1000 -size 16384 -workers 8
//
// A job is a list of steps, one a line; see job.go. It prints one line of JSON for each. The bench prints
// one object. It ends with 1 when something could not be tried at all; that a step failed is a result.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/willscott/go-nfs-client/nfs"
	"github.com/willscott/go-nfs-client/nfs/rpc"
	"github.com/willscott/go-nfs-client/nfs/xdr"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "gonfsclient:", err)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	f := flag.NewFlagSet("gonfsclient", flag.ContinueOnError)
	address := f.String("nfs", "", "host:port of the NFS server")
	mountAddress := f.String("mount", "", "host:port of its MOUNT program; empty: the same")
	export := f.String("export", "", "the path of the export")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *mountAddress == "" {
		*mountAddress = *address
	}
	// The library logs what it also returns.
	log.SetFlags(0)
	rpc.DefaultReadTimeout = 30 * time.Second
	verb, rest := f.Arg(0), f.Args()
	if len(rest) > 0 {
		rest = rest[1:]
	}
	switch verb {
	case "job", "bench":
	default:
		return fmt.Errorf("%q is neither job nor bench", verb)
	}
	target, err := mount(*address, *mountAddress, *export)
	if err != nil {
		return err
	}
	defer target.Close()
	if verb == "bench" {
		return bench(target, rest, os.Stdout)
	}
	return job(target, os.Stdin, os.Stdout)
}

// mount asks for the handle of the export. What the library has for it wants a portmapper.
func mount(address, mountAddress, export string) (*nfs.Target, error) {
	auth := rpc.NewAuthUnix("gonfsclient", uint32(os.Getuid()), uint32(os.Getgid())).Auth()
	mounter, err := dial(mountAddress)
	if err != nil {
		return nil, err
	}
	defer mounter.Close()
	type args struct {
		rpc.Header
		Path string
	}
	res, err := mounter.Call(&args{
		rpc.Header{
			Rpcvers: 2, Prog: nfs.MountProg, Vers: nfs.MountVers, Proc: nfs.MountProc3MNT,
			Cred: auth, Verf: rpc.AuthNull,
		}, export,
	})
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	status, err := xdr.ReadUint32(res)
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	if status != nfs.MNT3Ok {
		return nil, fmt.Errorf("mount: the server answers with the status %d", status)
	}
	handle, err := xdr.ReadOpaque(res)
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	client, err := dial(address)
	if err != nil {
		return nil, err
	}
	return nfs.NewTargetWithClient(client, auth, handle, export, time.Second)
}

func dial(address string) (*rpc.Client, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("the port of %s: %w", address, err)
	}
	return nfs.DialServiceAtPort(host, port)
}
