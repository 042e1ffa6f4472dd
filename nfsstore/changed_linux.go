package nfsstore

import (
	"io/fs"
	"syscall"
	"time"
)

// changedAt returns when anything about a file changed, its names included, by the clock of its disk
// or server; false when that is unknown.
func changedAt(info fs.FileInfo) (time.Time, bool) {
	if i, ok := info.(interface{ Changed() time.Time }); ok {
		return i.Changed(), true
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(st.Ctim.Unix()), true
	}
	return time.Time{}, false
}
