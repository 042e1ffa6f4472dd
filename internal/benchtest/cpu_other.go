//go:build !linux

package benchtest

import (
	"testing"
	"time"
)

var began = time.Now()

// CPUTime is the time on the clock where there is no simple way to tell a thread's own.
func CPUTime(testing.TB) time.Duration { return time.Since(began) }
