package filescmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type moveCmd struct {
	To   where `required:"" help:"Where to, as in the setting files.url: a folder, or nfs://host/export." placeholder:"URL"`
	JSON bool  `help:"Write JSON."`
}

func (c *moveCmd) Help() string {
	return `Copies every file the catalog speaks of, and makes the servers of this data folder use the new place.
Writing is switched off for the last part, a few seconds. Interrupted, it is finished by running it
again. On other machines, set files.url to the new place and reload them before that.

  remora-server files move --to nfs://10.0.0.11/srv/remora`
}

func (c *moveCmd) Run(ctx context.Context, e *Env) error {
	place := string(c.To)
	now, err := whole(e.Place)
	if err != nil {
		return err
	}
	return e.Library(ctx, func(l Library) (err error) {
		if place == now {
			mode, err := l.Store.WriteMode(ctx)
			if err != nil || mode == sqlstore.WriteFrozen && e.Overridden {
				return errors.Join(err, l.Store.SetWriteMode(ctx, sqlstore.WriteNormal)) // the end of a move that was interrupted
			}
			return remora.Errorf(remora.KindInvalid, "files.same", "The files are in %s already.", place)
		}
		to, err := filestore.OpenPlain(ctx, place, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		if err := to.Try(ctx); err != nil { // there may be nothing to copy that would show it
			return trouble(err, "Nothing can be stored in "+place+".")
		}
		pass := func() error {
			bar := progress.New(e.Stderr, "files")
			defer bar.Done()
			return backup.CopyFiles(ctx, l.Store, l.Files, to, bar)
		}
		if err := pass(); err != nil {
			return err
		}
		// What comes in from now on would be in the old place alone.
		if err := l.Store.SetWriteMode(ctx, sqlstore.WriteFrozen); err != nil {
			return err
		}
		err = pass()
		if err == nil {
			err = e.keepIn(place, c.JSON)
		}
		if err == nil {
			ctx = context.WithoutCancel(ctx) // servers are told: who stops now stops half way
			<-time.After(e.Told)
		}
		thaw, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err = errors.Join(err, l.Store.SetWriteMode(thaw, sqlstore.WriteNormal)); err != nil {
			return err
		}
		return pass() // a server that was slow to hear of it has stored something in the old place
	})
}

// keepIn makes the servers of this data folder keep files in another place, and says so.
func (e *Env) keepIn(to string, asJSON bool) error {
	values, also := map[string]string{"files.url": to}, ""
	second, err := whole(e.Second)
	if err != nil {
		return err
	}
	if to == e.Second || to == second {
		values["files.copies"], also = "1", " They are in one place only now: find another for files.second, and set files.copies to 2 again."
	}
	path, err := e.Override(values)
	if err != nil {
		return err
	}
	if asJSON {
		return e.showJSON(struct {
			Place     string            `json:"place"`
			Overrides string            `json:"overrides"` // the file
			Values    map[string]string `json:"values"`    // in it
		}{to, path, values})
	}
	_, err = fmt.Fprintf(e.Stdout, "Files are kept in %s from now on; %s says so until you set files.url to it.%s\n", to, path, also)
	return err
}

// TakeCopy goes on with the second place of all files, or else with the copy of the published ones, the
// place they came from being gone.
func (e *Env) TakeCopy(ctx context.Context, l Library) error {
	if !l.Files.Copied() && !l.Files.Twofold() {
		return nil // it was done already
	}
	place := cmp.Or(e.Second, e.CopyDir)
	copied, err := filestore.OpenPlain(ctx, place, false)
	if err != nil {
		return err
	}
	bar := progress.New(e.Stderr, "files")
	missing, err := backup.Complete(ctx, l.Store, copied, bar)
	bar.Done()
	if err = errors.Join(err, copied.Close()); err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Fprintf(e.Stdout, "missing      %s was stored, and is not in the copy.\n", name)
	}
	return e.keepIn(place, false)
}
