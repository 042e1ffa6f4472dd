//go:build unix

package filescmd

import (
	"os"
	"syscall"
)

// owner returns to whom a folder belongs.
func owner(dir string) (uid, gid uint32, ok bool) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, 0, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return s.Uid, s.Gid, true
}
