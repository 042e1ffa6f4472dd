package nfsstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/tempname"
)

// The limits of a name: what every file system we may meet can store.
const (
	maxName     = 1024 // bytes of the whole name
	maxElement  = 255  // bytes of one element; NAME_MAX of Linux
	maxElements = 16
)

// CheckName returns nil when name may name a file: 1 to 16 elements joined by single slashes, each
// of 1 to 255 of the characters A-Z a-z 0-9 . _ ~ + ! - and not beginning with a dot; 1024 bytes in
// all. Otherwise it returns an error that matches [ErrName] and says what is wrong.
func CheckName(name string) error {
	if why := nameFault(name); why != "" {
		// A name that is too long is not repeated in full, logs have limits too.
		return &failure{op: "name", name: name[:min(len(name), maxElement)], sentence: why, kind: ErrName}
	}
	return nil
}

func nameFault(name string) string {
	if name == "" {
		return "the name is empty"
	}
	if len(name) > maxName {
		return fmt.Sprintf("the name has %d bytes, more than %d", len(name), maxName)
	}
	elements := 0
	for rest, more := name, true; more; {
		var e string
		e, rest, more = strings.Cut(rest, "/")
		elements++
		switch {
		case elements > maxElements:
			return fmt.Sprintf("the name has more than %d elements", maxElements)
		case e == "":
			return "the name has an empty element; elements are joined by single slashes, without one at either end"
		case len(e) > maxElement:
			return fmt.Sprintf("an element of the name has %d bytes, more than %d", len(e), maxElement)
		case e[0] == '.':
			return fmt.Sprintf("the element %q begins with a dot", e)
		}
		for i := range len(e) {
			if !nameByte(e[i]) {
				return fmt.Sprintf("the element %q has a character that is not of A-Z a-z 0-9 . _ ~ + ! -", e)
			}
		}
	}
	return ""
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._~+!-", c) >= 0
}

func newTemp(dir string, now time.Time) string { return tempname.New(dir, now) }

// tempTime returns when the temporary file of that base name was made, by the clock of its maker.
func tempTime(base string) (time.Time, bool) { return tempname.Time(base) }
