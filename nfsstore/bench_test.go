package nfsstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// barePut is the least that a file needs which must not be seen by half and must outlive a power
// cut: no comparison, no hash, and a rename that would replace.
func barePut(dir, name string, b []byte) error {
	f, err := os.CreateTemp(dir, ".bare-*")
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		data := content(1, size)
		sum := sumOf(data)
		b.Run(fmt.Sprintf("bare/%dKiB", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := barePut(dir, fmt.Sprint("f", i), data); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("store/%dKiB", size>>10), func(b *testing.B) {
			s := openStore(b, b.TempDir(), nil)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := s.Put(b.Context(), fmt.Sprint("f", i), bytes.NewReader(data), int64(size), sum); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpenRead(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20} {
		s := openStore(b, b.TempDir(), nil)
		const name = "public/files/100001/a.xo"
		mustPut(b, s, name, content(1, size))
		path := filepath.Join(s.dir, name)
		buf := make([]byte, 64<<10)
		drain := func(f io.Reader) error {
			for {
				if _, err := f.Read(buf); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		}
		b.Run(fmt.Sprintf("bare/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(drain(f), f.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("store/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				f, err := s.Open(b.Context(), name)
				if err != nil {
					b.Fatal(err)
				}
				if err := errors.Join(drain(f), f.Close()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
