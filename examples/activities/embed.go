package activities

import (
	"embed"
	"io/fs"
)

// MaxBundleSize bounds the files of one sample bundle together, in bytes, unpacked. It keeps the
// program small: all samples become part of it.
const MaxBundleSize = 30 << 10

// The prefix all: keeps files whose names begin with a dot or an underscore; a bundle has to
// arrive as it is.
//
//go:embed all:echo-drum all:night-sky all:paper-boats all:star-counter all:turtle-post all:word-garden
//go:embed README.md classroom.toml index.csv
var files embed.FS

// FS returns the samples, rooted at their folder: "index.csv" is a file of it. It is read-only and
// safe for concurrent use; the times of its files are zero, as embed leaves them.
func FS() fs.FS { return files }
