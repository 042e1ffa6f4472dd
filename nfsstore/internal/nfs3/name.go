package nfs3

import (
	"fmt"
	"strings"
)

// maxName is the longest element that file systems have; RFC 1813 leaves the limit to the server.
const maxName = 255

// maxPath bounds how many elements a name can have, and so the look-ups of one call.
const maxPath = 4096

// elements splits a name; "." is the export and has none.
func (c *Client) elements(op, name string) ([]string, error) {
	if name == "." {
		return nil, nil
	}
	bad := func(why string) ([]string, error) {
		return nil, c.fail(op, fmt.Sprintf("%.300q", name), fmt.Errorf("%w: %s", ErrName, why))
	}
	if len(name) > maxPath {
		return bad(fmt.Sprintf("it is longer than %d bytes", maxPath))
	}
	if strings.IndexByte(name, 0) >= 0 {
		return bad("it holds a zero byte")
	}
	elems := strings.Split(name, "/")
	for _, e := range elems {
		switch {
		case e == "":
			return bad("an element is empty")
		case e == "." || e == "..":
			return bad(`"." and ".." are not allowed in it`)
		case len(e) > maxName:
			return bad(fmt.Sprintf("an element is longer than %d bytes", maxName))
		}
	}
	return elems, nil
}
