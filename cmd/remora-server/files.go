package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

// files are where bundles and icons are kept, and the copy of what is offered if there is one. It
// turns the sentinels of nfsstore into kinds, which commands and pages understand.
type files struct {
	main atomic.Pointer[nfsstore.Store]
	copy *nfsstore.Store   // nil: none
	left []*nfsstore.Store // moved away from
}

func openFiles(ctx context.Context, c *config, log *slog.Logger) (_ *files, err error) {
	f := &files{}
	main, err := openStoreAt(ctx, c.files(), log)
	if err != nil {
		return nil, err
	}
	f.main.Store(main)
	if c.copyDir != "" && c.copyDir != c.files() {
		if f.copy, err = openStoreAt(ctx, c.copyDir, log); err != nil {
			return nil, errors.Join(err, main.Close())
		}
	}
	return f, nil
}

func openStoreAt(ctx context.Context, at string, log *slog.Logger) (*nfsstore.Store, error) {
	store, err := nfsstore.Open(ctx, at, &nfsstore.Options{Logger: log})
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The files folder " + at + " cannot be used.", Err: err}
	}
	return store, nil
}

func (f *files) Put(ctx context.Context, name string, r io.Reader, size int64, sum []byte) error {
	return kindOfFile(f.main.Load().Put(ctx, name, r, size, sum), name)
}

// Open prefers the copy, which is on this machine. What is not there yet, or not to be found in it,
// is where everything is.
func (f *files) Open(ctx context.Context, name string) (fs.File, error) {
	if f.copy != nil && !strings.HasPrefix(name, "uploads/") {
		if file, err := f.copy.Open(ctx, name); err == nil {
			return file, nil
		}
	}
	file, err := f.main.Load().Open(ctx, name)
	return file, kindOfFile(err, name)
}

func (f *files) Link(ctx context.Context, from, to string) error {
	return kindOfFile(f.main.Load().Link(ctx, from, to), to)
}

func (f *files) Remove(ctx context.Context, name string) error {
	return kindOfFile(f.main.Load().Remove(ctx, name), name)
}

// move makes another place the one where everything is. What is under way at the old one goes on there.
func (f *files) move(ctx context.Context, to string, log *slog.Logger) error {
	store, err := openStoreAt(ctx, to, log)
	if err != nil {
		return err
	}
	f.left = append(f.left, f.main.Swap(store))
	log.Info("the files are kept elsewhere now", "url", to)
	return nil
}

func (f *files) Close() error {
	err := f.main.Load().Close()
	for _, store := range f.left {
		err = errors.Join(err, store.Close())
	}
	if f.copy != nil {
		err = errors.Join(err, f.copy.Close())
	}
	return err
}

func kindOfFile(err error, name string) error {
	for _, row := range []struct {
		is      error
		kind    remora.Kind
		message string
	}{
		{nfsstore.ErrNoSpace, remora.KindUnavailable, "There is no space left for the bundles."},
		{nfsstore.ErrReadOnly, remora.KindUnavailable, "The folder of the bundles cannot be written to."},
		{nfsstore.ErrUnavailable, remora.KindUnavailable, "The folder of the bundles does not answer as it should."},
		{nfsstore.ErrCorrupt, remora.KindCorrupt, "The bytes that arrived are not those that were checked."},
		{nfsstore.ErrName, remora.KindInvalid, "The name " + name + " cannot be a file's."},
		{fs.ErrExist, remora.KindConflict, "The file " + name + " is there with other content. If it is damaged, restore it from a backup, or move it away and do this again."},
		{fs.ErrNotExist, remora.KindNotFound, "There is no file " + name + "."},
	} {
		if errors.Is(err, row.is) {
			return &remora.Error{Kind: row.kind, Op: "files", Message: row.message, Err: err}
		}
	}
	return err
}

// openBackupFiles opens the files of a backup as those of a library are.
func openBackupFiles(ctx context.Context, folder string, readOnly bool) (backup.Files, error) {
	store, err := nfsstore.Open(ctx, folder, &nfsstore.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	f := &files{}
	f.main.Store(store)
	return f, nil
}
