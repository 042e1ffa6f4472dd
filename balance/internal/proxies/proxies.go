// Package proxies tells a client's address from what proxies say of it.
package proxies

import (
	"net/netip"
	"strings"
)

// Networks are those of proxies that are believed.
type Networks []netip.Prefix

// Contain reports whether the address is in one of them.
func (n Networks) Contain(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(address) {
			return true
		}
	}
	return false
}

// Peer returns the address of who has connected, not valid if that is not an address of the network
// (a Unix socket), and whether it is a proxy that is believed.
func (n Networks) Peer(remote string) (address netip.Addr, trusted bool) {
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	address = p.Addr().Unmap()
	return address, n.Contain(address)
}

// Client returns the last address that the proxies have vouched for: walking the X-Forwarded-For
// fields from their end, from the trusted peer on.
func (n Networks) Client(peer netip.Addr, fields []string) netip.Addr {
	for i := len(fields) - 1; i >= 0; i-- {
		for rest := fields[i]; rest != ""; {
			last := rest
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, last = rest[:at], rest[at+1:]
			} else {
				rest = ""
			}
			address, err := netip.ParseAddr(strings.TrimSpace(last))
			if err != nil {
				return peer // what stands before is not better
			}
			peer = address.Unmap()
			if !n.Contain(peer) {
				return peer
			}
		}
	}
	return peer
}
