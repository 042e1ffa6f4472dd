package published_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/internal/published"
	"github.com/sugarlabs/beamrider/remora"
)

// names returns the bundles that an activity offers.
func names(a remora.Activity) (list []string) {
	for i := range a.Versions {
		list = append(list, remora.PublicName(a.ID, a.Versions[i].Filename))
	}
	return list
}

// TestFollowScreenshots: a screenshot is told of, and its end when nobody has it any more.
func TestFollowScreenshots(t *testing.T) {
	shared, own := remora.Image{SHA256: remora.Digest{1}, Size: 10}, remora.Image{SHA256: remora.Digest{2}, Size: 20}
	a, b := catalogtest.Activity(1), catalogtest.Activity(2)
	a.Screenshots, b.Screenshots = []remora.Image{shared, own}, []remora.Image{shared}
	feed := catalogtest.NewFeed(slices.Values([]remora.Activity{a, b}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan published.Change)
	ended := make(chan error)
	go func() {
		ended <- published.Follow(ctx, feed, time.Millisecond, slog.New(slog.DiscardHandler), func(ch published.Change) error {
			if strings.HasPrefix(ch.Name, "previews/") {
				select {
				case told <- ch:
				case <-ctx.Done():
				}
			}
			return nil
		})
	}()
	next := func(want ...published.Change) {
		t.Helper()
		for _, w := range want {
			select {
			case got := <-told:
				if diff := cmp.Diff(w, got); diff != "" {
					t.Fatalf("-want +got:\n%s", diff)
				}
			case <-time.After(time.Minute):
				t.Fatalf("nobody tells of %v", w)
			}
		}
	}
	there := func(m remora.Image) published.Change {
		return published.Change{Name: remora.ImageName(m.SHA256), Size: m.Size, SHA256: m.SHA256}
	}
	gone := func(m remora.Image) published.Change {
		return published.Change{Name: remora.ImageName(m.SHA256), Gone: true}
	}
	next(there(shared), there(own), there(shared))
	a.Screenshots = nil
	feed.Put(a)
	next(gone(own)) // the other has its one still
	a.Screenshots = []remora.Image{own}
	feed.Put(a)
	next(there(own))
	feed.Remove(b.ID)
	next(gone(shared))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// A copy is what somebody who heeds every change would have.
type copied struct {
	has     map[string]bool
	changes chan published.Change
}

// until takes changes in until the copy holds exactly the bundles of all.
func (c *copied) until(t *testing.T, all ...remora.Activity) {
	t.Helper()
	want := map[string]bool{}
	for _, a := range all {
		for _, n := range names(a) {
			want[n] = true
		}
	}
	deadline := time.After(time.Minute)
	for !cmp.Equal(want, c.has) {
		select {
		case ch := <-c.changes:
			switch {
			case ch.Gone:
				delete(c.has, ch.Name)
			case ch.Size < 0: // an icon
			default:
				c.has[ch.Name] = true
			}
		case <-deadline:
			t.Fatalf("the copy never is right (-want +got)\n%s", cmp.Diff(want, c.has))
		}
	}
}

// TestFollow: whatever happens to the catalog, who heeds the changes has what is offered, and nothing
// of which the end was told.
func TestFollow(t *testing.T) {
	a, b, c := catalogtest.Activity(1), catalogtest.Activity(2), catalogtest.Activity(3)
	feed := catalogtest.NewFeed(slices.Values([]remora.Activity{a, b}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	copy := &copied{map[string]bool{}, make(chan published.Change)}
	ended := make(chan error)
	go func() {
		ended <- published.Follow(ctx, feed, time.Millisecond, slog.New(slog.DiscardHandler), func(ch published.Change) error {
			select {
			case copy.changes <- ch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	copy.until(t, a, b)
	feed.Put(c)
	copy.until(t, a, b, c)
	feed.Fail(errors.New("away"))
	feed.Fail(nil)
	fewer := b
	fewer.Versions = b.Versions[:1]
	feed.Put(fewer)
	copy.until(t, a, fewer, c)
	feed.Remove(c.ID)
	copy.until(t, a, fewer)
	feed.NewEpoch(b)
	copy.until(t, b)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// TestTellEnds: an error of who is told ends it.
func TestTellEnds(t *testing.T) {
	enough := errors.New("enough")
	feed := catalogtest.NewFeed(slices.Values([]remora.Activity{catalogtest.Activity(1)}))
	err := published.Follow(t.Context(), feed, time.Millisecond, slog.New(slog.DiscardHandler), func(published.Change) error { return enough })
	if err != enough {
		t.Errorf("it ended with %v", err)
	}
}

// TestOffered: a Follower knows at least what it has told, and tells nothing of what was there before it.
func TestOffered(t *testing.T) {
	a, b, c := catalogtest.Activity(1), catalogtest.Activity(2), catalogtest.Activity(3)
	feed := catalogtest.NewFeed(slices.Values([]remora.Activity{a, b}))
	feed.Fail(errors.New("away"))
	f := published.New(feed, time.Millisecond, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bundles := func() (list []string) {
		t.Helper()
		for ch, err := range f.Offered(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(ch.Name, "public/") {
				list = append(list, ch.Name)
			}
		}
		return list
	}
	told := make(chan published.Change)
	ended := make(chan error)
	go func() {
		ended <- f.Run(ctx, func(ch published.Change) error {
			select {
			case told <- ch:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	feed.Fail(nil) // until then it waits
	if diff := cmp.Diff(append(names(a), names(b)...), bundles()); diff != "" {
		t.Errorf("in the beginning (-want +got):\n%s", diff)
	}
	feed.Put(c)
	first := <-told
	if want := names(c)[0]; first.Name != want {
		t.Errorf("%s was told first, want %s", first.Name, want)
	}
	// It is held up in telling, and knows already.
	if diff := cmp.Diff(append(append(names(a), names(b)...), names(c)...), bundles()); diff != "" {
		t.Errorf("with one more (-want +got):\n%s", diff)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	for _, err := range published.New(feed, time.Millisecond, slog.New(slog.DiscardHandler)).Offered(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("what nobody knows yet, without time: %v", err)
		}
	}
}
