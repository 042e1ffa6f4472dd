package nfsstore

import (
	"io"
	"io/fs"
	"os"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// handOut makes an open file one that a caller may have: its reads outlive the context it was opened
// by, and its errors are those of the store. A file of the system stays what it is.
func (s *Store) handOut(name string, f vol.File) fs.File {
	if d, ok := f.(vol.Detacher); ok {
		d.Detach()
	}
	if f, ok := f.(*os.File); ok {
		return f
	}
	return &openFile{s, name, f}
}

// An openFile is a file of a volume that callers read.
type openFile struct {
	s    *Store
	name string
	f    vol.File
}

var _ interface {
	fs.File
	io.ReaderAt
	io.Seeker
} = (*openFile)(nil)

func (f *openFile) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return f.s.fail(op, f.name, reading, err)
}

// Read is an [io.Reader].
func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.f.Read(p)
	return n, f.fail("read", err)
}

// ReadAt is an [io.ReaderAt].
func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, f.fail("read", err)
}

// Seek is an [io.Seeker].
func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.f.Seek(offset, whence)
	return at, f.fail("seek", err)
}

// Stat is that of the moment when the file was opened, or of now.
func (f *openFile) Stat() (fs.FileInfo, error) {
	info, err := f.f.Stat()
	return info, f.fail("stat", err)
}

// Close ends what is under way.
func (f *openFile) Close() error { return f.fail("close", f.f.Close()) }
