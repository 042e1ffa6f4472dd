package nfsstore

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// FS returns the files as an [fs.FS], for what works on one: templates, [fs.WalkDir], an http.FileServer.
// It is a [fs.ReadDirFS], [fs.StatFS], [fs.ReadFileFS] and [fs.SubFS], can only be read, and shows
// what [Store.List] does, besides the folders. Its files are those of [Store.Open].
//
// The context bounds each call and the reading of folders, but not that of files which are open.
// Errors are [fs.PathError]s around those of a Store.
func (s *Store) FS(ctx context.Context) fs.FS { return &view{s, ctx, "."} }

// A view is a folder of a store as a file system.
type view struct {
	s   *Store
	ctx context.Context
	dir string
}

var _ interface {
	fs.ReadDirFS
	fs.StatFS
	fs.ReadFileFS
	fs.SubFS
} = (*view)(nil)

// at returns the name in the store. What cannot be a name there is absent.
func (v *view) at(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	full := path.Join(v.dir, name)
	if full != "." && nameFault(full) != "" {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return full, nil
}

func (v *view) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: v.s.fail(op, cmp.Or(name, "."), reading, err)}
}

// Open is that of [fs.FS].
func (v *view) Open(name string) (fs.File, error) {
	full, err := v.at("open", name)
	if err != nil {
		return nil, err
	}
	info, err := v.look("open", name, full)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &viewDir{v: v, info: info, name: name, full: full, more: true}, nil
	}
	f, err := v.s.Open(v.ctx, full)
	if err != nil {
		return nil, v.fail("open", name, err)
	}
	return f, nil
}

// Stat is that of [fs.StatFS].
func (v *view) Stat(name string) (fs.FileInfo, error) {
	full, err := v.at("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := v.look("stat", name, full)
	if err != nil {
		return nil, err
	}
	return info, nil
}

// look tells of a file or folder.
func (v *view) look(op, name, full string) (viewInfo, error) {
	info, err := v.s.stat(v.ctx, full)
	if isStale(err) {
		info, err = v.s.stat(v.ctx, full)
	}
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return viewInfo{}, v.fail(op, name, err)
	}
	return viewInfo{path.Base(name), info.Mode(), info.Size(), info.ModTime()}, nil
}

// ReadDir is that of [fs.ReadDirFS].
func (v *view) ReadDir(name string) ([]fs.DirEntry, error) {
	full, err := v.at("readdir", name)
	if err != nil {
		return nil, err
	}
	d := viewDir{v: v, name: name, full: full, more: true}
	return d.ReadDir(-1)
}

// ReadFile is that of [fs.ReadFileFS].
func (v *view) ReadFile(name string) ([]byte, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, v.fail("read", name, err)
	}
	return b, nil
}

// Sub is that of [fs.SubFS].
func (v *view) Sub(dir string) (fs.FS, error) {
	full, err := v.at("sub", dir)
	if err != nil {
		return nil, err
	}
	return &view{v.s, v.ctx, full}, nil
}

// A viewInfo is a [fs.FileInfo].
type viewInfo struct {
	name    string
	mode    fs.FileMode
	size    int64
	modTime time.Time
}

func (i viewInfo) Name() string       { return i.name }
func (i viewInfo) Size() int64        { return i.size }
func (i viewInfo) Mode() fs.FileMode  { return i.mode }
func (i viewInfo) ModTime() time.Time { return i.modTime }
func (i viewInfo) IsDir() bool        { return i.mode.IsDir() }
func (i viewInfo) Sys() any           { return nil }

// A viewDir is an open folder. One goroutine uses it.
type viewDir struct {
	v          *view
	info       viewInfo
	name, full string
	closed     bool

	batch []entry // read, and not yet handed on
	after string  // the last of those that were read
	more  bool    // there are others
	told  int     // how many of batch have been informed about
}

func (d *viewDir) Stat() (fs.FileInfo, error) {
	if d.closed {
		return nil, &fs.PathError{Op: "stat", Path: d.name, Err: fs.ErrClosed}
	}
	return d.info, nil
}

func (d *viewDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: errors.New("it is a folder")}
}

func (d *viewDir) Close() error {
	if d.closed {
		return &fs.PathError{Op: "close", Path: d.name, Err: fs.ErrClosed}
	}
	d.closed, d.batch = true, nil
	return nil
}

// ReadDir is that of [fs.ReadDirFile], in the order of names.
func (d *viewDir) ReadDir(n int) (entries []fs.DirEntry, err error) {
	if d.closed {
		return nil, &fs.PathError{Op: "readdir", Path: d.name, Err: fs.ErrClosed}
	}
	for n <= 0 || len(entries) < n {
		e, ok, err := d.next()
		if err != nil {
			return entries, d.v.fail("readdir", d.name, err)
		}
		if !ok {
			break
		}
		entries = append(entries, fs.FileInfoToDirEntry(e))
	}
	if n > 0 && len(entries) == 0 {
		return nil, io.EOF
	}
	return entries, nil
}

// next returns the next file or folder.
func (d *viewDir) next() (viewInfo, bool, error) {
	s, ctx := d.v.s, d.v.ctx
	for {
		if d.told > 0 {
			e := d.batch[0]
			d.batch, d.told = d.batch[1:], d.told-1
			if e.err != nil {
				return viewInfo{}, false, e.err
			}
			if !e.mode.IsDir() && !e.mode.IsRegular() {
				continue // it has changed meanwhile
			}
			return viewInfo{e.name, e.mode, e.size, e.modTime}, true, nil
		}
		switch {
		case len(d.batch) > 0:
			ask := d.batch[:min(len(d.batch), statBatch)]
			told, err := s.inform(ctx, d.full, ask, true)
			if err != nil {
				return viewInfo{}, false, err
			}
			rest := d.batch[len(ask)-len(told):]
			copy(rest, told)
			d.batch, d.told = rest, len(told)
		case d.more:
			batch, more, err := s.some(ctx, d.full, d.after, maxSorted)
			if err != nil {
				return viewInfo{}, false, err
			}
			if len(batch) > 0 {
				d.after = batch[len(batch)-1].name
			}
			d.batch, d.more = batch, more
		default:
			return viewInfo{}, false, nil
		}
	}
}
