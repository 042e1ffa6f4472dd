package intake

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// A Refused is a bundle that was not taken, and why.
type Refused struct {
	Path     string
	Code     string
	Message  string
	Problems []xo.Problem `json:",omitempty"`
}

// A Report says what became of a batch of bundles.
type Report struct {
	New      int
	Existing int
	Refused  []Refused
	Warnings int
}

// Progress hears how a batch goes on; calls come one at a time.
type Progress interface {
	Total(n int)      // how many there are
	Step(path string) // one more is done
}

// Batch imports everything that [Find] finds under paths, several at once; new ids are given in the
// order of Find. A bundle that is
// refused is noted in the Report and the rest goes on. Batch stops early, with the Report so far,
// only when ctx ends or the fault is the catalog's and not a bundle's. about and p may be nil.
func (im *Importer) Batch(ctx context.Context, by remora.Actor, paths []string, about func(bundleID string, n remora.Number) Facts, p Progress) (*Report, error) {
	report := &Report{Refused: []Refused{}}
	found, err := Find(ctx, paths)
	if err != nil {
		if ctx.Err() != nil {
			return report, err
		}
		report.unfound(err)
	}
	if p != nil {
		p.Total(len(found))
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(min(2*runtime.GOMAXPROCS(0), 8)) // checking is CPU, storing waits for the disk
	next := turns()
	for _, c := range found {
		mine := next()
		g.Go(func() error {
			if gctx.Err() != nil {
				mine.pass()
				return gctx.Err()
			}
			result, err := im.inTurn(gctx, by, c.Path, about, mine)
			mu.Lock()
			defer mu.Unlock()
			if p != nil {
				p.Step(c.Path)
			}
			return report.note(c.Path, result, err)
		})
	}
	err = g.Wait()
	slices.SortStableFunc(report.Refused, func(a, b Refused) int { return strings.Compare(a.Path, b.Path) })
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return report, err
}

func (r *Report) note(path string, result *Result, err error) error {
	switch {
	case err != nil && ours(err):
		return err
	case err != nil:
		r.refuse(path, err)
		return nil
	case result.Stored.Existing:
		r.Existing++
	default:
		r.New++
	}
	r.Warnings += len(result.Warnings)
	return nil
}

// ours reports whether an error speaks of us rather than of one bundle.
func ours(err error) bool {
	switch remora.KindOf(err) {
	case remora.KindInvalid, remora.KindTooLarge, remora.KindConflict, remora.KindNotFound, remora.KindForbidden:
		return false
	}
	return true
}

// unfound notes each of the errors that Find has joined.
func (r *Report) unfound(err error) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		path := ""
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			path = at.Path
		}
		r.refuse(path, err)
	}
}

func (r *Report) refuse(path string, err error) {
	f := Refused{Path: path, Message: remora.MessageOf(err)}
	if e, ok := errors.AsType[*remora.Error](err); ok {
		f.Code = e.Code
	} else {
		f.Message = err.Error()
	}
	if all, ok := errors.AsType[*xo.Refusal](err); ok {
		f.Problems = all.Problems
	}
	r.Refused = append(r.Refused, f)
}
