package nodes

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/internal/names"
)

// MaxSize is the most bytes that a node file may have.
const MaxSize = 1 << 20

// A Node is a line of a node file.
type Node struct {
	// Name is that of the backend; "": its address.
	Name string
	// Host is an IP address, or a name to resolve; Port goes with it. Socket is the path of a Unix
	// socket in the place of both.
	Host   string
	Port   int
	Socket string
	// Service says that Host and Port are to be asked from DNS as SRV records of Host, which has the form
	// _http._tcp.name.
	Service bool
	// Weight, Max, Backup are those of the backend; 0: not said. Disabled ones get nothing.
	Weight, Max      int
	Backup, Disabled bool
	// Line is where it stands, from 1.
	Line int
}

const (
	defaultPort = 80 // Perlbal's
	maxNodes    = 1000
	maxWeight   = 1_000_000
)

// Parse reads a node file. The error has every mistake with its line.
func Parse(data []byte) ([]Node, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("nodes: the file has %d bytes; at most %d are read", len(data), MaxSize)
	}
	var list []Node
	var errs []error
	lines := map[string]int{}
	line := 0
	for text := range bytes.Lines(data) {
		line++
		words := strings.Fields(strings.TrimPrefix(cutComment(string(text)), "\ufeff"))
		if len(words) == 0 {
			continue
		}
		n, err := parseLine(words)
		if err != nil {
			errs = append(errs, fmt.Errorf("nodes: line %d: %w", line, err))
			continue
		}
		n.Line = line
		name := n.claim()
		if before := lines[name]; before != 0 {
			errs = append(errs, fmt.Errorf("nodes: line %d: %s would have the name of what is on line %d; if both are meant, give them names by name=", line, n.label(), before))
			continue
		}
		lines[name] = line
		if list = append(list, n); len(list) > maxNodes {
			return nil, errors.Join(append(errs, fmt.Errorf("nodes: line %d: there are more than %d nodes", line, maxNodes))...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return list, nil
}

func cutComment(s string) string {
	s, _, _ = strings.Cut(s, "#")
	return s
}

// label is the name of a backend, or what stands for it.
func (n *Node) label() string {
	switch {
	case n.Name != "":
		return n.Name
	case n.Socket != "":
		return "unix:" + n.Socket
	case n.Service:
		return n.Host
	case strings.Contains(n.Host, ":"):
		return "[" + n.Host + "]:" + strconv.Itoa(n.Port)
	}
	return n.Host + ":" + strconv.Itoa(n.Port)
}

// claim is the name that its backend will have, as far as that can be known without DNS.
func (n *Node) claim() string {
	if n.Name != "" {
		return n.Name
	}
	if n.Socket != "" {
		return socketName(n.Socket)
	}
	if a, err := netip.ParseAddr(n.Host); err == nil {
		return nameOf(netip.AddrPortFrom(a, uint16(n.Port)))
	}
	return n.label()
}

func parseLine(words []string) (n Node, err error) {
	if err := n.parseAddress(words[0]); err != nil {
		return n, err
	}
	var errs []error
	seen := map[string]bool{}
	for _, w := range words[1:] {
		key, value, has := strings.Cut(w, "=")
		if seen[key] {
			errs = append(errs, fmt.Errorf("%s is said twice", key))
			continue
		}
		seen[key] = true
		switch {
		case key == "weight" && has:
			n.Weight, err = number(key, value, 1, maxWeight)
		case key == "max" && has:
			n.Max, err = number(key, value, 1, maxWeight)
		case key == "name" && has:
			if n.Name, err = value, nil; !names.Valid(value) {
				err = fmt.Errorf("the name %q must be 1 to 64 letters, digits or the characters \".-_:\"", value)
			}
		case w == "backup":
			n.Backup, err = true, nil
		case w == "disabled":
			n.Disabled, err = true, nil
		default:
			err = fmt.Errorf("%q is none of weight=, max=, name=, backup and disabled", w)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}

func number(key, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most || value[0] == '+' {
		return 0, fmt.Errorf("%s is %q; it must be a number between %d and %d", key, value, least, most)
	}
	return n, nil
}

var errAddress = errors.New("must be an address like 192.0.2.1:8000, [2001:db8::1]:8000, host.example.org:8000 or unix:/run/app.sock")

func (n *Node) parseAddress(s string) error {
	fail := func() error { return fmt.Errorf("%q %w", s, errAddress) }
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !strings.HasPrefix(path, "/") || len(path) > 107 || strings.ContainsRune(path, 0) { // sun_path, unix(7)
			return fail()
		}
		n.Socket = path
		return nil
	}
	if strings.HasPrefix(s, "_") {
		if !validHost(s) {
			return fail()
		}
		n.Host, n.Service = strings.ToLower(s), true
		return nil
	}
	host, port, has := "", "", false
	if rest, ok := strings.CutPrefix(s, "["); ok {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return fail()
		}
		a, err := netip.ParseAddr(rest[:end])
		if err != nil || !a.Is6() || a.Zone() != "" {
			return fail()
		}
		host = a.String()
		if tail := rest[end+1:]; tail != "" {
			if port, has = strings.CutPrefix(tail, ":"); !has {
				return fail()
			}
		}
	} else {
		host, port, has = strings.Cut(s, ":")
		if strings.Contains(port, ":") {
			if _, err := netip.ParseAddr(s); err == nil {
				return fmt.Errorf("%q needs brackets around the address, like [2001:db8::1]:8000", s)
			}
			return fail()
		}
		if a, err := netip.ParseAddr(host); err == nil {
			host = a.String()
		} else if !validHost(host) || digits(host) {
			return fail()
		}
	}
	n.Host, n.Port = strings.ToLower(host), defaultPort
	if has {
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 || port[0] == '+' {
			return fmt.Errorf("%q: the port must be a number between 1 and 65535", s)
		}
		n.Port = int(p)
	}
	return nil
}

// digits reports whether a name would be taken for a number by somebody.
func digits(s string) bool {
	return strings.Trim(s, "0123456789.") == ""
}

// validHost: RFC 1123, with the underscore that services have.
func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}

// backend makes the backend of a node at an address.
func (n *Node) backend(address netip.AddrPort, several bool) balance.Backend {
	b := balance.Backend{Name: n.Name, Weight: n.Weight, MaxInFlight: n.Max, Backup: n.Backup}
	if n.Socket != "" {
		b.URL = "unix:" + n.Socket
		if b.Name == "" {
			b.Name = socketName(n.Socket)
		}
		return b
	}
	b.URL = "http://" + address.String()
	switch {
	case b.Name == "":
		b.Name = nameOf(address)
	case several:
		b.Name = fit(b.Name + "-" + nameOf(address))
	}
	return b
}

// nameOf names a backend by its address, so that it keeps its state when the order of the answers of
// DNS changes.
func nameOf(a netip.AddrPort) string {
	return strings.NewReplacer("[", "", "]", "").Replace(a.String())
}

// socketName makes a name of the path of a socket: letters that a name cannot have become "-".
func socketName(path string) string {
	return fit(strings.Map(func(r rune) rune {
		if r < 128 && names.Valid(string(r)) {
			return r
		}
		return '-'
	}, "unix:"+path))
}

func fit(name string) string {
	if len(name) > 64 {
		return name[len(name)-64:]
	}
	return name
}
