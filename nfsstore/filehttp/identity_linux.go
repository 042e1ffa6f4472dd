package filehttp

import (
	"io/fs"
	"syscall"
)

// identify adds what the system knows of a file: another one in its place has another inode, and one
// that was written to has another time of change, which nobody can set.
func identify(id *identity, info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.inode, id.changed = st.Dev, st.Ino, st.Ctim.Nano()
	}
}
