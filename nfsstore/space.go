package nfsstore

import (
	"context"
	"errors"
	"math"
	"math/bits"
)

// Space returns how many bytes may still be stored, as the file system or the NFS server tells this
// user, and how many it can hold in all. The error may match [ErrUnavailable], or
// [errors.ErrUnsupported] for a directory on a system other than Linux.
func (s *Store) Space(ctx context.Context) (free, total int64, err error) {
	type room struct{ free, total int64 }
	r, err := through(ctx, s.gate, func() (r room, err error) {
		r.free, r.total, err = s.vol.space(ctx)
		return r, err
	}, nil)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return 0, 0, &failure{op: "space", name: s.dir, err: err, sentence: "on this system the space of a folder cannot be asked for"}
	case err != nil:
		return 0, 0, s.fail("space", s.dir, reading, err)
	}
	return r.free, r.total, nil
}

// bytesOf multiplies without overflow; a file system may claim to be of any size.
func bytesOf(blocks, size uint64) int64 {
	high, low := bits.Mul64(blocks, size)
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
