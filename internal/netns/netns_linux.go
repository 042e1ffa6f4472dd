package netns

import (
	"context"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Dial connects by TCP to an address in the network namespace; its host must be an IP address. A socket
// belongs to the namespace of the thread that makes it; that thread ends with the goroutine, because it
// stays locked.
func Dial(ctx context.Context, ns *os.File, address string) (net.Conn, error) {
	type result struct {
		nc  net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: err}
			return
		}
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", address)
		done <- result{nc, err}
	}()
	r := <-done
	return r.nc, r.err
}
