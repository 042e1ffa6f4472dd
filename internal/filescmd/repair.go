package filescmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/filehttp"
	"github.com/sugarlabs/beamrider/remora"
)

// A source is where good files may be.
type source struct {
	name  string
	files interface {
		Open(ctx context.Context, name string) (fs.File, error)
	}
	close func() error
}

func openSource(ctx context.Context, at string, log *slog.Logger) (source, error) {
	if strings.HasPrefix(at, "http://") || strings.HasPrefix(at, "https://") {
		return openMirrors(at, at)
	}
	s, err := open(ctx, at, true, log)
	if err != nil {
		return source{}, err
	}
	return source{name: at, files: s, close: s.Close}, nil
}

func openMirrors(name string, urls ...string) (source, error) {
	r, err := filehttp.NewRemote(nil, urls...)
	if err != nil {
		return source{}, trouble(err, "The files of other machines cannot be used.")
	}
	return source{name: name, files: r, close: r.Close}, nil
}

// sources returns where good files for a place may be, in order: first what is on this machine, or near.
func (k *checker) sources(p place) (list []source) {
	if p.whole {
		list = append(list, source{name: "another name of it", files: p.store})
	}
	for _, other := range k.places {
		if other.store != p.store {
			list = append(list, source{name: other.at, files: other.store})
		}
	}
	return append(list, k.from...)
}

// repair puts good files in the place of bad ones, and says in the findings where each is from. That
// one cannot be had is no error.
func (k *checker) repair(ctx context.Context, p place, all []wanted, bad []finding) error {
	from := k.sources(p)
	bar := progress.New(k.env.Stderr, "repairs")
	defer bar.Done()
	bar.Total(len(bad))
	at := make(map[string]*finding, len(bad))
	for i := range bad {
		at[bad[i].Name] = &bad[i]
	}
	// Public names come after the files that are kept, of which they are made.
	var again []wanted
	for _, public := range []bool{false, true} {
		for i := range bad {
			f := &bad[i]
			w := find(all, f.Name)
			if w == nil || strings.HasPrefix(f.Name, "public/") != public {
				continue
			}
			var err error
			if f.Repaired, err = replace(ctx, p, w, at, from); ctx.Err() != nil {
				return ctx.Err()
			}
			switch {
			case f.Repaired != "":
				again = append(again, *w)
			case err != nil:
				f.Detail = strings.TrimPrefix(f.Detail+"; it could not be repaired: "+err.Error(), "; ")
			}
			bar.Step(f.Name)
		}
	}
	if len(again) == 0 {
		return nil
	}
	_, _, wrong, err := k.scrub(ctx, p, inOrder(again))
	for _, w := range wrong {
		if f := at[w.Name]; f != nil {
			f.Kind, f.Detail, f.Repaired = w.Kind, "it was repaired, and is "+w.Kind+" again: look at the disk", ""
		}
	}
	return err
}

// replace replaces one file, and returns where the good one is from; "": there is none.
func replace(ctx context.Context, p place, w *wanted, bad map[string]*finding, from []source) (string, error) {
	upload := remora.UploadName(w.sum)
	kept := bad[upload]
	if p.whole && w.name == w.public && (kept == nil || kept.Repaired != "") {
		// A name more takes no space.
		if err := p.store.Remove(ctx, w.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err := p.store.Link(ctx, upload, w.name); err != nil {
			return "", err
		}
		return upload, nil
	}
	names := []string{w.name, upload}
	if w.public == "" {
		names = names[:1]
	} else if w.name == upload {
		names[1] = w.public
	}
	var errs []error
	for _, s := range from {
		for _, name := range names {
			if s.files == p.store && name == w.name {
				continue
			}
			f, err := s.files.Open(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = errors.Join(restore(ctx, p.store, w.expected(), f), f.Close())
			}
			switch {
			case err == nil:
				return s.name, nil
			case !errors.Is(err, nfsstore.ErrCorrupt):
				errs = append(errs, err)
			case s.files != p.store: // the other name is a finding of its own
				errs = append(errs, fmt.Errorf("what is in %s is damaged, too", s.name))
			}
		}
	}
	return "", errors.Join(errs...)
}

// restore makes a file what is expected of it, from one that may be so.
func restore(ctx context.Context, store *nfsstore.Store, e nfsstore.Expected, from fs.File) error {
	if e.Size < 0 {
		info, err := from.Stat()
		if err != nil {
			return err
		}
		e.Size = info.Size() // its SHA-256 decides
	}
	return store.Repair(ctx, e, from)
}
