package nfsstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashEnv); dir != "" {
		putForever(dir)
	}
	if dirs := os.Getenv(killedMirrorEnv); dirs != "" {
		if err := mirrorForever(dirs); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func openStore(t testing.TB, dir string, o *Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// content returns size bytes that depend on seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.NewChaCha8(key).Read(b) // it never fails
	return b
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func put(ctx context.Context, s *Store, name string, b []byte) error {
	return s.Put(ctx, name, bytes.NewReader(b), int64(len(b)), sumOf(b))
}

func mustPut(t testing.TB, s *Store, name string, b []byte) {
	t.Helper()
	if err := put(t.Context(), s, name, b); err != nil {
		t.Fatal(err)
	}
}

func read(ctx context.Context, s *Store, name string) ([]byte, error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

func mustHold(t testing.TB, s *Store, name string, want []byte) {
	t.Helper()
	got, err := read(t.Context(), s, name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has %d other bytes, want %d", name, len(got), len(want))
	}
}

// tree lists all files below dir, temporary ones in second place, but not that of a fence, which a
// store of an export has for as long as it is open, nor the trash.
func tree(t testing.TB, dir string) (files, temps []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && p == filepath.Join(dir, trashDir) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		if filepath.Dir(p) == filepath.Clean(dir) && isFence(t, p) {
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if strings.HasPrefix(d.Name(), ".") {
			temps = append(temps, filepath.ToSlash(rel))
		} else {
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files, temps
}

func noTemps(t testing.TB, dir string) {
	t.Helper()
	if _, temps := tree(t, dir); len(temps) > 0 {
		t.Errorf("temporary files are left: %q", temps)
	}
}

// isFence tells the file of a fence by its content and its permissions from other temporary files.
func isFence(t testing.TB, name string) bool {
	t.Helper()
	if _, ok := tempTime(filepath.Base(name)); !ok {
		return false
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Perm() != 0o600 {
		return false
	}
	b, rerr := os.ReadFile(name)
	if err := errors.Join(err, rerr); err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(b), "\n") == ""
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// after is a channel that is closed after some seconds of a bubble's time.
func after(t *testing.T, seconds int) <-chan struct{} {
	t.Helper()
	c := make(chan struct{})
	time.AfterFunc(time.Duration(seconds)*time.Second, func() { close(c) })
	return c
}
