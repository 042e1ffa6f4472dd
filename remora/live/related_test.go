package live

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

// plain returns a listed activity that nothing else is known of.
func plain(id int64, tags ...string) remora.Activity {
	return remora.Activity{
		ID: id, BundleID: fmt.Sprintf("org.test.A%d", id), Slug: fmt.Sprintf("a%d", id), Listed: true, DefaultLocale: "en",
		Name: remora.PlainText("en", fmt.Sprintf("Thing %d", id)), Tags: tags,
		Versions: []remora.Version{{Release: remora.Release{ID: 10 * id, Number: remora.MustNumber("1"), State: remora.StatePublished}}},
	}
}

func viewWith(t *testing.T, list ...remora.Activity) *View {
	t.Helper()
	l, err := New(catalogtest.NewFeed(func(yield func(remora.Activity) bool) {
		for _, a := range list {
			if !yield(a) {
				return
			}
		}
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l.View()
}

func TestRelated(t *testing.T) {
	in := func(a remora.Activity, downloads int64, categories ...string) remora.Activity {
		a.Downloads, a.Categories = downloads, categories
		return a
	}
	hidden := plain(9, "draw", "colour")
	hidden.Listed = false
	v := viewWith(t,
		in(plain(1, "draw", "Colour"), 0, "art"),
		in(plain(2, "DRAW", "colour"), 5, "art"), // 5 points
		in(plain(3, "draw", "Draw"), 1, "art"),   // 3: a tag counts once
		in(plain(4, "draw"), 7, "art", "games"),  // 3, more popular
		in(plain(5, "music"), 1000, "art"),       // 1
		in(plain(6, "colour"), 3),                // 2
		in(plain(7, "music"), 1000, "music"),     // nothing
		in(plain(8), 1000, "art"),                // 1, as popular as 5
		hidden,
		in(plain(10, "music"), 2),
	)
	for _, test := range []struct {
		of    int64
		limit int
		want  []int64
	}{
		{1, 10, []int64{2, 4, 3, 6, 5, 8}},
		{1, 3, []int64{2, 4, 3}},
		{1, 0, []int64{}},
		{9, 2, []int64{2, 1}}, // unlisted itself
		{10, 9, []int64{5, 7}},
		{8, 9, []int64{5, 4, 2, 3, 1}},
	} {
		if diff := gocmp.Diff(test.want, idsOf(v.Related(v.Activity(test.of), test.limit))); diff != "" {
			t.Errorf("%d related to %d (-want +got):\n%s", test.limit, test.of, diff)
		}
	}
	if got := v.Related(nil, 5); got != nil {
		t.Errorf("to nothing %v is related", idsOf(got))
	}
}

// TestRelatedIsBounded has more in common than is looked at: the most popular are found all the same.
func TestRelatedIsBounded(t *testing.T) {
	var list []remora.Activity
	for i := range int64(2 * relatedWindow) {
		a := plain(i+1, "common")
		a.Categories, a.Downloads = []string{"art"}, i
		list = append(list, a)
	}
	v := viewWith(t, list...)
	want := []int64{2 * relatedWindow, 2*relatedWindow - 1}
	if diff := gocmp.Diff(want, idsOf(v.Related(v.Activity(1), 2))); diff != "" {
		t.Error(diff)
	}
	if got := len(v.Related(v.Activity(1), len(list))); got != relatedWindow {
		t.Errorf("%d found, want those of the window, %d", got, relatedWindow)
	}
}

func TestTags(t *testing.T) {
	hidden := plain(1, "Hidden", "JAM")
	hidden.State = remora.ActivityDisabled
	v := viewWith(t, hidden, plain(2, "Jam", "art"), plain(3, "jam", "Zoo", ""), plain(4, "JAM", "zoo", "zoo"))
	for range 2 { // counted, and remembered
		want := []Tag{{"jam", "Jam", 3}, {"zoo", "Zoo", 2}, {"art", "art", 1}}
		if diff := gocmp.Diff(want, v.Tags(MaxTags)); diff != "" {
			t.Error(diff)
		}
		if diff := gocmp.Diff(want[:2], v.Tags(2)); diff != "" {
			t.Error(diff)
		}
	}
	if got := len(v.Tags(-1)); got != 0 {
		t.Errorf("%d tags of none wanted", got)
	}
	for tag, want := range map[string]string{"ZOO": "Zoo", "jam": "Jam", "hidden": "hidden", "": ""} {
		if got := v.TagName(tag); got != want {
			t.Errorf("TagName(%q) = %q, want %q", tag, got, want)
		}
	}
}

func TestAuthor(t *testing.T) {
	by := func(a remora.Activity, updated remora.Time, name string) remora.Activity {
		a.Updated, a.Authors = updated, []remora.Author{{ID: 4, Name: "Walter"}, {ID: 5, Name: name}}
		return a
	}
	hidden := by(plain(3), 9, "Anita")
	hidden.Authors = append(hidden.Authors, remora.Author{ID: 6, Name: "Hidden"})
	hidden.Listed = false
	v := viewWith(t, by(plain(1), 5, "Ana"), by(plain(2), 2, "Anna"), hidden)
	for id, want := range map[int64]string{4: "Walter", 5: "Ana", 6: "", 0: ""} {
		if got, found := v.Author(id); got.Name != want || found != (want != "") {
			t.Errorf("Author(%d) = %v, %v", id, got, found)
		}
	}
}
