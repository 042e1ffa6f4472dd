package vol

import (
	"context"
	"errors"
	"io/fs"
)

// A Fault is a class of errors that call for the same reaction.
type Fault int

// The faults. Those that package io/fs has a name for (there is none, it exists already, closed) are
// told by [errors.Is].
const (
	FaultOther      Fault = iota // none of those below, or no error
	FaultSpace                   // the file system is full (ENOSPC)
	FaultQuota                   // this user's share is used up (EDQUOT)
	FaultTooLarge                // a file must not be that long (EFBIG)
	FaultReadOnly                // the file system is mounted or exported read-only (EROFS)
	FaultPermission              // this user may not (EACCES, EPERM)
	FaultNotDir                  // a part of the name that should be a directory is none (ENOTDIR)
	FaultLongName                // the name is too long (ENAMETOOLONG)
	FaultStale                   // the server knows the open file or directory no more (ESTALE)
	FaultIO                      // the disk or the server failed (EIO, ENXIO)
	FaultTimeout                 // a mount gave up waiting for its server (ETIMEDOUT)
	FaultAway                    // the server does not answer, or makes no sense
	FaultRefused                 // the server answers, and lets this machine or user not in
	FaultInvalid                 // what was asked for makes no sense, and will not
)

var faultNames = [...]string{
	"other", "no space", "quota", "too large", "read-only", "permission", "not a directory", "long name",
	"stale", "I/O", "timeout", "away", "refused", "invalid",
}

// String returns a short name.
func (f Fault) String() string {
	if f >= 0 && int(f) < len(faultNames) {
		return faultNames[f]
	}
	return "unknown"
}

// An Error is one of a volume that knows better than the error below it what is wrong, or what to do.
type Error struct {
	Fault    Fault
	Sentence string // what is wrong and what to do; "": the fault says it
	Err      error  // what the system said; may be nil
}

// Error is the sentence with the error below in brackets, or the error below alone.
func (e *Error) Error() string {
	switch {
	case e.Err == nil && e.Sentence == "":
		return e.Fault.String()
	case e.Err == nil:
		return e.Sentence
	case e.Sentence == "":
		return e.Err.Error()
	}
	return e.Sentence + " (" + e.Err.Error() + ")"
}

// Unwrap returns the error below.
func (e *Error) Unwrap() error { return e.Err }

// FaultOf tells the class of an error of a volume; FaultOther for nil, for the end of a context, and
// for what [errors.Is] tells.
func FaultOf(err error) Fault {
	if err == nil {
		return FaultOther
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Fault
	}
	if f := errnoFault(err); f != FaultOther {
		return f
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return FaultOther
	case errors.Is(err, fs.ErrPermission):
		return FaultPermission
	case errors.Is(err, fs.ErrInvalid):
		return FaultInvalid
	}
	return FaultOther
}

// Absent reports whether the error says that there is no such name, whatever of it is missing.
func Absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || FaultOf(err) == FaultNotDir }

// Invalid returns the error for a name that is none, or nil.
func Invalid(op, name string) error {
	if fs.ValidPath(name) {
		for i := range len(name) {
			if name[i] == 0 {
				return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
			}
		}
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}
