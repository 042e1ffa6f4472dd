package nfsstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Tidying up may take its time, and briefly outlives the call; a call whose time ends meanwhile is not
// held up.
func TestCleanup(t *testing.T) {
	for _, tt := range []struct {
		name       string
		end, after time.Duration // when the call's time is over; when that of tidying up is
	}{
		{"never", 0, cleanupWait},
		{"long after", time.Hour, cleanupWait},
		{"meanwhile", 2 * time.Second, 2*time.Second + cleanupWaitOver},
		{"before", -1, cleanupWaitOver},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				switch {
				case tt.end < 0:
					cancel()
				case tt.end > 0:
					defer time.AfterFunc(tt.end, cancel).Stop()
				}
				began := time.Now()
				last, done := cleanup(ctx)
				defer done()
				if tt.end >= 0 && last.Err() != nil {
					t.Fatal("it ends at once")
				}
				<-last.Done()
				if took := time.Since(began); took != tt.after {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
			})
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	last, done := cleanup(ctx)
	done()
	cancel()
	if !errors.Is(last.Err(), context.Canceled) {
		t.Errorf("after its end: %v", last.Err())
	}
}
