package nfsstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// bufferSize is how much is read and written at a time: large enough for the write size of NFS to
// be used, small enough for many uploads at once.
const bufferSize = 256 << 10

// Put stores what r holds under name, and directories as needed. It returns nil when the content is
// safe and visible. size must be the number of bytes; sum their SHA-256, or nil when the caller does
// not know it, and then only the length is checked.
//
// When name is there with the same content, Put makes sure that it is safe and succeeds; it may do
// so without reading r to its end. With other content the error matches [fs.ErrExist] and nothing
// changes. Other errors match [ErrCorrupt] (r holds other bytes than declared), [ErrNoSpace],
// [ErrReadOnly], [ErrUnavailable], [ErrName], [fs.ErrInvalid], or are those of r or of ctx. After
// them name is as it was, or holds the whole content when the fault came last; repeating is safe.
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	const op = "put"
	if err := s.mayWrite(op, name); err != nil {
		return err
	}
	switch {
	case size < 0:
		return &failure{op: op, name: name, kind: fs.ErrInvalid, sentence: fmt.Sprintf("a size of %d was declared; it must be the number of bytes", size)}
	case sum != nil && len(sum) != sha256.Size:
		return &failure{op: op, name: name, kind: fs.ErrInvalid, sentence: fmt.Sprintf("the declared SHA-256 has %d bytes, not %d", len(sum), sha256.Size)}
	}
	if err := s.tryOut(ctx); err != nil {
		return s.fail(op, name, writing, err)
	}
	if sum != nil {
		switch err := s.same(ctx, name, size, sum); {
		case err == nil:
			return s.settle(ctx, op, name)
		case !errors.Is(err, fs.ErrNotExist):
			return s.fail(op, name, writing, err)
		}
	}
	err := s.stow(ctx, name, r, size, sum, false, func(temp string, sum []byte) error {
		return s.publish(ctx, temp, name, size, sum)
	})
	if err != nil {
		return s.fail(op, name, writing, err)
	}
	return nil
}

// stow is put within the limits of the space, unless it is free of them.
func (s *Store) stow(ctx context.Context, name string, r io.Reader, size int64, sum []byte, free bool, publish func(temp string, sum []byte) error) (err error) {
	if !free {
		release, full := s.budget.claim(ctx, s, size)
		if full != nil {
			return full
		}
		defer func() { release(err == nil) }()
	}
	err = s.put(ctx, name, r, size, sum, publish)
	switch vol.FaultOf(err) {
	case vol.FaultSpace, vol.FaultQuota:
		s.budget.refused()
	}
	return err
}

// put stores what is not there. It calls publish with the temporary file when that is complete and safe,
// and its SHA-256.
func (s *Store) put(ctx context.Context, name string, r io.Reader, size int64, sum []byte, publish func(temp string, sum []byte) error) error {
	dir := path.Dir(name)
	var temp string
	defer func() { s.setTemp(temp, false) }()
	var f vol.Writer
	err := s.inDir(ctx, dir, func() (err error) {
		// A name of its own for each try: the reply to the first may only have been lost.
		s.setTemp(temp, false)
		temp = newTemp(dir, time.Now())
		s.setTemp(temp, true)
		f, err = through(ctx, s.gate,
			func() (vol.Writer, error) { return s.vol.Create(ctx, temp) },
			func(late vol.Writer) {
				s.report("closing a temporary file", temp, late.Close(context.WithoutCancel(ctx)))
			})
		return err
	})
	if err != nil {
		return err
	}
	// From here on the temporary file goes away whatever happens, and even if ctx ends.
	defer s.discard(ctx, temp)

	got, err := s.fill(ctx, f, r, size)
	if err == nil && sum != nil && !bytes.Equal(got, sum) {
		err = &failure{op: "put", name: name, kind: ErrCorrupt, sentence: fmt.Sprintf("the content has the SHA-256 %x, not %x as declared", got, sum)}
	}
	if err != nil {
		last, cancel := cleanup(ctx)
		defer cancel()
		return errors.Join(err, s.gate.do(last, func() error { return f.Close(last) }))
	}
	// NFS may report a full disk only here.
	if err := s.gate.do(ctx, func() error { return errors.Join(f.Sync(ctx), f.Close(ctx)) }); err != nil {
		return err
	}
	return publish(temp, got)
}

// How long a call tidies up after itself: briefly when its own time is over.
const (
	cleanupWait     = 10 * time.Second
	cleanupWaitOver = 200 * time.Millisecond
)

// cleanup returns a context to tidy up with, which is good also when ctx has ended.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWait)
	// Its end may also come while it is tidied up: a call has to keep its own time.
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(cleanupWaitOver, cancel)
		context.AfterFunc(last, func() { t.Stop() })
	})
	return last, func() {
		stop()
		cancel()
	}
}

// publish gives a complete and synced temporary file its name.
func (s *Store) publish(ctx context.Context, temp, name string, size int64, sum []byte) error {
	err := s.gate.do(ctx, func() error {
		if m, ok := s.vol.(vol.Mover); ok && s.moves.Load() {
			return m.Move(ctx, temp, name)
		}
		return s.vol.Link(ctx, temp, name)
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		// Somebody was faster; or the reply to our own link was lost and the client sent it
		// again, in which case name is the temporary file.
		if err := s.same(ctx, name, size, sum); err != nil {
			return s.absentOrNotFile(ctx, name, err)
		}
		s.discard(ctx, temp)
		return s.settle(ctx, "put", name)
	case err != nil:
		return err
	}
	s.discard(ctx, temp)
	return s.safe(ctx, name)
}

// discard removes a temporary file that may be gone already. A failure is for Sweep.
func (s *Store) discard(ctx context.Context, temp string) {
	if !s.isTemp(temp) {
		return
	}
	last, cancel := cleanup(ctx)
	defer cancel()
	err := s.gate.do(last, func() error { return s.vol.Remove(last, temp) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.setTemp(temp, false)
		return
	}
	s.report("removing a temporary file, which Sweep will do,", temp, err)
}

// report logs an error of what happens after a call has its result already.
func (s *Store) report(what, name string, err error) {
	if err != nil {
		s.log.Warn("After a call, "+what+" failed.", "store", s.dir, "name", name, "error", err)
	}
}

// buffers are those of large files.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// fill copies exactly size bytes from r to f and returns their SHA-256.
func (s *Store) fill(ctx context.Context, f vol.Writer, r io.Reader, size int64) (sum []byte, err error) {
	h := sha256.New()
	var buf []byte
	if size < bufferSize {
		buf = make([]byte, size+1) // to notice that there is more
	} else {
		pooled := buffers.Get().(*[bufferSize]byte)
		buf = pooled[:]
		defer func() {
			if err == nil { // else a write that was given up may still be reading it
				buffers.Put(pooled)
			}
		}()
	}
	var total int64
	for {
		n, rerr := readChunk(ctx, r, buf)
		total += int64(n)
		if total > size {
			return nil, &failure{op: "put", kind: ErrCorrupt, sentence: fmt.Sprintf("the content is longer than the %d bytes that were declared", size)}
		}
		if n > 0 {
			if err := s.gate.do(ctx, func() error { return f.Write(ctx, buf[:n]) }); err != nil {
				return nil, err
			}
			h.Write(buf[:n]) // in the time that a disk or a server needs for the same bytes
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return nil, &failure{op: "put", sentence: "the content could not be read to its end", err: rerr}
		}
	}
	if total != size {
		return nil, &failure{op: "put", kind: ErrCorrupt, sentence: fmt.Sprintf("the content ended after %d bytes of the %d that were declared", total, size)}
	}
	return h.Sum(nil), nil
}

// readChunk fills buf as far as r goes, so that what a network gives in small pieces is written in
// large ones. Unlike io.ReadFull it passes r's own errors on.
func readChunk(ctx context.Context, r io.Reader, buf []byte) (n int, err error) {
	for idle := 0; n < len(buf); {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		k, err := r.Read(buf[n:])
		n += k
		if err != nil {
			return n, err
		}
		if k > 0 {
			idle = 0
		} else if idle++; idle == 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// same returns nil when name holds exactly that content, which it syncs; an error that matches
// fs.ErrExist when it holds other content; fs.ErrNotExist when it is absent.
func (s *Store) same(ctx context.Context, name string, size int64, sum []byte) error {
	err := s.compare(ctx, name, size, sum)
	if isStale(err) {
		// A server that did not see how a file went may name it once more; having been told that
		// it is not there, it looks.
		err = s.compare(ctx, name, size, sum)
	}
	return err
}

func (s *Store) compare(ctx context.Context, name string, size int64, sum []byte) error {
	// A name that is free may be so by what a client remembers: linking will tell.
	f, info, err := s.openCached(ctx, name)
	if err != nil {
		return err
	}
	other := func(what string) error {
		return &failure{op: "compare", name: name, kind: fs.ErrExist, sentence: "the name is taken by a file of other content, " + what +
			"; nothing is ever replaced, remove it first if it is wrong"}
	}
	err = func() error {
		if info.Size() != size {
			return other(fmt.Sprintf("%d bytes where %d were to be stored", info.Size(), size))
		}
		got, err := s.hash(ctx, f)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, sum) {
			return other(fmt.Sprintf("with the SHA-256 %x where %x was to be stored", got, sum))
		}
		return s.gate.do(ctx, f.Sync)
	}()
	return errors.Join(err, s.closeFile(ctx, f))
}

// absentOrNotFile tells a free name from one that is taken by a directory or the like.
func (s *Store) absentOrNotFile(ctx context.Context, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, serr := s.stat(ctx, name)
	switch {
	case serr != nil:
		return serr
	case info.Mode().IsRegular():
		return err // it has come between the two looks; linking will tell
	}
	return &failure{op: "compare", name: name, kind: fs.ErrExist, err: errNoFile, sentence: "the name is taken by something that is not a regular file"}
}

var errNoFile = errors.New("a folder or the like")

// stat tells of what has a name. That it is absent it does not take from a cache.
func (s *Store) stat(ctx context.Context, name string) (fs.FileInfo, error) {
	look := func() (fs.FileInfo, error) { return s.vol.Stat(ctx, name) }
	info, err := through(ctx, s.gate, look, nil)
	if s.refresh(ctx, name, err) {
		info, err = through(ctx, s.gate, look, nil)
	}
	return info, err
}

// closeFile closes a file that was read. When its time is over it may go on in its slot.
func (s *Store) closeFile(ctx context.Context, f vol.File) error {
	last, cancel := cleanup(ctx)
	defer cancel()
	return s.gate.do(last, f.Close)
}

func (s *Store) hash(ctx context.Context, f vol.File) ([]byte, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, gatedReader{ctx: ctx, g: s.gate, r: f}, make([]byte, bufferSize)); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// settle makes a name safe that was found there: whoever made it may not have come to the sync.
func (s *Store) settle(ctx context.Context, op, name string) error {
	err := s.makeDir(ctx, path.Dir(name))
	if err == nil {
		err = s.safe(ctx, name)
	}
	if err != nil {
		return s.fail(op, name, writing, err)
	}
	return nil
}

// Link makes the content of from appear under to as well, without using space again where the file
// system allows that; otherwise (too many links, another file system mounted below, a file of
// another user) it is copied. It returns nil when to is safe and visible. When to is there with the
// same content that is success; with other content the error matches [fs.ErrExist]. An absent from
// is [fs.ErrNotExist].
func (s *Store) Link(ctx context.Context, from, to string) error {
	const op = "link"
	if err := s.mayWrite(op, from, to); err != nil {
		return err
	}
	if err := s.tryOut(ctx); err != nil {
		return s.fail(op, to, writing, err)
	}
	if err := s.link(ctx, from, to); err != nil {
		return s.fail(op, to, writing, err)
	}
	return nil
}

func (s *Store) link(ctx context.Context, from, to string) error {
	gone := func(err error) error {
		return &failure{op: "link", name: from, kind: fs.ErrNotExist, err: err, sentence: "there is no such file to link to " + to}
	}
	info, err := s.stat(ctx, from)
	switch {
	case vol.Absent(err):
		return gone(err)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return gone(nil)
	}
	err = s.inDir(ctx, path.Dir(to), func() error {
		return s.gate.do(ctx, func() error { return s.vol.Link(ctx, from, to) })
	})
	switch {
	case err == nil:
		return s.safe(ctx, to)
	case errors.Is(err, fs.ErrExist):
		if there, err := s.stat(ctx, to); err == nil && s.vol.Same(info, there) {
			return s.settle(ctx, "link", to)
		}
	case errors.Is(err, fs.ErrNotExist):
		if _, serr := s.stat(ctx, from); errors.Is(serr, fs.ErrNotExist) {
			return gone(serr)
		}
		return err
	case !vol.CopyInstead(err):
		return err
	}

	// A copy, or a comparison with what is there.
	f, info, err := s.open(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		return gone(err)
	}
	if err != nil {
		return err
	}
	sum, err := s.hash(ctx, f)
	if err == nil {
		err = s.Put(ctx, to, io.NewSectionReader(f, 0, info.Size()), info.Size(), sum)
	}
	return errors.Join(err, s.closeFile(ctx, f))
}

func (s *Store) setTemp(name string, live bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if live {
		s.temps[name] = struct{}{}
	} else {
		delete(s.temps, name)
	}
}

func (s *Store) isTemp(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.temps[name]
	return ok
}

// inUse reports whether a temporary file belongs to a call that runs, or to the volume.
func (s *Store) inUse(name string) bool {
	k, ok := s.vol.(vol.Keeper)
	return s.isTemp(name) || ok && k.Keeps(name)
}
