package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/internal/settings"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type filesCmd struct {
	Move filesMoveCmd `cmd:"" help:"Keep bundles and icons elsewhere from now on."`
}

type filesMoveCmd struct {
	To string `required:"" help:"Where to, as in the setting files.url: a folder, or nfs://host/export." placeholder:"URL"`
}

func (c *filesMoveCmd) Help() string {
	return `Copies every file the catalog speaks of, and makes the servers of this data folder use the new place.
Writing is switched off for the last part, a few seconds. Interrupted, it is finished by running it
again. On other machines, set files.url to the new place and reload them before that.

  remora-server files move --to nfs://10.0.0.11/srv/remora`
}

// switchTime is how long servers may take to see that files are kept elsewhere.
const switchTime = 3 * overridesEvery

func (c *filesMoveCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) (err error) {
		if c.To == a.config.files() {
			mode, err := h.store.WriteMode(ctx)
			if err != nil || mode == sqlstore.WriteFrozen && a.config.origins["files.url"].From == "overrides" {
				return errors.Join(err, h.store.SetWriteMode(ctx, sqlstore.WriteNormal)) // the end of a move that was interrupted
			}
			return remora.Errorf(remora.KindInvalid, "files.same", "The files are in %s already.", c.To)
		}
		to, err := filestore.OpenPlain(ctx, c.To, false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		pass := func() error {
			bar := progress.New(a.stderr, "files")
			defer bar.Done()
			return backup.CopyFiles(ctx, h.store, h.files, to, bar)
		}
		if err := pass(); err != nil {
			return err
		}
		// What comes in from now on would be in the old place alone.
		if err := h.store.SetWriteMode(ctx, sqlstore.WriteFrozen); err != nil {
			return err
		}
		err = pass()
		if err == nil {
			err = moveFiles(a, c.To)
		}
		if err == nil {
			ctx = context.WithoutCancel(ctx) // servers are told: who stops now stops half way
			<-time.After(switchTime)
		}
		thaw, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err = errors.Join(err, h.store.SetWriteMode(thaw, sqlstore.WriteNormal)); err != nil {
			return err
		}
		return pass() // a server that was slow to hear of it has stored something in the old place
	})
}

// moveFiles makes the servers of this data folder keep files in another place, and says so.
func moveFiles(a *app, to string) error {
	path := filepath.Join(a.config.dataDir, settings.OverridesFile)
	if err := table.Override(path, map[string]string{"files.url": to}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "Files are kept in %s from now on; %s says so until you set files.url to it.\n", to, path)
	return err
}

// takeFiles goes on with the copy of the published files, the place they came from being gone.
func takeFiles(ctx context.Context, a *app, h *house) error {
	if !h.files.Copied() {
		return nil // it was done already
	}
	copied, err := filestore.OpenPlain(ctx, a.config.copyDir, false)
	if err != nil {
		return err
	}
	bar := progress.New(a.stderr, "files")
	missing, err := backup.Complete(ctx, h.store, copied, bar)
	bar.Done()
	if err = errors.Join(err, copied.Close()); err != nil {
		return err
	}
	for _, name := range missing {
		fmt.Fprintf(a.stdout, "missing      %s was stored, and is not in the copy.\n", name)
	}
	return moveFiles(a, a.config.copyDir)
}
