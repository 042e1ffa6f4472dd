package dirvol

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStartWriting(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, earlyPart)); err != nil {
		t.Fatal(err)
	}
	if err := startWriting(f, 0, earlyPart); err != nil {
		t.Error(err)
	}
	r, w, err := os.Pipe() // has no parts
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(startWriting(w, 0, earlyPart), r.Close(), w.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := startWriting(f, 0, earlyPart); err == nil {
		t.Error("of a closed file there is no error")
	}
	// A descriptor for nothing but its path is refused as a closed one is: that is no missing call.
	fd, err := unix.Open(t.TempDir(), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := os.NewFile(uintptr(fd), "path")
	if err := startWriting(p, 0, earlyPart); !errors.Is(err, unix.EBADF) {
		t.Errorf("of a descriptor without a file: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
