//go:build unix

package dirvol

import "syscall"

// openFlags keeps an open from waiting for the writer of a named pipe that somebody put there. On
// regular files it has no effect.
const openFlags = syscall.O_NONBLOCK
