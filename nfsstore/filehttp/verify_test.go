package filehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
)

// A counted file counts how often it is read from its beginning.
type counted struct {
	*os.File
	reads *atomic.Int64
	wait  func()
	fail  error
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		c.reads.Add(1)
		if c.wait != nil {
			c.wait()
		}
	}
	if c.fail != nil {
		return 0, c.fail
	}
	return c.File.ReadAt(p, off)
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func written(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVerifierRemembers what it has read, until the file changes or the result is old.
func TestVerifierRemembers(t *testing.T) {
	data := random(600_000)
	sum := sha256.Sum256(data)
	path := written(t, data)
	now := time.Unix(1e9, 0)
	v := verifier(t, &VerifierOptions{Every: time.Hour})
	v.now = func() time.Time { return now }
	var reads atomic.Int64
	check := func(what string, wantReads int64, sum []byte, want error) {
		t.Helper()
		reads.Store(0)
		err := v.Verify(t.Context(), "a", counted{File: open(t, path), reads: &reads}, sum)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if n := reads.Load(); n != wantReads {
			t.Errorf("%s: read %d times, want %d", what, n, wantReads)
		}
	}
	check("first", 1, sum[:], nil)
	check("again", 0, sum[:], nil)
	now = now.Add(59 * time.Minute)
	check("an hour is not over", 0, sum[:], nil)
	now = now.Add(2 * time.Minute)
	check("an hour is over", 1, sum[:], nil)
	other := sha256.Sum256(nil)
	check("another sum", 1, other[:], nfsstore.ErrCorrupt)
	check("known as damaged", 0, other[:], nfsstore.ErrCorrupt)
	now = now.Add(damagedFor)
	check("perhaps it was the disk's cable", 1, other[:], nfsstore.ErrCorrupt)
	flip(t, path, true)
	check("changed", 1, sum[:], nfsstore.ErrCorrupt)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	check("replaced", 1, sum[:], nil)
}

// TestVerifierIsBounded in what it remembers, and what is in use is not forgotten.
func TestVerifierIsBounded(t *testing.T) {
	const kept = 8
	v := verifier(t, &VerifierOptions{Remembered: kept})
	path := written(t, []byte("x"))
	sum := sha256.Sum256([]byte("x"))
	var reads atomic.Int64
	verify := func(name string) {
		t.Helper()
		if err := v.Verify(t.Context(), name, counted{File: open(t, path), reads: &reads}, sum[:]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		verify(strings.Repeat("n", i+1))
		verify("used")
		if n := len(v.young) + len(v.old); n > kept {
			t.Fatalf("%d are remembered, more than %d", n, kept)
		}
	}
	if n := reads.Load(); n != 101 {
		t.Errorf("read %d times, want 101", n)
	}
	if len(v.atWork) != 0 {
		t.Errorf("%d are said to be read", len(v.atWork))
	}
}

// TestVerifierReadsOnce for many who ask at a time, and a few files at a time.
func TestVerifierReadsOnce(t *testing.T) {
	const files, clients, most = 6, 8, 2
	data := random(100_000)
	sum := sha256.Sum256(data)
	path := written(t, data)
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, &VerifierOptions{Concurrency: most})
		var reads atomic.Int64
		goOn := make(chan struct{})
		var work sync.WaitGroup
		for i := range files {
			for range clients {
				work.Go(func() {
					f, err := os.Open(path)
					if err != nil {
						t.Error(err)
						return
					}
					defer f.Close()
					if err := v.Verify(t.Context(), strings.Repeat("f", i+1), counted{File: f, reads: &reads, wait: func() { <-goOn }}, sum[:]); err != nil {
						t.Error(err)
					}
				})
			}
		}
		for n := int64(most); n <= files; n++ {
			synctest.Wait()
			if got := reads.Load(); got != n {
				t.Errorf("%d files are read, want %d", got, n)
			}
			goOn <- struct{}{}
		}
		close(goOn)
		work.Wait()
		if n := reads.Load(); n != files {
			t.Errorf("read %d times, want %d", n, files)
		}
	})
}

// TestVerifierThatIsLeft: who comes after one that gave up reads by itself, and so after a fault of the disk.
func TestVerifierThatIsLeft(t *testing.T) {
	v := verifier(t, nil)
	data := random(600_000)
	sum := sha256.Sum256(data)
	path := written(t, data)
	var reads atomic.Int64
	first, leave := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	result := make(chan error, 2)
	slow := counted{File: open(t, path), reads: &reads, wait: func() { close(begun); <-goOn }}
	go func() { result <- v.Verify(first, "a", slow, sum[:]) }()
	<-begun
	leave()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Verify(gone, "a", counted{File: open(t, path), reads: &reads}, sum[:]); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits and leaves gets %v", err)
	}
	second := make(chan error, 1)
	file := counted{File: open(t, path), reads: &reads}
	go func() { second <- v.Verify(t.Context(), "a", file, sum[:]) }()
	close(goOn)
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("who left gets %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("who stays gets %v", err)
	}
	broken := errors.New("input/output error")
	if err := v.Verify(t.Context(), "b", counted{File: open(t, path), reads: &reads, fail: broken}, sum[:]); !errors.Is(err, broken) || errors.Is(err, nfsstore.ErrCorrupt) {
		t.Errorf("a broken disk: %v", err)
	}
	if err := v.Verify(t.Context(), "b", counted{File: open(t, path), reads: &reads}, sum[:]); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestVerifierMistakes(t *testing.T) {
	_, err := NewVerifier(&VerifierOptions{Every: -1, Concurrency: -2, Remembered: -3})
	for _, want := range []string{"Every", "Concurrency", "Remembered"} {
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
	v := verifier(t, nil)
	if err := v.Verify(t.Context(), "a", open(t, written(t, nil)), []byte("short")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a short sum: %v", err)
	}
	if err := v.Verify(t.Context(), "a", struct{ fs.File }{open(t, written(t, nil))}, make([]byte, 32)); err == nil {
		t.Error("a file without offsets is verified")
	}
	if err := v.Verify(t.Context(), "empty", open(t, written(t, nil)), bytes.Clone(sumOf(nil))); err != nil {
		t.Error(err)
	}
}

func sumOf(data []byte) []byte { sum := sha256.Sum256(data); return sum[:] }

// TestIdentity: what a volume tells of a file besides its size and date counts.
func TestIdentity(t *testing.T) {
	at := time.Unix(1e9, 0)
	same := identityOf(told{file: 1, changed: at})
	for name, other := range map[string]told{"the file": {file: 2, changed: at}, "its change": {file: 1, changed: at.Add(1)}} {
		if identityOf(other) == same {
			t.Errorf("%s makes no difference", name)
		}
	}
	if identityOf(told{file: 1, changed: at}) != same {
		t.Error("a file is not the one it was")
	}
}

type told struct {
	faultyInfo
	file    uint64
	changed time.Time
}

func (i told) Identity() (file uint64, changed time.Time) { return i.file, i.changed }
