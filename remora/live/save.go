package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/beamrider/internal/durable"
	"github.com/sugarlabs/beamrider/remora"
)

// The saved View is zstd (whose checksum tells a damaged file) over JSON values: a savedHead, then
// Count activities. JSON because a newer or older server must be able to read it.
type savedHead struct {
	Format  int
	Header  remora.Header
	Contact remora.Time // when the feed had last answered; 0 if not known
	Count   int
}

const savedFormat = 1

// What a damaged or foreign file can make loadFile take.
const (
	maxSavedWindow = 64 << 20 // bytes zstd may look back
	maxSavedValue  = 32 << 20 // bytes of one JSON value
	maxSavedCount  = 1 << 21  // activities
)

// A portion is a reader that fails when more is read than was granted.
type portion struct {
	r    io.Reader
	left int
}

func (p *portion) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, errors.New("an entry is longer than any activity can be")
	}
	n, err := p.r.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

// restore loads the saved View, if there is one.
func (l *Library) restore() {
	began := time.Now()
	base, head, err := loadFile(l.o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		// Only a convenience is lost: the feed has everything.
		l.log.Warn("the saved view cannot be used; waiting for the catalog", "file", l.o.Path, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saved = head.Header.Position
	if l.View().Position() != (remora.Position{}) {
		return // Refresh was quicker and has what is newer
	}
	l.begin(base, head.Header)
	l.contact = head.Contact.Time()
	l.once.Do(func() { close(l.ready) })
	l.log.Info("loaded the saved view", "activities", base.snap.Len(), "seq", head.Header.Seq, "took", time.Since(began).Round(time.Millisecond))
}

// save writes the View if it has changed since, and reports whether it did.
func (l *Library) save() bool {
	l.mu.Lock()
	v, contact := l.View(), l.contact
	skip := l.o.Path == "" || v.Position() == (remora.Position{}) || v.Position() == l.saved
	l.mu.Unlock()
	if skip {
		return false
	}
	if err := saveFile(l.o.Path, v, contact); err != nil {
		level := slog.LevelWarn
		if l.unsaved { // said already; a full disk stays full for a while
			level = slog.LevelDebug
		}
		l.unsaved = true
		l.log.Log(context.Background(), level, "cannot save the view; a start without the database will show an older one", "file", l.o.Path, "error", err)
		return true
	}
	l.unsaved = false
	l.mu.Lock()
	l.saved = v.Position()
	l.mu.Unlock()
	return true
}

func loadFile(path string) (base *layer, head savedHead, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, head, err
	}
	defer f.Close()
	return readView(f)
}

func readView(r io.Reader) (base *layer, head savedHead, err error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxSavedWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, head, err
	}
	defer z.Close()
	p := &portion{r: z, left: maxSavedValue}
	dec := json.NewDecoder(p)
	if err := dec.Decode(&head); err != nil {
		return nil, head, fmt.Errorf("the head: %w", err)
	}
	switch {
	case head.Format != savedFormat:
		return nil, head, fmt.Errorf("format %d, want %d", head.Format, savedFormat)
	case head.Header.Position == remora.Position{}:
		return nil, head, errors.New("the head names no position in the change feed")
	case head.Count < 0 || head.Count > maxSavedCount:
		return nil, head, fmt.Errorf("the head announces %d activities, more than there can be", head.Count)
	}
	var b remora.SnapshotBuilder
	for i := range head.Count {
		p.left = maxSavedValue
		var a remora.Activity
		if err := dec.Decode(&a); err != nil {
			return nil, head, fmt.Errorf("activity %d of %d: %w", i+1, head.Count, err)
		}
		b.Add(a)
	}
	p.left = maxSavedValue
	switch _, err := dec.Token(); { // reading to the end checks the sum
	case err == nil:
		return nil, head, errors.New("the end: there is more than was announced")
	case err != io.EOF:
		return nil, head, fmt.Errorf("the end: %w", err)
	}
	return finishLayer(context.Background(), &b, head.Header, nil), head, nil
}

// saveFile writes next to path first. The name is always the same, so that what a crash leaves
// behind is one file, which the next save overwrites.
func saveFile(path string, v *View, contact time.Time) error {
	return durable.Replace(path, func(w io.Writer) error { return writeView(w, v, contact) })
}

func writeView(w io.Writer, v *View, contact time.Time) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(savedHead{Format: savedFormat, Header: v.header, Contact: remora.TimeOf(contact), Count: v.Len()}); err != nil {
		return errors.Join(err, z.Close())
	}
	for a := range v.All {
		if err := enc.Encode(a); err != nil {
			return errors.Join(err, z.Close())
		}
	}
	return z.Close()
}
