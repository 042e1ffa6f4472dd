package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

var errAway = &remora.Error{Kind: remora.KindUnavailable, Message: "The database does not answer."}

// start runs a library in a bubble of virtual time; the returned function ends it and waits.
func start(t *testing.T, feed remora.Feed, o *Options) (l *Library, stop func()) {
	t.Helper()
	l, err := New(feed, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

// pass lets d go by and everything that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d) // virtual
	synctest.Wait()
}

func ready(l *Library) bool {
	select {
	case <-l.Ready():
		return true
	default:
		return false
	}
}

func TestNewRefusesEveryMistakeAtOnce(t *testing.T) {
	_, err := New(nil, &Options{Poll: -1, Idle: -1, StaleAfter: -1, Downloads: -1})
	for _, want := range []string{"feed is required", "Poll", "Idle", "StaleAfter", "Downloads"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
}

func TestBeforeRun(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	l, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ready(l) || l.Status().Ready || !l.Status().Stale {
		t.Error("a library that was not started says it is ready or fresh")
	}
	v := l.View()
	if v.Len() != 0 || v.Count("") != 0 || v.Activity(catalogtest.FirstActivity) != nil || len(v.Search("a", "en", 10)) != 0 {
		t.Error("the View of a library that was not started is not empty")
	}
	if page, more := v.List(remora.SortName, "", remora.Cursor{}, 10); len(page) != 0 || more {
		t.Error("it lists something")
	}
	if calls := feed.Calls(); calls != (catalogtest.Calls{}) {
		t.Errorf("New has asked the feed: %+v", calls)
	}
	if got, want := l.Mark(), "seq=0, age=0, stale"; got != want {
		t.Errorf("Mark = %q, want %q", got, want)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(20))
		l, _ := start(t, feed, nil)
		pass(0)
		if !ready(l) || l.View().Len() != 20 {
			t.Fatalf("ready %v with %d activities after the first answer", ready(l), l.View().Len())
		}
		if got, want := l.Mark(), "seq=1, age=0"; got != want {
			t.Errorf("Mark = %q, want %q", got, want)
		}

		changed := catalogtest.Activity(4)
		changed.Name = remora.PlainText("en", "Zanzibar")
		at := feed.Put(changed, catalogtest.Activity(20))
		feed.Remove(catalogtest.FirstActivity)
		before := l.View()
		pass(500 * time.Millisecond)
		v := l.View()
		if v.Position().Seq != at.Seq+1 || v.Len() != 20 || v.Activity(catalogtest.FirstActivity) != nil {
			t.Errorf("after the poll: position %+v, %d activities", v.Position(), v.Len())
		}
		if found := v.Search("zanzi", "en", 10); len(found) != 1 || found[0].ID != changed.ID {
			t.Errorf("the new name finds %v", idsOf(found))
		}
		if before.Len() != 20 || before.Activity(catalogtest.FirstActivity) == nil || len(before.Search("zanzi", "en", 10)) != 0 {
			t.Error("the View that was taken before has changed")
		}
		if calls := feed.Calls(); calls.Load != 1 {
			t.Errorf("the whole catalog was loaded %d times", calls.Load)
		}

		// After a change it asks at the quick pace for a while, then at the slow one.
		asked := func(d time.Duration) int {
			n := feed.Calls().Since
			pass(d)
			return feed.Calls().Since - n
		}
		if n := asked(5 * time.Second); n != 20 {
			t.Errorf("%d questions in the five seconds after a change, want 20", n)
		}
		pass(10 * time.Second)
		if n := asked(5 * time.Second); n != 10 {
			t.Errorf("%d questions in five seconds of quiet, want 10", n)
		}
	})
}

func TestCollections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(2))
		l, _ := start(t, feed, nil)
		pass(0)
		if diff := cmp.Diff(catalogtest.Categories(), l.View().Categories()); diff != "" {
			t.Error(diff)
		}
		school := remora.Collection{ID: 1, UUID: "0b0c", Nickname: "school", Items: []remora.CollectionItem{{ActivityID: catalogtest.FirstActivity}}}
		feed.SetCollections(school)
		pass(time.Second)
		v := l.View()
		for _, ref := range []string{"school", "0b0c"} {
			if c := v.Collection(ref); c == nil || c.ID != 1 {
				t.Errorf("Collection(%q) = %v", ref, c)
			}
		}
		for _, ref := range []string{"", "School", "x"} {
			if c := v.Collection(ref); c != nil {
				t.Errorf("Collection(%q) = %v", ref, c)
			}
		}
		if len(v.layers) != 1 || v.Len() != 2 || len(v.Collections()) != 1 {
			t.Errorf("a change of the header alone: %d layers, %d activities, %d collections", len(v.layers), v.Len(), len(v.Collections()))
		}
	})
}

func TestFeedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		feed := catalogtest.NewFeed(catalogtest.Activities(5))
		l, _ := start(t, feed, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		pass(0)
		feed.Fail(errAway)
		pass(4 * time.Second)
		if s := l.Status(); !errors.Is(s.Fault, remora.ErrUnavailable) || s.Stale || !s.Ready {
			t.Errorf("four seconds into the outage: %+v", s)
		}
		pass(6 * time.Second)
		if s := l.Status(); !s.Stale || s.Activities != 5 {
			t.Errorf("ten seconds into the outage: %+v", s)
		}
		if got, want := l.Mark(), "seq=1, age=10, stale"; got != want {
			t.Errorf("Mark = %q, want %q", got, want)
		}
		if l.View().Len() != 5 {
			t.Error("the View went with the database")
		}
		n := feed.Calls().Since
		pass(time.Minute)
		if n = feed.Calls().Since - n; n < 30 || n > 40 {
			t.Errorf("%d questions in a minute of outage, want one each two seconds or so", n)
		}
		if err := l.Refresh(t.Context()); !errors.Is(err, remora.ErrUnavailable) {
			t.Errorf("Refresh = %v", err)
		}
		feed.Put(catalogtest.Activity(5))
		feed.Fail(nil)
		pass(2 * time.Second)
		if s := l.Status(); s.Stale || s.Fault != nil || s.Activities != 6 {
			t.Errorf("two seconds after the outage: %+v", s)
		}
		if got, want := l.Mark(), "seq=2, age="; !strings.HasPrefix(got, want) || strings.Contains(got, "stale") {
			t.Errorf("Mark = %q, want %q…", got, want)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings for one outage:\n%s", n, log.String())
		}
	})
}

func TestGapAndEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(5))
		l, _ := start(t, feed, nil)
		pass(0)
		feed.Remove(catalogtest.FirstActivity)
		feed.Put(catalogtest.Activity(7))
		feed.Forget()
		pass(time.Second)
		if v := l.View(); v.Len() != 5 || v.Position().Seq != 3 || v.Activity(catalogtest.FirstActivity) != nil || len(v.layers) != 1 {
			t.Errorf("after a gap: %d activities at %+v", v.Len(), v.Position())
		}
		at := feed.NewEpoch(catalogtest.Activity(2))
		pass(time.Second)
		if v := l.View(); v.Len() != 1 || v.Position() != at {
			t.Errorf("after a restore: %d activities at %+v, want 1 at %+v", v.Len(), v.Position(), at)
		}
		if calls := feed.Calls(); calls.Load != 3 {
			t.Errorf("loaded %d times, want 3", calls.Load)
		}
	})
}

func TestHangingFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(5))
		l, stop := start(t, feed, nil)
		pass(0)
		release := feed.Hang()
		pass(time.Second) // the poller hangs now
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := l.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh = %v", err)
		}
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("Refresh took %v of virtual time", took)
		}
		pass(10 * time.Second)
		if s := l.Status(); s.Fault == nil || !s.Stale {
			t.Errorf("a feed that hangs for ten seconds: %+v", s)
		}
		release()
		feed.Put(catalogtest.Activity(5))
		pass(3 * time.Second)
		if s := l.Status(); s.Fault != nil || s.Activities != 6 {
			t.Errorf("after it answers again: %+v", s)
		}

		// Run ends at once although a question of the poller and one of Refresh hang.
		release = feed.Hang()
		defer release()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := l.Refresh(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh = %v", err)
		}
		began = time.Now()
		stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("Run ended %v after its context", took)
		}
		if err := l.Refresh(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("Refresh after Run = %v", err)
		}
	})
}

// blockingFeed lets a test hold one answer back after the catalog was read for it.
type blockingFeed struct {
	*catalogtest.Feed
	hold chan chan struct{}
}

func (f *blockingFeed) Since(ctx context.Context, after remora.Position) (remora.Delta, error) {
	d, err := f.Feed.Since(ctx, after)
	select {
	case until := <-f.hold:
		<-until
	default:
	}
	return d, err
}

// TestRefreshReadsYourWrites: a question already on its way has read the catalog before the write,
// so Refresh must not be content with it.
func TestRefreshReadsYourWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := &blockingFeed{Feed: catalogtest.NewFeed(catalogtest.Activities(2)), hold: make(chan chan struct{}, 1)}
		l, err := New(feed, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		until := make(chan struct{})
		feed.hold <- until
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := l.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		written := feed.Put(catalogtest.Activity(2))
		const readers = 50
		for range readers {
			wg.Go(func() {
				if err := l.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if got := l.View().Position(); got != written {
					t.Errorf("Refresh returned at %+v; %+v was written before", got, written)
				}
			})
		}
		synctest.Wait()
		before := feed.Calls().Since
		close(until)
		wg.Wait()
		if asked := feed.Calls().Since - before; asked != 1 {
			t.Errorf("%d callers at once asked %d questions, want 1", readers, asked)
		}
	})
}

func TestSlowLoadIsNotStartedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(2))
		release := feed.Hang()
		l, _ := start(t, feed, nil)
		// Requests that wait for the first load and give up do not take it with them.
		for range 8 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := l.Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Refresh = %v", err)
			}
			cancel()
		}
		if n := feed.Calls().Load; n != 1 {
			t.Errorf("the load was begun %d times", n)
		}
		release()
		pass(0)
		if !ready(l) || l.View().Len() != 2 {
			t.Error("the load did not come to its end")
		}
	})
}

func TestDownloadCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(10))
		l, _ := start(t, feed, nil)
		pass(0)
		last := catalogtest.FirstActivity + 8
		feed.SetDownloads(map[int64]int64{last: 5_000_000, 1: 7})
		pass(10 * time.Minute)
		if got := l.View().Activity(last).Downloads; got != 5_000_000 {
			t.Errorf("the count is %d", got)
		}
		if page, _ := l.View().List(remora.SortPopular, "", remora.Cursor{}, 1); len(page) != 1 || page[0].ID != last {
			t.Errorf("the most popular is %v", idsOf(page))
		}
		if l.View().Position().Seq != 1 {
			t.Error("counts have moved the position")
		}
		// Nothing is rebuilt while the counts stay.
		v := l.View()
		pass(time.Hour)
		if l.View() != v {
			t.Error("the View was rebuilt although no count changed")
		}
		if n := feed.Calls().Downloads; n < 60 || n > 72 {
			t.Errorf("the counts were read %d times in seventy minutes", n)
		}
	})
}

func TestReadersAndAWriter(t *testing.T) {
	// Real goroutines in real time: this one is for the race detector.
	feed := catalogtest.NewFeed(catalogtest.Activities(60))
	l, err := New(feed, &Options{Poll: time.Millisecond, Idle: time.Millisecond, Path: t.TempDir() + "/view"})
	if err != nil {
		t.Fatal(err)
	}
	l.limits = small
	ctx, cancel := context.WithCancel(t.Context())
	var wg, readers sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-l.Ready()
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				v := l.View()
				n := 0
				for range v.All {
					n++
				}
				if n != v.Len() {
					t.Errorf("All yields %d of %d", n, v.Len())
				}
				listed := 0
				var after remora.Cursor
				for more := true; more; {
					var page []*remora.Activity
					page, more = v.List(remora.SortName, "", after, 17)
					if listed += len(page); len(page) > 0 {
						after = remora.CursorOf(remora.SortName, page[len(page)-1])
					}
				}
				if listed != v.Count("") {
					t.Errorf("List yields %d of %d", listed, v.Count(""))
				}
				v.Search("ka", "es", 10)
				if l.Mark() == "" {
					t.Error("no mark")
				}
			}
		})
	}
	for i := range 150 {
		a := catalogtest.Activity(i % 90)
		a.Name = remora.PlainText("en", fmt.Sprintf("kazoo %d", i))
		at := feed.Put(a)
		if i%3 == 0 {
			at = feed.Remove(catalogtest.FirstActivity + int64(i%50))
		}
		if err := l.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if got := l.View().Position(); got.Seq < at.Seq {
			t.Errorf("Refresh returned at %d, %d was written", got.Seq, at.Seq)
		}
	}
	close(done)
	readers.Wait()
	cancel()
	wg.Wait()
}
