package nfsstore

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A volume is the file system as the protocol of this package sees it. Tests put faults into it and
// watch the order of operations.
type volume interface {
	create(name string) (tempFile, error)
	open(name string) (*os.File, error)
	stat(name string) (fs.FileInfo, error) // of a symbolic link, not of what it points to
	mkdir(name string) error
	link(from, to string) error
	remove(name string) error
	syncDir(name string) error
	close() error
}

type tempFile interface {
	io.Writer
	Sync() error
	Close() error
}

// disk is the volume of a directory.
type disk struct {
	root   *os.Root
	opener *opener // nil: only root opens
}

func newDisk(dir string) (*disk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opener, err := newOpener(root)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &disk{root, opener}, nil
}

// create makes a file that nobody may write to once it is closed: with hard links, a write through
// one name would change the others.
func (d *disk) create(name string) (tempFile, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
}

func (d *disk) open(name string) (*os.File, error) {
	if f, err := d.opener.open(name); f != nil || err != nil {
		return f, err
	}
	return d.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
}

func (d *disk) stat(name string) (fs.FileInfo, error) { return d.root.Lstat(name) }
func (d *disk) mkdir(name string) error               { return d.root.Mkdir(name, 0o755) }
func (d *disk) link(from, to string) error            { return d.root.Link(from, to) }
func (d *disk) remove(name string) error              { return d.root.Remove(name) }
func (d *disk) close() error                          { return errors.Join(d.opener.close(), d.root.Close()) }

func (d *disk) syncDir(name string) error {
	f, err := d.open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
