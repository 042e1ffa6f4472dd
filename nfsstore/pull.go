package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/internal/pace"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// carryOut does what a job says; without one it looks for the source. It changes nothing of m.
func (m *mirror) carryOut(ctx context.Context, job *mirrorJob) mirrorResult {
	if job == nil {
		err := m.findSource(ctx)
		return mirrorResult{away: err != nil, err: err}
	}
	ctx = job.ctx
	c := job.change
	if c.Gone {
		err := m.dst.Remove(ctx, c.Name)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return mirrorResult{job: job, err: err, wait: err != nil} // a removal is not given up
	}
	p := pull{m: m, c: c}
	r := mirrorResult{job: job}
	r.copied, r.err = p.run(ctx)
	r.bytes, r.resumed = p.size, p.resumed
	switch {
	case r.err == nil:
	case !p.blame:
		r.wait = errors.Is(r.err, ErrUnavailable) || errors.Is(r.err, ErrNoSpace) || errors.Is(r.err, ErrReadOnly)
	case ctx.Err() == nil && !errors.Is(r.err, fs.ErrNotExist):
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

// A pull makes dst have one file.
type pull struct {
	m       *mirror
	c       Change
	size    int64 // of the whole
	resumed int64 // bytes that a part had
	blame   bool  // the error is the fault of the source
}

func (p *pull) run(ctx context.Context) (copied bool, err error) {
	m, c := p.m, p.c
	there, damaged, err := m.has(ctx, c)
	if there || err != nil {
		return false, err
	}
	stall, cancel := context.WithTimeout(ctx, mirrorStall)
	f, info, err := m.src.open(stall, c.Name)
	cancel()
	if err != nil {
		p.blame = true
		return false, m.src.fail("mirror", c.Name, reading, err)
	}
	if f, ok := f.(vol.Detacher); ok {
		f.Detach() // its reads have a time-out of their own
	}
	defer func() {
		if cerr := m.src.closeFile(ctx, f); cerr != nil && err == nil {
			m.src.report("closing a file", c.Name, cerr)
		}
	}()
	p.size = info.Size()
	if c.Size >= 0 && p.size != c.Size {
		p.blame = true
		return false, &failure{op: "mirror", name: c.Name, kind: ErrCorrupt, sentence: fmt.Sprintf(
			"in %s it has %d bytes, not %d as announced; it is damaged there", m.src.dir, p.size, c.Size)}
	}
	err = p.copy(ctx, f, damaged)
	return err == nil, err
}

// errWithdrawn ends the copy of a name that was withdrawn.
var errWithdrawn = errors.New("withdrawn")

// copy goes on with the part of a copy that broke off, if there is one. What cannot be made whole with
// it is begun anew without.
func (p *pull) copy(ctx context.Context, f vol.File, replace bool) error {
	m, sum := p.m, p.c.SHA256
	old, err := m.parts.take(ctx, sum)
	if err != nil {
		return err
	}
	for {
		part, n := m.parts.largest(ctx, old, p.size)
		a := attempt{pull: p, from: f, part: part, at: n, replace: replace}
		err := a.run(ctx)
		if part != nil {
			m.dst.report("closing a file", p.c.Name, m.dst.closeFile(ctx, part))
		}
		brokeOff := a.source.err != nil || ctx.Err() != nil && context.Cause(ctx) != errWithdrawn
		switch {
		case err == nil:
			p.resumed = n
			m.parts.drop(ctx, old...)
			return nil
		case brokeOff && a.got > n && a.got >= partWorth:
			m.parts.drop(ctx, old...)
			m.parts.keep(sum, a.name)
		case !brokeOff && n > 0 && (a.partFault || errors.Is(err, ErrCorrupt)):
			m.log.Warn("What came of a copy that broke off is damaged; it is begun anew.", "name", p.c.Name, "error", err)
			m.parts.drop(ctx, append(old, a.name)...)
			old = nil
			continue
		case context.Cause(ctx) == errWithdrawn:
			m.parts.drop(ctx, append(old, a.name)...)
		default:
			m.parts.drop(ctx, a.name)
			m.parts.keep(sum, old...)
		}
		switch {
		case a.source.err != nil:
			p.blame = true
			return m.src.fail("mirror", p.c.Name, reading, a.source.err)
		case errors.Is(err, ErrCorrupt):
			p.blame = true
			return &failure{op: "mirror", name: p.c.Name, kind: ErrCorrupt, err: err, sentence: "the copy in " + m.src.dir + " is damaged"}
		}
		return m.dst.fail("mirror", p.c.Name, writing, err)
	}
}

// An attempt copies a file into a new part: first what the part of an earlier one has, then the rest
// from the source.
type attempt struct {
	*pull
	from    vol.File
	part    vol.File // nil: from the beginning
	at      int64
	replace bool // something else has the name

	name      string // of the new part, which is there until it got its name
	got       int64  // bytes in it
	source    sourceReader
	partFault bool
}

func (a *attempt) run(ctx context.Context) error {
	s := a.m.dst
	if err := s.tryOut(ctx); err != nil {
		return err
	}
	release, err := s.budget.claim(ctx, s, a.size)
	if err == nil {
		err = a.store(ctx)
		release(err == nil)
	}
	if err != nil && a.source.err == nil && errors.Is(s.fail("mirror", a.c.Name, writing, err), ErrNoSpace) {
		s.budget.refused()
	}
	return err
}

// store is run within the limits of the space.
func (a *attempt) store(ctx context.Context) error {
	s := a.m.dst
	a.source = sourceReader{ctx: ctx, store: a.m.src, pace: a.m.pace, f: a.from}
	if err := a.source.seek(a.at); err != nil {
		return err
	}
	var f vol.Writer
	err := s.inDir(ctx, partsDir, func() (err error) {
		s.setTemp(a.name, false)
		a.name = newPart(a.c.SHA256, time.Now())
		s.setTemp(a.name, true)
		f, err = through(ctx, s.gate,
			func() (vol.Writer, error) { return s.vol.Create(ctx, a.name) },
			func(late vol.Writer) {
				s.report("closing a temporary file", a.name, late.Close(context.WithoutCancel(ctx)))
			})
		return err
	})
	defer func() { s.setTemp(a.name, false) }()
	if err != nil {
		return err
	}
	sum, err := s.fill(ctx, f, a.content(ctx), a.size)
	if err == nil && !bytes.Equal(sum, a.c.SHA256) {
		err = &failure{op: "mirror", name: a.c.Name, kind: ErrCorrupt, sentence: fmt.Sprintf("the content has the SHA-256 %x, not %x as announced", sum, a.c.SHA256)}
	}
	end := ctx
	if err != nil {
		// What is to be gone on with has to come to the server, too.
		var cancel context.CancelFunc
		end, cancel = cleanup(ctx)
		defer cancel()
	}
	cerr := s.gate.do(end, func() error { return errors.Join(f.Sync(end), f.Close(end)) })
	if err = errors.Join(err, cerr); err != nil {
		return err
	}
	return a.publish(ctx)
}

// publish gives the whole its name.
func (a *attempt) publish(ctx context.Context) error {
	s, e := a.m.dst, Expected{Name: a.c.Name, Size: a.size, SHA256: a.c.SHA256}
	err := s.inDir(ctx, path.Dir(e.Name), func() error {
		if a.replace {
			return s.replace(ctx, a.name, e)
		}
		return s.publish(ctx, a.name, e.Name, e.Size, e.SHA256)
	})
	if !vol.CopyInstead(err) {
		return err
	}
	// Another file system is mounted where the name is.
	if a.replace {
		if err := s.Remove(ctx, e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.link(ctx, a.name, e.Name); err != nil {
		return err
	}
	s.discard(ctx, a.name)
	return nil
}

// content is what the part has and then what the source has, counted.
func (a *attempt) content(ctx context.Context) io.Reader {
	part := readerFunc(func(b []byte) (int, error) {
		if a.part == nil || a.got >= a.at {
			return 0, io.EOF
		}
		n, err := gatedReader{ctx: ctx, g: a.m.dst.gate, r: a.part}.Read(b[:min(int64(len(b)), a.at-a.got)])
		a.got += int64(n)
		if err != nil && ctx.Err() == nil {
			a.partFault = true
		}
		return n, err
	})
	rest := readerFunc(func(b []byte) (int, error) {
		n, err := a.source.Read(b)
		a.got += int64(n)
		return n, err
	})
	return io.MultiReader(part, rest)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// has reports whether dst has the file, or something else in its place.
func (m *mirror) has(ctx context.Context, c Change) (there, damaged bool, err error) {
	info, err := m.dst.stat(ctx, c.Name)
	switch {
	case vol.Absent(err):
		return false, false, nil
	case err != nil:
		return false, false, m.dst.fail("mirror", c.Name, writing, err)
	case !info.Mode().IsRegular():
		return false, false, nil // linking will say what is wrong
	case c.Size >= 0 && info.Size() != c.Size:
		m.log.Warn("A file of the mirror has the wrong size and will be replaced.", "name", c.Name, "size", info.Size(), "want", c.Size)
		return false, true, nil
	case !m.verify:
		return true, false, nil
	}
	switch err := m.dst.same(ctx, c.Name, info.Size(), c.SHA256); {
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

// A sourceReader reads from the source, no faster than it may, and remembers its fault, so that it is
// not taken for one of the destination.
type sourceReader struct {
	ctx   context.Context
	store *Store
	pace  *pace.Pace
	f     io.ReadSeeker
	err   error
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.within(func(ctx context.Context) (int, error) {
		return gatedReader{ctx: ctx, g: r.store.gate, r: r.f}.Read(p[:r.pace.Piece(len(p))])
	})
	if werr := r.pace.Wait(r.ctx, n); err == nil {
		err = werr
	}
	return n, err
}

func (r *sourceReader) seek(at int64) error {
	_, err := r.within(func(ctx context.Context) (int, error) {
		return 0, r.store.gate.do(ctx, func() error { _, err := r.f.Seek(at, io.SeekStart); return err })
	})
	return err
}

// within calls f with the time that the source has for one answer.
func (r *sourceReader) within(f func(context.Context) (int, error)) (int, error) {
	stall, cancel := context.WithTimeout(r.ctx, mirrorStall)
	defer cancel()
	n, err := f(stall)
	if err != nil && err != io.EOF && r.ctx.Err() == nil {
		r.err = err
	}
	return n, err
}
