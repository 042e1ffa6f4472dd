package backup

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/sugarlabs/beamrider/remora"
)

// Apart refuses to copy the files of a library onto themselves: nothing would be copied, and the
// backup would look whole. from is a folder or a URL, as nfsstore opens it; what a server elsewhere
// keeps cannot be compared with a folder here, and is not refused.
func Apart(from, to string) error {
	if u, err := url.Parse(from); err == nil && u.Scheme != "" {
		if u.Scheme != "file" {
			return nil
		}
		from = u.Path
	}
	have, err := os.Stat(from)
	if err != nil {
		return err
	}
	want, err := os.Stat(to)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Message: "The folder " + filepath.Dir(to) + " cannot be used for a backup.", Err: err}
	}
	if os.SameFile(have, want) {
		return remora.Errorf(remora.KindConflict, "backup.used", "The folder %s is where the library keeps its files. Choose another folder for the backup, best on another disk.", to)
	}
	return nil
}

// Unfinished refuses a data folder that a restore has not finished filling.
func Unfinished(dir string) error {
	_, err := os.Stat(filepath.Join(dir, RestoringFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return remora.Errorf(remora.KindUnavailable, "data.restoring", "A restore into %s was interrupted; run it again first.", dir)
}
