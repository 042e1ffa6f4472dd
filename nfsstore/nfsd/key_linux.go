package nfsd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keyName is the file of the key in StateDir, keySize its length.
const (
	keyName = "handle.key"
	keySize = 32
)

// loadKey returns the key of the handles, and makes it the first time. It never replaces one.
func loadKey(dir string) ([]byte, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("StateDir cannot be used; make the directory and give it to the user of the server: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("StateDir %s must be a directory that others cannot enter; chmod 700 %s", dir, dir)
	}
	name := filepath.Join(dir, keyName)
	key, err := readKey(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(dir, name); err != nil {
		return nil, fmt.Errorf("the key of the handles could not be made: %w", err)
	}
	return readKey(name)
}

func readKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read the key %s; if nobody had it, chmod 600, else remove it, and all clients mount again", name)
	}
	key := make([]byte, keySize+1)
	n, err := f.ReadAt(key, 0)
	if n != keySize {
		return nil, fmt.Errorf("the key %s is not %d bytes long; put it back from a copy, or remove it, and all clients mount again: %w", name, keySize, err)
	}
	return key[:keySize], nil
}

// makeKey gives the key its name only when it is whole and on disk. Another process may win.
func makeKey(dir, name string) (err error) {
	f, err := os.CreateTemp(dir, ".key-*") // with the mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	key := make([]byte, keySize)
	rand.Read(key) // it never fails
	if _, err := f.Write(key); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
