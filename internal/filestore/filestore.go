// Package filestore is a store of bundles as the catalog wants it: with the kinds of errors that pages
// and commands understand, with a copy of what is offered beside it, in two places at once if that is
// asked for, and able to move while it is used.
//
// # Where a file is read
//
// First in the copy on this machine, then where everything is, then in the second place, then in mirrors
// on other machines, until one has the file as it should be and gives it. A mirror that lags may still
// have what was withdrawn; that is no leak, because names are not given out by files: the catalog decides
// what is offered before a file is opened, and who asks for what is withdrawn is answered without a look
// at any place. For the same reason a file that the catalog has and the main place lacks was lost there,
// and is looked for further; of other names the main place alone decides.
//
// # Two places
//
// With a second place nothing that is stored counts as stored before it is safe in both. Where that
// fails nothing half is visible: bytes are stored under names that nobody knows yet, and a public name is
// made in the second place first, and then where everything is. Doing the same again finishes it. What is
// withdrawn goes from both, first from where it is offered.
package filestore

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

// Config says where files are. The zero value of what is optional means that there is none.
type Config struct {
	Main      string       // where everything is: a folder or a URL
	Copy      string       // a folder on this machine for a copy of what is offered; Main itself: none
	Second    string       // where everything is once more, Copy perhaps; what is stored waits for both
	Bandwidth int64        // bytes a second that keeping the copies may take; 0: any number
	Reserve   int64        // bytes that are kept free in each place; 0: none
	Logger    *slog.Logger // nil discards
}

// reserveFiles is how many files there is kept room for beside [Config].Reserve.
const reserveFiles = 1000

// Files are where bundles and icons are kept, and the copies of them. They turn the sentinels of
// nfsstore into kinds, which commands and pages understand. All methods may be called concurrently,
// but for Move and Close.
type Files struct {
	config Config
	log    *slog.Logger
	homes  atomic.Pointer[homes]
	copy   *nfsstore.Store   // nil: none
	opened []*nfsstore.Store // all that are to be closed

	reading reading
	damaged chan damaged // of the copy

	closed bool
	moving sync.Mutex    // also of closed and opened
	moved  chan struct{} // closed at the next move
	search search        // for a second place that could not be opened
	// What came of keeping the copy and the second place.
	stats, filling atomic.Pointer[nfsstore.MirrorStats]
}

// homes are where everything is.
type homes struct {
	main   *nfsstore.Store
	second *nfsstore.Store // nil: none; the copy perhaps
	lost   error           // why the second place cannot be opened; nil: it can, or there is none
}

// Open opens all places. The caller closes them. That the second place cannot be opened is no error:
// nothing can be stored until it can, and what is stored can be read.
func Open(ctx context.Context, c Config) (_ *Files, err error) {
	f := &Files{config: c, log: c.Logger, moved: make(chan struct{}), damaged: make(chan damaged, maxDamaged)}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if c.Second != "" && samePath(c.Second, c.Main) {
		return nil, sameError(c.Main)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	var h homes
	if h.main, err = f.open(ctx, c.Main, false); err != nil {
		return nil, err
	}
	if c.Copy != "" && !samePath(c.Copy, c.Main) {
		if f.copy, err = f.open(ctx, c.Copy, false); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Second == "":
	case f.copy != nil && samePath(c.Second, c.Copy):
		h.second = f.copy
	default:
		if h.second, h.lost = f.openSecond(ctx); h.lost == nil {
			break
		}
		if ctx.Err() != nil || errors.Is(h.lost, fs.ErrInvalid) {
			return nil, h.lost
		}
		f.log.Error("the second place of the files cannot be opened; nothing is stored until it can, downloads go on", "place", c.Second, "error", h.lost)
	}
	f.homes.Store(&h)
	return f, nil
}

// samePath reports whether two places are written alike, or are one folder.
func samePath(a, b string) bool {
	a, b = strings.TrimPrefix(a, "file://"), strings.TrimPrefix(b, "file://")
	if a == b || filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	same := make(chan bool, 1)
	go func() { // on a mount whose server is gone it hangs in the kernel
		one, aerr := os.Stat(a)
		other, berr := os.Stat(b)
		same <- aerr == nil && berr == nil && os.SameFile(one, other)
	}()
	t := time.NewTimer(lostPatience)
	defer t.Stop()
	select {
	case is := <-same:
		return is
	case <-t.C:
		return false
	}
}

func sameError(place string) error {
	return remora.Errorf(remora.KindInvalid, "files.same", "The second copy of the files is to be in %s, where the first is. Choose another place, on another machine or disk.", place)
}

func (f *Files) open(ctx context.Context, at string, readOnly bool) (*nfsstore.Store, error) {
	o := nfsstore.Options{Logger: f.log, ReadOnly: readOnly, Reserve: f.config.Reserve}
	if o.Reserve > 0 {
		o.ReserveFiles = reserveFiles
	}
	store, err := nfsstore.Open(ctx, at, &o)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The files folder " + at + " cannot be used.", Err: err}
	}
	f.moving.Lock()
	defer f.moving.Unlock()
	if f.closed {
		return nil, errors.Join(fs.ErrClosed, store.Close())
	}
	f.opened = append(f.opened, store)
	return store, nil
}

// OpenPlain opens one place without a copy, to write to or only to read.
func OpenPlain(ctx context.Context, at string, readOnly bool) (*Files, error) {
	f := &Files{config: Config{Main: at}, log: slog.New(slog.DiscardHandler), moved: make(chan struct{})}
	store, err := f.open(ctx, at, readOnly)
	if err != nil {
		return nil, err
	}
	f.homes.Store(&homes{main: store})
	return f, nil
}

// Copied reports whether there is a copy beside the place where everything is.
func (f *Files) Copied() bool { return f.copy != nil }

// Twofold reports whether there is a second place that what is stored waits for.
func (f *Files) Twofold() bool {
	h := f.homes.Load()
	return h.second != nil || h.lost != nil
}

// Sweep removes what writers left behind that were killed, in the places that all machines share; see
// [nfsstore.Store.Sweep]. That of the copy is [Files.KeepCopy]'s.
func (f *Files) Sweep(ctx context.Context, olderThan time.Duration) (n int, err error) {
	h := f.homes.Load()
	n, err = h.main.Sweep(ctx, olderThan)
	if h.second != nil && h.second != f.copy {
		more, serr := h.second.Sweep(ctx, olderThan)
		n, err = n+more, errors.Join(err, serr)
	}
	return n, err
}

// Try stores a small file where everything is, and reads it.
func (f *Files) Try(ctx context.Context) error { return try(ctx, f.homes.Load().main) }

// TrySecond is Try for the second place; nil where there is none.
func (f *Files) TrySecond(ctx context.Context) error {
	h, err := f.whole(ctx)
	if err != nil || h.second == nil {
		return err
	}
	return try(ctx, h.second)
}

func try(ctx context.Context, store *nfsstore.Store) error {
	const name, text = "canary/monitor", "alive\n"
	sum := sha256.Sum256([]byte(text))
	if err := store.Put(ctx, name, strings.NewReader(text), int64(len(text)), sum[:]); err != nil {
		return kindOfFile(err, name)
	}
	file, err := store.Open(ctx, name)
	if err != nil {
		return kindOfFile(err, name)
	}
	got := make([]byte, len(text)+1)
	n, err := file.Read(got)
	if err = errors.Join(err, file.Close()); err != nil || string(got[:n]) != text {
		return errors.Join(errors.New("what is read is not what was stored"), err)
	}
	return nil
}

// Move makes another place the one where everything is. What is under way at the old one goes on there.
// When it is the second place that everything moves to, there is no second from then on.
func (f *Files) Move(ctx context.Context, to string, log *slog.Logger) error {
	store, err := f.open(ctx, to, false)
	if err != nil {
		return err
	}
	h := *f.homes.Load()
	h.main = store
	if (h.second != nil || h.lost != nil) && samePath(f.config.Second, to) {
		h.second, h.lost = nil, nil
		log.Warn("the files are kept in one place only from now on", "url", to)
	}
	f.homes.Store(&h)
	f.reading.avoid.Store(nil)
	f.tellMoved()
	log.Info("the files are kept elsewhere now", "url", to)
	return nil
}

// tellMoved lets those start anew who keep the copy and the second place.
func (f *Files) tellMoved() {
	f.moving.Lock()
	defer f.moving.Unlock()
	close(f.moved)
	f.moved = make(chan struct{})
}

// Close closes every place; what is under way fails.
func (f *Files) Close() error {
	f.moving.Lock()
	defer f.moving.Unlock()
	f.closed = true
	errs := []error{f.reading.close()}
	for _, store := range f.opened {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
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
