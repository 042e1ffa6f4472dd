package filehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// What a [Verifier] does unless its options say otherwise.
const (
	defaultEvery      = 24 * time.Hour
	defaultReaders    = 2
	defaultRemembered = 16384
)

// damagedFor is how long it is remembered that a file is damaged, so that those who ask for it again
// and again do not keep the disk busy.
const damagedFor = time.Minute

// VerifierOptions change what a [Verifier] does. The zero value and nil are good.
type VerifierOptions struct {
	// Every is how long a result holds for a file that has not changed; 0: 24 hours.
	Every time.Duration
	// Concurrency bounds how many files are read at a time; others wait. 0: 2.
	Concurrency int
	// Remembered bounds of how many files results are kept, about 250 bytes each; 0: 16384.
	Remembered int
	// Damaged is told of a file that turned out to be damaged, once for each time it was read.
	Damaged func(name string, err error)
}

// A Verifier compares files with the SHA-256 that they should have, and remembers the results for as
// long as a file is the same to the file system: of the same device, inode, size, time of writing and
// time of change. Of what a volume does not tell, size and time of writing have to do. Its methods may be
// called concurrently.
type Verifier struct {
	every  time.Duration
	told   func(name string, err error)
	half   int // how many results a generation holds
	slots  chan struct{}
	now    func() time.Time // of results
	mu     sync.Mutex
	young  map[subject]result // results of late
	old    map[subject]result // those before; dropped when the young are many
	atWork map[subject]chan struct{}
}

// A subject is a file as it was when it was looked at, and what it should hold.
type subject struct {
	name string
	id   identity
	sum  [sha256.Size]byte
}

// An identity tells whether a file is the one it was.
type identity struct {
	size, modified, changed int64
	device, inode           uint64
}

func identityOf(info fs.FileInfo) identity {
	id := identity{size: info.Size(), modified: info.ModTime().UnixNano()}
	if i, ok := info.(interface {
		Identity() (file uint64, changed time.Time) // as an NFS server tells it
	}); ok {
		var changed time.Time
		id.inode, changed = i.Identity()
		id.changed = changed.UnixNano()
	}
	identify(&id, info)
	return id
}

type result struct {
	until time.Time
	err   error // nil: as it should be
}

// NewVerifier returns a Verifier. It starts nothing. The error matches [fs.ErrInvalid] and tells every
// mistake in o.
func NewVerifier(o *VerifierOptions) (*Verifier, error) {
	if o == nil {
		o = new(VerifierOptions)
	}
	var errs []error
	for _, f := range []struct {
		name  string
		value int64
	}{{"Every", int64(o.Every)}, {"Concurrency", int64(o.Concurrency)}, {"Remembered", int64(o.Remembered)}} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("filehttp: VerifierOptions.%s of %d is below 0: %w", f.name, f.value, fs.ErrInvalid))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	v := &Verifier{every: o.Every, told: o.Damaged, now: time.Now, young: make(map[subject]result), atWork: make(map[subject]chan struct{})}
	if v.every == 0 {
		v.every = defaultEvery
	}
	readers := o.Concurrency
	if readers == 0 {
		readers = defaultReaders
	}
	v.slots = make(chan struct{}, readers)
	remembered := o.Remembered
	if remembered == 0 {
		remembered = defaultRemembered
	}
	v.half = max(1, remembered/2)
	return v, nil
}

// Verify returns nil when f, an open file that is an [io.ReaderAt], has that SHA-256, or had it not
// long ago and is still the same. It reads f without moving its position. name tells it from others
// in messages, and from those that look the same to another file system.
//
// The error of a file that holds something else matches [nfsstore.ErrCorrupt]; that of one which
// cannot be read is the reader's, or that of ctx, and is not remembered.
func (v *Verifier) Verify(ctx context.Context, name string, f fs.File, sum []byte) error {
	at, ok := f.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("filehttp: verify %s: the file cannot be read at an offset", name)
	}
	if len(sum) != sha256.Size {
		return fmt.Errorf("filehttp: verify %s: a SHA-256 of %d bytes: %w", name, len(sum), fs.ErrInvalid)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	s := subject{name: name, id: identityOf(info), sum: [sha256.Size]byte(sum)}
	for {
		known, busy, mine := v.begin(s)
		switch {
		case known != nil:
			return known.err
		case mine:
			return v.finish(ctx, s, at)
		}
		// Somebody else reads it. When that comes to nothing it is this one's turn.
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin returns what is known of s, else what is closed when somebody has read it; or it is for the
// caller to read.
func (v *Verifier) begin(s subject) (known *result, busy chan struct{}, mine bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, found := v.young[s]
	if !found {
		if r, found = v.old[s]; found {
			v.remember(s, r) // it is in use
		}
	}
	if found && v.now().Before(r.until) {
		return &r, nil, false
	}
	if busy, found := v.atWork[s]; found {
		return nil, busy, false
	}
	v.atWork[s] = make(chan struct{})
	return nil, nil, true
}

// finish reads s and lets others know.
func (v *Verifier) finish(ctx context.Context, s subject, at io.ReaderAt) error {
	got, err := v.read(ctx, at, s.id.size)
	r := result{until: v.now().Add(v.every)}
	if err == nil && !bytes.Equal(got, s.sum[:]) {
		r = result{v.now().Add(min(v.every, damagedFor)), fmt.Errorf("filehttp: %s is damaged: its SHA-256 is %x, not %x: %w", s.name, got, s.sum, nfsstore.ErrCorrupt)}
	}
	v.mu.Lock()
	if err == nil {
		v.remember(s, r)
	}
	close(v.atWork[s])
	delete(v.atWork, s)
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if r.err != nil && v.told != nil {
		v.told(s.name, r.err)
	}
	return r.err
}

// remember keeps a result among the young.
func (v *Verifier) remember(s subject, r result) {
	if _, found := v.young[s]; !found && len(v.young) >= v.half {
		v.old, v.young = v.young, make(map[subject]result)
	}
	v.young[s] = r
}

// read returns the SHA-256 of size bytes.
func (v *Verifier) read(ctx context.Context, at io.ReaderAt, size int64) ([]byte, error) {
	select {
	case v.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-v.slots }()
	h := sha256.New()
	buf := make([]byte, min(size, 256<<10))
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := buf[:min(int64(len(buf)), size-off)]
		n, err := at.ReadAt(p, off)
		if n < len(p) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		h.Write(p)
		off += int64(n)
	}
	return h.Sum(nil), nil
}
