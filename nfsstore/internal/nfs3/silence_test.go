package nfs3

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilence: after a call that waited in vain, others fail at once but for one a second, until the
// server is heard.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s silence
		wait := func(d time.Duration) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			<-ctx.Done()
			s.missed(ctx, began)
		}
		wait(silentAfter / 2)
		if !s.admit(time.Now()) {
			t.Error("an impatient caller counts")
		}
		wait(3 * time.Second)
		for range 3 {
			if s.admit(time.Now()) {
				t.Error("a silent server is waited for at once")
			}
			time.Sleep(silentPause)
			if !s.admit(time.Now()) || s.admit(time.Now()) {
				t.Error("not exactly one call a second looks again")
			}
		}
		s.heard()
		if !s.admit(time.Now()) {
			t.Error("a server that was heard is not asked")
		}
	})
}
