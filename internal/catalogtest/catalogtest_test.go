package catalogtest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

var numbers = cmpopts.EquateComparable(remora.Number{})

func TestActivities(t *testing.T) {
	ids, bundles, versions, files, sums, names := map[int64]bool{}, map[string]bool{}, map[int64]bool{}, map[int64]bool{}, map[remora.Digest]bool{}, map[string]bool{}
	unlisted, text := 0, 0
	const n = 1000
	i := 0
	for a := range catalogtest.Activities(n) {
		if diff := cmp.Diff(catalogtest.Activity(i), a, numbers); diff != "" {
			t.Fatalf("activity %d is not the same each time:\n%s", i, diff)
		}
		if want := catalogtest.FirstActivity + int64(i); a.ID != want || ids[a.ID] || bundles[remora.BundleKey(a.BundleID)] {
			t.Errorf("activity %d has id %d and bundle id %s", i, a.ID, a.BundleID)
		}
		ids[a.ID], bundles[remora.BundleKey(a.BundleID)] = true, true
		want := catalogtest.FewLocales
		if i%10 == 0 {
			want = catalogtest.ManyLocales
		}
		if len(a.Name) != want || len(a.Summary) != want || len(a.Description) != catalogtest.FewLocales {
			t.Errorf("activity %d has %d names, %d summaries", i, len(a.Name), len(a.Summary))
		}
		for _, in := range []remora.Text{a.Name, a.Summary, a.Description} {
			strings := map[string]string{}
			for _, l := range in {
				strings[l.Locale] = l.Value
			}
			if diff := cmp.Diff(remora.NewText(strings), in); diff != "" {
				t.Fatalf("activity %d has a text that is not in order:\n%s", i, diff)
			}
		}
		if len(a.Versions) != catalogtest.VersionsEach || a.Select(remora.Client{}) == nil {
			t.Errorf("activity %d has %d versions, or none to offer", i, len(a.Versions))
		}
		for j, v := range a.Versions {
			if v.ID != catalogtest.FirstVersion+int64(3*i+j) || versions[v.ID] || files[v.FileID] || sums[v.SHA256] || names[v.Filename] {
				t.Errorf("version %d of activity %d is not the only one of its ids: %+v", j, i, v)
			}
			versions[v.ID], files[v.FileID], sums[v.SHA256], names[v.Filename] = true, true, true, true
		}
		if !a.Listed {
			unlisted++
		}
		text += catalogtest.TextBytes(&a)
		i++
	}
	if i != n || unlisted != n/50 || text < n*1000 {
		t.Errorf("%d activities, %d not listed, %d bytes of text", i, unlisted, text)
	}
	for range catalogtest.Activities(5) {
		break // must not be asked on
	}
}

func TestFeed(t *testing.T) {
	ctx := t.Context()
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	load := func() (ids []int64, h remora.Header) {
		h, err := feed.Load(ctx, func(a remora.Activity) error { ids = append(ids, a.ID); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return ids, h
	}
	first := catalogtest.FirstActivity
	ids, start := load()
	if diff := cmp.Diff([]int64{first, first + 1, first + 2}, ids); diff != "" {
		t.Error(diff)
	}
	if d, err := feed.Since(ctx, start.Position); err != nil || d.Position != start.Position || len(d.Activities)+len(d.Gone) > 0 {
		t.Errorf("nothing has changed, yet %+v, %v", d, err)
	}
	feed.Put(catalogtest.Activity(3))
	mid := feed.Remove(first)
	feed.SetCollections(remora.Collection{Nickname: "c"})
	feed.Put(catalogtest.Activity(1))
	since := func(p remora.Position) (put, gone []int64, h remora.Header) {
		d, err := feed.Since(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range d.Activities {
			put = append(put, a.ID)
		}
		return put, d.Gone, d.Header
	}
	put, gone, header := since(start.Position)
	if !slices.Equal(put, []int64{first + 1, first + 3}) || !slices.Equal(gone, []int64{first}) || header.Seq != 5 || len(header.Collections) != 1 {
		t.Errorf("changed %v, gone %v, at %+v", put, gone, header)
	}
	if put, gone, _ := since(mid); !slices.Equal(put, []int64{first + 1}) || gone != nil {
		t.Errorf("later changed %v, gone %v", put, gone)
	}
	for _, p := range []remora.Position{{}, {Epoch: "x", Seq: 5}, {Epoch: start.Epoch, Seq: 0}} {
		if _, err := feed.Since(ctx, p); !errors.Is(err, remora.ErrGap) {
			t.Errorf("Since(%+v): %v", p, err)
		}
	}
	if d, err := feed.Since(ctx, remora.Position{Epoch: start.Epoch, Seq: 6}); err != nil || d.Seq != 5 || len(d.Activities)+len(d.Gone) > 0 {
		t.Errorf("from the future: %+v %v", d, err)
	}
	feed.Forget()
	if _, err := feed.Since(ctx, mid); !errors.Is(err, remora.ErrGap) {
		t.Errorf("after Forget: %v", err)
	}
	if p := feed.NewEpoch(catalogtest.Activity(9)); p.Epoch == start.Epoch {
		t.Error("the epoch is the old one")
	}
	if ids, _ := load(); !slices.Equal(ids, []int64{first + 9}) {
		t.Errorf("after the restore there are %v", ids)
	}
	enough := errors.New("enough")
	if _, err := feed.Load(ctx, func(remora.Activity) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the error of add comes back as %v", err)
	}
	feed.SetDownloads(map[int64]int64{1: 2})
	if n, err := feed.Downloads(ctx); err != nil || n[1] != 2 {
		t.Errorf("Downloads = %v, %v", n, err)
	}
	feed.Fail(enough)
	if _, err := feed.Downloads(ctx); !errors.Is(err, enough) {
		t.Errorf("a feed that fails: %v", err)
	}
}

func TestFeedHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := catalogtest.NewFeed(catalogtest.Activities(1))
		release := feed.Hang()
		ctx, cancel := context.WithCancel(t.Context())
		answers := make(chan error, 2)
		for _, c := range []context.Context{ctx, t.Context()} {
			go func() {
				_, err := feed.Downloads(c)
				answers <- err
			}()
		}
		synctest.Wait()
		if len(answers) != 0 {
			t.Fatal("it answers")
		}
		cancel()
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("the one whose context ended: %v", err)
		}
		release()
		release()
		if err := <-answers; err != nil {
			t.Errorf("the other one: %v", err)
		}
		if _, err := feed.Downloads(t.Context()); err != nil || feed.Calls().Downloads != 3 {
			t.Errorf("after release: %v, %+v", err, feed.Calls())
		}
	})
}
