package replica

import "time"

var began = time.Now()

// ticks is the time of this process, in nanoseconds, never 0: what atomics can hold.
func ticks() int64 { return int64(time.Since(began)) + 1 }
