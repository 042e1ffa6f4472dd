//go:build linux || darwin

package monitor

import (
	"io/fs"
	"syscall"
)

// FolderSpace returns what is free on the file system that path is on. On a file system of a server
// that does not answer it may hang, as any look there would.
func FolderSpace(path string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return Space{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	size := uint64(max(s.Bsize, 0))
	return Space{
		FreeBytes: uint64(s.Bavail) * size, TotalBytes: uint64(s.Blocks) * size,
		FreeFiles: uint64(s.Ffree), TotalFiles: uint64(s.Files),
	}, nil
}
