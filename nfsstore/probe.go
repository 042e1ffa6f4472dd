package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore/dirvol"
	"github.com/sugarlabs/beamrider/nfsstore/nfs3vol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// The kinds of a [Report].
const (
	kindDirectory = "directory"
	kindNFSMount  = "NFS mount"
	kindMount     = "mount" // of anything that may hang
	kindExport    = "NFS export"
)

// A Report is what [Probe] found out.
type Report struct {
	Where  string // the directory or the address
	Kind   string // directory, mount, NFS mount or NFS export
	Caps   vol.Caps
	Space  vol.Space // zero when nobody can be asked
	Mount  *Mount    // of a directory; nil when the system does not tell
	Trials []Trial   // what was tried, in order
	Advice []Advice  // what matters most comes first
}

// OK reports whether files may be kept there: no advice is of [LevelError].
func (r *Report) OK() bool { return len(r.Advice) == 0 || r.Advice[0].Level < LevelError }

// A Trial is one thing that was tried.
type Trial struct {
	What string
	Took time.Duration
	Err  error // nil: it works
}

// Probe finds out what a place can do, and which options of a mount are wrong. url is as for [Open],
// but for mem:. It makes some small files and removes them; it makes no directory. The error is for
// what cannot be looked at at all; what the place cannot do is in the report.
func Probe(ctx context.Context, url string) (Report, error) {
	at, err := parseLocation(url)
	if err != nil {
		return Report{}, err
	}
	p := &prober{r: Report{Where: at.String()}}
	var s *Store
	switch {
	case at.dir != "":
		s, err = p.directory(ctx, at)
	case at.export.Host != "":
		s, err = p.export(ctx, at.export)
	default:
		err = &failure{op: "probe", name: url, kind: fs.ErrInvalid, sentence: "a store in memory can do everything and keeps nothing; give the address of a folder or an export"}
	}
	if err != nil {
		return Report{}, err
	}
	defer func() { s.report("closing it", ".", s.Close()) }()
	p.r.Caps = s.vol.Caps()
	p.try(ctx, s)
	adviseNames(p.r.Kind, p.r.Caps.Names, p.say)
	p.order()
	return p.r, nil
}

type prober struct{ r Report }

func (p *prober) say(l Level, format string, args ...any) {
	p.r.Advice = append(p.r.Advice, Advice{l, fmt.Sprintf(format, args...)})
}

// order puts what matters most first, and leaves the rest as it is.
func (p *prober) order() {
	var sorted []Advice
	for l := LevelError; l >= LevelInfo; l-- {
		for _, a := range p.r.Advice {
			if a.Level == l {
				sorted = append(sorted, a)
			}
		}
	}
	p.r.Advice = sorted
}

func (p *prober) directory(ctx context.Context, at location) (*Store, error) {
	o := new(Options)
	s := newStore(at.dir, o)
	type found struct {
		v *dirvol.Vol
		m *Mount
	}
	f, err := through(ctx, newGate(1, true), func() (f found, err error) {
		if f.m, err = mountOf(at.dir); err != nil {
			return f, err
		}
		f.v, err = dirvol.Open(at.dir, &dirvol.Options{Names: at.names})
		return f, err
	}, func(late found) { s.report("closing the folder", ".", late.v.Close()) })
	if err != nil {
		return nil, s.fail("probe", at.dir, reading, err)
	}
	s.on(f.v, o)
	switch p.r.Mount = f.m; {
	case f.m != nil && f.m.NFS():
		p.r.Kind = kindNFSMount
	case f.v.Caps().Deadline:
		p.r.Kind = kindDirectory
	default:
		p.r.Kind = kindMount
	}
	if f.m != nil {
		f.m.advise(p.say)
	}
	return s, nil
}

func (p *prober) export(ctx context.Context, c nfs3vol.Config) (*Store, error) {
	p.r.Kind = kindExport
	o := new(Options)
	s := newStore(c.String(), o)
	v, err := nfs3vol.New(c)
	if err != nil {
		return nil, s.fail("probe", s.dir, reading, err)
	}
	if err := v.Reach(ctx); err != nil {
		return nil, errors.Join(s.fail("probe", s.dir, reading, err), v.Close())
	}
	s.on(v, o)
	p.say(LevelInfo, "AUTH_SYS proves nothing and encrypts nothing; keep the network private")
	return s, nil
}

// step tries something and writes down how it went.
func (p *prober) step(ctx context.Context, s *Store, what string, f func() error) error {
	began := time.Now()
	err := s.gate.do(ctx, f)
	if err != nil {
		err = s.fail("probe", s.dir, writing, err)
	}
	p.r.Trials = append(p.r.Trials, Trial{what, time.Since(began), err})
	return err
}

// try does what a store does, step by step. It ends with the first thing without which nothing else
// can be tried.
func (p *prober) try(ctx context.Context, s *Store) {
	v := s.vol
	if err := p.step(ctx, s, "look", func() error { return second(v.Stat(ctx, ".")) }); err != nil {
		p.say(LevelError, "it cannot be looked at: %v", err)
		return
	}
	err := p.step(ctx, s, "ask for room", func() (err error) { p.r.Space, err = v.Space(ctx); return err })
	switch {
	case err == nil:
		adviseSpace(p.r.Space, p.say)
	case !errors.Is(err, errors.ErrUnsupported):
		p.say(LevelWarn, "it does not tell how much room there is: %v", err)
	}
	long := strings.Repeat("n", maxElement)
	err = p.step(ctx, s, "names of 255 bytes", func() error {
		if _, err := v.Stat(ctx, long); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if errors.Is(err, ErrName) {
		p.say(LevelWarn, "its names must be shorter than 255 bytes, so some files of others cannot be stored there")
	}
	p.tryFiles(ctx, s)
}

func second[T any](_ T, err error) error { return err }

// tryFiles makes files and gives them names in all ways there are.
func (p *prober) tryFiles(ctx context.Context, s *Store) {
	v := s.vol
	now := time.Now()
	a, b, c := newTemp(".", now), newTemp(".", now), newTemp(".", now)
	content := []byte("nfsstore tries this folder out; it may be removed\n")
	defer func() {
		last, cancel := cleanup(ctx)
		defer cancel()
		for _, name := range []string{a, b, c} {
			if err := s.gate.do(last, func() error { return v.Remove(last, name) }); err != nil && !errors.Is(err, fs.ErrNotExist) {
				p.say(LevelWarn, "the file %s could not be removed; sweeping will do that: %v", name, err)
			}
		}
	}()
	err := p.step(ctx, s, "write and sync", func() error {
		f, err := v.Create(ctx, a)
		if err != nil {
			return err
		}
		if err = f.Write(ctx, content); err == nil {
			err = f.Sync(ctx)
		}
		return errors.Join(err, f.Close(ctx))
	})
	if err != nil {
		p.say(LevelError, "nothing can be stored: %v", err)
		return
	}
	links := p.step(ctx, s, "link", func() error { return v.Link(ctx, a, b) })
	if links == nil {
		err := p.step(ctx, s, "link replaces nothing", func() error {
			err := v.Link(ctx, a, b)
			switch {
			case errors.Is(err, fs.ErrExist):
				return nil
			case err == nil:
				return errReplaces
			}
			return err
		})
		if err != nil {
			p.say(LevelError, "a link to a name that is taken is not refused as it should be (%v); choose another file system", err)
		}
	} else {
		var moves error
		p.r.Caps.Link = false
		if m, ok := v.(vol.Mover); ok {
			moves = p.step(ctx, s, "rename without replacing", func() error { return m.Move(ctx, a, b) })
		} else {
			moves = errors.ErrUnsupported
		}
		if moves != nil {
			p.say(LevelError, "it makes no hard links (%v), and cannot rename without replacing either (%v); choose another file system", links, moves)
			return
		}
		p.say(LevelWarn, "it makes no hard links, so what is offered is stored twice")
	}
	if err := p.step(ctx, s, "make a name safe", func() error { return v.Persist(ctx, b, true) }); err != nil {
		p.say(LevelError, "names cannot be made safe: %v", err)
	}
	if err := p.step(ctx, s, "rename", func() error { return v.Rename(ctx, b, c) }); err != nil {
		p.say(LevelWarn, "files cannot be renamed, so nothing can be put into the trash: %v", err)
		c, b = b, c
	}
	err = p.step(ctx, s, "read back", func() error {
		f, err := v.Open(ctx, c)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(io.LimitReader(f, int64(len(content))+1))
		if err == nil && !bytes.Equal(got, content) {
			err = &vol.Error{Fault: vol.FaultIO, Sentence: "it gives other bytes than were written"}
		}
		return errors.Join(err, f.Close())
	})
	if err != nil {
		p.say(LevelError, "what was stored cannot be read back: %v", err)
	}
}
