// Package tempname makes the names of temporary files and knows them again. They carry the time of
// their making, because the times that a file server gives to files are those of another clock.
package tempname

import (
	"crypto/rand"
	"path"
	"strings"
	"time"
)

// Names are: prefix, time in UTC, 128 random bits and more. They begin with a dot, so no name of a
// file of a store can be one.
const (
	prefix = ".nfsstore-"
	layout = "20060102T150405.000Z"
	random = 26 // characters of crypto/rand.Text
)

// New returns a name in dir that nobody else has.
func New(dir string, now time.Time) string {
	return path.Join(dir, prefix+now.UTC().Format(layout)+"-"+rand.Text())
}

// Time returns when the temporary file of that base name was made, by the clock of its maker.
func Time(base string) (time.Time, bool) {
	rest, ok := strings.CutPrefix(base, prefix)
	if !ok || len(rest) != len(layout)+1+random || rest[len(layout)] != '-' {
		return time.Time{}, false
	}
	for _, c := range []byte(rest[len(layout)+1:]) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return time.Time{}, false
		}
	}
	at, err := time.Parse(layout, rest[:len(layout)])
	return at, err == nil
}
