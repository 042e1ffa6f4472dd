package nfsstore

import (
	"context"
	"errors"
	"io/fs"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
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
	if f.err != nil {
		s += " (" + f.err.Error() + ")"
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
	switch what := classify(err); {
	case errors.Is(err, context.Canceled):
		f.sentence = "the call was given up"
	case errors.Is(err, fs.ErrClosed), errors.Is(err, nfs3.ErrClosed):
		f.kind, f.sentence = fs.ErrClosed, "the store is closed"
	case what == faultAway:
		f.kind, f.sentence = ErrUnavailable, "the NFS server of "+s.dir+" does not answer; look whether it runs and can be reached, and try again"
	case errors.Is(err, context.DeadlineExceeded):
		f.kind, f.sentence = ErrUnavailable, "the time of the call was over before "+s.dir+" had answered; look whether its disk or server hangs, and try again"
	case what == faultSpace:
		f.kind, f.sentence = ErrNoSpace, "the file system of "+s.dir+" is full; make room and try again"
	case what == faultQuota:
		f.kind, f.sentence = ErrNoSpace, "the disk quota of this user on "+s.dir+" is used up; raise it or make room, and try again"
	case what == faultTooLarge:
		f.kind, f.sentence = ErrNoSpace, "the file is larger than the file system of "+s.dir+" or the limits of this process allow"
	case what == faultReadOnly:
		f.kind, f.sentence = ErrReadOnly, "the file system of "+s.dir+" is mounted read-only; if that was not intended, look for disk errors in the kernel log"
	case errors.Is(err, fs.ErrPermission) && write:
		f.kind, f.sentence = ErrReadOnly, "this process may not write in "+s.dir+"; give its user the folder, and check the export if it is a mount"
	case errors.Is(err, fs.ErrPermission):
		f.kind, f.sentence = ErrUnavailable, "this process may not read that in "+s.dir+"; check owner and permissions"
	case what == faultNotDir && write:
		f.kind, f.sentence = fs.ErrExist, "a part of the name that should be a folder is a file"
	case what == faultNotDir:
		f.kind, f.sentence = fs.ErrNotExist, "there is no such file"
	case what == faultLongName:
		f.kind, f.sentence = ErrName, "the name is too long for the file system of "+s.dir
	case errors.Is(err, fs.ErrNotExist) && write:
		// Whoever stores something must not take this for "there is no such file".
		f.kind, f.err = ErrUnavailable, errors.New(err.Error())
		f.sentence = "a temporary file or a folder in " + s.dir + " was taken away meanwhile; try again"
	case errors.Is(err, fs.ErrNotExist):
		f.sentence = "there is no such file"
	case what == faultStale:
		f.kind, f.sentence = ErrUnavailable, "it was removed while it was in use, or the file server has forgotten it; try again, and if it stays so, mount "+s.dir+" anew and restart"
	case what == faultIO:
		f.kind, f.sentence = ErrUnavailable, "the disk or the file server of "+s.dir+" reports an error; look at the kernel log and at the server"
	default:
		f.kind, f.sentence = ErrUnavailable, "the file system of "+s.dir+" refused it"
	}
	return f
}

// A fault is what the text of an error is chosen by.
type fault int

const (
	faultOther fault = iota
	faultSpace
	faultQuota
	faultTooLarge
	faultReadOnly
	faultNotDir
	faultLongName
	faultStale
	faultIO
	faultAway // no answer of an NFS server, or none that makes sense
)
