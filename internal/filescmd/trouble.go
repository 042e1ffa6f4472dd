package filescmd

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/remora"
)

// trouble gives an error of a store of files its kind.
func trouble(err error, message string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, ok := errors.AsType[*remora.Error](err); ok {
		return err
	}
	kind, code := remora.KindInternal, ""
	for _, row := range []struct {
		is   error
		kind remora.Kind
	}{
		{nfsstore.ErrUnavailable, remora.KindUnavailable}, {nfsstore.ErrReadOnly, remora.KindUnavailable}, {nfsstore.ErrNoSpace, remora.KindUnavailable},
		{nfsstore.ErrCorrupt, remora.KindCorrupt}, {fs.ErrInvalid, remora.KindInvalid}, {fs.ErrNotExist, remora.KindUnavailable},
	} {
		if errors.Is(err, row.is) {
			kind = row.kind
			break
		}
	}
	if kind == remora.KindInvalid {
		code = "config.place" // an address that cannot be one
	}
	return &remora.Error{Kind: kind, Op: "files", Code: code, Message: message, Err: err}
}

// open opens a place of files, a folder or a URL.
func open(ctx context.Context, at string, readOnly bool, log *slog.Logger) (*nfsstore.Store, error) {
	s, err := nfsstore.Open(ctx, at, &nfsstore.Options{Logger: log, ReadOnly: readOnly})
	return s, trouble(err, "The files in "+at+" cannot be used.")
}
