package backup

import (
	"context"
	"errors"
	"io/fs"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// CopyFiles copies every file that a catalog speaks of from one place to another, under all its names.
// What is there is not copied again, so that one that was interrupted is repeated.
func CopyFiles(ctx context.Context, catalog *sqlstore.Store, from, to remora.Files, bar Progress) error {
	kept, err := catalog.Kept(ctx)
	if err != nil {
		return err
	}
	bar.Total(len(kept))
	for _, k := range kept {
		if err := copyBlob(ctx, from, to, k); err != nil {
			return err
		}
		for _, public := range k.Public {
			if err := to.Link(ctx, k.Name, public); err != nil {
				return err
			}
		}
		bar.Step(k.Name)
	}
	return nil
}

// Complete makes a place that has what is published, or what was stored, into one that has every file a
// catalog speaks of under all its names, by giving files their other names. It returns the names of those it has under no name: they
// were stored, and are not here.
func Complete(ctx context.Context, catalog *sqlstore.Store, files remora.Files, bar Progress) (missing []string, err error) {
	kept, err := catalog.Kept(ctx)
	if err != nil {
		return nil, err
	}
	bar.Total(len(kept))
	for _, k := range kept {
		found, err := complete(ctx, files, k)
		if err != nil {
			return missing, err
		}
		if !found {
			missing = append(missing, k.Name)
		}
		for i := 0; found && i < len(k.Public); i++ {
			if err := files.Link(ctx, k.Name, k.Public[i]); err != nil {
				return missing, err
			}
		}
		bar.Step(k.Name)
	}
	return missing, nil
}

// complete reports whether a file is there under its name, now.
func complete(ctx context.Context, files remora.Files, k sqlstore.KeptFile) (bool, error) {
	f, err := files.Open(ctx, k.Name)
	if err == nil {
		return true, f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) && remora.KindOf(err) != remora.KindNotFound {
		return false, err
	}
	for _, public := range k.Public {
		err := files.Link(ctx, public, k.Name)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && remora.KindOf(err) != remora.KindNotFound {
			return false, err
		}
	}
	return false, nil
}
