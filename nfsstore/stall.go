package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/pace"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// openFor opens a file that may be read for longer than its opening may take. Its reads end with ctx.
func (s *Store) openFor(ctx context.Context, name string, wait time.Duration) (vol.File, fs.FileInfo, error) {
	if !s.gate.apart {
		return s.open(ctx, name) // whose volume keeps the time of ctx, and has one of its own
	}
	stall, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return s.open(stall, name)
}

// A stallReader reads a file inside the gate of its store, each time for no longer than that lets reads
// take, and keeps to a pace. The buffers that it was given must not be used again after an error of a
// context.
type stallReader struct {
	ctx  context.Context
	s    *Store
	f    io.Reader
	pace *pace.Pace
}

func (r *stallReader) Read(p []byte) (int, error) {
	stall, cancel := context.WithTimeout(r.ctx, r.s.readTimeout)
	defer cancel()
	n, err := gatedReader{ctx: stall, g: r.s.gate, r: r.f}.Read(p[:r.pace.Piece(len(p))])
	if werr := r.pace.Wait(r.ctx, n); err == nil {
		err = werr
	}
	return n, err
}

// answers asks the volume for something cheap that no cache of a mount can answer.
func (s *Store) answers(ctx context.Context, wait time.Duration) error {
	stall, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, _, err := s.Space(stall)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = s.stat(stall, ".")
	}
	return err
}

// ofAll returns the fault of a file when it is not its own: when the call was ended, or other questions
// are not answered either.
func (s *Store) ofAll(ctx context.Context, err error) error {
	what := vol.FaultOf(err)
	switch {
	case ctx.Err() != nil, what == vol.FaultAway, what == vol.FaultTimeout, what == vol.FaultRefused, errors.Is(err, context.DeadlineExceeded), errors.Is(err, fs.ErrClosed),
		what == vol.FaultOther && errors.Is(err, ErrUnavailable): // of the gate
		return err
	case errors.Is(err, fs.ErrPermission), what == vol.FaultLongName:
		return nil
	case s.answers(ctx, scrubStall) != nil:
		return err
	}
	return nil // a disk with a bad spot answers, one that is gone does not
}
