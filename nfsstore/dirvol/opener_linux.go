package dirvol

import (
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// An opener opens files for reading with one call of the system, openat2, where an os.Root needs
// one for each element of the name; on NFS these are round trips. The kernel guards against leaving
// the directory (RESOLVE_BENEATH). Linux has it since 5.6.
type opener struct {
	dir *os.File
	raw syscall.RawConn
}

func newOpener(root *os.Root) (*opener, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	raw, err := dir.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &opener{dir, raw}, nil
}

// open returns neither a file nor an error when somebody else must try: the kernel has no openat2,
// a sandbox forbids it, or a folder was moved while it looked.
func (o *opener) open(name string) (*os.File, error) {
	if o == nil {
		return nil, nil
	}
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | openFlags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	var fd int
	var errno error
	err := o.raw.Control(func(dir uintptr) {
		for {
			if fd, errno = unix.Openat2(int(dir), name, &how); errno != unix.EINTR {
				return
			}
		}
	})
	if err != nil { // the only reason there is
		return nil, &os.PathError{Op: "openat2", Path: name, Err: os.ErrClosed}
	}
	switch errno {
	case nil:
		return os.NewFile(uintptr(fd), filepath.Join(o.dir.Name(), name)), nil
	case unix.ENOSYS, unix.EPERM, unix.EINVAL, unix.E2BIG, unix.EAGAIN:
		return nil, nil
	}
	return nil, &os.PathError{Op: "openat2", Path: name, Err: errno}
}

func (o *opener) close() error {
	if o == nil {
		return nil
	}
	return o.dir.Close()
}
