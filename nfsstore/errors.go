package nfsstore

import (
	"context"
	"errors"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

// What an error of a [Store] may match with [errors.Is], besides [fs.ErrExist] (the name holds other
// content), [fs.ErrNotExist], [fs.ErrClosed], [fs.ErrInvalid] (an argument makes no sense), and the
// error of the context or of the caller's reader.
var (
	// ErrNoSpace: the disk or the quota is full. Nothing was stored.
	ErrNoSpace = errors.New("no space left")
	// ErrReadOnly: the file system, or the permissions of this process, allow no writing.
	ErrReadOnly = errors.New("not writable")
	// ErrUnavailable: the disk or the file server does not answer as it should, or not in time;
	// the same call may succeed later. After the deadline of its context an error matches
	// [context.DeadlineExceeded] as well.
	ErrUnavailable = errors.New("file system unavailable")
	// ErrCorrupt: the bytes that arrived are not those that were declared. Nothing was stored.
	ErrCorrupt = errors.New("content differs from what was declared")
	// ErrChanged: an open file was replaced on the server by another one. What was read of it is
	// no part of what is there now.
	ErrChanged = errors.New("the file was replaced")
	// ErrName: the name breaks the grammar of [CheckName].
	ErrName = errors.New("invalid name")
)

// A failure is every error that leaves this package.
type failure struct {
	op, name string
	sentence string
	kind     error // one of the sentinels; nil: err says it all
	err      error // what the system said; may be nil
}

func (f *failure) Error() string {
	s := "nfsstore: " + f.op
	if f.name != "" {
		s += " " + f.name
	}
	s += ": " + f.sentence
	below := f.err
	if told, ok := below.(*vol.Error); ok && told.Sentence == f.sentence {
		below = told.Err
	}
	if below != nil {
		s += " (" + below.Error() + ")"
	}
	return s
}

func (f *failure) Unwrap() []error {
	errs := make([]error, 0, 2)
	if f.kind != nil {
		errs = append(errs, f.kind)
	}
	if f.err != nil {
		errs = append(errs, f.err)
	}
	return errs
}

// reading and writing tell fail what a refusal means.
const (
	reading = false
	writing = true
)

// fail turns an error of a file operation into a failure. One that is a failure already only gets
// the name of the call.
func (s *Store) fail(op, name string, write bool, err error) error {
	if inner, ok := errors.AsType[*failure](err); ok {
		f := *inner
		f.op = op
		if f.name == "" {
			f.name = name
		}
		return &f
	}
	f := &failure{op: op, name: name, err: err}
	what := vol.FaultOf(err)
	switch {
	case errors.Is(err, context.Canceled):
		f.sentence = "the call was given up"
		return f
	case errors.Is(err, fs.ErrClosed):
		f.kind, f.sentence = fs.ErrClosed, "the store or the file is closed"
		return f
	}
	f.sentence, f.kind = s.explain(what, write, err)
	if what == vol.FaultOther && write && errors.Is(err, fs.ErrNotExist) {
		f.err = errors.New(err.Error()) // whoever stores something must not take this for "there is no such file"
	}
	if told, ok := errors.AsType[*vol.Error](err); ok && told.Sentence != "" {
		f.sentence, f.err = told.Sentence, told
	}
	return f
}

// explain returns what an error means to a caller, and what is to be done.
func (s *Store) explain(what vol.Fault, write bool, err error) (sentence string, kind error) {
	switch what {
	case vol.FaultAway:
		return "the file server of " + s.dir + " does not answer; look whether it runs and can be reached, and try again", ErrUnavailable
	case vol.FaultRefused:
		return "the file server of " + s.dir + " does not let this machine in; look at its exports", ErrUnavailable
	case vol.FaultSpace:
		return "the file system of " + s.dir + " is full; make room and try again", ErrNoSpace
	case vol.FaultQuota:
		return "the disk quota of this user on " + s.dir + " is used up; raise it or make room, and try again", ErrNoSpace
	case vol.FaultTooLarge:
		return "the file is larger than the file system of " + s.dir + " or the limits of this process allow", ErrNoSpace
	case vol.FaultReadOnly:
		return "the file system of " + s.dir + " is mounted read-only; if that was not intended, look for disk errors in the kernel log", ErrReadOnly
	case vol.FaultPermission:
		if write {
			return "this process may not write in " + s.dir + "; give its user the folder, and check the export if it is a mount", ErrReadOnly
		}
		return "this process may not read that in " + s.dir + "; check owner and permissions", ErrUnavailable
	case vol.FaultNotDir:
		if write {
			return "a part of the name that should be a folder is a file", fs.ErrExist
		}
		return "there is no such file", fs.ErrNotExist
	case vol.FaultLongName:
		return "the name is too long for the file system of " + s.dir, ErrName
	case vol.FaultStale:
		return "it was removed while it was in use, or the file server has forgotten it; try again, and if it stays so, mount " + s.dir + " anew and restart", ErrUnavailable
	case vol.FaultTimeout:
		return "the file server of " + s.dir + " has not answered in the time that the mount gives it; look whether it runs and can be reached, and try again", ErrUnavailable
	case vol.FaultIO:
		return "the disk or the file server of " + s.dir + " reports an error; look at the kernel log and at the server", ErrUnavailable
	case vol.FaultInvalid:
		return "that makes no sense to the file system of " + s.dir, fs.ErrInvalid
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the time of the call was over before " + s.dir + " had answered; look whether its disk or server hangs, and try again", ErrUnavailable
	case errors.Is(err, fs.ErrNotExist) && write:
		return "a temporary file or a folder in " + s.dir + " was taken away meanwhile; try again", ErrUnavailable
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file", nil
	}
	return "the file system of " + s.dir + " refused it", ErrUnavailable
}

func isStale(err error) bool { return vol.FaultOf(err) == vol.FaultStale }
