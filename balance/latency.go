package balance

import (
	"math"
	"sync/atomic"
	"time"
)

// latencyHalfLife is how long an estimate of latency takes to halve when nothing confirms it.
const latencyHalfLife = 10 * time.Second

// latencyTick is the resolution of the times that estimates are kept with.
const latencyTick = 10 * time.Millisecond

// latency estimates how long a backend takes until it answers. A slow answer raises the estimate at
// once, quick ones lower it slowly: it is better to be wary of a good backend for a while than to go
// on trusting one that has begun to struggle. Without answers it fades away, so that a backend that
// was given up for its latency is tried again.
type latency struct {
	born time.Time
	// packed is the estimate in seconds, a float32, and below it the tick of its last sample; both
	// change as one, without a lock, since each pick reads all backends. 0: no sample.
	packed atomic.Uint64
}

// observe takes a sample. With onlyRaise it does not lower what is believed: failures are no proof of speed.
func (l *latency) observe(now time.Time, took time.Duration, onlyRaise bool) {
	sample := max(took, time.Nanosecond).Seconds()
	tick := uint32(now.Sub(l.born) / latencyTick)
	for {
		old := l.packed.Load()
		seconds, last := unpack(old)
		next := sample
		if sample < seconds {
			left := fade(age(tick, last))
			if left == 1 || onlyRaise && sample < seconds*left {
				return
			}
			next += (seconds - sample) * left
		}
		if l.packed.CompareAndSwap(old, uint64(math.Float32bits(float32(next)))<<32|uint64(tick)) {
			return
		}
	}
}

// estimate returns what is believed now, 0 if nothing is known.
func (l *latency) estimate(now time.Time) time.Duration {
	seconds, last := unpack(l.packed.Load())
	if seconds == 0 {
		return 0
	}
	tick := uint32(now.Sub(l.born) / latencyTick)
	return time.Duration(seconds * fade(age(tick, last)) * float64(time.Second))
}

// age returns the ticks since last; 0 if that comes later, because another goroutine was faster.
func age(tick, last uint32) uint32 {
	if d := tick - last; d < 1<<31 {
		return d
	}
	return 0
}

func unpack(p uint64) (seconds float64, tick uint32) {
	return float64(math.Float32frombits(uint32(p >> 32))), uint32(p)
}

// fade returns what is left of 1 after so many ticks.
func fade(ticks uint32) float64 {
	if ticks == 0 {
		return 1 // most picks of a busy pool
	}
	return math.Exp2(-float64(ticks) / float64(latencyHalfLife/latencyTick))
}
