package nfsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Config says what is exported, to whom, and how much of the machine it may take.
type Config struct {
	Exports []Export // at least one

	// StateDir is an existing directory, outside of all exports, that only the user of the server may
	// enter. It keeps the key of the handles; without it, clients have to mount again.
	StateDir string

	Limits Limits

	Logger *slog.Logger // told about starts, refused clients and faults; nil: nobody
}

// An Export is one directory that clients may mount.
type Export struct {
	Name     string   // as clients mount it: a clean absolute path of printable ASCII, /srv/remora
	Dir      string   // the directory on this machine; mounts below it are not part of the export
	Clients  []Client // who may use it; of several that match, the longest prefix counts
	ReadOnly bool     // for all clients

	// HiddenLater answers before the disk has it when a name that begins with a dot is made or removed,
	// which RFC 1813 does not allow. A crash may undo such a change that was acknowledged, for some
	// seconds; a name that is made by a rename or a link is safe all the same, and so are bytes. It
	// halves the cost of storing a small file for programs that write to a hidden temporary name, give
	// it its name, and clean up after a crash, as package nfsstore does.
	HiddenLater bool
}

// A Client is a rule for the machines of a network.
type Client struct {
	Net      netip.Prefix // within the private, link-local and loopback networks
	ReadOnly bool
	Squash   Squash
	// UID and GID are who a squashed user becomes; 0 stands for 65534, nobody.
	UID, GID uint32
}

// Squash says which users are not taken for whom they say they are.
type Squash int

// The kinds of squash.
const (
	SquashRoot Squash = iota // the user 0 and the group 0
	SquashNone               // none: the root of a client is the root of the export
	SquashAll                // all
)

// Limits bound what clients can make the server do at one time. Zero stands for the default. More
// connections than allowed close the one that has been quiet for longest, and further calls wait.
type Limits struct {
	Connections          int           // in all; DefaultConnections
	ConnectionsPerClient int           // from one address; DefaultConnectionsPerClient
	InFlight             int           // calls carried out at one time; DefaultInFlight
	Idle                 time.Duration // after which a quiet connection is closed; DefaultIdle
}

// Default values of Limits.
const (
	DefaultConnections          = 1024
	DefaultConnectionsPerClient = 64
	DefaultInFlight             = 256
	DefaultIdle                 = 15 * time.Minute
)

// MaxIndex is how many files and directories the exports may have together on a server that may not
// open the handles of the kernel.
const MaxIndex = 500_000

// nobody is who squashed users become.
const nobody = 65534

// checked returns a copy of c with its defaults, or every mistake.
func (c Config) checked() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Exports) == 0 {
		bad("there is no export; give at least one name and directory")
	}
	if !filepath.IsAbs(c.StateDir) {
		bad("StateDir is %q; it must be the absolute path of a directory that only the server uses", c.StateDir)
	}
	c.StateDir = filepath.Clean(c.StateDir)
	seen := make(map[string]bool)
	exports := make([]Export, len(c.Exports))
	for i, e := range c.Exports {
		if err := checkExportName(e.Name); err != nil {
			errs = append(errs, err)
		}
		if seen[e.Name] {
			bad("export %s is given twice", e.Name)
		}
		seen[e.Name] = true
		if !filepath.IsAbs(e.Dir) {
			bad("export %s: Dir is %q; it must be an absolute path", e.Name, e.Dir)
		}
		e.Dir = filepath.Clean(e.Dir)
		if below(c.StateDir, e.Dir) {
			bad("export %s: StateDir is inside of it, where clients could read the key; put it elsewhere", e.Name)
		}
		if len(e.Clients) == 0 {
			bad("export %s: there is no client who may use it; give at least one network", e.Name)
		}
		e.Clients = append([]Client(nil), e.Clients...)
		for j := range e.Clients {
			if err := e.Clients[j].check(); err != nil {
				bad("export %s: client %s: %w", e.Name, e.Clients[j].Net, err)
			}
		}
		exports[i] = e
	}
	c.Exports = exports
	if err := c.Limits.check(); err != nil {
		errs = append(errs, err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(errs...)
}

func checkExportName(name string) error {
	const maxPath = 1024 // MNTPATHLEN of RFC 1813
	ok := strings.HasPrefix(name, "/") && path.Clean(name) == name && len(name) <= maxPath
	for i := range len(name) {
		ok = ok && name[i] > ' ' && name[i] < 0x7f
	}
	if !ok {
		return fmt.Errorf("the name of an export is %q; it must be an absolute path of at most %d printable ASCII characters, without spaces and without a slash at its end", name, maxPath)
	}
	return nil
}

// below reports whether name is dir or inside of it, by their texts.
func below(name, dir string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// privateNets are the networks whose machines may be clients. The addresses of a listener are asked
// the same. 100.64.0.0/10 is what providers, and private overlays, use inside (RFC 6598).
var privateNets = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// private reports whether all addresses of p are in one private network.
func private(p netip.Prefix) bool {
	for _, n := range privateNets {
		if n.Bits() <= p.Bits() && n.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

func (c *Client) check() error {
	var errs []error
	switch {
	case !c.Net.IsValid():
		errs = append(errs, errors.New("the network is not valid; give an address and its prefix length, as 10.0.0.0/8"))
	case c.Net.Addr().Is4In6():
		errs = append(errs, errors.New("give an IPv4 network in its own form, not inside of IPv6"))
	case !private(c.Net):
		errs = append(errs, errors.New("it is not a private network; NFS with AUTH_SYS trusts whoever asks, so only private ones are served"))
	}
	if c.Squash < SquashRoot || c.Squash > SquashAll {
		errs = append(errs, fmt.Errorf("the squash %d does not exist", c.Squash))
	}
	if c.UID == ^uint32(0) || c.GID == ^uint32(0) {
		errs = append(errs, errors.New("the user or the group to squash to is 4294967295, which means none"))
	}
	if c.UID == 0 {
		c.UID = nobody
	}
	if c.GID == 0 {
		c.GID = nobody
	}
	return errors.Join(errs...)
}

func (l *Limits) check() error {
	var errs []error
	number := func(name string, n *int, def, most int) {
		if *n == 0 {
			*n = def
		}
		if *n < 1 || *n > most {
			errs = append(errs, fmt.Errorf("the limit %s is %d; it must be from 1 to %d", name, *n, most))
		}
	}
	number("Connections", &l.Connections, DefaultConnections, 65536)
	number("ConnectionsPerClient", &l.ConnectionsPerClient, min(DefaultConnectionsPerClient, max(l.Connections, 1)), 65536)
	number("InFlight", &l.InFlight, DefaultInFlight, 4096)
	if l.Idle == 0 {
		l.Idle = DefaultIdle
	}
	if l.Idle < 0 {
		errs = append(errs, fmt.Errorf("the limit Idle is %v; it must be above zero", l.Idle))
	}
	return errors.Join(errs...)
}
