package filescmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

type checkCmd struct {
	Repair    bool     `help:"Put good files in the place of damaged and missing ones, where there are any to be had."`
	From      []string `help:"Where good files may be besides: a folder (that of a backup's files, too), nfs://host/export, or http://host/internal/files/ of another machine; may be given several times." placeholder:"URL" sep:"none"`
	Copy      bool     `help:"Check the copies, too: files.copy and files.second."`
	Bandwidth size     `help:"How much is read each second, such as 20MB; unset: as fast as it goes." placeholder:"SIZE"`
	JSON      bool     `help:"Write JSON."`
}

func (c *checkCmd) Help() string {
	return `Reads every file the catalog speaks of and compares it with what was stored, while the library is
served. It says what is missing, damaged or cannot be read, what that is of, and what to do; and which files
nothing speaks of. With --repair good files are taken from files.copy, files.second and files.mirrors, or from
where --from says; each is compared before it takes the place of the bad one, which is kept in the trash for a day.

  remora-server files check
  remora-server files check --copy --bandwidth 20MB
  remora-server files check --repair --from /media/stick/remora/files

Exit status: 0 all files are whole, or are again, 1 something is damaged or missing, 4 the files or the catalog
do not answer.`
}

func (c *checkCmd) Run(ctx context.Context, e *Env) error {
	if c.Copy && len(e.copies()) == 0 {
		return remora.Errorf(remora.KindInvalid, "config.copy", "There is no copy to check: neither files.copy nor files.second is set on this machine.")
	}
	if len(c.From) > 0 && !c.Repair {
		return remora.Errorf(remora.KindInvalid, "config.from", "What --from names is only of use with --repair.")
	}
	return e.Library(ctx, func(l Library) (err error) {
		k := &checker{command: c, env: e, library: l}
		defer func() { err = errors.Join(err, k.close()) }()
		reports, err := k.all(ctx)
		left := 0
		for _, r := range reports {
			left += r.Left
		}
		if showErr := e.showReports(reports, c.JSON); err != nil || showErr != nil {
			return errors.Join(err, showErr)
		}
		if left > 0 {
			return e.Exit(1)
		}
		return nil
	})
}

// A place is where files are.
type place struct {
	at    string
	whole bool // it holds everything, not only what is offered
	store *nfsstore.Store
}

// copies are the places besides the one where everything is.
func (e *Env) copies() (list []place) {
	if e.Second != "" && e.Second != e.Place {
		list = append(list, place{at: e.Second, whole: true})
	}
	if e.CopyDir != "" && e.CopyDir != e.Place && e.CopyDir != e.Second {
		list = append(list, place{at: e.CopyDir})
	}
	return list
}

// A checker is one run of the command.
type checker struct {
	command *checkCmd
	env     *Env
	library Library
	places  []place // the first is the one where everything is
	from    []source
}

// all checks every place that was asked for, and returns the reports also of those that were not
// finished.
func (k *checker) all(ctx context.Context) (reports []*report, err error) {
	if err := k.open(ctx); err != nil {
		return nil, err
	}
	for i, p := range k.places {
		if i > 0 && !k.command.Copy {
			break
		}
		r, err := k.check(ctx, p)
		if reports = append(reports, r); err != nil {
			return reports, err
		}
	}
	return reports, nil
}

// open opens what is checked, and where good files may be.
func (k *checker) open(ctx context.Context) error {
	c, e := k.command, k.env
	all := []place{{at: e.Place, whole: true}}
	if c.Copy || c.Repair {
		all = append(all, e.copies()...)
	}
	for i, p := range all {
		checked := i == 0 || c.Copy
		s, err := open(ctx, p.at, !c.Repair || !checked, e.Log)
		switch {
		case err == nil:
			p.store = s
			k.places = append(k.places, p)
		case checked || ctx.Err() != nil:
			return err
		default:
			e.Log.Warn("files cannot be taken from there", "place", p.at, "error", err)
		}
	}
	for _, at := range c.From {
		s, err := openSource(ctx, at, e.Log)
		if err != nil {
			return err
		}
		k.from = append(k.from, s)
	}
	if c.Repair && len(e.Mirrors) > 0 {
		s, err := openMirrors("a mirror", e.Mirrors...)
		if err != nil {
			return err
		}
		k.from = append(k.from, s)
	}
	return nil
}

func (k *checker) close() error {
	var errs []error
	for _, p := range k.places {
		errs = append(errs, p.store.Close())
	}
	for _, s := range k.from {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// wanted returns what a place has to have.
func (k *checker) wanted(ctx context.Context, p place) ([]wanted, error) {
	if p.whole {
		return everything(ctx, k.library.Store)
	}
	return offered(ctx, k.library.Store)
}

// check checks one place, and repairs it if that was asked for.
func (k *checker) check(ctx context.Context, p place) (*report, error) {
	r := &report{Place: p.at, Findings: []finding{}}
	all, err := k.wanted(ctx, p)
	if err != nil {
		return r, err
	}
	var bad []finding
	r.Files, r.Bytes, bad, err = k.scrub(ctx, p, all)
	if err == nil {
		err = k.unknown(ctx, r, p, all)
	}
	if err == nil && len(bad)+len(r.Findings) > 0 {
		// What was withdrawn meanwhile is missing with good reason, and what came in is not unknown.
		if all, err = k.wanted(ctx, p); err == nil {
			bad, r.Findings = still(bad, all, true), still(r.Findings, all, false)
		}
	}
	r.Done, r.Unknown = err == nil, len(r.Findings)
	if err == nil && k.command.Repair {
		err = k.repair(ctx, p, all, bad)
	}
	r.Findings = append(append([]finding{}, bad...), r.Findings...) // none is [] in JSON, too
	return r, errors.Join(err, k.tell(context.WithoutCancel(ctx), r))
}

// still returns those findings of which the catalog speaks, or does not.
func still(list []finding, all []wanted, wants bool) []finding {
	kept := []finding{}
	for _, f := range list {
		if (find(all, f.Name) != nil) == wants {
			kept = append(kept, f)
		}
	}
	return kept
}

// scrub reads files, and returns what is wrong with them.
func (k *checker) scrub(ctx context.Context, p place, all []wanted) (files, bytes int64, bad []finding, err error) {
	bar := progress.New(k.env.Stderr, "files")
	defer bar.Done()
	bar.Total(len(all))
	stats, err := p.store.Scrub(ctx, &nfsstore.ScrubOptions{
		Expected: expect(all), Bandwidth: int64(k.command.Bandwidth),
		Found: func(problem nfsstore.Problem) error {
			bad = append(bad, found(problem))
			return nil
		},
		Progress: func(s nfsstore.ScrubStats) { bar.At(int(s.Files), "") },
	})
	slices.SortFunc(bad, func(a, b finding) int { return strings.Compare(a.Name, b.Name) })
	return stats.Files, stats.Bytes, bad, trouble(err, "The check was not finished: the files in "+p.at+" do not answer.")
}

func found(p nfsstore.Problem) finding {
	f := finding{Name: p.Name}
	switch p.Kind {
	case nfsstore.ProblemMissing:
		f.Kind = missing
	case nfsstore.ProblemDamaged:
		f.Kind, f.Detail = damaged, "its content is not what was stored"
		if p.WantSize >= 0 && p.GotSize != p.WantSize {
			f.Detail = fmt.Sprintf("it has %d bytes, not %d", p.GotSize, p.WantSize)
		}
	default:
		f.Kind = unreadable
		if p.Err != nil {
			f.Detail = p.Err.Error()
		}
	}
	return f
}

// young is how old a file is at least of which nothing speaks: a bundle on its way in is stored
// before the catalog knows it.
const young = 24 * time.Hour

// unknown adds to a report the files of which the catalog does not speak.
func (k *checker) unknown(ctx context.Context, r *report, p place, all []wanted) error {
	for _, folder := range folders {
		for info, err := range p.store.List(ctx, folder) {
			if errors.Is(err, fs.ErrNotExist) {
				break // there are none of this kind
			}
			if err != nil {
				return trouble(err, "The files in "+r.Place+" cannot be listed.")
			}
			if find(all, info.Name) == nil && time.Since(info.ModTime) > young {
				r.Findings = append(r.Findings, finding{Kind: unknown, Name: info.Name})
			}
		}
	}
	return nil
}

// tell says what each finding is of and what to do, and counts.
func (k *checker) tell(ctx context.Context, r *report) error {
	var names []string
	for _, f := range r.Findings {
		if f.Kind != unknown {
			names = append(names, f.Name)
		}
	}
	of, err := owners(ctx, k.library.Store, names)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Of = of[f.Name]
		switch {
		case f.Kind == unknown:
			f.Next = "look at what is unknown; remora-server files sweep removes what is left of uploads, the rest you may remove by hand"
			continue
		case f.Kind == missing:
			r.Missing++
		default:
			r.Damaged++
		}
		switch {
		case f.Repaired != "":
			r.Repaired++
			continue
		case !k.command.Repair && k.command.Copy:
			f.Next = "remora-server files check --copy --repair"
		case !k.command.Repair:
			f.Next = "remora-server files check --repair"
		default:
			f.Next = "name a place that has it with --from, such as the folder files of a backup"
		}
		r.Left++
	}
	return err
}
