//go:build !linux && !darwin

package monitor

import (
	"errors"
	"io/fs"
)

// FolderSpace is not known on this system: its error wraps [errors.ErrUnsupported].
func FolderSpace(path string) (Space, error) {
	return Space{}, &fs.PathError{Op: "statfs", Path: path, Err: errors.ErrUnsupported}
}
