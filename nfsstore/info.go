package nfsstore

import (
	"context"
	"io/fs"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// An Info says what a store knows of a file without reading it.
type Info struct {
	Name    string    // in full, as the calls of a [Store] take it
	Size    int64     // bytes
	ModTime time.Time // of the last change of the content, by the clock of the disk or the server
	Links   uint64    // how many names the file has; 0 where that is unknown
}

// Stat says what is known of a file. The error may match [fs.ErrNotExist], also when name is a
// folder, a symbolic link or the like.
func (s *Store) Stat(ctx context.Context, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, err
	}
	info, err := s.stat(ctx, name)
	if isStale(err) {
		info, err = s.stat(ctx, name) // see open
	}
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return Info{}, s.fail("stat", name, reading, err)
	}
	return Info{name, info.Size(), info.ModTime(), vol.Links(info)}, nil
}
