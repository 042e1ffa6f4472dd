package edge

import (
	"net"
	"syscall"
)

// tcpNotSentLowat is TCP_NOTSENT_LOWAT, which package syscall does not have.
const tcpNotSentLowat = 25

// maxUnsent is how much of an answer the kernel takes before the client's window lets it go out. Without a
// bound that is up to 4 MiB for each connection, of memory that all of the machine's connections share, and
// a thousand clients that read nothing make all others slow. What is on its way has no such bound, so
// that fast lines stay full.
const maxUnsent = 256 << 10

// boundUnsent sets it. A connection that has no such thing goes without.
func boundUnsent(c net.Conn) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	r, err := s.SyscallConn()
	if err != nil {
		return
	}
	_ = r.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent)
	})
}
