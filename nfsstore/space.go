package nfsstore

import (
	"context"
	"errors"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Space returns how many bytes may still be stored, as the file system or the NFS server tells this
// user, and how many it can hold in all; [Store.Room] knows more. The error may match
// [ErrUnavailable], or [errors.ErrUnsupported] for a directory on a system other than Linux.
func (s *Store) Space(ctx context.Context) (free, total int64, err error) {
	r, err := s.Room(ctx)
	return r.Free, r.Total, err
}

// Room returns what [Store.Space] does, and the same of files (inodes).
func (s *Store) Room(ctx context.Context) (vol.Space, error) {
	r, err := through(ctx, s.gate, func() (vol.Space, error) { return s.vol.Space(ctx) }, nil)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return vol.Space{}, &failure{op: "space", name: s.dir, err: err, sentence: "on this system the space of a folder cannot be asked for"}
	case err != nil:
		return vol.Space{}, s.fail("space", s.dir, reading, err)
	}
	return r, nil
}
