package remora_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/remora"
)

var allSorts = []remora.Sort{remora.SortUpdated, remora.SortNewest, remora.SortName, remora.SortPopular, remora.SortFeatured}

func paint() remora.Activity {
	return remora.Activity{
		ID: 100001, BundleID: "org.laptop.Oficina", Slug: "paint", Listed: true, DefaultLocale: "en",
		Name: remora.NewText(map[string]string{"en": "Paint", "es": "Pintar"}), Summary: remora.PlainText("en", "Draw."),
		Description: remora.PlainText("en", strings.Repeat("A long tale. ", 5000)), License: "MIT", LicenseText: "MIT",
		Homepage: "https://example.org", Repository: "https://example.org/git", Categories: []string{"art", "media"}, Tags: []string{"draw"},
		Downloads: 9, Created: 1, Updated: 2, Revision: 3,
		Versions: []remora.Version{{
			Release: remora.Release{ID: 1000001, Number: remora.MustNumber("41"), State: remora.StatePublished, Archs: []string{"x86_64"}, Range: remora.Range{Min: remora.MustNumber("0.114")}},
			FileID:  7, Filename: "paint-41.xo", Size: 5, SHA256: remora.Digest{1}, Notes: remora.PlainText("en", "New."),
		}},
	}
}

func TestSnapshotLookups(t *testing.T) {
	a, b := paint(), paint()
	b.ID, b.BundleID, b.Versions[0].ID, b.Versions[0].FileID, b.Versions[0].SHA256 = 5, "org.x.B", 2, 0, remora.Digest{}
	var build remora.SnapshotBuilder
	build.Add(a)
	build.Add(b)
	header := remora.Header{Position: remora.Position{Epoch: "e", Seq: 4}}
	s := build.Snapshot(header)
	if diff := gocmp.Diff(header, *s.Header()); diff != "" {
		t.Error(diff)
	}
	if s.Len() != 2 || len(s.All()) != 2 || s.All()[0].ID != 5 {
		t.Errorf("All is not by id: %d activities", s.Len())
	}
	if diff := gocmp.Diff(a, *s.Activity(a.ID), numbersByValue, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Activity (-added +found):\n%s", diff)
	}
	for what, found := range map[string]*remora.Activity{
		"bundle": s.ByBundleID("ORG.laptop.oficina"), "file": s.ByFile(7), "version": s.ByVersion(1000001), "sum": s.BySum(remora.Digest{1}),
	} {
		if found == nil || found.ID != a.ID {
			t.Errorf("by %s: %v", what, found)
		}
	}
	for id, want := range map[int64]int{5: 0, a.ID: 1, 4: 0, 6: 1, a.ID + 1: 2} {
		if i, found := s.Index(id); i != want || found != (id == 5 || id == a.ID) {
			t.Errorf("Index(%d) = %d, %v", id, i, found)
		}
	}
	for i, o := 0, s.Order(remora.SortName, ""); i < o.Len(); i++ {
		if &s.All()[o.Index(i)] != o.At(i) {
			t.Errorf("place %d of the order is not where Index says", i)
		}
	}
	for what, found := range map[string]*remora.Activity{
		"id": s.Activity(6), "bundle": s.ByBundleID("org.laptop"), "no bundle": s.ByBundleID(""), "no file": s.ByFile(0), "file": s.ByFile(8),
		"version": s.ByVersion(3), "no version": s.ByVersion(0), "no sum": s.BySum(remora.Digest{}), "sum": s.BySum(remora.Digest{2}),
	} {
		if found != nil {
			t.Errorf("by an unknown %s: %v", what, found)
		}
	}
	if again := build.Snapshot(header); again.Len() != 0 {
		t.Error("the builder holds on to what it has given away")
	}
}

func TestSnapshotOfTwoWithOneID(t *testing.T) {
	var build remora.SnapshotBuilder
	for _, id := range []int64{9, 3, 9, 1, 3, 3} {
		a := paint()
		a.ID, a.BundleID = id, fmt.Sprint("a.b", id)
		a.Revision = int64(len(a.BundleID)) + int64(cap(a.Versions))
		build.Add(a)
	}
	last := paint()
	last.ID, last.BundleID, last.Revision = 3, "a.b3", 77
	build.Add(last)
	s := build.Snapshot(remora.Header{})
	var ids []int64
	for _, a := range s.All() {
		ids = append(ids, a.ID)
	}
	if diff := gocmp.Diff([]int64{1, 3, 9}, ids); diff != "" {
		t.Error(diff)
	}
	if s.Activity(3).Revision != 77 || s.ByBundleID("a.b3").Revision != 77 || s.Order(remora.SortName, "").Len() != 3 {
		t.Error("of several with one id the last does not count")
	}
}

// TestSnapshotBuilderIndependence changes everything that can be changed of what was added.
func TestSnapshotBuilderIndependence(t *testing.T) {
	a, want := paint(), paint()
	var build remora.SnapshotBuilder
	build.Add(a)
	spoil := func() {
		for _, text := range []remora.Text{a.Name, a.Summary, a.Description, a.Versions[0].Notes} {
			for i := range text {
				text[i] = remora.Localized{Locale: "xx", Value: "spoiled"}
			}
		}
		a.Categories[0], a.Tags[0], a.Versions[0].Archs[0] = "spoiled", "spoiled", "spoiled"
		a.Versions[0] = remora.Version{Filename: "spoiled"}
	}
	spoil()
	s := build.Snapshot(remora.Header{})
	if diff := gocmp.Diff(want, *s.Activity(want.ID), numbersByValue); diff != "" {
		t.Errorf("the snapshot has changed with its input (-want +got):\n%s", diff)
	}
}

func TestCategoriesAreCountedOnce(t *testing.T) {
	a := paint()
	a.Categories = []string{"art", "", "art", "media", "art"}
	var build remora.SnapshotBuilder
	build.Add(a)
	s := build.Snapshot(remora.Header{})
	if diff := gocmp.Diff([]string{"art", "media"}, s.Activity(a.ID).Categories); diff != "" {
		t.Error(diff)
	}
	for category, want := range map[string]int{"": 1, "art": 1, "media": 1, "maths": 0} {
		if got := s.Order(remora.SortName, category).Len(); got != want {
			t.Errorf("category %q has %d", category, got)
		}
	}
	if diff := gocmp.Diff([]string{"art", "", "art", "media", "art"}, a.Categories); diff != "" {
		t.Errorf("the input has changed:\n%s", diff)
	}
}

// modelOrder is what the orders are, said in one comparison each.
func modelOrder(list []remora.Activity, sort remora.Sort, category string) (ids []int64) {
	var in []remora.Activity
	for _, a := range list {
		if a.InLists() && (category == "" || slices.Contains(a.Categories, category)) && (sort != remora.SortFeatured || a.FeaturedRank > 0) {
			in = append(in, a)
		}
	}
	slices.SortFunc(in, func(a, b remora.Activity) int {
		var c int
		switch sort {
		case remora.SortUpdated:
			c = cmp.Compare(b.Updated, a.Updated)
		case remora.SortNewest:
			c = cmp.Compare(b.Created, a.Created)
		case remora.SortPopular:
			c = cmp.Compare(b.Downloads, a.Downloads)
		case remora.SortFeatured:
			c = cmp.Compare(a.FeaturedRank, b.FeaturedRank)
		case remora.SortName:
			name := func(a remora.Activity) string {
				s, _ := a.Name.In(a.DefaultLocale, "")
				return strings.ToLower(strings.TrimLeft(s, " ¡\"#"))
			}
			c = strings.Compare(name(a), name(b))
		}
		return cmp.Or(c, cmp.Compare(b.ID, a.ID))
	})
	for _, a := range in {
		ids = append(ids, a.ID)
	}
	return ids
}

// TestOrders: pages of any size, one behind the other, are the whole list in its order; a cursor
// of an activity that has gone still stands where it stood.
func TestOrders(t *testing.T) {
	categories := []string{"", "art", "maths"}
	rapid.Check(t, func(t *rapid.T) {
		var list []remora.Activity
		for id := range rapid.Int64Range(0, 30).Draw(t, "activities") {
			a := remora.Activity{
				ID: id + 1, Listed: rapid.IntRange(0, 5).Draw(t, "listed") > 0, DefaultLocale: rapid.SampledFrom([]string{"en", "es"}).Draw(t, "locale"),
				Name:         remora.NewText(map[string]string{"en": rapid.SampledFrom([]string{"Paint", "paint", "¡Paint", "zoo", "", "  Álgebra"}).Draw(t, "name"), "es": "Ñandú"}),
				Updated:      remora.Time(rapid.Int64Range(-2, 3).Draw(t, "updated")),
				Created:      remora.Time(rapid.Int64Range(0, 3).Draw(t, "created")),
				Downloads:    rapid.Int64Range(0, 3).Draw(t, "downloads"),
				FeaturedRank: rapid.IntRange(0, 3).Draw(t, "rank"),
				Categories:   rapid.SliceOfNDistinct(rapid.SampledFrom(categories[1:]), 0, 2, rapid.ID).Draw(t, "categories"),
				Versions:     []remora.Version{{Release: remora.Release{State: remora.StatePublished}}},
			}
			list = append(list, a)
		}
		var build remora.SnapshotBuilder
		for _, i := range rapid.Permutation(list).Draw(t, "order") {
			build.Add(i)
		}
		s := build.Snapshot(remora.Header{})
		size := rapid.IntRange(1, 6).Draw(t, "page")
		for _, category := range categories {
			for _, sort := range allSorts {
				want := modelOrder(list, sort, category)
				order := s.Order(sort, category)
				if order.Len() != len(want) {
					t.Fatalf("%v of %q has %d, want %d", sort, category, order.Len(), len(want))
				}
				var got []int64
				var after remora.Cursor
				for {
					from := order.Behind(after)
					if from == order.Len() {
						break
					}
					for i := from; i < min(from+size, order.Len()); i++ {
						got = append(got, order.At(i).ID)
						after = remora.CursorOf(sort, order.At(i))
					}
				}
				if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%v of %q in pages of %d (-want +got):\n%s", sort, category, size, diff)
				}
				// The cursor of one that is not in the list any more.
				if order.Len() == 0 {
					continue
				}
				gone := order.At(rapid.IntRange(0, order.Len()-1).Draw(t, "gone"))
				var fewer remora.SnapshotBuilder
				for _, a := range list {
					if a.ID != gone.ID {
						fewer.Add(a)
					}
				}
				left := fewer.Snapshot(remora.Header{}).Order(sort, category)
				if got, want := left.Behind(remora.CursorOf(sort, gone)), slices.Index(want, gone.ID); got != want {
					t.Fatalf("%v of %q without %d: its place is %d, want %d", sort, category, gone.ID, got, want)
				}
			}
		}
	})
}

func TestOrderOutsideOfAnyList(t *testing.T) {
	var build remora.SnapshotBuilder
	build.Add(paint())
	s := build.Snapshot(remora.Header{})
	for _, o := range []remora.Order{s.Order(remora.Sort(99), ""), s.Order(remora.SortName, "no such"), new(remora.SnapshotBuilder).Snapshot(remora.Header{}).Order(remora.SortName, "")} {
		if o.Len() != 0 || o.Behind(remora.Cursor{ID: 7, Text: "x"}) != 0 {
			t.Errorf("%d activities in a list that there is not", o.Len())
		}
	}
	if s.Order(remora.SortFeatured, "").Len() != 0 {
		t.Error("what is not featured is in the featured list")
	}
}
