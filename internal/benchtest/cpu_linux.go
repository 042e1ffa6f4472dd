package benchtest

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the processor time of the calling thread, which tells the cost of something on a
// machine that is busy with other things too. The caller has locked the thread.
func CPUTime(b testing.TB) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
