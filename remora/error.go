package remora

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A Kind is what a program does about an error. The list is closed: whatever fits nowhere is
// KindInternal, which is logged and not shown.
type Kind uint8

// The kinds of error. [Kind.Info] has what each maps to.
const (
	KindInternal        Kind = iota // a fault of ours
	KindInvalid                     // the input breaks a rule
	KindNotFound                    // there is no such thing
	KindConflict                    // it clashes with what exists
	KindForbidden                   // known, but not allowed
	KindUnauthenticated             // not known who asks
	KindTooLarge                    // over a documented bound
	KindLimited                     // too many requests
	KindReadOnly                    // writes are switched off for now
	KindUnavailable                 // something needed does not answer
	KindCorrupt                     // stored data fails its check
)

// KindInfo is what a Kind means to the outside: one table for every surface.
type KindInfo struct {
	Name       string // stable word for logs, JSON and documentation
	HTTPStatus int    // status of an HTTP answer
	ExitCode   int    // exit status of a command: 1 general, 3 refused input, 4 unavailable
	Retryable  bool   // whether the same call may succeed later
}

var kinds = [...]KindInfo{
	KindInternal:        {"internal", 500, 1, false},
	KindInvalid:         {"invalid", 400, 3, false},
	KindNotFound:        {"not_found", 404, 3, false},
	KindConflict:        {"conflict", 409, 3, false},
	KindForbidden:       {"forbidden", 403, 3, false},
	KindUnauthenticated: {"unauthenticated", 401, 3, false},
	KindTooLarge:        {"too_large", 413, 3, false},
	KindLimited:         {"limited", 429, 4, true},
	KindReadOnly:        {"read_only", 503, 4, true},
	KindUnavailable:     {"unavailable", 503, 4, true},
	KindCorrupt:         {"corrupt", 500, 1, false},
}

// Info returns the row of the table for k; a value outside the list counts as KindInternal.
func (k Kind) Info() KindInfo {
	if int(k) >= len(kinds) {
		k = KindInternal
	}
	return kinds[k]
}

// String returns the stable word for k.
func (k Kind) String() string { return k.Info().Name }

// An Error says what went wrong, of which kind, and in which call. It is immutable once made.
type Error struct {
	Kind Kind
	// Op names the call that failed, such as "sqlstore.Publish"; "" where the caller knows.
	Op string
	// Code is a stable, documented word for one particular mistake, such as "number.syntax";
	// "" when the kind says enough.
	Code string
	// Message is a sentence for a person: what, where, what to do. It never holds a secret.
	Message string
	// Err is the cause, for logs.
	Err error
}

// Error returns op, message and cause in one line.
func (e *Error) Error() string {
	var parts []string
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	} else if e.Err == nil || e.Op == "" {
		parts = append(parts, strings.ReplaceAll(e.Kind.String(), "_", " "))
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes a bare Error of a kind, such as [ErrNotFound], match every Error of that kind, and one
// with a code match every Error with that code. KindNotFound also matches [fs.ErrNotExist].
func (e *Error) Is(target error) bool {
	if target == fs.ErrNotExist {
		return e.Kind == KindNotFound
	}
	t, ok := target.(*Error)
	if !ok || t.Op != "" || t.Message != "" || t.Err != nil || t.Kind != e.Kind {
		return false
	}
	return t.Code == "" || t.Code == e.Code
}

// Sentinels for [errors.Is]; they match by kind.
var (
	ErrNotFound    error = &Error{Kind: KindNotFound}
	ErrConflict    error = &Error{Kind: KindConflict}
	ErrReadOnly    error = &Error{Kind: KindReadOnly}
	ErrUnavailable error = &Error{Kind: KindUnavailable}
)

// Errorf makes an Error with a formatted message and no cause; set Err where there is one.
func Errorf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first Error in err's chain. An error without one is
// KindNotFound when it is [fs.ErrNotExist], else KindInternal; it must not be called with nil.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, fs.ErrNotExist) {
		return KindNotFound
	}
	return KindInternal
}

// MessageOf returns the sentence of the first Error in err's chain that has one, or a plain
// sentence for its kind: what a person outside may be shown.
func MessageOf(err error) string {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.Err) {
		if e.Message != "" {
			return e.Message
		}
		if e.Err == nil {
			break
		}
	}
	switch KindOf(err) {
	case KindNotFound:
		return "There is no such thing here."
	case KindUnavailable, KindReadOnly:
		return "The library cannot do this just now. Try again in a minute."
	}
	return "Something went wrong on our side."
}
