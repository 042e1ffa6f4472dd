package fence

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A meadow is a ground that counts.
type meadow struct {
	mu    sync.Mutex
	files map[string]*post
	made  int
	grown int
	fail  []error // of the next calls of Grow; nil is success
	taken int     // so many names are, of the next calls of Make
	hold  chan struct{}
}

type post struct {
	m      *meadow
	name   string
	size   int64
	closed bool
}

func (m *meadow) Make(_ context.Context, name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	if m.taken > 0 {
		m.taken--
		return nil, fs.ErrExist
	}
	p := &post{m: m, name: name}
	m.files[name] = p
	return p, nil
}

func (m *meadow) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		return fs.ErrNotExist
	}
	delete(m.files, name)
	return nil
}

func (p *post) Grow(ctx context.Context, at int64) error {
	if p.m.hold != nil {
		select {
		case <-p.m.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if at < p.size {
		return errors.New("it does not grow")
	}
	p.size = at + 1
	p.m.grown++
	if len(p.m.fail) == 0 {
		return nil
	}
	err := p.m.fail[0]
	p.m.fail = p.m.fail[1:]
	return err
}

func (p *post) Close(context.Context) error {
	if p.closed {
		return fs.ErrClosed
	}
	p.closed = true
	return nil
}

func newMeadow() (*meadow, *Fence) {
	m := &meadow{files: make(map[string]*post)}
	return m, New(m, slog.New(slog.DiscardHandler))
}

func TestFence(t *testing.T) {
	m, f := newMeadow()
	if err := f.Raise(t.Context()); err != nil || m.made != 1 || m.grown != 1 {
		t.Fatalf("%d files made, %d times grown, %v", m.made, m.grown, err)
	}
	for name := range m.files {
		if !f.Keeps(name) {
			t.Errorf("it does not keep %s", name)
		}
	}
	if f.Keeps("") || f.Keeps("a") {
		t.Error("it keeps what is not its own")
	}
	// A full one is replaced, and the old one removed.
	f.size = maxSize
	if err := f.Raise(t.Context()); err != nil || m.made != 2 || len(m.files) != 1 || f.size != 1 {
		t.Errorf("after a full one: %d made, %d there, %d bytes, %v", m.made, len(m.files), f.size, err)
	}
	f.Close(t.Context())
	if len(m.files) != 0 {
		t.Errorf("after Close there are %d files", len(m.files))
	}
	f.Close(t.Context())
}

func TestFenceAfterFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fail  []error
		made  int
		grown int
		want  error
	}{
		{"the server restarted", []error{ErrAgain}, 1, 2, nil},
		{"swept away", []error{syscall.ESTALE}, 2, 2, nil},
		{"gone", []error{fs.ErrNotExist}, 2, 2, nil},
		{"always", []error{ErrAgain, ErrAgain, ErrAgain, ErrAgain}, 1, tryTimes, ErrAgain},
		{"full", []error{syscall.ENOSPC}, 1, 1, syscall.ENOSPC},
	} {
		m, f := newMeadow()
		m.fail = c.fail
		if err := f.Raise(t.Context()); !errors.Is(err, c.want) || m.made != c.made || m.grown != c.grown {
			t.Errorf("%s: %d made, %d grown, %v; want %d, %d, %v", c.name, m.made, m.grown, err, c.made, c.grown, c.want)
		}
		if err := f.Raise(t.Context()); err != nil {
			t.Errorf("%s: afterwards: %v", c.name, err)
		}
	}
}

// A server that was killed while it made the file may say that it is the file of another, which must not
// be told of the name that is to be made safe.
func TestFenceWhoseNameIsTaken(t *testing.T) {
	m, f := newMeadow()
	m.taken = 1
	if err := f.Raise(t.Context()); err != nil || m.made != 2 || m.grown != 1 {
		t.Errorf("once: %d files made, %d times grown, %v", m.made, m.grown, err)
	}
	m, f = newMeadow()
	m.taken = tryTimes
	if err := f.Raise(t.Context()); err == nil || errors.Is(err, fs.ErrExist) || m.made != tryTimes {
		t.Errorf("always: %d files made, %v", m.made, err)
	}
	if err := f.Raise(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Those who come while a fence is being raised share the next one, and no one is told of a fence that
// began before its call.
func TestFenceIsShared(t *testing.T) {
	m, f := newMeadow()
	m.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := f.Raise(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() { impatient <- f.Raise(ctx) }()
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("one that was given up: %v", err)
	}
	close(m.hold)
	wg.Wait()
	if m.grown == 0 || m.grown > 50 {
		t.Errorf("50 calls made it grow %d times", m.grown)
	}
	before := m.grown
	if err := f.Raise(t.Context()); err != nil || m.grown != before+1 {
		t.Errorf("a later call made it grow %d times, %v", m.grown-before, err)
	}
}
