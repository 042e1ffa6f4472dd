package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

type backupCmd struct {
	Folder string `arg:"" help:"Folder to copy into; the same one again copies only what is new." type:"path"`
	JSON   bool   `help:"Write JSON."`
}

func (c *backupCmd) Help() string {
	return `Copies the database, of either kind, and all bundles while the server goes on. The copy is complete when the command
says so; one that was interrupted is finished by running it again, and until then the folder still
holds the backup before it.

  remora-server backup /media/stick/remora
  remora-server restore /media/stick/remora --verify --data /srv/new-remora`
}

func (c *backupCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error {
		if err := backup.Apart(a.config.files(), filepath.Join(c.Folder, "files")); err != nil {
			return err
		}
		bar := progress.New(a.stderr, "files")
		m, err := backup.Make(ctx, h.store, h.files, c.Folder, openBackupFiles, bar)
		bar.Done()
		if err != nil {
			return err
		}
		return printManifest(a, m, "backed up", c.JSON)
	})
}

func printManifest(a *app, m backup.Manifest, did string, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, m)
	}
	_, err := fmt.Fprintf(a.stdout, "%s %d files, %d bytes, as of change %d\n", did, m.Blobs, m.Bytes, m.Seq)
	return err
}

type restoreCmd struct {
	Folder string `arg:"" help:"Folder that holds the backup." type:"existingdir"`
	Verify bool   `help:"Read everything back afterwards and compare it with the backup."`
	DryRun bool   `help:"Check the backup without restoring it."`
	JSON   bool   `help:"Write JSON."`
}

func (c *restoreCmd) Help() string {
	return `Makes a data folder from a backup. The folder must be empty or absent, and so must the database be
when database.url names one on a MariaDB server; what an interrupted restore has left is finished by
running it again. A backup of either kind of database can be restored into the other.

  remora-server restore /media/stick/remora --verify --data /srv/new-remora
  remora-server restore /media/stick/remora --dry-run`
}

func (c *restoreCmd) Run(ctx context.Context, a *app) (err error) {
	bar := progress.New(a.stderr, "files")
	defer bar.Done()
	r := &backup.Restoring{From: c.Folder, To: a.config.dataDir, Files: a.config.files(), Open: openBackupFiles, Bar: bar, Verify: c.Verify}
	if c.DryRun {
		m, err := r.Check(ctx)
		if err != nil {
			return err
		}
		bar.Done()
		return printManifest(a, m, "the backup is whole:", c.JSON)
	}
	if _, err := backup.ReadManifest(c.Folder); err != nil {
		return err // before anything is made
	}
	if err := os.MkdirAll(r.To, 0o755); err != nil {
		return err
	}
	lock, err := datalock.Dir(r.To, datalock.Alone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if len(a.config.nodes) > 0 {
		log := newLog(a.config, a.stderr)
		h := &house{config: a.config}
		if err := h.connect(log); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Close()) }()
		if err := h.settled(ctx); err != nil {
			return err
		}
		if r.Into, err = sqlstore.New(h.conns, h.engine, &sqlstore.Options{Logger: log}); err != nil {
			return err
		}
	}
	m, err := r.Run(ctx)
	if err != nil {
		return err
	}
	bar.Done()
	did := "restored"
	if c.Verify {
		did = "restored and verified"
	}
	return printManifest(a, m, did, c.JSON)
}
