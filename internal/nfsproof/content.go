package nfsproof

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
)

// A name says what its file holds, so that any file can be checked by anybody.

// Name is the name of a file: the number-th of a writer, of that size.
func Name(writer string, number, size int) string {
	return fmt.Sprintf("files/%02x/%s-%06d-%d", number%16, writer, number, size)
}

// Content returns what belongs under a name that [Name] made, or made by link.
func Content(name string) ([]byte, error) {
	base := path.Base(name)
	_, last, _ := strings.Cut(base, "-")
	_, last, ok := strings.Cut(last, "-")
	size, err := strconv.Atoi(last)
	if !ok || err != nil || size < 0 || size > 1<<30 {
		return nil, fmt.Errorf("%s is no name of a file of this proof", name)
	}
	seed := sha256.Sum256([]byte(base))
	b := make([]byte, size)
	if _, err := rand.NewChaCha8(seed).Read(b); err != nil {
		return nil, err
	}
	return b, nil
}

// ErrDamaged says that a file holds something else than its name promises.
var ErrDamaged = errors.New("the file is damaged")

// Verify compares what r holds with what belongs under name.
func Verify(name string, r io.Reader) error {
	want, err := Content(name)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(want))+1))
	switch {
	case err != nil:
		return err
	case len(got) != len(want):
		return fmt.Errorf("%w: %s has %d bytes or more, not %d", ErrDamaged, name, len(got), len(want))
	case !bytes.Equal(got, want):
		return fmt.Errorf("%w: %s", ErrDamaged, name)
	}
	return nil
}
