package testdb

import (
	"fmt"
	"os"
	"syscall"
)

// inMemory is where Linux keeps files in memory, for every account.
const inMemory = "/dev/shm"

// room is how many bytes must be free there: a container often has no more than 64 MiB.
const room = 4 << 30

// onDisk is where temporary files were before [Memory].
var onDisk string

// Memory lets the temporary files of this process and its children be in memory, where the machine has
// room for that: a test that kills a process loses nothing of what the kernel has, so that waiting for
// a disk shows nothing. Who sets TMPDIR decides otherwise. It is for a TestMain, before the tests run.
func Memory() error {
	if os.Getenv("TMPDIR") != "" {
		return nil
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(inMemory, &disk); err != nil || disk.Bavail*uint64(disk.Bsize) < room {
		return nil // absent or small: the files are where they would be anyway
	}
	probe, err := os.MkdirTemp(inMemory, "beamrider-probe-*")
	if err != nil {
		return nil
	}
	if err := os.Remove(probe); err != nil {
		return fmt.Errorf("testdb: %w", err)
	}
	onDisk = os.TempDir()
	return os.Setenv("TMPDIR", inMemory)
}
