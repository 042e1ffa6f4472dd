package nfsstore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore/memvol"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// A forgetfulVolume remembers which names were absent, as a client of NFS in the kernel does, until it
// is told to look anew.
type forgetfulVolume struct {
	vol.Vol
	mu       sync.Mutex
	absent   map[string]bool
	asked    int
	nobodyIs bool // there is nobody to ask
}

func (v *forgetfulVolume) remember(name string, look func() error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.absent[name] {
		return &fs.PathError{Op: "cached", Path: name, Err: fs.ErrNotExist}
	}
	err := look()
	v.absent[name] = vol.Absent(err)
	return err
}

func (v *forgetfulVolume) Open(ctx context.Context, name string) (f vol.File, err error) {
	err = v.remember(name, func() (err error) { f, err = v.Vol.Open(ctx, name); return err })
	return f, err
}

func (v *forgetfulVolume) Stat(ctx context.Context, name string) (info fs.FileInfo, err error) {
	err = v.remember(name, func() (err error) { info, err = v.Vol.Stat(ctx, name); return err })
	return info, err
}

func (v *forgetfulVolume) Refresh(context.Context, string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	if v.nobodyIs {
		return false
	}
	clear(v.absent)
	return true
}

// Whoever asks for a file is not told by a cache that there is none.
func TestAbsenceIsNotTakenFromACache(t *testing.T) {
	b := []byte("made by another machine")
	e := Expected{"a/b", int64(len(b)), sumOf(b)}
	for name, call := range map[string]func(ctx context.Context, s *Store) error{
		"Open": func(ctx context.Context, s *Store) error { _, err := read(ctx, s, "a/b"); return err },
		"Stat": func(ctx context.Context, s *Store) error { _, err := s.Stat(ctx, "a/b"); return err },
		"Link": func(ctx context.Context, s *Store) error { return s.Link(ctx, "a/b", "c") },
		"FS":   func(ctx context.Context, s *Store) error { _, err := fs.ReadFile(s.FS(ctx), "a/b"); return err },
		"Scrub": func(ctx context.Context, s *Store) error {
			_, err := s.Scrub(ctx, &ScrubOptions{Expected: expect(e), Found: func(p Problem) error { return errors.New(p.String()) }})
			return err
		},
		"Repair": func(ctx context.Context, s *Store) error {
			// What it is repaired by is short, so it must be found sound.
			return s.Repair(ctx, e, bytes.NewReader(nil))
		},
		"Remove": func(ctx context.Context, s *Store) error { return s.Remove(ctx, "a/b") },
	} {
		mem := memvol.New(nil)
		v := &forgetfulVolume{Vol: mem, absent: make(map[string]bool)}
		s, err := New(v, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err == nil {
			t.Errorf("%s: no error though there is no such file", name)
		}
		if _, err := s.vol.Open(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		other, err := New(mem.Again(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, other, "a/b", b)
		if err := call(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, s := range []*Store{s, other} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Storing something new asks for nothing twice, and where there is nobody to ask an answer stands.
func TestAbsenceCostsPutNothing(t *testing.T) {
	v := &forgetfulVolume{Vol: memvol.New(nil), absent: make(map[string]bool), nobodyIs: true}
	s, err := New(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a/b", nil)
	if v.asked > 0 {
		t.Errorf("Put has asked %d times", v.asked)
	}
	if _, err := s.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) || v.asked != 1 {
		t.Errorf("Stat: %v, after %d questions", err, v.asked)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
