package monitor

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Listening is what a doctor looks at of how the library is reached.
type Listening struct {
	// Listen are the addresses with ports it listens on, such as "0.0.0.0:80".
	Listen []string
	// SiteURL is the public address; "": not set.
	SiteURL string
	// Own are the addresses of this machine's interfaces; they tell what "0.0.0.0" means.
	Own []netip.Addr
}

// reach is how far away somebody may be who can use an address.
type reach int

const (
	reachLoopback reach = iota
	reachPrivate
	reachPublic
)

// reachOf returns how far an address reaches (RFC 1918, RFC 4193, RFC 3927, RFC 4291). Shared address
// space (RFC 6598) counts as public, as other customers of a provider are in it.
func reachOf(a netip.Addr) reach {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return reachLoopback
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return reachPrivate
	}
	return reachPublic
}

// Results judges the addresses.
func (l Listening) Results() []Result {
	var out []Result
	add := func(level Level, name, next, format string, args ...any) {
		out = append(out, Result{Name: name, Finding: Finding{Level: level, Summary: fmt.Sprintf(format, args...), Next: next}})
	}
	beyond := false
	for _, listen := range l.Listen {
		far := reachLoopback
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			add(Bad, "http.listen", "Set it to an address and a port, such as 127.0.0.1:8080.", "The address %q cannot be listened on.", clean(listen))
			continue
		}
		addr, err := netip.ParseAddr(host)
		switch {
		case host == "localhost":
		case host != "" && err != nil:
			add(Unknown, "http.listen", "Use the address itself.", "Who can reach the name %q is not known.", clean(host))
			continue
		case host == "" || addr.IsUnspecified():
			for _, own := range l.Own {
				far = max(far, reachOf(own))
			}
			far = max(far, reachPrivate)
		default:
			far = reachOf(addr)
		}
		beyond = beyond || far > reachLoopback
		if far == reachPublic && !strings.HasPrefix(l.SiteURL, "https://") {
			add(Warn, "http.listen", "Put a server with a certificate in front, set site.url to its https:// address, and let this one listen on 127.0.0.1 only.",
				"Everybody on the Internet can reach %s, without encryption.", listen)
			continue
		}
		add(OK, "http.listen", "", "The address %s reaches as far as it should.", listen)
	}
	switch {
	case l.SiteURL == "" && beyond:
		add(Warn, "site.url", "Set site.url to the address that people use.", "The public address is not set: requests by any name but those in site.hosts are refused.")
	case l.SiteURL != "":
		add(OK, "site.url", "", "The public address is %s.", l.SiteURL)
	}
	return out
}

// An Export is what a doctor looks at of an NFS server.
type Export struct {
	// Host is what nfs://… names, Addrs what it resolves to.
	Host  string
	Addrs []netip.Addr
}

// Results judges who might reach the export. With AUTH_SYS a client says itself who it is (RFC 5531,
// section 14), so anybody who reaches the server may read and write everything.
func (e Export) Results() []Result {
	one := Result{Name: "NFS export"}
	switch public := e.public(); {
	case len(e.Addrs) == 0:
		one.Finding = Finding{Level: Unknown, Summary: "The address of the NFS server " + e.Host + " is not known.", Next: "getent hosts " + e.Host}
	case public.IsValid():
		one.Finding = Finding{
			Level: Bad, Summary: fmt.Sprintf("The NFS server %s has the public address %s: whoever reaches it may write to it.", e.Host, public),
			Next: "Export to a private network only (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fc00::/7), by a cable or WireGuard.",
		}
	default:
		one.Finding = Finding{Level: OK, Summary: "The NFS server " + e.Host + " is on a private network."}
	}
	return []Result{one}
}

func (e Export) public() netip.Addr {
	for _, a := range e.Addrs {
		if reachOf(a) == reachPublic {
			return a
		}
	}
	return netip.Addr{}
}
