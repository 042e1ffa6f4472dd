package live

import (
	"math"
	"slices"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

func TestCorrected(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		words []search.Found
		want  string
	}{
		"nothing was found":            {"Paint", nil, ""},
		"as it is":                     {"Paint", []search.Found{{Word: "paint"}}, ""},
		"one of two":                   {"Turtel Art", []search.Found{{Word: "turtel", Term: "turtle"}, {Word: "art"}}, "turtle Art"},
		"the reader's own signs":       {` "Turtel": ¿Pnit? `, []search.Found{{Word: "turtel", Term: "turtle"}, {Word: "pnit", Term: "paint"}}, `"turtle": ¿paint?`},
		"accents":                      {"canción Ñandu", []search.Found{{Word: "cancion"}, {Word: "nandu", Term: "nanduti"}}, "canción nanduti"},
		"the same word twice":          {"jma JMA", []search.Found{{Word: "jma", Term: "jam"}}, "jam jam"},
		"words that are cut elsewhere": {"音乐jma", []search.Found{{Word: "音乐"}, {Word: "jma", Term: "jam"}}, "音乐 jam"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := corrected(test.text, test.words); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestPlacesOfHits(t *testing.T) {
	for _, h := range []search.Hit{{ID: 1, Score: 150}, {ID: 1 << 60, Score: 0.001}, {ID: 0, Score: math.SmallestNonzeroFloat32}} {
		if got := hitAt(placeOf(h)); got != h {
			t.Errorf("%v came back as %v", h, got)
		}
	}
	for _, c := range []remora.Cursor{
		{}, {ID: 5}, {Num: -1, ID: 5}, {Num: 1 << 40, ID: 5},
		{Num: int64(math.Float32bits(float32(math.NaN()))), ID: 5}, {Num: int64(math.Float32bits(-1)), ID: 5},
	} {
		if got := hitAt(c); got != (search.Hit{}) {
			t.Errorf("%v is the place of %v", c, got)
		}
	}
}

// TestSuggest looks at names only, the reader's language first.
func TestSuggest(t *testing.T) {
	named := func(id int64, en, es, summary string) remora.Activity {
		a := plain(id, "turtle")
		a.Name = remora.NewText(map[string]string{"en": en, "es": es})
		a.Summary = remora.PlainText("en", summary)
		return a
	}
	v := viewWith(t, named(1, "Turtle Art", "Arte Tortuga", ""), named(2, "Art Studio", "Estudio", "a turtle"), named(3, "Speak", "Habla", "turtle art"))
	for text, want := range map[string][]int64{
		"turt":       {1},
		"art":        {1, 2},
		"turtle art": {1},
		"estu":       {2},
		"studio ar":  {2},
		"":           {},
		"  ":         {},
		"xylophone":  {},
	} {
		got := idsOf(v.Suggest(text, "en", 5))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q suggests %v, want %v", text, got, want)
		}
	}
	if got := v.Suggest("art", "en", 1); len(got) != 1 {
		t.Errorf("%d suggestions, one is wanted", len(got))
	}
	if got := v.Suggest("art", "en", -1); got != nil {
		t.Errorf("%v suggested, nothing is wanted", idsOf(got))
	}
}

// TestFindPrefersWhatRuns has two activities alike but for the Sugar they are for.
func TestFindPrefersWhatRuns(t *testing.T) {
	old, new := plain(1), plain(2)
	old.Versions[0].Range = remora.Range{Max: remora.MustNumber("0.116")}
	new.Versions[0].Range = remora.Range{Min: remora.MustNumber("0.118")}
	v := viewWith(t, old, new)
	for sugar, first := range map[string]int64{"0.98": 1, "0.116": 1, "0.117": 2, "0.122": 2, "0.140": 2} {
		found := v.Find(Query{Text: "thing", Sugar: remora.MustNumber(sugar), Limit: 2})
		if got := idsOf(found.Activities); len(got) != 2 || got[0] != first {
			t.Errorf("on Sugar %s: %v, want %d first", sugar, got, first)
		}
	}
}

func TestFindCorrects(t *testing.T) {
	in := func(a remora.Activity, name, category string) remora.Activity {
		a.Name, a.Categories = remora.PlainText("en", name), []string{category}
		return a
	}
	v := viewWith(t, in(plain(1), "Turtle Art", "art"), in(plain(2), "Turtle Blocks", "maths"), in(plain(3), "Speak", "maths"))
	for name, test := range map[string]struct {
		text, category string
		want           []int64
		corrected      string
	}{
		"as it is written":            {"Turtle", "", []int64{1, 2}, ""},
		"a beginning":                 {"turt", "", []int64{1, 2}, ""},
		"misspelt":                    {"Turtel", "", []int64{1, 2}, "turtle"},
		"one word misspelt":           {"Turtel BLOCKS", "", []int64{2}, "turtle BLOCKS"},
		"misspelt and narrowed":       {"Turtel", "art", []int64{1}, "turtle"},
		"only elsewhere":              {"Speak", "art", nil, ""}, // and not "spark" here
		"misspelt and only elsewhere": {"Spaek", "art", nil, ""},
		"nothing like it":             {"xylophone", "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, counts := range []bool{false, true} {
				q := Query{Text: test.text, Limit: 1, Counts: counts, Filter: Filter{FacetCategory: test.category}}
				var got []int64
				for {
					found := v.Find(q)
					got = append(got, idsOf(found.Activities)...)
					if found.Corrected != test.corrected || found.Total != len(test.want) {
						t.Errorf("corrected to %q, %d in all; want %q, %d", found.Corrected, found.Total, test.corrected, len(test.want))
					}
					if q.After = found.Next; q.After == (remora.Cursor{}) {
						break
					}
				}
				if slices.Sort(got); !slices.Equal(got, test.want) {
					t.Errorf("found %v, want %v", got, test.want)
				}
			}
		})
	}
	if got := idsOf(v.Suggest("Spaek", "en", 5)); !slices.Equal(got, []int64{3}) {
		t.Errorf("for a misspelt name %v is suggested", got)
	}
}
