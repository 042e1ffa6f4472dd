//go:build linux

package nfsd

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnread: when the memory of unfinished records is short, who has taken longest loses it, but only
// after some time; until then the others wait.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone []*conn
		u := newUnread(func(c *conn) { gone = append(gone, c) })
		const share = bytesUnread / 4
		var holders []*conn
		take := func() {
			c := &conn{}
			if err := u.claim(t.Context(), c, share); err != nil {
				t.Fatal(err)
			}
			holders = append(holders, c)
		}
		for range 4 {
			take()
			<-time.After(time.Millisecond)
		}
		if len(gone) != 0 {
			t.Error("somebody was evicted while there was room")
		}
		began := time.Now()
		take()
		if waited := time.Since(began); waited < stuck-10*time.Millisecond || waited > 2*stuck {
			t.Errorf("room was found after %v", waited)
		}
		if !slices.Equal(gone, holders[:1]) {
			t.Errorf("%d were evicted, or others than the slowest", len(gone))
		}
		if u.used != bytesUnread {
			t.Errorf("%d bytes are taken", u.used)
		}

		// Who has lost it, or has it no more, gives nothing back.
		u.release(holders[0])
		if u.used != bytesUnread {
			t.Errorf("%d bytes are taken", u.used)
		}
		for _, c := range holders {
			u.release(c)
		}
		if u.used != 0 || len(u.conns) != 0 {
			t.Errorf("%d bytes are taken by %d connections", u.used, len(u.conns))
		}

		// What is given back goes to those who wait at once.
		gone, holders = nil, nil
		for range 4 {
			take()
		}
		var waiting sync.WaitGroup
		late := &conn{}
		waiting.Go(func() {
			if err := u.claim(t.Context(), late, share); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		began = time.Now()
		u.release(holders[2])
		waiting.Wait()
		if time.Since(began) != 0 || len(gone) != 0 {
			t.Errorf("after %v and %d evictions", time.Since(began), len(gone))
		}

		ctx, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			if err := u.claim(ctx, &conn{}, share); !errors.Is(err, context.Canceled) {
				t.Errorf("after the end: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		waiting.Wait()
		if u.waiting != 0 {
			t.Errorf("%d wait", u.waiting)
		}
	})
}
