package nfsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A location is what the argument of Open says: a directory, an export, or memory.
type location struct {
	dir    string         // "": of none
	export nfs3vol.Config // with a host, of an export
	names  vol.Names      // of a directory
}

// String is the directory or the address, without its options.
func (l location) String() string {
	switch {
	case l.dir != "":
		return l.dir
	case l.export.Host != "":
		return l.export.String()
	}
	return "mem:"
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
	case s == "mem:":
		return location{}, nil
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
			"it is a path, file:///directory, nfs://host/export or mem:"}
	}
	switch u.Scheme {
	case "file":
		l := location{dir: filepath.FromSlash(u.Path)}
		var errs []error
		if u.Host != "" && u.Host != "localhost" || u.User != nil {
			errs = append(errs, refuse("a file address names no other machine; write file:///directory with three slashes", nil))
		}
		q, err := url.ParseQuery(u.RawQuery)
		names := q["names"]
		if err != nil || len(q) > 1 || len(q) == 1 && len(names) != 1 || u.Fragment != "" {
			errs = append(errs, refuse("a file address has neither # nor more after ? than names=sync, server or fence; write %3F or %23 if they are part of a name", nil))
		} else if len(names) == 1 {
			if l.names, err = vol.ParseNames(names[0]); err != nil {
				errs = append(errs, refuse("the address of the folder has a mistake", err))
			}
		}
		if u.Path == "" {
			errs = append(errs, refuse("the file address names no directory", nil))
		}
		return l, errors.Join(errs...)
	case "nfs":
		c, err := nfs3vol.ParseURL(u)
		if err != nil {
			return location{}, &failure{op: "open", name: u.Redacted(), kind: fs.ErrInvalid, err: err, sentence: "the address of the export has mistakes"}
		}
		return location{export: c}, nil
	}
	return location{}, &failure{op: "open", kind: fs.ErrInvalid, sentence: fmt.Sprintf(
		"the scheme %q is none of a store; there are file:///directory, nfs://host/export and mem:, and a plain path is a directory", u.Scheme)}
}
