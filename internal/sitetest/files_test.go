package sitetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

// A madeUpFiles answers for the files of a made-up catalog: every icon is one drawing, a bundle is
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

// madeUpPicture is the smallest PNG: one white point.
var madeUpPicture = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err) // nothing can be wrong with it
	}
	return b.Bytes()
}()

var madeUpSum = remora.Digest(sha256.Sum256(madeUpPicture))

// nothing reads as zeros without end.
type nothing struct{}

func (nothing) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func reader(name string, sizes map[string]int64) (*io.SectionReader, bool) {
	if strings.HasPrefix(name, "icons/") {
		return io.NewSectionReader(strings.NewReader(madeUpIcon), 0, int64(len(madeUpIcon))), true
	}
	if name == remora.ImageName(madeUpSum) {
		return io.NewSectionReader(bytes.NewReader(madeUpPicture), 0, int64(len(madeUpPicture))), true
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

// A madeUp is a made-up catalog with what is known besides it: every bundle has the same files in it,
// and downloads come every day.
type madeUp struct {
	remora.Feed
	paths []string
}

func (m madeUp) Report(context.Context, int64) ([]byte, error) {
	type file struct {
		Path string
		Size int64
	}
	var report struct {
		Inventory struct {
			Files    []file
			Bytes    int64
			Binaries []struct{ Path, Arch string }
			Locales  []string
		}
		Warnings []struct{ Where, Message string }
	}
	for i, p := range m.paths {
		report.Inventory.Files = append(report.Inventory.Files, file{p, int64(i) * 1000})
		report.Inventory.Bytes += int64(i) * 1000
	}
	report.Inventory.Binaries = append(report.Inventory.Binaries, struct{ Path, Arch string }{m.paths[0], "x86_64"})
	report.Inventory.Locales = []string{"es", "qu", "zh-Hans", "und"}
	report.Warnings = append(report.Warnings, struct{ Where, Message string }{m.paths[0], m.paths[len(m.paths)-1]})
	plain, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	return packer.EncodeAll(plain, nil), packer.Close()
}

func (m madeUp) DownloadsByDay(_ context.Context, activityID int64, from, to string) (counts []remora.DownloadCount, err error) {
	first, err := time.Parse(time.DateOnly, from)
	if err != nil {
		return nil, err
	}
	for day := first; day.Format(time.DateOnly) <= to; day = day.AddDate(0, 0, 1) {
		counts = append(counts, remora.DownloadCount{Day: day.Format(time.DateOnly), Source: "page", N: activityID%7 + int64(day.Day())})
	}
	return counts, nil
}

func (m madeUp) DownloadsByVersion(_ context.Context, activityID int64) (map[int64]int64, error) {
	counts := map[int64]int64{}
	for j := range int64(catalogtest.VersionsEach) {
		counts[catalogtest.FirstVersion+catalogtest.VersionsEach*(activityID-catalogtest.FirstActivity)+j] = 100 * (j + 1)
	}
	return counts, nil
}
