package nfsstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// Repair makes a file hold what it should: it stores what r holds in place of a file that is missing,
// has other content, or cannot be read. Size and SHA256 of e must be known. When the name holds the
// right content already, Repair makes sure that it is safe and succeeds, without reading r.
//
// The new content is stored and compared with e first, and only then the old file goes to the trash (or
// away, where that takes nothing; see [Store.Remove]). So name is the old file, then for a moment none,
// and then the right one, but nothing by half. Errors are those of [Store.Put], and repeating is safe;
// after a power cut between the last two steps the file is missing until then. A file up to a megabyte
// may use the space that is kept free.
func (s *Store) Repair(ctx context.Context, e Expected, r io.Reader) error {
	const op = "repair"
	if err := s.mayWrite(op, e.Name); err != nil {
		return err
	}
	if e.Size < 0 || len(e.SHA256) != sha256.Size {
		return &failure{op: op, name: e.Name, kind: fs.ErrInvalid, sentence: fmt.Sprintf(
			"a size of %d and a SHA-256 of %d bytes were given; without knowing what it should hold no file can be repaired", e.Size, len(e.SHA256))}
	}
	if err := s.tryOut(ctx); err != nil {
		return s.fail(op, e.Name, writing, err)
	}
	switch is, err := s.condition(ctx, e); {
	case err != nil:
		return s.fail(op, e.Name, writing, err)
	case is == sound:
		return s.settle(ctx, op, e.Name)
	}
	err := s.stow(ctx, e.Name, r, e.Size, e.SHA256, e.Size <= repairSmall, func() error {
		// Somebody else may have repaired it meanwhile.
		is, err := s.condition(ctx, e)
		if err == nil && is == broken {
			err = s.bury(ctx, e.Name)
		}
		if vol.Absent(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return s.fail(op, e.Name, writing, err)
	}
	return nil
}

// A condition of a file.
type condition int

const (
	sound condition = iota
	missing
	broken // it holds other content, or cannot be read though other things can
)

// condition looks at a file. Its errors are those of the system.
func (s *Store) condition(ctx context.Context, e Expected) (condition, error) {
	err := s.same(ctx, e.Name, e.Size, e.SHA256)
	switch {
	case err == nil:
		return sound, nil
	case errors.Is(err, fs.ErrNotExist):
		return missing, nil
	case ctx.Err() != nil, errors.Is(err, errNoFile):
		return broken, err
	case !errors.Is(err, fs.ErrExist) && !errors.Is(err, io.ErrUnexpectedEOF) && s.ofAll(ctx, err) != nil:
		return broken, err
	}
	return broken, nil
}
