package web

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

func TestParseQuery(t *testing.T) {
	q, err := parseQuery("q=%20a%09%09b%00c%20&category=games&sort=name&after=x&sugar=0.113&unknown=1&q=second")
	if err != nil {
		t.Fatal(err)
	}
	want := question{search: "a  bc", sort: remora.SortName, after: "x", sugar: remora.MustNumber("0.114")}
	want.filter[live.FacetCategory], want.filter[live.FacetSugar] = "games", "0.114"
	if diff := cmp.Diff(want, q, cmp.AllowUnexported(question{}), cmp.Comparer(func(a, b remora.Number) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	for raw, code := range map[string]string{"q=%z": "query.syntax", "tag=%ff": "query.syntax", "license=" + strings.Repeat("x", maxValue+1): "query.syntax", "a;b": "query.syntax", "sort=x": "sort.unknown", "sugar=x": "sugar.syntax", "sugar=0.120.x.y": "", strings.Repeat("a", maxQuery+1): "query.syntax"} {
		_, err := parseQuery(raw)
		switch e, ok := err.(*remora.Error); {
		case code == "" && err == nil:
		case !ok || e.Code != code || e.Kind != remora.KindInvalid:
			t.Errorf("%.20q: %v, want %s", raw, err, code)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("q=paint&sort=name&category=games&after=AAAA&sugar=0.120")
	f.Add("q=%zz")
	f.Add("q=%F0%28%8C%28&q=2")
	f.Add("sugar=0.99999999999")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw)
		if err != nil {
			if remora.KindOf(err) != remora.KindInvalid || faultOf(err).status() != 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		if !utf8.ValidString(q.search) || utf8.RuneCountInString(q.search) > maxSearch || strings.ContainsAny(q.search, "\x00\n\r\t") {
			t.Fatalf("searches for %q", q.search)
		}
		if searchText(q.search) != q.search {
			t.Fatalf("%q becomes another text", q.search)
		}
	})
}

func FuzzParagraphs(f *testing.F) {
	f.Add("a\n\nb\r\nc\r\rd")
	f.Add("\n \n\t\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range paragraphs(s) {
			if strings.TrimSpace(p) != p || p == "" || strings.Contains(p, "\n\n") || strings.Contains(p, "\r") {
				t.Fatalf("%q has the paragraph %q", s, p)
			}
		}
	})
}
