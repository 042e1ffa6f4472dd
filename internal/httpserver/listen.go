package httpserver

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen listens on a TCP address. If a service manager has opened that for this process (systemd.socket(5)), its
// socket is taken, so connections wait while the process is replaced. With share, other processes of the same user that say so too may
// listen there at the same time (SO_REUSEPORT, socket(7)), so that one can take over from another.
func Listen(ctx context.Context, at string, share bool) (net.Listener, error) {
	if ln := fromManager.take(at); ln != nil {
		return ln, nil
	}
	var lc net.ListenConfig
	if share {
		lc.Control = func(_, _ string, c syscall.RawConn) (err error) {
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}), err)
		}
	}
	return lc.Listen(ctx, "tcp", at)
}
