package nfsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

// A location is what the argument of Open says.
type location struct {
	dir    string      // of a directory; "" for an export
	export nfs3.Config // of an export
}

// String is the directory or the address of the export, without its options.
func (l location) String() string {
	if l.dir != "" {
		return l.dir
	}
	u := url.URL{Scheme: "nfs", Host: l.export.Host, Path: l.export.Export}
	switch {
	case l.export.NFSPort != 0:
		u.Host = net.JoinHostPort(l.export.Host, fmt.Sprint(l.export.NFSPort))
	case strings.Contains(u.Host, ":"):
		u.Host = "[" + u.Host + "]"
	}
	return u.String()
}

// parseLocation reads a url or a plain path. All mistakes are in the error.
func parseLocation(s string) (location, error) {
	refuse := func(sentence string, err error) error {
		return &failure{op: "open", name: s, kind: fs.ErrInvalid, sentence: sentence, err: err}
	}
	switch {
	case s == "":
		return location{}, refuse("no directory or address was given", nil)
	case strings.IndexByte(s, 0) >= 0:
		return location{}, &failure{op: "open", kind: fs.ErrInvalid, sentence: "there is a zero byte in the name of the directory"}
	case !strings.Contains(s, "://"):
		return location{dir: s}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		// The error repeats s, which may hold what somebody took for the place of a password.
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return location{}, &failure{op: "open", kind: fs.ErrInvalid, err: err, sentence: "the address of the store cannot be read; " +
			"it is a path, file:///directory or nfs://host/export"}
	}
	switch u.Scheme {
	case "file":
		var errs []error
		if u.Host != "" && u.Host != "localhost" || u.User != nil {
			errs = append(errs, refuse("a file address names no other machine; write file:///directory with three slashes", nil))
		}
		if u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, refuse("a file address has neither ? nor #; write %3F or %23 if they are part of a name", nil))
		}
		if u.Path == "" {
			errs = append(errs, refuse("the file address names no directory", nil))
		}
		return location{dir: filepath.FromSlash(u.Path)}, errors.Join(errs...)
	case "nfs":
		c, err := nfs3.ParseURL(u)
		if err != nil {
			return location{}, &failure{op: "open", name: u.Redacted(), kind: fs.ErrInvalid, err: err, sentence: "the address of the export has mistakes"}
		}
		if ip, err := netip.ParseAddr(c.Host); err == nil {
			if err := checkPrivate(ip); err != nil {
				return location{}, err
			}
		}
		return location{export: c}, nil
	}
	return location{}, &failure{op: "open", kind: fs.ErrInvalid, sentence: fmt.Sprintf(
		"the scheme %q is none of a store; there are file:///directory and nfs://host/export, and a plain path is a directory", u.Scheme)}
}

// shared is the address space that providers use inside (RFC 6598), and so do private overlays.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// checkPrivate refuses addresses that others than the own network may have or see.
func checkPrivate(ip netip.Addr) error {
	ip = ip.Unmap()
	if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || shared.Contains(ip) {
		return nil
	}
	return &failure{op: "open", kind: fs.ErrInvalid, sentence: "the address " + ip.String() + " of the NFS server is public; " +
		"NFS believes everybody who can reach it, so use it on a private network or through a tunnel (such as WireGuard) only"}
}
