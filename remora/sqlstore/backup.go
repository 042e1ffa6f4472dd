package sqlstore

import (
	"context"
	"errors"
	"os"

	"github.com/sugarlabs/beamrider/remora"
)

// Backup writes a copy of the database, as of one moment, to a new SQLite file at path, while reads
// and writes go on: the same form whatever the engine. A SQLite database is copied by its own means,
// another one row by row in bounded memory (see [Copy]), which progress hears of if it is not nil. When
// it returns nil the copy outlives a power cut. A file that is there already is KindConflict and
// stays; after any other error there is none.
func (s *Store) Backup(ctx context.Context, path string, progress func(CopyProgress)) error {
	if own, ok := s.conns.(*SQLiteConns); ok {
		return own.Backup(ctx, path)
	}
	if _, err := os.Lstat(path); err == nil {
		return s.fail("Backup", remora.Errorf(remora.KindConflict, "backup.exists", "There is a file %s already. Choose another name, or remove it.", path))
	} else if !errors.Is(err, os.ErrNotExist) {
		return s.fail("Backup", unavailable("The folder of the backup cannot be used.", err))
	}
	err := s.copyInto(ctx, path, progress)
	if err == nil {
		err = syncFile(path)
	}
	if err == nil {
		return nil
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if rerr := os.Remove(name); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return s.fail("Backup", err)
}

func (s *Store) copyInto(ctx context.Context, path string, progress func(CopyProgress)) (err error) {
	o := &Options{Logger: s.log, Wait: s.wait}
	conns, err := OpenSQLite(path, o)
	if err != nil {
		return err
	}
	// The last connection to close folds the log into the file, which is the whole backup then.
	defer func() { err = errors.Join(err, conns.Close()) }()
	to, err := New(conns, SQLite, o)
	if err != nil {
		return err
	}
	_, err = Copy(ctx, s, to, &CopyOptions{Progress: progress})
	return err
}
