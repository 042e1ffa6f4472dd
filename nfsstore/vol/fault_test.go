package vol_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestFaultOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want vol.Fault
	}{
		{nil, vol.FaultOther},
		{syscall.ENOSPC, vol.FaultSpace}, {syscall.EDQUOT, vol.FaultQuota}, {syscall.EFBIG, vol.FaultTooLarge},
		{syscall.EROFS, vol.FaultReadOnly}, {syscall.EACCES, vol.FaultPermission}, {syscall.EPERM, vol.FaultPermission},
		{syscall.ENOTDIR, vol.FaultNotDir}, {syscall.ENAMETOOLONG, vol.FaultLongName}, {syscall.ESTALE, vol.FaultStale},
		{syscall.EIO, vol.FaultIO}, {syscall.ETIMEDOUT, vol.FaultTimeout}, {syscall.EHOSTDOWN, vol.FaultAway},
		{syscall.ENOENT, vol.FaultOther}, {syscall.EEXIST, vol.FaultOther}, {syscall.EMFILE, vol.FaultOther},
		{fs.ErrPermission, vol.FaultPermission}, {fs.ErrInvalid, vol.FaultInvalid}, {context.DeadlineExceeded, vol.FaultOther},
		{&vol.Error{Fault: vol.FaultAway, Err: syscall.EIO}, vol.FaultAway},
	} {
		for _, err := range []error{c.err, wrapped(c.err)} {
			if got := vol.FaultOf(err); got != c.want {
				t.Errorf("%v: %v, want %v", err, got, c.want)
			}
		}
	}
	for f := vol.FaultOther; f <= vol.FaultInvalid; f++ {
		if s := f.String(); s == "" || s == "unknown" {
			t.Errorf("fault %d has no name", f)
		}
	}
	if s := (vol.FaultInvalid + 1).String(); s != "unknown" {
		t.Errorf("what is no fault is called %q", s)
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(errors.New("first"), fmt.Errorf("it failed: %w", &fs.PathError{Op: "open", Path: "a", Err: err}))
}

func TestError(t *testing.T) {
	for _, c := range []struct {
		err  vol.Error
		want string
	}{
		{vol.Error{Fault: vol.FaultAway}, "away"},
		{vol.Error{Fault: vol.FaultAway, Sentence: "it is away"}, "it is away"},
		{vol.Error{Fault: vol.FaultAway, Err: fs.ErrExist}, "file already exists"},
		{vol.Error{Sentence: "it is there", Err: fs.ErrExist}, "it is there (file already exists)"},
	} {
		if got := c.err.Error(); got != c.want || errors.Is(&c.err, fs.ErrExist) != (c.err.Err != nil) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestAbsentAndCopyInstead(t *testing.T) {
	for err, want := range map[error][2]bool{
		syscall.ENOENT: {true, false}, syscall.ENOTDIR: {true, false}, syscall.EIO: {false, false},
		syscall.EMLINK: {false, true}, syscall.EXDEV: {false, true}, syscall.EPERM: {false, true}, syscall.ENOTSUP: {false, true},
		errors.ErrUnsupported: {false, true}, syscall.EACCES: {false, false}, syscall.EEXIST: {false, false},
	} {
		if got := [2]bool{vol.Absent(wrapped(err)), vol.CopyInstead(wrapped(err))}; got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for n := vol.Names(0); n <= vol.NamesByFence; n++ {
		if got, err := vol.ParseNames(n.String()); err != nil || got != n || !n.Valid() {
			t.Errorf("%v is read as %v, %v", n, got, err)
		}
	}
	for _, n := range []vol.Names{-1, vol.NamesByFence + 1} {
		if n.Valid() {
			t.Errorf("%v is valid", n)
		}
		if _, err := vol.ParseNames(n.String()); err == nil {
			t.Errorf("%v is read", n)
		}
	}
}

func FuzzInvalid(f *testing.F) {
	for _, seed := range []string{".", "a", "a/b", "..", "/a", "a//b", "a\x00", "a/../b", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := vol.Invalid("open", name)
		if bad := !fs.ValidPath(name) || strings.ContainsRune(name, 0); bad != errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	})
}
