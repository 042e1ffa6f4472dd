package main

import (
	"errors"
	"os"
	"time"

	"github.com/go-git/go-billy/v5"
)

// A disk is a folder whose files can also be changed in what SETATTR sets.
type disk struct{ billy.Filesystem }

var _ billy.Change = disk{}

func (d disk) path(name string) string { return d.Join(d.Root(), name) }

func (d disk) Chmod(name string, mode os.FileMode) error { return os.Chmod(d.path(name), mode) }

func (d disk) Lchown(name string, uid, gid int) error { return os.Lchown(d.path(name), uid, gid) }

func (d disk) Chown(name string, uid, gid int) error { return os.Chown(d.path(name), uid, gid) }

func (d disk) Chtimes(name string, atime, mtime time.Time) error {
	return os.Chtimes(d.path(name), atime, mtime)
}

// A synced disk brings each file that was open for writing to disk when it is closed, which the server
// does after each WRITE. Folders are not synced: the server has no place for that.
type synced struct{ disk }

func (s synced) Create(name string) (billy.File, error) {
	return s.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (s synced) OpenFile(name string, flag int, perm os.FileMode) (billy.File, error) {
	f, err := os.OpenFile(s.path(name), flag, perm)
	if err != nil {
		return nil, err
	}
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return openFile{f}, nil
	}
	return syncedFile{openFile{f}}, nil
}

// An openFile has the locks that the interface asks for and that NFS version 3 never uses.
type openFile struct{ *os.File }

func (openFile) Lock() error   { return billy.ErrNotSupported }
func (openFile) Unlock() error { return billy.ErrNotSupported }

type syncedFile struct{ openFile }

func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }
