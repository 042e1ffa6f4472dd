package nfs3vol

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Config says which export to use and how. Host and Export are required.
type Config struct {
	Host   string // name or address of the server, without port; all its addresses must be private
	Export string // absolute path that the server exports, or a directory below it

	UID uint32 // user and group the server is told (AUTH_SYS); what they may is the server's decision
	GID uint32

	NFSPort   int // TCP ports; 0: ask the server's portmapper (RFC 1833) on port 111
	MountPort int

	// Timeout bounds every request to the server, with its repetitions; 0: 10 s. A context may end
	// a call earlier.
	Timeout time.Duration

	// MaxInFlight bounds the requests under way at one time, from 1 to 1024; 0: 64. Further ones
	// wait.
	MaxInFlight int

	// Names is how names are made safe; zero: NamesByFence, which is right with every server.
	// NamesByServer does without the fence; it is for servers that make names safe before they
	// acknowledge them. NamesBySync is none of NFS version 3.
	Names vol.Names

	Logger *slog.Logger // told about lost and new connections; nil: nobody
}

// ParseURL reads nfs://host[:port]/export/path?uid=N&gid=N&mountport=N&timeout=DURATION&names=WAY,
// where port is that of NFS and everything after the path is optional; WAY is one of
// [vol.ParseNames]. The error names every mistake and never what could be a password.
func ParseURL(u *url.URL) (Config, error) {
	var errs []error
	var names vol.Names
	rest := *u
	if q, err := url.ParseQuery(u.RawQuery); err == nil && q.Has("names") {
		if names, err = vol.ParseNames(q.Get("names")); err != nil {
			errs = append(errs, err)
		} else if len(q["names"]) > 1 {
			errs = append(errs, fmt.Errorf("names is given %d times", len(q["names"])))
		}
		q.Del("names")
		rest.RawQuery = q.Encode()
	}
	n, err := nfs3.ParseURL(&rest)
	if err != nil {
		errs = append(errs, err)
	}
	c := Config{
		Host: n.Host, Export: n.Export, UID: n.UID, GID: n.GID, NFSPort: n.NFSPort, MountPort: n.MountPort,
		Timeout: n.Timeout, MaxInFlight: n.MaxInFlight, Names: names,
	}
	if err := checkNames(names); err != nil {
		errs = append(errs, err)
	}
	if ip, err := netip.ParseAddr(c.Host); err == nil {
		if err := checkPrivate(ip); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// String is the address, without its options.
func (c Config) String() string {
	u := url.URL{Scheme: "nfs", Host: c.Host, Path: c.Export}
	switch {
	case c.NFSPort != 0:
		u.Host = net.JoinHostPort(c.Host, fmt.Sprint(c.NFSPort))
	case strings.Contains(u.Host, ":"):
		u.Host = "[" + u.Host + "]"
	}
	return u.String()
}

func (c Config) client() nfs3.Config {
	return nfs3.Config{
		Host: c.Host, Export: c.Export, UID: c.UID, GID: c.GID, NFSPort: c.NFSPort, MountPort: c.MountPort,
		Timeout: c.Timeout, MaxInFlight: c.MaxInFlight, Logger: c.Logger,
	}
}

func checkNames(n vol.Names) error {
	if !n.Valid() || n == vol.NamesBySync {
		return &vol.Error{Fault: vol.FaultInvalid, Err: fs.ErrInvalid, Sentence: "on NFS version 3 folders cannot be synced; names are made safe by fence or by server"}
	}
	return nil
}

// shared is the address space that providers use inside (RFC 6598), and so do private overlays.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// checkPrivate refuses addresses that others than the own network may have or see.
func checkPrivate(ip netip.Addr) error {
	ip = ip.Unmap()
	if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || shared.Contains(ip) {
		return nil
	}
	return &vol.Error{Fault: vol.FaultInvalid, Err: fs.ErrInvalid, Sentence: "the address " + ip.String() + " of the NFS server is public; " +
		"NFS believes everybody who can reach it, so use it on a private network or through a tunnel (such as WireGuard) only"}
}
