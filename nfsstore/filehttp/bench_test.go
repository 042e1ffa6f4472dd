package filehttp

import (
	"runtime"
	"testing"

	"github.com/sugarlabs/beamrider/internal/benchtest"
)

// BenchmarkVerify is what the first request for a bundle of 10 MB pays, and each after it.
func BenchmarkVerify(b *testing.B) {
	data := random(10_000_000)
	sum := sumOf(data)
	f := open(b, written(b, data))
	for name, fresh := range map[string]bool{"first": true, "again": false} {
		b.Run(name, func(b *testing.B) {
			v := verifier(b, nil)
			if !fresh {
				if err := v.Verify(b.Context(), "a", f, sum); err != nil {
					b.Fatal(err)
				}
			}
			runtime.LockOSThread() // whose time is told
			defer runtime.UnlockOSThread()
			before := benchtest.CPUTime(b)
			for b.Loop() {
				if fresh {
					v = verifier(b, nil)
				}
				if err := v.Verify(b.Context(), "a", f, sum); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((benchtest.CPUTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			b.ReportAllocs()
		})
	}
}
