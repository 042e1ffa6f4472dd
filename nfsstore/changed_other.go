//go:build !linux

package nfsstore

import (
	"io/fs"
	"time"
)

// changedAt returns when anything about a file changed, its names included, by the clock of its disk
// or server; false when that is unknown.
func changedAt(info fs.FileInfo) (time.Time, bool) {
	if i, ok := info.(interface{ Changed() time.Time }); ok {
		return i.Changed(), true
	}
	return time.Time{}, false
}
