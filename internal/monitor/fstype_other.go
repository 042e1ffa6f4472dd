//go:build !linux

package monitor

import (
	"errors"
	"io/fs"
)

// FilesystemOf is not known on this system: its error wraps [errors.ErrUnsupported].
func FilesystemOf(path string) (string, error) {
	return "", &fs.PathError{Op: "statfs", Path: path, Err: errors.ErrUnsupported}
}
