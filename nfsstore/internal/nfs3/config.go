package nfs3

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Default values of Config.
const (
	DefaultTimeout     = 10 * time.Second
	DefaultMaxInFlight = 64
)

// Config says which export to use and how. Host and Export are required.
type Config struct {
	Host   string // name or address of the server, without port
	Export string // absolute path that the server exports, or a directory below it

	UID uint32 // user and group the server is told (AUTH_SYS); what they may is the server's decision
	GID uint32

	NFSPort   int // TCP ports; 0: ask the server's portmapper (RFC 1833) on port 111
	MountPort int

	// Timeout bounds every call, with all its repetitions; 0: DefaultTimeout. A context may end
	// a call earlier.
	Timeout time.Duration

	// MaxInFlight bounds the calls under way at one time, from 1 to 1024; 0: DefaultMaxInFlight.
	// Further ones wait.
	MaxInFlight int

	Logger *slog.Logger // told about lost and new connections; nil: nobody
}

// ParseURL reads nfs://host[:port]/export/path?uid=N&gid=N&mountport=N&timeout=DURATION, where port
// is that of NFS and everything after the path is optional. The error names every mistake.
func ParseURL(u *url.URL) (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c := Config{Host: u.Hostname(), Export: u.Path}
	if u.Scheme != "nfs" {
		bad("the scheme is %q; it must be nfs", u.Scheme)
	}
	if u.User != nil {
		bad("there is a user before the host; NFS has no passwords, give the number of the user as ?uid=")
	}
	if u.Fragment != "" || u.Opaque != "" {
		bad("the form is nfs://host/export/path, without # and with two slashes")
	}
	number := func(name, s string, bits int) uint64 {
		n, err := strconv.ParseUint(s, 10, bits)
		if err != nil {
			bad("%s is %q; it must be a number below 2^%d", name, s, bits)
		}
		return n
	}
	if p := u.Port(); p != "" {
		c.NFSPort = int(number("the port", p, 16))
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		bad("the part after the question mark cannot be read: %w", err)
	}
	for key, values := range q {
		if len(values) != 1 {
			bad("%s is given %d times", key, len(values))
			continue
		}
		switch v := values[0]; key {
		case "uid":
			c.UID = uint32(number(key, v, 32))
		case "gid":
			c.GID = uint32(number(key, v, 32))
		case "mountport":
			c.MountPort = int(number(key, v, 16))
		case "timeout":
			if c.Timeout, err = time.ParseDuration(v); err != nil || c.Timeout <= 0 {
				bad("timeout is %q; it must be a duration above zero, for example 30s", v)
				c.Timeout = 0
			}
		default:
			bad("%q is not an option; there are uid, gid, mountport, timeout and names", key)
		}
	}
	if _, err := c.checked(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, fmt.Errorf("the address of an NFS export is wrong: %w", err)
	}
	return c, nil
}

// Check returns every mistake of c, or nil.
func (c Config) Check() error {
	_, err := c.checked()
	return err
}

// checked returns c with its defaults filled in, or every mistake.
func (c Config) checked() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Host == "" {
		bad("there is no host")
	}
	const maxPath = 1024 // MNTPATHLEN of RFC 1813
	switch {
	case !strings.HasPrefix(c.Export, "/"):
		bad("the export is %q; it must be an absolute path", c.Export)
	case len(c.Export) > maxPath:
		bad("the path of the export is longer than %d bytes", maxPath)
	case strings.ContainsRune(c.Export, 0):
		bad("the path of the export holds a zero byte")
	default:
		c.Export = path.Clean(c.Export)
	}
	for _, p := range []struct {
		name string
		port int
	}{{"NFS", c.NFSPort}, {"MOUNT", c.MountPort}} {
		if p.port < 0 || p.port > 65535 {
			bad("the port of %s is %d; it must be from 1 to 65535, or 0 to ask the portmapper", p.name, p.port)
		}
	}
	if c.Timeout < 0 {
		bad("the time-out is %v; it must be above zero", c.Timeout)
	}
	if c.MaxInFlight < 0 || c.MaxInFlight > 1024 {
		bad("the bound of calls in flight is %d; it must be from 1 to 1024", c.MaxInFlight)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(errs...)
}

// where names the export in messages.
func (c *Config) where() string {
	host := c.Host
	if c.NFSPort != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(c.NFSPort))
	}
	return host + ":" + c.Export
}
