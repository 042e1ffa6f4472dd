package httpserver

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen listens on a TCP address. With share, other processes of the same user that say so too may
// listen there at the same time (SO_REUSEPORT, socket(7)), so that one can take over from another.
func Listen(ctx context.Context, at string, share bool) (net.Listener, error) {
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
