package balance

import (
	"os"
	"syscall"
)

// tmpfile is O_TMPFILE, which package syscall lacks.
const tmpfile = 0x400000 | syscall.O_DIRECTORY

// openSpool makes a file that never has a name, or, where the file system cannot do that, loses it at once.
func openSpool(folder string) (spoolFile, error) {
	f, err := os.OpenFile(folder, os.O_RDWR|tmpfile, 0o600)
	if err != nil {
		return unnamed(folder)
	}
	return f, nil
}
