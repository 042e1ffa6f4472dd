package sitetest

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// A madeUpFiles answers for the files of a made-up catalog: every icon is one picture, a bundle is
// as many zeros as the catalog says.
type madeUpFiles struct {
	remora.Files // nil: tests of the site only read
	sizes        map[string]int64
}

func newMadeUpFiles(activities iter.Seq[remora.Activity]) madeUpFiles {
	f := madeUpFiles{sizes: map[string]int64{}}
	for a := range activities {
		for _, v := range a.Versions {
			f.sizes[remora.PublicName(a.ID, v.Filename)] = v.Size
		}
	}
	return f
}

const madeUpIcon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 55 55"><circle cx="27" cy="27" r="20" fill="#ffffff" stroke="#000000" stroke-width="3"/></svg>`

// nothing reads as zeros without end.
type nothing struct{}

func (nothing) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func reader(name string, sizes map[string]int64) (*io.SectionReader, bool) {
	if strings.HasPrefix(name, "icons/") {
		return io.NewSectionReader(strings.NewReader(madeUpIcon), 0, int64(len(madeUpIcon))), true
	}
	size, found := sizes[name]
	return io.NewSectionReader(nothing{}, 0, size), found
}

func (f madeUpFiles) Open(_ context.Context, name string) (fs.File, error) {
	r, found := reader(name, f.sizes)
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return madeUpFile{r, name}, nil
}

// A madeUpFile is an open file and what is known of it.
type madeUpFile struct {
	*io.SectionReader
	name string
}

func (f madeUpFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f madeUpFile) Close() error               { return nil }
func (f madeUpFile) Name() string               { return path.Base(f.name) }
func (f madeUpFile) Mode() fs.FileMode          { return 0o444 }
func (f madeUpFile) ModTime() time.Time         { return time.Time{} }
func (f madeUpFile) IsDir() bool                { return false }
func (f madeUpFile) Sys() any                   { return nil }
