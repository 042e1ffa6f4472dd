package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sugarlabs/beamrider/remora"
)

// A lockMode says whom a command can bear beside itself in one data folder.
type lockMode int

const (
	lockShared lockMode = syscall.LOCK_SH // serving, importing, looking
	lockAlone  lockMode = syscall.LOCK_EX // restoring
)

// lockDir locks a data folder until the file is closed or the process ends, however it ends.
func lockDir(dir string, mode lockMode) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindUnavailable, Message: "The data folder " + dir + " cannot be written to.", Err: err}
	}
	if err := syscall.Flock(int(f.Fd()), int(mode)|syscall.LOCK_NB); err != nil {
		message := "Another remora-server is restoring into " + dir + "; wait until it is done."
		if mode == lockAlone {
			message = "A remora-server is at work in " + dir + "; stop it first."
		}
		return nil, errors.Join(&remora.Error{Kind: remora.KindUnavailable, Code: "data.locked", Message: message, Err: err}, f.Close())
	}
	return f, nil
}
