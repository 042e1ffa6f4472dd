package filestore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// maxDamaged bounds the files of the copy that wait to be mended; others are told of again when they are
// asked for again.
const maxDamaged = 16

// A damaged file of the copy was not what its sum says.
type damaged struct {
	name string
	sum  []byte
}

// tell has a file mended where it was found damaged, if that is the copy; what is where everything is
// remains for a person to look at.
func (f *Files) tell(s source, name string, sum []byte) {
	if s.store == nil || s.store != f.copy {
		return
	}
	select {
	case f.damaged <- damaged{name, sum}:
	default:
	}
}

// mendCopy replaces damaged files of the copy, one after the other, until ctx ends.
func (f *Files) mendCopy(ctx context.Context, log *slog.Logger) error {
	for {
		select {
		case d := <-f.damaged:
			err := f.mend(ctx, d)
			switch {
			case err == nil:
				log.Info("a damaged file of the copy was replaced", "file", d.name)
			case ctx.Err() == nil:
				log.Warn("a damaged file of the copy could not be replaced; that is tried again when it is asked for", "file", d.name, "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Files) mend(ctx context.Context, d damaged) (err error) {
	others := slices.DeleteFunc(f.sources(d.name, false), func(s source) bool { return s.store == f.copy })
	file, err := f.openFrom(ctx, others, d.name, -1, d.sum)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := f.copy.Repair(ctx, nfsstore.Expected{Name: d.name, Size: info.Size(), SHA256: d.sum}, file); err != nil {
		return err
	}
	// It may have been withdrawn while it was on its way.
	again, err := f.openFrom(ctx, others, d.name, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return f.copy.Remove(ctx, d.name)
	}
	if err != nil {
		return nil // whoever withdraws it takes it away here as well
	}
	return again.Close()
}
