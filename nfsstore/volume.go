package nfsstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// A volume is the file system as the protocol of this package sees it: a directory, or an export
// that is reached without a mount. Tests put faults into it and watch the order of operations.
//
// Errors match the errors of package syscall, so that one table says what they mean. A volume may
// repeat what is safe to repeat, and finds out by itself what became of an operation whose reply
// was lost.
type volume interface {
	create(ctx context.Context, name string) (tempFile, error)
	// open opens a file whose reading ends with ctx at the latest, where a context can do that.
	open(ctx context.Context, name string) (file, error)
	openDir(ctx context.Context, name string) (folder, error)
	stat(ctx context.Context, name string) (fs.FileInfo, error) // of a symbolic link, not of what it points to
	same(a, b fs.FileInfo) bool                                 // one file under two names
	mkdir(ctx context.Context, name string) error
	link(ctx context.Context, from, to string) error // never replaces
	remove(ctx context.Context, name string) error
	// settle makes the presence of a name, or its absence, safe from a power cut.
	settle(ctx context.Context, name string, there bool) error
	space(ctx context.Context) (free, total int64, err error)
	close() error
}

// A file is open for reading. An [os.File] is one, and is handed on as it is, because net/http
// knows how to send it without copying.
type file interface {
	fs.File
	io.ReaderAt
	io.Seeker
	// Sync makes the content safe that another process may have written.
	Sync() error
}

// A folder is an open directory; ReadDir is that of an [os.File].
type folder interface {
	ReadDir(n int) ([]fs.DirEntry, error)
	Close() error
}

// A tempFile is open for writing, from its beginning to its end.
type tempFile interface {
	write(ctx context.Context, p []byte) error
	sync(ctx context.Context) error
	close(ctx context.Context) error
}

// disk is the volume of a directory.
type disk struct {
	root   *os.Root
	opener *opener // nil: only root opens
	hangs  bool    // it may be a mount whose server goes away
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
	hangs, err := mayHang(root)
	if err != nil {
		return nil, errors.Join(err, opener.close(), root.Close())
	}
	return &disk{root, opener, hangs}, nil
}

// create makes a file that nobody may write to once it is closed: with hard links, a write through
// one name would change the others.
func (d *disk) create(_ context.Context, name string) (tempFile, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, err
	}
	return diskTemp{f}, nil
}

type diskTemp struct{ f *os.File }

func (t diskTemp) write(_ context.Context, p []byte) error { _, err := t.f.Write(p); return err }
func (t diskTemp) sync(context.Context) error              { return t.f.Sync() }
func (t diskTemp) close(context.Context) error             { return t.f.Close() }

func (d *disk) open(_ context.Context, name string) (file, error) {
	f, err := d.openFile(name)
	if err != nil {
		return nil, err // and not a nil *os.File, which is no nil
	}
	return f, nil
}

func (d *disk) openFile(name string) (*os.File, error) {
	if f, err := d.opener.open(name); f != nil || err != nil {
		return f, err
	}
	return d.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
}

func (d *disk) openDir(_ context.Context, name string) (folder, error) {
	f, err := d.openFile(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *disk) stat(_ context.Context, name string) (fs.FileInfo, error) { return d.root.Lstat(name) }
func (d *disk) same(a, b fs.FileInfo) bool                               { return os.SameFile(a, b) }
func (d *disk) mkdir(_ context.Context, name string) error               { return d.root.Mkdir(name, 0o755) }
func (d *disk) link(_ context.Context, from, to string) error            { return d.root.Link(from, to) }
func (d *disk) remove(_ context.Context, name string) error              { return d.root.Remove(name) }
func (d *disk) close() error                                             { return errors.Join(d.opener.close(), d.root.Close()) }

// settle syncs the directory of the name. When that is gone, with the name that was to be absent,
// there is nothing to keep safe.
func (d *disk) settle(_ context.Context, name string, there bool) error {
	f, err := d.openFile(path.Dir(name))
	if err != nil {
		if !there && (errors.Is(err, fs.ErrNotExist) || classify(err) == faultNotDir) {
			return nil
		}
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
