package intake_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

const index = `Bundle_ID,number,addon_id,file_id,category,featured,sugar_min,sugar_max,hidden
org.example.Dance,,4024,,games art,2,,,
org.example.Dance,1.9,,23559,,,0.86,0.98,
org.example.Dance,1.10,,,music,,0.114,,
org.example.Secret,,,,,,,,yes
`

func ptr[T any](v T) *T { return &v }

func TestIndexFacts(t *testing.T) {
	x, err := intake.ReadIndex(strings.NewReader("\ufeff" + index))
	if err != nil {
		t.Fatal(err)
	}
	old := remora.Range{Min: remora.MustNumber("0.86"), Max: remora.MustNumber("0.98")}
	for _, tt := range []struct {
		id, number string
		want       intake.Facts
	}{
		{"org.example.DANCE", "1.9", intake.Facts{ActivityID: 4024, FileID: 23559, Range: &old, Categories: []string{"games", "art"}, FeaturedRank: ptr(2)}},
		{"org.example.Dance", "1.10", intake.Facts{ActivityID: 4024, Range: &remora.Range{Min: remora.MustNumber("0.114")}, Categories: []string{"music"}, FeaturedRank: ptr(2)}},
		{"org.example.Dance", "7", intake.Facts{ActivityID: 4024, Categories: []string{"games", "art"}, FeaturedRank: ptr(2)}},
		{"org.example.Secret", "1", intake.Facts{Hidden: true}},
		{"org.example.Other", "1", intake.Facts{}},
	} {
		got := x.Facts(tt.id, remora.MustNumber(tt.number))
		if d := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b remora.Range) bool { return a == b })); d != "" {
			t.Errorf("%s %s (-want +got)\n%s", tt.id, tt.number, d)
		}
	}
	x.Range = &old
	if got := x.Facts("org.example.Other", remora.MustNumber("1")).Range; got == nil || *got != old {
		t.Errorf("the range for all is not used: %v", got)
	}
}

func TestIndexMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // in the error
	}{
		{"empty", "", []string{"empty"}},
		{"unknown column", "bundle_id,colour\n", []string{`"colour"`, "sugar_min"}},
		{"no id column", "number\n", []string{"bundle_id is missing"}},
		{"every line", "bundle_id,addon_id,hidden\norg.x,0,\norg.y,,perhaps\n,1,\n", []string{"line 2", "line 3", "line 4"}},
		{"twice", "bundle_id,number\norg.x,1\nORG.X,1\n", []string{"line 3", "second time"}},
		{"bad number", "bundle_id,number\norg.x,01\n", []string{"line 2", "leading zero"}},
		{"file without number", "bundle_id,file_id\norg.x,3\n", []string{"line 2", "file_id"}},
		{"range", "bundle_id,sugar_min,sugar_max\norg.x,0.98,0.86\n", []string{"line 2", "ends before"}},
		{"fields", "bundle_id,number\norg.x\n", []string{"line 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := intake.ReadIndex(strings.NewReader(tt.text))
			if err == nil || remora.KindOf(err) != remora.KindInvalid {
				t.Fatalf("error %v, want one of KindInvalid", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q: %v", w, err)
				}
			}
		})
	}
}

func TestIndexRoundTrip(t *testing.T) {
	a := remora.Activity{ID: 4024, BundleID: "org.example.Dance", FeaturedRank: 2, Categories: []string{"games", "art"}, State: remora.ActivityDisabled,
		Versions: []remora.Version{
			{Release: remora.Release{Number: remora.MustNumber("1.9"), RangeSource: remora.RangeSet, Range: remora.Range{Min: remora.MustNumber("0.86")}}, FileID: 7},
			{Release: remora.Release{Number: remora.MustNumber("33~dfsg"), Range: remora.InferRange(remora.InterpreterPython2)}, FileID: 8},
		}}
	var b bytes.Buffer
	if err := intake.WriteIndex(&b, []remora.Activity{a}); err != nil {
		t.Fatal(err)
	}
	x, err := intake.ReadIndex(&b)
	if err != nil {
		t.Fatal(err)
	}
	got := x.Facts(a.BundleID, a.Versions[0].Number)
	want := intake.Facts{ActivityID: 4024, FileID: 7, Range: &a.Versions[0].Range, Categories: a.Categories, FeaturedRank: ptr(2), Hidden: true}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b remora.Range) bool { return a == b })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if f := x.Facts(a.BundleID, a.Versions[1].Number); f.Range != nil || f.FileID != 8 {
		t.Errorf("an inferred range must not come back as one that was set: %+v", f)
	}
}

func FuzzReadIndex(f *testing.F) {
	f.Add(index)
	f.Add("bundle_id,number\n\"a\nb\",1\n")
	f.Fuzz(func(t *testing.T, text string) {
		x, err := intake.ReadIndex(strings.NewReader(text))
		if err != nil {
			if remora.KindOf(err) != remora.KindInvalid {
				t.Errorf("kind %v: %v", remora.KindOf(err), err)
			}
			return
		}
		x.Facts("org.example.Dance", remora.MustNumber("1"))
	})
}

func ExampleReadIndex() {
	x, err := intake.ReadIndex(strings.NewReader("bundle_id,addon_id,category\norg.example.Dance,4024,games\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	facts := x.Facts("org.example.dance", remora.MustNumber("3"))
	fmt.Println(facts.ActivityID, facts.Categories)
	// Output: 4024 [games]
}
