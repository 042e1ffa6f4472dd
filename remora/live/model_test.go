package live

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

var byValue = gocmp.Options{cmpopts.EquateComparable(remora.Number{}), cmpopts.EquateEmpty()}

// small makes every kind of fold happen with a handful of activities.
var small = limits{top: 3, front: 2, growth: 2, mid: 9, share: 4}

var testCategories = []string{"", "art", "maths", "no-such"}

var testWords = []string{"pippy", "paint", "tam", "tamtam", "jam", "Ñandú", "音乐", "turtle art"}

var (
	testTags     = []string{"Jam", "jam", "JAM", "turtle", "Ñandú"}
	testLicenses = []string{"", "MIT", "GPL-3.0-or-later"}
	testAuthors  = []remora.Author{{ID: 1, Name: "Ana"}, {ID: 1, Name: "Anna"}, {ID: 22, Name: "Walter"}, {ID: 3, Name: "Turtle"}}
	testRanges   = []remora.Range{
		{}, {Min: remora.MustNumber("0.114")}, {Max: remora.MustNumber("0.116")}, {Min: remora.MustNumber("0.98"), Max: remora.MustNumber("0.114")},
		{Min: remora.MustNumber("0.200")},
	}
)

// drawActivity returns any form of activity id. What a store keeps unique is unique: bundle id,
// version and file ids, sums.
func drawActivity(t *rapid.T, id int64) remora.Activity {
	word := rapid.SampledFrom(testWords)
	a := remora.Activity{
		ID:            id,
		BundleID:      fmt.Sprintf("org.Test.A%d", id),
		Slug:          fmt.Sprintf("a%d", id),
		Listed:        rapid.IntRange(0, 5).Draw(t, "listed") > 0,
		DefaultLocale: "en",
		Name:          remora.NewText(map[string]string{"en": word.Draw(t, "name"), "es": word.Draw(t, "nombre")}),
		Summary:       remora.PlainText("en", word.Draw(t, "summary")),
		FeaturedRank:  rapid.IntRange(0, 3).Draw(t, "rank"),
		Categories:    rapid.SliceOfNDistinct(rapid.SampledFrom(testCategories[1:3]), 0, 2, rapid.ID).Draw(t, "categories"),
		Tags:          rapid.SliceOfN(rapid.SampledFrom(testTags), 0, 3).Draw(t, "tags"),
		License:       rapid.SampledFrom(testLicenses[:3]).Draw(t, "license"),
		LicenseText:   rapid.SampledFrom([]string{"", "free"}).Draw(t, "license text"),
		Network:       rapid.SampledFrom([]remora.Network{remora.NetworkUnknown, remora.NetworkNone, remora.NetworkNeeded}).Draw(t, "network"),
		Authors:       rapid.SliceOfNDistinct(rapid.SampledFrom(testAuthors), 0, 2, func(p remora.Author) int64 { return p.ID }).Draw(t, "authors"),
		Downloads:     rapid.Int64Range(0, 3).Draw(t, "downloads") * 1000,
		Created:       remora.Time(rapid.Int64Range(1, 4).Draw(t, "created")),
		Updated:       remora.Time(rapid.Int64Range(1, 4).Draw(t, "updated")),
		Revision:      rapid.Int64Range(1, 1<<40).Draw(t, "revision"),
	}
	for j := range rapid.Int64Range(1, 3).Draw(t, "versions") {
		v := remora.Version{
			Release: remora.Release{ID: id*10 + j, Number: remora.MustNumber(fmt.Sprint(j + 1)), State: remora.StatePublished},
			FileID:  id*10 + j + 5000,
		}
		v.SHA256[0], v.SHA256[1] = byte(id), byte(j+1)
		v.Range = rapid.SampledFrom(testRanges).Draw(t, "range")
		v.Interpreter = rapid.SampledFrom([]remora.Interpreter{remora.InterpreterUnknown, remora.InterpreterPython2, remora.InterpreterWeb}).Draw(t, "interpreter")
		v.Size = rapid.SampledFrom([]int64{1, 1_000_000, 1_000_001, 5_000_000, 20_000_000, 20_000_001}).Draw(t, "size")
		if rapid.IntRange(0, 6).Draw(t, "channel") == 0 {
			v.Channel = remora.ChannelExperimental
		}
		if rapid.IntRange(0, 4).Draw(t, "awaiting") == 0 {
			v.State = remora.StateAwaiting
		}
		a.Versions = append(a.Versions, v)
	}
	return a
}

// TestLayersAnswerAsOne is the promise the package rests on: however a catalog came to be spread
// over layers, a View answers like one built at once.
func TestLayersAnswerAsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		const ids = 24
		feed := catalogtest.NewFeed(func(yield func(remora.Activity) bool) {
			for id := range rapid.Int64Range(0, ids).Draw(t, "first") {
				if !yield(drawActivity(t, id+1)) {
					return
				}
			}
		})
		l, err := New(feed, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.limits = small
		anyID := rapid.Int64Range(1, ids)
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(l.Refresh(ctx))
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for _, id := range rapid.SliceOfNDistinct(anyID, 1, 5, rapid.ID).Draw(t, "ids") {
					feed.Put(drawActivity(t, id))
				}
				must(l.Refresh(ctx))
			},
			"remove": func(t *rapid.T) {
				feed.Remove(rapid.SliceOfNDistinct(anyID, 1, 3, rapid.ID).Draw(t, "ids")...)
				must(l.Refresh(ctx))
			},
			"fold": func(t *rapid.T) { l.fold(ctx) },
			"apply during a fold": func(t *rapid.T) {
				p, worth := l.plan(rapid.Bool().Draw(t, "recount"))
				if !worth {
					t.Skip("nothing to fold")
				}
				for range rapid.IntRange(1, 4).Draw(t, "changes") {
					feed.Put(drawActivity(t, anyID.Draw(t, "id")))
					feed.Remove(anyID.Draw(t, "gone"))
					must(l.Refresh(ctx))
				}
				if gap := rapid.IntRange(0, 5).Draw(t, "gap"); gap == 0 {
					feed.Put(drawActivity(t, anyID.Draw(t, "id")))
					feed.Forget()
					must(l.Refresh(ctx))
				}
				l.install(ctx, p, merge(ctx, p.list[p.from:p.to], p.downs, p.intoBase()))
			},
			"": func(t *rapid.T) {
				v := l.View()
				compareViews(t, v, rebuilt(t, feed))
				if n := len(v.layers); n > 40 {
					t.Fatalf("%d layers", n)
				}
			},
		})
	})
}

func rebuilt(t *rapid.T, feed *catalogtest.Feed) *View {
	fresh, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(fresh.View().layers); n != 1 {
		t.Fatalf("a new View has %d layers", n)
	}
	return fresh.View()
}

func compareViews(t *rapid.T, got, want *View) {
	t.Helper()
	same := func(what string, got, want any) {
		if reflect.DeepEqual(got, want) { // quick, and nearly always so
			return
		}
		if diff := gocmp.Diff(want, got, byValue); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", what, diff)
		}
	}
	same("Position", got.Position(), want.Position())
	same("Len", got.Len(), want.Len())
	all := func(v *View) (list []*remora.Activity) {
		for a := range v.All {
			list = append(list, a)
		}
		slices.SortFunc(list, func(a, b *remora.Activity) int { return cmp.Compare(a.ID, b.ID) })
		return list
	}
	same("All", all(got), all(want))
	same("counts", got.counts, want.counts)
	for id := int64(0); id <= 25; id++ {
		same("Activity", got.Activity(id), want.Activity(id))
		bundle := fmt.Sprintf("ORG.test.a%d", id)
		same("ByBundleID", got.ByBundleID(bundle), want.ByBundleID(bundle))
		for j := int64(0); j < 4; j++ {
			var sum remora.Digest
			sum[0], sum[1] = byte(id), byte(j)
			for _, by := range []struct {
				name string
				in   func(*View) (*remora.Activity, *remora.Version)
			}{
				{"ByFile", func(v *View) (*remora.Activity, *remora.Version) { return v.ByFile(id*10 + j + 5000) }},
				{"ByVersion", func(v *View) (*remora.Activity, *remora.Version) { return v.ByVersion(id*10 + j) }},
				{"BySum", func(v *View) (*remora.Activity, *remora.Version) { return v.BySum(sum) }},
			} {
				gotA, gotV := by.in(got)
				wantA, wantV := by.in(want)
				same(by.name+" activity", gotA, wantA)
				same(by.name+" version", gotV, wantV)
			}
		}
	}
	limit := rapid.IntRange(1, 7).Draw(t, "limit")
	oddNum, oddID := rapid.Int64Range(-3, 3000).Draw(t, "num"), rapid.Int64Range(0, 30).Draw(t, "odd id")
	for _, category := range testCategories {
		same("Count", got.Count(category), want.Count(category))
		for sort := remora.SortUpdated; sort <= remora.SortFeatured; sort++ {
			var after remora.Cursor
			for {
				gotPage, gotMore := got.List(sort, category, after, limit)
				wantPage, wantMore := want.List(sort, category, after, limit)
				same("List "+sort.String(), idsOf(gotPage), idsOf(wantPage))
				same("List more", gotMore, wantMore)
				if len(wantPage) > 0 {
					after = remora.CursorOf(sort, wantPage[len(wantPage)-1])
				}
				if !wantMore {
					break
				}
			}
			// A place of an activity that is no longer there, or never was.
			odd := remora.Cursor{Num: oddNum, ID: oddID}
			if sort == remora.SortName {
				odd = remora.Cursor{Text: strings.ToLower(testWords[oddID%int64(len(testWords))]), ID: oddID}
			}
			gotPage, gotMore := got.List(sort, category, odd, limit)
			wantPage, wantMore := want.List(sort, category, odd, limit)
			same("List from an odd place", idsOf(gotPage), idsOf(wantPage))
			same("List more from an odd place", gotMore, wantMore)
		}
	}
	for range 2 {
		compareFound(t, got, want, same)
	}
	if list := all(want); len(list) > 0 {
		a := rapid.SampledFrom(list).Draw(t, "related to")
		same("Related", idsOf(got.Related(a, limit)), idsOf(want.Related(a, limit)))
	}
	begun := rapid.SampledFrom([]string{"tu", "turtel", "art", "jam", "pni"}).Draw(t, "begun")
	same("Suggest "+begun, idsOf(got.Suggest(begun, "es", limit)), idsOf(want.Suggest(begun, "es", limit)))
	for _, p := range testAuthors {
		gotAuthor, gotFound := got.Author(p.ID)
		wantAuthor, wantFound := want.Author(p.ID)
		same("Author", gotAuthor, wantAuthor)
		same("Author found", gotFound, wantFound)
	}
	same("Tags", got.Tags(limit), want.Tags(limit))
	for _, word := range testWords {
		for _, locale := range []string{"en", "es", ""} {
			// With room for all, the same activities in the same order; score ties go by id.
			same("Search "+word, idsOf(got.Search(word, locale, 100)), idsOf(want.Search(word, locale, 100)))
			same("Search "+word+" limited", idsOf(got.Search(word, locale, limit)), idsOf(want.Search(word, locale, limit)))
		}
	}
}

func idsOf(list []*remora.Activity) []int64 {
	ids := make([]int64, len(list))
	for i, a := range list {
		ids[i] = a.ID
	}
	return ids
}

// TestLayersStayFew drives changes with a folder that never comes to run, then lets it run.
func TestLayersStayFew(t *testing.T) {
	ctx := t.Context()
	feed := catalogtest.NewFeed(catalogtest.Activities(500))
	l, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.limits = small
	if err := l.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	p, most := plan{}, 0
	for i := range 400 {
		a := catalogtest.Activity(i)
		a.Revision = 2
		feed.Put(a)
		if err := l.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if i == 20 { // from here on the folder is at work and does not end
			var worth bool
			if p, worth = l.plan(false); !worth {
				t.Fatal("twenty changes are not worth a merge of layers that take three")
			}
		}
		most = max(most, len(l.View().layers))
	}
	if most > 25 {
		t.Errorf("there were %d layers; each is asked in every look-up", most)
	}
	l.install(ctx, p, merge(ctx, p.list[p.from:p.to], p.downs, p.intoBase()))
	for range 100 {
		if !l.fold(ctx) {
			break
		}
	}
	if n := len(l.View().layers); n > 4 {
		t.Errorf("%d layers are left when the folder has nothing to do", n)
	}
	revisions := map[int64]int{}
	for a := range l.View().All {
		revisions[a.Revision]++
	}
	if diff := gocmp.Diff(map[int64]int{1: 100, 2: 400}, revisions); diff != "" {
		t.Errorf("activities by revision (-want +got):\n%s", diff)
	}
	if got := l.View().Len(); got != 500 {
		t.Errorf("Len = %d", got)
	}
}

// TestFoldGivesUp ends a fold in the middle: the View stays as it is and the next fold works.
func TestFoldGivesUp(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(30))
	l, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.limits = small
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		feed.Put(catalogtest.Activity(i))
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := l.View()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if l.fold(over) {
		t.Error("fold says it merged although it was told to end")
	}
	if l.View() != before {
		t.Error("a fold that gave up changed the View")
	}
	if !l.fold(t.Context()) || len(l.View().layers) >= len(before.layers) {
		t.Error("the next fold merged nothing")
	}
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(before.counts)), slices.Sorted(maps.Keys(l.View().counts))); diff != "" {
		t.Error(diff)
	}
}
