package filescmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/internal/published"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

type mirrorCmd struct {
	To        where         `required:"" help:"Where to: a folder that is the mirror's alone, or nfs://host/export." placeholder:"URL"`
	Once      bool          `help:"End when the mirror is up to date."`
	Wait      time.Duration `help:"How long --once waits for files that do not answer." default:"2m" placeholder:"TIME"`
	Verify    bool          `help:"Read what the mirror has already and compare it, too."`
	Bandwidth size          `help:"How much is copied each second, such as 2MB; unset: as fast as it goes." placeholder:"SIZE"`
	JSON      bool          `help:"Write JSON, at the end."`
}

func (c *mirrorCmd) Help() string {
	return `Keeps a copy of all that is offered (bundles, icons, screenshots) on any machine that reaches the database and
the files, until it is told to stop, or with --once until it is up to date. What is withdrawn is removed from it.
Interrupted, it goes on where it was. A plain web server may serve the folder public of it.

  remora-server files mirror --to /srv/mirror --once
  remora-server files mirror --to /srv/mirror --bandwidth 2MB

Exit status: 0 everything is there, 1 some files could not be copied, 4 the database or the files do not answer.`
}

// mirrored are the folders of a mirror; all that is in them and not offered is removed.
var mirrored = []string{"icons", "previews", "public"}

// feedPoll is how often the catalog is asked what has changed.
const feedPoll = time.Second

// A mirrorReport is what a mirror has done.
type mirrorReport struct {
	To      string `json:"to"`
	Copied  int64  `json:"copied"`
	Bytes   int64  `json:"bytes"`
	Resumed int64  `json:"resumed_bytes"`
	Present int64  `json:"present"` // files that were there
	Removed int64  `json:"removed"`
	Failed  int64  `json:"failed"`
	Behind  int    `json:"behind"` // not dealt with
}

func (c *mirrorCmd) Run(ctx context.Context, e *Env) error {
	return e.Library(ctx, func(l Library) (err error) {
		from, err := open(ctx, e.Place, true, e.Log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, from.Close()) }()
		to, err := open(ctx, string(c.To), false, e.Log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		if err := isMirror(ctx, to, string(c.To)); err != nil {
			return err
		}
		stats, err := c.mirror(ctx, e, l.Store, to, from)
		if showErr := c.show(e, stats); err != nil || showErr != nil {
			return errors.Join(err, showErr)
		}
		if stats.Failed > 0 {
			return e.Exit(1)
		}
		return nil
	})
}

// isMirror refuses a place where a library keeps its files: what is not offered would be removed there.
func isMirror(ctx context.Context, to *nfsstore.Store, at string) error {
	for info, err := range to.List(ctx, "uploads") {
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return trouble(err, "The files in "+at+" cannot be listed.")
		default:
			return remora.Errorf(remora.KindConflict, "mirror.library", "In %s a library keeps its files (%s is one); a mirror needs a folder of its own.", at, info.Name)
		}
	}
	return nil
}

// mirror copies until ctx ends, or once.
func (c *mirrorCmd) mirror(ctx context.Context, e *Env, feed remora.Feed, to, from *nfsstore.Store) (stats nfsstore.MirrorStats, err error) {
	list, err := offered(ctx, feed) // that the database does not answer is told at once
	if err != nil {
		return stats, err
	}
	within, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	away := time.AfterFunc(math.MaxInt64, func() { // it is set when they are away
		giveUp(&remora.Error{Kind: remora.KindUnavailable, Op: "files", Message: "The files in " + e.Place + " do not answer; run it again when they do."})
	})
	defer away.Stop()
	bar := progress.New(e.Stderr, "files")
	defer bar.Done()
	work, within := errgroup.WithContext(within)
	changes := make(chan nfsstore.Change)
	if c.Once {
		close(changes)
	} else {
		work.Go(func() error {
			return published.Follow(within, feed, feedPoll, e.Log, func(p published.Change) error {
				select {
				case changes <- nfsstore.Change{Name: p.Name, Size: p.Size, SHA256: p.SHA256[:], Gone: p.Gone}:
					return nil
				case <-within.Done():
					return within.Err()
				}
			})
		})
	}
	work.Go(func() error {
		return nfsstore.Mirror(within, to, from, changes, &nfsstore.MirrorOptions{
			Logger: e.Log, Bandwidth: int64(c.Bandwidth), Verify: c.Verify, Within: mirrored,
			Reconcile: func(ctx context.Context) iter.Seq2[nfsstore.Change, error] {
				if c.Once {
					return belongs(list)
				}
				now, err := offered(ctx, feed)
				if err != nil {
					return func(yield func(nfsstore.Change, error) bool) { yield(nfsstore.Change{}, err) }
				}
				return belongs(now)
			},
			Progress: func(s nfsstore.MirrorStats) {
				switch {
				case !c.Once || s.Away == stats.Away:
				case s.Away:
					away.Reset(c.Wait)
				default:
					away.Stop()
				}
				stats = s
				done := int(s.Copied + s.Skipped + s.Removed + s.Failed)
				bar.Total(done + s.Behind)
				bar.At(done, "")
			},
		})
	})
	err = work.Wait()
	if cause := context.Cause(within); err != nil && ctx.Err() == nil && cause != nil {
		err = cause
	}
	if !c.Once && ctx.Err() != nil {
		err = nil // it was told to stop
	}
	return stats, trouble(err, "The mirror cannot go on.")
}

// belongs passes on what belongs into a mirror.
func belongs(list []wanted) iter.Seq2[nfsstore.Change, error] {
	return func(yield func(nfsstore.Change, error) bool) {
		for _, w := range list {
			if !yield(nfsstore.Change{Name: w.name, Size: w.size, SHA256: w.sum[:]}, nil) {
				return
			}
		}
	}
}

func (c *mirrorCmd) show(e *Env, s nfsstore.MirrorStats) error {
	r := mirrorReport{To: string(c.To), Copied: s.Copied, Bytes: s.Bytes, Resumed: s.Resumed, Present: s.Skipped, Removed: s.Removed, Failed: s.Failed, Behind: s.Behind}
	if c.JSON {
		return e.showJSON(r)
	}
	_, err := fmt.Fprintf(e.Stdout, "%s: %s with %s copied, %d were there, %d removed, %d failed", r.To, several(r.Copied, "file"), bytesText(r.Bytes), r.Present, r.Removed, r.Failed)
	if err == nil && r.Behind > 0 {
		_, err = fmt.Fprintf(e.Stdout, ", %d not dealt with", r.Behind)
	}
	if err == nil {
		_, err = fmt.Fprintln(e.Stdout, ".")
	}
	return err
}
