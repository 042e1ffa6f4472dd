//go:build !linux

package edge

import "net"

// boundUnsent leaves the bound to the kernel's own.
func boundUnsent(net.Conn) {}
