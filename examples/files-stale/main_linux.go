// The program files-stale shows what a stale handle is, and what a store makes of it. NFS has no open files:
// a client holds a handle, which becomes stale when somebody else takes the file or its folder away on
// the server.
//
// It serves a temporary folder by package nfsd on the loopback interface, opens a store on it, and then
// does on the server what administrators do.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "files-stale:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	base, err := os.MkdirTemp("", "files-stale")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(base)) }()
	dir, state := filepath.Join(base, "files"), filepath.Join(base, "state")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(state, 0o700)); err != nil {
		return err
	}
	server, err := nfsd.New(nfsd.Config{
		Exports:  []nfsd.Export{{Name: "/files", Dir: dir, Clients: []nfsd.Client{{Net: netip.MustParsePrefix("127.0.0.0/8"), Squash: nfsd.SquashNone}}}},
		StateDir: state,
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(serving, l) }()
	defer func() {
		end()
		err = errors.Join(err, <-ended)
	}()
	port := l.Addr().(*net.TCPAddr).Port
	url := fmt.Sprintf("nfs://127.0.0.1:%d/files?mountport=%d&uid=%d&gid=%d", port, port, os.Getuid(), os.Getgid())
	store, err := nfsstore.Open(ctx, url, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return show(ctx, store, dir, out)
}

func show(ctx context.Context, store *nfsstore.Store, dir string, out io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	content := bytes.Repeat([]byte("activity"), 100_000)
	const name = "bundles/dance.xo"
	if err := store.Put(ctx, name, bytes.NewReader(content), int64(len(content)), nil); err != nil {
		return err
	}
	f, err := store.Open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
		return err
	}

	// Somebody restores the folder from a backup: the same files, and no handle is what it was.
	folder := filepath.Join(dir, "bundles")
	if err := errors.Join(os.Rename(folder, folder+".old"), os.CopyFS(folder, os.DirFS(folder+".old")), os.RemoveAll(folder+".old")); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, f)
	switch {
	case err != nil:
		say("The open file after %d of %d bytes: %v", 1000+n, len(content), err)
	default:
		say("The open file was read to its end.")
	}
	say("ErrChanged: %v. ErrUnavailable: %v.", errors.Is(err, nfsstore.ErrChanged), errors.Is(err, nfsstore.ErrUnavailable))

	// By its name it is found at once: a folder whose handle is stale is looked up anew.
	again, err := store.Open(ctx, name)
	if err != nil {
		return err
	}
	n, err = io.Copy(io.Discard, again)
	if err = errors.Join(err, again.Close()); err != nil {
		return err
	}
	say("Opened anew: %d bytes.", n)
	if err := store.Put(ctx, "bundles/next.xo", bytes.NewReader(content), int64(len(content)), nil); err != nil {
		return err
	}
	say("And stored beside it.")
	return nil
}
