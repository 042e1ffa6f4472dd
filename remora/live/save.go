package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/remora"
)

// The saved View is zstd (whose checksum tells a damaged file) over JSON values: a savedHead, then
// Count activities. JSON because a newer or older server must be able to read it.
type savedHead struct {
	Format int
	Header remora.Header
	Count  int
}

const savedFormat = 1

// maxSavedMemory bounds what a damaged or foreign file can make the decoder take.
const maxSavedMemory = 64 << 20

// restore loads the saved View, if there is one.
func (l *Library) restore() {
	began := time.Now()
	base, header, err := loadFile(l.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		// Only a convenience is lost: the feed has everything.
		l.log.Warn("the saved view cannot be used; waiting for the catalog", "file", l.o.Path, "error", err)
		return
	}
	l.replace(base, header)
	l.mu.Lock()
	l.saved = header.Position
	l.mu.Unlock()
	l.once.Do(func() { close(l.ready) })
	l.log.Info("loaded the saved view", "activities", base.snap.Len(), "seq", header.Seq, "took", time.Since(began).Round(time.Millisecond))
}

// save writes the View if it has changed since, and reports whether it did.
func (l *Library) save() bool {
	v := l.View()
	l.mu.Lock()
	skip := l.o.Path == "" || v.Position() == (remora.Position{}) || v.Position() == l.saved
	l.mu.Unlock()
	if skip {
		return false
	}
	if err := saveFile(l.o.Path, v); err != nil {
		l.log.Warn("cannot save the view; a start without the database will show an older one", "file", l.o.Path, "error", err)
		return true
	}
	l.mu.Lock()
	l.saved = v.Position()
	l.mu.Unlock()
	return true
}

func loadFile(path string) (base *layer, header remora.Header, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, header, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxMemory(maxSavedMemory), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, header, err
	}
	defer z.Close()
	dec := json.NewDecoder(bufio.NewReaderSize(z, 1<<16))
	var head savedHead
	if err := dec.Decode(&head); err != nil {
		return nil, header, fmt.Errorf("the head: %w", err)
	}
	if head.Format != savedFormat {
		return nil, header, fmt.Errorf("format %d, want %d", head.Format, savedFormat)
	}
	var b remora.SnapshotBuilder
	for i := range head.Count {
		var a remora.Activity
		if err := dec.Decode(&a); err != nil {
			return nil, header, fmt.Errorf("activity %d of %d: %w", i+1, head.Count, err)
		}
		b.Add(a)
	}
	if _, err := dec.Token(); err != io.EOF { // reading to the end checks the sum
		return nil, header, fmt.Errorf("the end: %w", errors.Join(err, errors.New("more than was announced")))
	}
	return finishLayer(&b, head.Header, nil), head.Header, nil
}

func saveFile(path string, v *View) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".view-*")
	if err != nil {
		return err
	}
	err = writeView(f, v)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

func writeView(w io.Writer, v *View) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(savedHead{Format: savedFormat, Header: v.header, Count: v.Len()}); err != nil {
		return errors.Join(err, z.Close())
	}
	for a := range v.All {
		if err := enc.Encode(a); err != nil {
			return errors.Join(err, z.Close())
		}
	}
	return z.Close()
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
