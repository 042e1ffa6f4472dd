package filestore

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

// Put implements [remora.Files]. With a second place it stores in both at once, reading r once, and the
// slower sets the pace.
func (f *Files) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	h, err := f.whole(ctx)
	if err != nil {
		return err
	}
	if h.second == nil {
		return kindOfFile(h.main.Put(ctx, name, r, size, sum), name)
	}
	return both(ctx, r, func(ctx context.Context, r io.Reader) error {
		return kindOfFile(h.main.Put(ctx, name, r, size, sum), name)
	}, func(ctx context.Context, r io.Reader) error {
		return f.kindOfSecond(h.second.Put(ctx, name, r, size, sum), name)
	})
}

// teeSize is how much is read at a time for two.
const teeSize = 64 << 10

// both gives what r holds to two readers, each of which may stop when it likes. It returns the first
// error, which ends the other, when nobody reads r any more.
func both(ctx context.Context, r io.Reader, puts ...func(context.Context, io.Reader) error) error {
	all, ctx := errgroup.WithContext(ctx)
	var pipes []*io.PipeWriter
	for _, put := range puts {
		pr, pw := io.Pipe()
		pipes = append(pipes, pw)
		defer context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })()
		all.Go(func() error {
			err := put(ctx, pr)
			return errors.Join(err, pr.Close())
		})
	}
	buf := make([]byte, teeSize)
	for len(pipes) > 0 {
		n, err := r.Read(buf)
		open := pipes[:0]
		for _, pw := range pipes {
			if _, werr := pw.Write(buf[:n]); werr != nil {
				continue // it has what it needs, or has failed
			}
			if err != nil {
				pw.CloseWithError(err)
				continue
			}
			open = append(open, pw)
		}
		pipes = open
	}
	return all.Wait()
}

// Link implements [remora.Files]. What is offered must be in the second place before anybody can see it.
func (f *Files) Link(ctx context.Context, from, to string) error {
	h, err := f.whole(ctx)
	if err != nil {
		return err
	}
	if h.second != nil {
		if err := f.linkSecond(ctx, h, from, to); err != nil {
			return err
		}
	}
	return kindOfFile(h.main.Link(ctx, from, to), to)
}

// linkSecond brings a file over that was stored when there was no second place.
func (f *Files) linkSecond(ctx context.Context, h *homes, from, to string) error {
	err := h.second.Link(ctx, from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return f.kindOfSecond(err, to)
	}
	file, err := h.main.Open(ctx, from)
	if err != nil {
		return kindOfFile(err, from)
	}
	info, err := file.Stat()
	if err == nil {
		err = f.kindOfSecond(h.second.Put(ctx, from, file, info.Size(), sumIn(from)), from)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return f.kindOfSecond(h.second.Link(ctx, from, to), to)
}

// sumIn returns the SHA-256 that a name tells of its content; nil: it tells none.
func sumIn(name string) []byte {
	base, _, _ := strings.Cut(path.Base(name), ".")
	sum, err := hex.DecodeString(base)
	if err != nil || len(sum) != len(remora.Digest{}) {
		return nil
	}
	return sum
}

// Remove implements [remora.Files]. With a second place a name that is absent in one only was there.
func (f *Files) Remove(ctx context.Context, name string) error {
	h, lost := f.whole(ctx)
	if lost != nil {
		h = f.homes.Load() // what is withdrawn goes from where it is offered at once
	}
	err := h.main.Remove(ctx, name)
	if lost != nil && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		return f.secondKeeps(lost)
	}
	if h.second == nil {
		return kindOfFile(err, name)
	}
	serr := h.second.Remove(ctx, name)
	gone, sgone := errors.Is(err, fs.ErrNotExist), errors.Is(serr, fs.ErrNotExist)
	switch {
	case err != nil && !gone:
		return kindOfFile(err, name)
	case serr != nil && !sgone:
		return f.secondKeeps(f.kindOfSecond(serr, name))
	case gone && sgone:
		return kindOfFile(err, name)
	}
	return nil
}

// kindOfSecond is kindOfFile for what the second place says.
func (f *Files) kindOfSecond(err error, name string) error {
	kind := kindOfFile(err, name)
	if e, ok := errors.AsType[*remora.Error](kind); ok && e.Kind == remora.KindUnavailable {
		return f.secondAway(err)
	}
	return kind
}

// secondAway is that nothing can be stored for want of the second place.
func (f *Files) secondAway(err error) error {
	where := "The second copy of the files, in " + f.config.Second + ","
	message := where + " does not answer as it should. Nothing is stored while there is one copy only: do this again when it does, or set files.copies to 1."
	if errors.Is(err, nfsstore.ErrNoSpace) {
		message = where + " has no space left."
	}
	return &remora.Error{Kind: remora.KindUnavailable, Op: "files", Code: "files.second", Message: message, Err: err}
}

// secondKeeps says of a fault of the second place what it means for what was to be removed.
func (f *Files) secondKeeps(err error) error {
	e, ok := errors.AsType[*remora.Error](err)
	if !ok || e.Code != "files.second" || errors.Is(err, nfsstore.ErrNoSpace) {
		return err
	}
	said := *e
	said.Message = "It is gone from the first place, but is still in the second copy of the files, in " + f.config.Second +
		", which does not answer as it should. Do this again when it does, or set files.copies to 1."
	return &said
}
