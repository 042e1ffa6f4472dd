// Package filescmd is the commands that look after the files of a library: the bundles, icons and
// screenshots.
package filescmd

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// An Env is what the commands work with.
type Env struct {
	Stdout, Stderr io.Writer
	Log            *slog.Logger
	// Place is where the files are, a folder or a URL; Overridden: a command has said so, not the
	// configuration.
	Place      string
	Overridden bool
	// DataDir is the data folder.
	DataDir string
	// CopyDir is the folder with a copy of the published files; "": there is none.
	CopyDir string
	// Second is where everything is once more; "": nowhere.
	Second string
	// Mirrors are the addresses of other machines' files.
	Mirrors []string
	// Told is how long servers may take to see what Override has changed.
	Told time.Duration
	// Override sets settings for the servers of this data folder, and returns the file that holds them.
	Override func(values map[string]string) (path string, err error)
	// Exit is the error that ends the process with a code after a command has said everything itself.
	Exit func(code int) error
	// Library opens the library around a function.
	Library func(ctx context.Context, do func(Library) error) error
}

// A Library is one that is open.
type Library struct {
	Store *sqlstore.Store
	Files *filestore.Files
}

// Commands are they, for kong.
type Commands struct {
	Check  checkCmd  `cmd:"" help:"Compare every file with what was stored, and repair what is damaged."`
	Mirror mirrorCmd `cmd:"" help:"Keep a copy of all that is offered elsewhere."`
	Move   moveCmd   `cmd:"" help:"Keep bundles and icons elsewhere from now on."`
	NFSD   nfsdCmd   `cmd:"" name:"nfsd" help:"Serve folders to other machines by NFS (experimental)."`
	Probe  probeCmd  `cmd:"" help:"Say what a place for files can do, and what is wrong with its mount."`
	Sweep  sweepCmd  `cmd:"" help:"Remove what nobody wants any more."`
}

// showJSON writes v as indented JSON.
func (e *Env) showJSON(v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
