package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// onDisk refuses a folder in memory, where syncing is for nothing.
func onDisk(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("the file system of %s cannot be looked at: %w", dir, err)
	}
	switch uint32(s.Type) { // a signed number of 32 bits on some machines
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return fmt.Errorf("%s is in memory, where syncing costs nothing; give a folder on a disk with --dir", dir)
	}
	return nil
}
