package nfsstore

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/internal/testnfs"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestHealth(t *testing.T) { onDisk(t, testHealth) }

func testHealth(t *testing.T, p place) {
	s := p.open(t, &Options{Concurrency: 5})
	h, err := s.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kind, names := "disk", vol.NamesBySync
	switch {
	case p.export():
		kind, names = "nfs", vol.NamesByFence
	case p.mem != nil:
		kind = "memory"
	}
	if h.Names != names || h.Where != s.dir || h.Kind != kind || h.Slots != 5 || h.Busy != 0 || h.Latency <= 0 || h.ReadOnly {
		t.Errorf("Health gave %+v", h)
	}
	room, err := s.Room(t.Context())
	if err != nil || room.Free <= 0 || room.Total < room.Free || room.TotalFiles < room.FreeFiles || room.FreeFiles < 0 {
		t.Errorf("Room gave %+v, %v", room, err)
	}
	if h.Total != room.Total || h.TotalFiles != room.TotalFiles || h.Free <= 0 {
		t.Errorf("Health gave %+v and Room %+v", h, room)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if h, err := s.Health(canceled); !errors.Is(err, context.Canceled) || h.Slots != 5 {
		t.Errorf("with a context that has ended: %+v, %v", h, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Health(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v, want fs.ErrClosed", err)
	}
}

// However often it is asked, a mount that hangs has one call of Health in it, and Health says when the
// server is back.
func TestHealthOfAHangingMount(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), dir, &Options{Concurrency: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.gate.apart = true
		back, hangs := make(chan struct{}), atomic.Bool{}
		hangs.Store(true)
		var calls atomic.Int32
		s.vol = &hookVolume{Vol: s.vol, space: func() error {
			calls.Add(1)
			if hangs.Load() {
				<-back
			}
			return nil
		}}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				start := time.Now()
				h, err := s.Health(t.Context())
				if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "has not answered for 3s") {
					t.Errorf("got %v, want ErrUnavailable", err)
				}
				if took := time.Since(start); took > healthWait || h.Latency != took || h.Busy != 1 {
					t.Errorf("it took %v: %+v", took, h)
				}
			})
		}
		wg.Wait()
		<-time.After(time.Minute)
		start := time.Now()
		if _, err := s.Health(t.Context()); !errors.Is(err, ErrUnavailable) || time.Since(start) != 0 {
			t.Errorf("after a minute: %v in %v, want ErrUnavailable at once", err, time.Since(start))
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls are in the file system, want 1", n)
		}
		hangs.Store(false)
		close(back)
		synctest.Wait()
		if h, err := s.Health(t.Context()); err != nil || h.Total == 0 || h.Busy != 0 {
			t.Errorf("after the server came back: %+v, %v", h, err)
		}

		// All slots are taken by others that hang.
		for range 3 {
			if err := s.gate.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if h, err := s.Health(t.Context()); !errors.Is(err, ErrUnavailable) || h.Busy != 3 {
			t.Errorf("without a slot: %+v, %v, want ErrUnavailable", h, err)
		}
		for range 3 {
			s.gate.leave()
		}
		synctest.Wait()
		if _, err := s.Health(t.Context()); err != nil {
			t.Errorf("with slots again: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestHealthOfAFrozenServer(t *testing.T) {
	t.Parallel()
	server := testnfs.Ganesha(t, nil)
	s := openStore(t, server.URL(), nil)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if h, err := s.Health(ctx); !errors.Is(err, ErrUnavailable) || h.Where != s.dir {
		t.Errorf("of a frozen server: %+v, %v, want ErrUnavailable", h, err)
	}
	server.Cont()
	until(t, "Health", func() error { _, err := s.Health(t.Context()); return err })
}
