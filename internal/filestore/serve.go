package filestore

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore/filehttp"
	"github.com/sugarlabs/beamrider/remora"
)

// MirrorPath is where the files of a machine are for its mirrors.
const MirrorPath = "/internal/files/"

// publicFiles is what the names of offered bundles begin with.
const publicFiles = "public/files/"

// Handler serves to other machines, below [MirrorPath], what is in the copy or in the main place, under
// the names that it has there; never what its own mirrors have. activity is the catalog, which knows
// the sums of bundles.
func (f *Files) Handler(activity func(id int64) *remora.Activity, log *slog.Logger) (http.Handler, error) {
	here := here{f, activity}
	h, err := filehttp.New(filehttp.Options{
		Store: here, Logger: log,
		Sum: func(_ context.Context, name string) ([]byte, error) { return here.sum(name), nil },
	})
	if err != nil {
		return nil, err
	}
	return http.StripPrefix(strings.TrimSuffix(MirrorPath, "/"), h), nil
}

// here are the files of this machine, each with the sum that it should have.
type here struct {
	files    *Files
	activity func(id int64) *remora.Activity
}

func (h here) Open(ctx context.Context, name string) (fs.File, error) {
	return h.files.OpenHere(ctx, name, h.sum(name))
}

// sum returns the SHA-256 that a file should have, by its name or by the catalog, or nil.
func (h here) sum(name string) []byte {
	if sum := filehttp.NamedSum(name); sum != nil {
		return sum
	}
	rest, public := strings.CutPrefix(name, publicFiles)
	digits, filename, found := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(digits, 10, 64)
	if !public || !found || err != nil {
		return nil
	}
	a := h.activity(id)
	if a == nil {
		return nil
	}
	for i := range a.Versions {
		if v := &a.Versions[i]; v.Filename == filename {
			return v.SHA256[:]
		}
	}
	return nil
}
