package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// A Folder is what a doctor looks at of the folder that everything is kept in.
type Folder struct {
	Path string
	// Filesystem is its type, as [FilesystemOf] names it; "": not known.
	Filesystem string
	// SQLite tells that the embedded database is in it.
	SQLite bool
}

// networks are file systems on which the locks and the shared memory of SQLite cannot be relied on
// (https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html).
var networks = map[string]bool{"nfs": true, "cifs": true, "smb2": true, "9p": true, "fuse": true, "ceph": true}

// Results judges the folder.
func (f Folder) Results() []Result {
	one := func(l Level, summary, next string) []Result {
		return []Result{{Name: "data.dir", Finding: Finding{Level: l, Summary: summary, Next: next, Detail: []Pair{{"file system", f.Filesystem}}}}}
	}
	switch {
	case f.Filesystem == "":
		return one(Unknown, "The file system of "+f.Path+" is not known.", "df -T "+f.Path)
	case f.Filesystem == "tmpfs" || f.Filesystem == "ramfs":
		return one(Bad, "The folder "+f.Path+" is in memory: everything in it is lost at the next restart.", "Set data.dir to a folder on a disk, such as /var/lib/remora.")
	case networks[f.Filesystem] && f.SQLite:
		return one(Bad, "The embedded database is on a network file system ("+f.Filesystem+"): it can be damaged there.", "Set data.dir to a folder on a local disk; files.dir may stay on the network.")
	case networks[f.Filesystem]:
		return one(Warn, "The folder "+f.Path+" is on a network file system ("+f.Filesystem+"): without the network this machine cannot start from what it has saved.", "Set data.dir to a folder on a local disk; files.dir may stay on the network.")
	}
	return one(OK, "The folder "+f.Path+" is on a local disk.", "")
}

// Secrets judges who may read the files that hold passwords. It looks at their modes, never into
// them. Where files have no such modes (Windows), it finds nothing.
func Secrets(paths ...string) []Result {
	if runtime.GOOS == "windows" {
		return nil
	}
	var out []Result
	for _, path := range paths {
		out = append(out, Result{Name: "secret file", Finding: secret(path)})
	}
	return out
}

func secret(path string) Finding {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{Level: Bad, Summary: "The file " + path + " with a secret is not there.", Next: "Make it, or take the setting that names it away: remora-server config show"}
	case err != nil:
		return unknown("Who may read "+path, err, "ls -l "+path)
	}
	detail := []Pair{pair("mode", "%04o", info.Mode().Perm())}
	switch mode := info.Mode().Perm(); {
	case mode&0o007 != 0:
		return Finding{Level: Bad, Summary: "Everybody on this machine may read or change the secret in " + path + ".", Next: "chmod 600 " + path, Detail: detail}
	case mode&0o020 != 0:
		return Finding{Level: Warn, Summary: "The group of " + path + " may change the secret in it.", Next: "chmod 640 " + path, Detail: detail}
	}
	return Finding{Level: OK, Summary: fmt.Sprintf("The file %s is kept from others.", path), Detail: detail}
}
