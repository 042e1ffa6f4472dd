package sugar

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

// fakeStore remembers counts, and fails while fault is set.
type fakeStore struct {
	mu    sync.Mutex
	fault error
	calls int
	got   map[remora.DownloadCount]int64 // with N 0
}

func (s *fakeStore) AddDownloads(_ context.Context, list []remora.DownloadCount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fault != nil {
		return s.fault
	}
	if s.got == nil {
		s.got = map[remora.DownloadCount]int64{}
	}
	for _, c := range list {
		n := c.N
		c.N = 0
		s.got[c] += n
	}
	return nil
}

func (s *fakeStore) setFault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *fakeStore) total() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.got {
		n += c
	}
	return n
}

func TestDownloadsOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its clock begins at 2000-01-01 00:00 UTC
		store := &fakeStore{}
		d := NewDownloads(store, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()

		d.Count(1, "updater", netip.MustParseAddr("10.1.2.3"))
		d.Count(1, "updater", netip.MustParseAddr("10.1.2.99"))        // same /24
		d.Count(1, "page", netip.MustParseAddr("::ffff:10.1.2.4"))     // the same, written as IPv6
		d.Count(1, "updater", netip.MustParseAddr("10.1.3.3"))         // another /24
		d.Count(2, "updater", netip.MustParseAddr("10.1.2.3"))         // another version
		d.Count(1, "page", netip.MustParseAddr("2001:db8:1:2::1"))     // IPv6
		d.Count(1, "page", netip.MustParseAddr("2001:db8:1:ffff::99")) // same /48
		d.Count(1, "page", netip.MustParseAddr("2001:db8:2::1"))       // another /48
		d.Count(1, "other", netip.Addr{})                              // unknown
		d.Count(1, "other", netip.Addr{})
		if got := d.Stats(); got != (DownloadsStats{Counted: 6, Repeated: 4, Pending: 6}) {
			t.Errorf("%+v", got)
		}
		time.Sleep(61 * time.Second) // virtual: one flush
		synctest.Wait()
		if got := store.total(); got != 6 {
			t.Errorf("stored %d after a minute, want 6", got)
		}
		time.Sleep(time.Hour)
		d.Count(1, "updater", netip.MustParseAddr("10.1.2.3")) // counts again
		time.Sleep(23 * time.Hour)
		d.Count(1, "updater", netip.MustParseAddr("10.1.2.3")) // and on the next day
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := map[remora.DownloadCount]int64{
			{Day: "2000-01-01", VersionID: 1, Source: "updater"}: 3,
			{Day: "2000-01-01", VersionID: 2, Source: "updater"}: 1,
			{Day: "2000-01-01", VersionID: 1, Source: "page"}:    2,
			{Day: "2000-01-01", VersionID: 1, Source: "other"}:   1,
			{Day: "2000-01-02", VersionID: 1, Source: "updater"}: 1,
		}
		if diff := cmp.Diff(want, store.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := d.Stats(); got.Pending != 0 || got.Stored != 8 {
			t.Errorf("at the end: %+v", got)
		}
	})
}

func TestDownloadsStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{fault: errors.New("away")}
		d := NewDownloads(store, &DownloadsOptions{MaxPending: 2})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i), 1}) }
		d.Count(1, "page", client(1))
		d.Count(2, "page", client(1))
		d.Count(3, "page", client(1)) // a third sum has no room
		d.Count(1, "page", client(2)) // but sums that wait still grow
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if got := d.Stats(); got.Failed != 3 || got.Pending != 3 || got.Dropped != 1 || got.Stored != 0 {
			t.Errorf("while away: %+v", got)
		}
		store.setFault(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := store.total(); got != 3 {
			t.Errorf("stored %d, want 3", got)
		}
		store.setFault(errors.New("away again"))
		d.Count(3, "page", client(1))
		cancel()
		if err := <-done; err != nil { // it ends all the same
			t.Error(err)
		}
	})
}

func TestDownloadsBounded(t *testing.T) {
	d := NewDownloads(&fakeStore{}, &DownloadsOptions{MaxSeen: 10})
	for i := range 100 {
		d.Count(1, "other", netip.AddrFrom4([4]byte{10, 0, byte(i), 1}))
	}
	if got := d.Stats(); got.Counted != 10 || got.Dropped != 90 {
		t.Errorf("%+v", got)
	}
}

// No download is stored twice or lost, however the store fails (before it stores anything).
func TestDownloadsKeepsSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store := &fakeStore{}
		d := NewDownloads(store, nil)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				store.setFault(errors.New("away"))
			case 1:
				store.setFault(nil)
			case 2:
				wasAway := store.fault != nil
				waiting := d.Stats().Pending
				if err := d.flush(t.Context()); (err != nil) != (wasAway && waiting > 0) {
					t.Fatalf("flush: %v", err)
				}
			default:
				d.Count(rapid.Int64Range(1, 5).Draw(t, "version"), "page", netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 9).Draw(t, "net")), 1}))
			}
			s := d.Stats()
			var waits int64
			for _, n := range d.pending {
				waits += n
			}
			if s.Counted != s.Stored+s.Pending || s.Stored != store.total() || waits != s.Pending {
				t.Fatalf("%+v, in the store %d, waiting %d", s, store.total(), waits)
			}
		}
	})
}

func TestDownloadsConcurrent(t *testing.T) {
	defer goleak.VerifyNone(t)
	store := &fakeStore{}
	d := NewDownloads(store, &DownloadsOptions{Flush: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				d.Count(int64(i), "updater", netip.AddrFrom4([4]byte{10, byte(g), 1, 1}))
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// The hour may change in between, and then a few count twice; they never do with one key.
	if s := d.Stats(); s.Counted != 8*200 || store.total() != s.Stored || s.Pending != 0 {
		t.Errorf("%+v, in the store %d", s, store.total())
	}
}

type printStore struct{}

func (printStore) AddDownloads(_ context.Context, list []remora.DownloadCount) error {
	for _, c := range list {
		fmt.Println("version", c.VersionID, c.Source, c.N)
	}
	return nil
}

func ExampleNewDownloads() {
	d := NewDownloads(printStore{}, nil)
	d.Count(1000001, "updater", netip.MustParseAddr("192.0.2.7"))
	d.Count(1000001, "updater", netip.MustParseAddr("192.0.2.8"))   // the same network, the same hour
	d.Count(1000001, "updater", netip.MustParseAddr("203.0.113.5")) // another school

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(d.Run(ctx)) // stores what waits, then ends
	// Output:
	// version 1000001 updater 2
	// <nil>
}
