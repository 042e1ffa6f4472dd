package replicatest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// server finds out which server opened the connection from peer to here; nil: none of them. Linux lists
// the sockets of all processes, and which process has which open. A replica does not say who it is
// until it has logged in, and may not say it readably then.
func (g *Group) server(peer, here net.Addr) *Server {
	inode := socket(peer, here)
	if inode == "" {
		return nil // gone already
	}
	for _, s := range g.Servers {
		if s.child == nil || s.child.Pid() == 0 {
			continue
		}
		dir := fmt.Sprintf("/proc/%d/fd", s.child.Pid())
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // it ended
		}
		for _, e := range entries {
			if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && to == "socket:["+inode+"]" {
				return s
			}
		}
	}
	return nil
}

// socket returns the inode of the TCP socket that is bound to from and connected to to; "" if none is.
func socket(from, to net.Addr) string {
	// A list that changes while it is read may lack some.
	for range 3 {
		if inode := look(hex(from), hex(to)); inode != "" {
			return inode
		}
	}
	return ""
}

func look(from, to string) string {
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// Number, local and remote address, state, queues, timers, retransmissions, user, timeout, inode.
		if x := strings.Fields(lines.Text()); len(x) > 9 && x[1] == from && x[2] == to {
			return x[9]
		}
	}
	return ""
}

// hex writes an IPv4 address as the kernel lists it: as a number in the order of the machine.
func hex(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || t.IP.To4() == nil {
		return ""
	}
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(t.IP.To4()), t.Port)
}
