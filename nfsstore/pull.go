package nfsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// carryOut does what a job says; without one it looks for the source. It changes nothing of m.
func (m *mirror) carryOut(ctx context.Context, job *mirrorJob) mirrorResult {
	if job == nil {
		err := m.findSource(ctx)
		return mirrorResult{away: err != nil, err: err}
	}
	c := job.change
	r := mirrorResult{job: job}
	if c.Gone {
		if r.err = m.dst.Remove(ctx, c.Name); errors.Is(r.err, fs.ErrNotExist) {
			r.err = nil
		}
		r.wait = r.err != nil // a removal is not given up
		return r
	}
	var fromSource error
	r.copied, fromSource, r.err = m.pull(ctx, c)
	switch {
	case r.err == nil:
	case fromSource == nil:
		r.wait = errors.Is(r.err, ErrUnavailable) || errors.Is(r.err, ErrNoSpace) || errors.Is(r.err, ErrReadOnly)
	case !errors.Is(fromSource, fs.ErrNotExist):
		r.away = m.findSource(ctx) != nil
	}
	return r
}

// findSource asks the source for something cheap.
func (m *mirror) findSource(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorStall)
	defer cancel()
	_, _, err := m.src.Space(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		_, err = m.src.stat(ctx, ".")
	}
	return err
}

// pull makes dst have a file. fromSource tells that the error, which is returned as well, is the
// fault of the source.
func (m *mirror) pull(ctx context.Context, c Change) (copied bool, fromSource, err error) {
	there, damaged, err := m.has(ctx, c)
	if there || err != nil {
		return false, nil, err
	}
	stall, cancel := context.WithTimeout(ctx, mirrorStall)
	f, info, err := m.src.open(stall, c.Name)
	cancel()
	if err != nil {
		err = m.src.fail("mirror", c.Name, reading, err)
		return false, err, err
	}
	if f, ok := f.(vol.Detacher); ok {
		f.Detach() // its reads have a time-out of their own
	}
	defer func() {
		if cerr := m.src.closeFile(ctx, f); cerr != nil && err == nil {
			m.src.report("closing a file", c.Name, cerr)
		}
	}()
	if info.Size() != c.Size {
		err := &failure{op: "mirror", name: c.Name, kind: ErrCorrupt, sentence: fmt.Sprintf(
			"in %s it has %d bytes, not %d as announced; it is damaged there", m.src.dir, info.Size(), c.Size)}
		return false, err, err
	}
	r := &sourceReader{ctx: ctx, store: m.src, f: f}
	name := c.Name
	if damaged {
		name += repairSuffix
	}
	err = m.dst.Put(ctx, name, r, c.Size, c.SHA256)
	switch {
	case r.err != nil:
		fromSource = m.src.fail("mirror", c.Name, reading, r.err)
		return false, fromSource, fromSource
	case errors.Is(err, ErrCorrupt):
		err := &failure{op: "mirror", name: c.Name, kind: ErrCorrupt, err: err, sentence: "the copy in " + m.src.dir + " is damaged"}
		return false, err, err
	case err != nil || !damaged:
		return err == nil, nil, err
	}
	// The right content is here; only now the wrong one goes.
	if err := m.dst.Remove(ctx, c.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil, err
	}
	if err := m.dst.Link(ctx, name, c.Name); err != nil {
		return false, nil, err
	}
	if err := m.dst.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, nil, err
	}
	return true, nil, nil
}

// repairSuffix is added to the name of a file that will take the place of a damaged one.
const repairSuffix = "~repair"

// has reports whether dst has the file, or something else in its place.
func (m *mirror) has(ctx context.Context, c Change) (there, damaged bool, err error) {
	info, err := m.dst.stat(ctx, c.Name)
	switch {
	case vol.Absent(err):
		return false, false, nil
	case err != nil:
		return false, false, m.dst.fail("mirror", c.Name, writing, err)
	case !info.Mode().IsRegular():
		return false, false, nil // Put will say what is wrong
	case info.Size() != c.Size:
		m.log.Warn("A file of the mirror has the wrong size and will be replaced.", "name", c.Name, "size", info.Size(), "want", c.Size)
		return false, true, nil
	case !m.verify:
		return true, false, nil
	}
	switch err := m.dst.same(ctx, c.Name, c.Size, c.SHA256); {
	case err == nil:
		return true, false, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, false, nil
	case errors.Is(err, fs.ErrExist):
		m.log.Warn("A file of the mirror is damaged and will be replaced.", "name", c.Name, "error", err)
		return false, true, nil
	default:
		return false, false, m.dst.fail("mirror", c.Name, writing, err)
	}
}

// A sourceReader reads from the source and remembers its fault, so that it is not taken for one of
// the destination.
type sourceReader struct {
	ctx   context.Context
	store *Store
	f     io.Reader
	err   error
}

func (r *sourceReader) Read(p []byte) (int, error) {
	stall, cancel := context.WithTimeout(r.ctx, mirrorStall)
	defer cancel()
	n, err := gatedReader{ctx: stall, g: r.store.gate, r: r.f}.Read(p)
	if err != nil && err != io.EOF && r.ctx.Err() == nil {
		r.err = err
	}
	return n, err
}
