//go:build linux

package nfsd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

// modes are the ways in which files are found again.
var modes = map[string]func(*Server){
	"kernel": nil,
	"index":  func(s *Server) { s.indexed = true },
}

func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed))).Read(b) // it never fails
	return b
}

func put(t testing.TB, c *nfs3.Client, name string, b []byte) *nfs3.File {
	t.Helper()
	f, err := c.Create(t.Context(), name, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t testing.TB, c *nfs3.Client, name string) []byte {
	t.Helper()
	f, err := c.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Info().Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClient(t *testing.T) {
	for name, tune := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil, tune)
			c := s.client(0, 0)
			ctx := t.Context()

			small, big := content(1, 1000), content(2, 5<<20+13)
			if err := c.Mkdir(ctx, "dir", 0o750); err != nil {
				t.Fatal(err)
			}
			put(t, c, "dir/small", small)
			put(t, c, "dir/größe", big) // not ASCII
			if got := get(t, c, "dir/größe"); !bytes.Equal(got, big) {
				t.Errorf("the large file came back with %d other bytes", len(got))
			}
			onDisk, err := os.ReadFile(filepath.Join(s.dir, "dir/small"))
			if err != nil || !bytes.Equal(onDisk, small) {
				t.Errorf("on the disk there is %q, %v", onDisk, err)
			}
			if _, err := c.Create(ctx, "dir/small", 0o644); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a second creation: %v", err)
			}
			if err := c.Link(ctx, "dir/small", "linked"); err != nil {
				t.Error(err)
			}
			if err := c.Link(ctx, "dir/small", "linked"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a second link: %v", err)
			}
			if err := c.Rename(ctx, "linked", "dir/renamed"); err != nil {
				t.Error(err)
			}
			info, err := c.Stat(ctx, "dir/renamed")
			if err != nil || info.Links() != 2 || info.Size() != 1000 || info.Mode() != 0o644 {
				t.Errorf("the renamed file: %+v, %v", info, err)
			}
			if err := c.Chmod(ctx, "dir/renamed", 0o444); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(filepath.Join(s.dir, "dir/small")); err != nil || info.Mode() != 0o444 {
				t.Errorf("after chmod: %v, %v", info, err)
			}
			if info, err := os.Stat(filepath.Join(s.dir, "dir")); err != nil || info.Mode() != 0o750|fs.ModeDir {
				t.Errorf("the directory: %v, %v", info, err)
			}
			if err := c.Rmdir(ctx, "dir"); !errors.Is(err, syscall.ENOTEMPTY) {
				t.Errorf("rmdir of a full directory: %v", err)
			}
			var names []string
			for info, err := range c.ReadDir(ctx, "dir") {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, info.Name())
			}
			slices.Sort(names)
			if diff := cmp.Diff([]string{"größe", "renamed", "small"}, names); diff != "" {
				t.Error(diff)
			}
			for _, name := range names {
				if err := c.Remove(ctx, "dir/"+name); err != nil {
					t.Error(err)
				}
			}
			if err := c.Rmdir(ctx, "dir"); err != nil {
				t.Error(err)
			}
			if _, err := c.Stat(ctx, "dir"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after rmdir: %v", err)
			}
			space, err := c.Space(ctx)
			if err != nil || space.TotalBytes == 0 || space.FreeBytes > space.TotalBytes {
				t.Errorf("space: %+v, %v", space, err)
			}
		})
	}
}

// TestStore does what the files of a catalog need.
func TestStore(t *testing.T) {
	for name, tune := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil, tune)
			ctx := t.Context()
			store, err := nfsstore.Open(ctx, s.url(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			}()
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 8 {
						b := content(uint64(i*100+j), 10_000+i*1000)
						sum := sha256.Sum256(b)
						name := fmt.Sprintf("uploads/%x", sum)
						if err := store.Put(ctx, name, bytes.NewReader(b), int64(len(b)), sum[:]); err != nil {
							t.Error(err)
							return
						}
						public := fmt.Sprintf("public/files/%d/a-%d.xo", i, j)
						if err := store.Link(ctx, name, public); err != nil {
							t.Error(err)
							return
						}
						f, err := store.Open(ctx, public)
						if err != nil {
							t.Error(err)
							return
						}
						got, err := io.ReadAll(f)
						if err := errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, b) {
							t.Errorf("%s has %d other bytes, %v", public, len(got), err)
						}
						if err := store.Remove(ctx, name); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestRestart ends the server and starts it again under clients that write and read.
func TestRestart(t *testing.T) {
	for name, tune := range modes {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil, tune)
			c := s.client(0, 0)
			b := content(3, 300_000)
			held := put(t, c, "held", b)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for j := 0; ; j++ {
						select {
						case <-stop:
							return
						default:
						}
						name := fmt.Sprintf("f-%d-%d", i, j)
						if err := putAgain(t.Context(), c, name, b); err != nil {
							t.Errorf("%s: %v", name, err)
							return
						}
						onDisk, err := os.ReadFile(filepath.Join(s.dir, name))
						if err != nil || !bytes.Equal(onDisk, b) {
							t.Errorf("%s was acknowledged and has %d other bytes, %v", name, len(onDisk), err)
						}
					}
				})
			}
			for range 3 {
				s.down()
				s.up()
				// The handle of before is good after.
				got := make([]byte, len(b))
				if _, err := held.ReadAtContext(t.Context(), got, 0); err != nil || !bytes.Equal(got, b) {
					t.Errorf("a file that was open before the restart: %v", err)
				}
			}
			close(stop)
			wg.Wait()
		})
	}
}

// putAgain writes a file, and writes it again as often as the server loses it.
func putAgain(ctx context.Context, c *nfs3.Client, name string, b []byte) error {
	f, err := c.Create(ctx, name, 0o644)
	if err != nil {
		return err
	}
	for {
		if _, err := f.WriteAt(ctx, b, 0); err != nil {
			return err
		}
		if err := f.Sync(ctx); !errors.Is(err, nfs3.ErrRewrite) {
			return err
		}
	}
}
