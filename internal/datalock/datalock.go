// Package datalock keeps two commands that cannot bear each other out of one data folder.
package datalock

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sugarlabs/beamrider/remora"
)

// A Mode says whom a command can bear beside itself in one data folder.
type Mode int

// The modes.
const (
	Shared Mode = syscall.LOCK_SH // serving, importing, looking
	Alone  Mode = syscall.LOCK_EX // restoring
)

// Dir locks a data folder until the file is closed or the process ends, however it ends.
func Dir(dir string, mode Mode) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The data folder " + dir + " cannot be written to.", Err: err}
	}
	if err := syscall.Flock(int(f.Fd()), int(mode)|syscall.LOCK_NB); err != nil {
		message := "Another remora-server is restoring into " + dir + "; wait until it is done."
		if mode == Alone {
			message = "A remora-server is at work in " + dir + "; stop it first."
		}
		return nil, errors.Join(&remora.Error{Kind: remora.KindUnavailable, Code: "data.locked", Message: message, Err: err}, f.Close())
	}
	return f, nil
}
