// Package durable writes files that outlive a power cut.
package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Replace writes a file whole or not at all: a reader, or one who comes after a power cut, sees what
// was there or what write wrote. Several processes may replace the same file at once; one wins.
func Replace(path string, write func(io.Writer) error) error {
	if err := sweep(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), prefix(path)+"*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

// prefix begins the names of the files that become path. Each file has its own, so that one's
// leftovers are found without looking at another's work.
func prefix(path string) string { return "." + filepath.Base(path) + ".new-" }

// leftover is the age at which nobody writes a new file any more: who did was killed.
const leftover = time.Hour

// sweep removes what killed processes have left, so that it does not fill the disk.
func sweep(path string) error {
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), prefix(path)) {
			continue
		}
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > leftover {
			err = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // another may have been quicker
			return err
		}
	}
	return nil
}

// SyncDir makes the names in a folder safe.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
