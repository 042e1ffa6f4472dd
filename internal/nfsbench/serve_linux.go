package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// serveEnv makes this program a server, so that it is measured in a process of its own: what it serves,
// the port, and the folder.
const serveEnv = "NFSBENCH_SERVE"

// serving starts this program as a server.
func (s *servers) serving(ctx context.Context, what string, port int, dir string) (*child.Process, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d:%s", serveEnv, what, port, dir))
	return s.start(ctx, cmd, port)
}

// serve is such a server, until it is told to stop.
func serve(ctx context.Context, what string) error {
	what, rest, _ := strings.Cut(what, ":")
	port, dir, _ := strings.Cut(rest, ":")
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	if what == nfsdKind || what == nfsdLaterKind {
		return serveNFS(ctx, l, dir, what == nfsdLaterKind)
	}
	return serveFiles(ctx, what, l, dir)
}

// What serves NFS: our own server, and that with HiddenLater.
const nfsdKind, nfsdLaterKind = "nfsd", "nfsd-later"

// serveNFS exports a folder by our own server, to all users as they are.
func serveNFS(ctx context.Context, l net.Listener, dir string, later bool) error {
	s, err := nfsd.New(nfsd.Config{
		Exports: []nfsd.Export{{Name: exported, Dir: dir, HiddenLater: later,
			Clients: []nfsd.Client{{Net: netip.MustParsePrefix("127.0.0.0/8"), Squash: nfsd.SquashNone}}}},
		StateDir: dir + "-state",
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(ctx, l)
}

// nfsd returns our own server.
func (b *bench) nfsd(ctx context.Context) (*server, error) { return b.own(ctx, nfsdKind, nfsdPort) }

// nfsdLater returns our own server with HiddenLater.
func (b *bench) nfsdLater(ctx context.Context) (*server, error) {
	return b.own(ctx, nfsdLaterKind, nfsdLaterPort)
}

func (b *bench) own(ctx context.Context, name string, port int) (*server, error) {
	if s := b.servers.find(name); s != nil {
		return s, nil
	}
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir+"-state", 0o700); err != nil {
		return nil, err
	}
	p, err := b.servers.serving(ctx, name, port, dir)
	if err != nil {
		return nil, err
	}
	return b.servers.add(name, dir, p, port, port), nil
}
