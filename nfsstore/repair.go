package nfsstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// Repair makes a file hold what it should: it stores what r holds in place of a file that is missing,
// has other content, or cannot be read. Size and SHA256 of e must be known. When the name holds the
// right content already, Repair makes sure that it is safe and succeeds, without reading r.
//
// The new content is stored and compared with e first, and then takes the place of the old one in one
// step: whoever opens the file meanwhile sees one or the other. The old file is kept in the trash, if that
// takes it; see [Store.Remove]. Errors are those of [Store.Put], and repeating is safe. A file up to a
// megabyte may use the space that is kept free.
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
	err := s.stow(ctx, e.Name, r, e.Size, e.SHA256, e.Size <= repairSmall, func(temp string, _ []byte) error {
		return s.replace(ctx, temp, e)
	})
	if err != nil {
		return s.fail(op, e.Name, writing, err)
	}
	return nil
}

// replace gives a complete and synced temporary file the name of a file that is broken or missing.
func (s *Store) replace(ctx context.Context, temp string, e Expected) error {
	is, err := s.condition(ctx, e)
	switch {
	case err != nil:
		return err
	case is != broken: // it is missing, or somebody else has repaired it meanwhile
		return s.publish(ctx, temp, e.Name, e.Size, e.SHA256)
	}
	if err := s.keep(ctx, e.Name); err != nil {
		return err
	}
	if err := s.gate.do(ctx, func() error { return s.vol.Rename(ctx, temp, e.Name) }); err != nil {
		return err
	}
	s.setTemp(temp, false)
	return s.safe(ctx, e.Name)
}

// keep gives what is about to be replaced a name in the trash, if that takes it.
func (s *Store) keep(ctx context.Context, name string) error {
	if !s.trashTakes(ctx) {
		return nil
	}
	to := newTrash(name, time.Now())
	err := s.inDir(ctx, path.Dir(to), func() error {
		return s.gate.do(ctx, func() error { return s.vol.Link(ctx, name, to) })
	})
	switch {
	case err == nil, errors.Is(err, fs.ErrExist): // which then is an earlier try of this call
		return s.safeInTrash(ctx, to)
	case trashRefuses(err):
		return nil
	}
	return err
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
	if s.refresh(ctx, e.Name, err) {
		err = s.same(ctx, e.Name, e.Size, e.SHA256)
	}
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
