package search

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// leastRelevance is the mean reciprocal rank of the best activity, by class of
// query, below which ranking must not fall.
var leastRelevance = map[string]float64{
	"all":                               0.98,
	"names":                             1,
	"accents":                           1,
	"prefixes":                          1,
	"tags and summaries":                1,
	"plurals":                           0.94,
	"phrases":                           1,
	"typos":                             0.95,
	"typing with typos":                 1,
	"Arabic":                            0.95,
	"Chinese and Japanese":              1,
	"other languages than the reader's": 1,
}

// Weights as the catalog has them.
const (
	testName    = 16
	testTag     = 8
	testSummary = 4
)

// relevanceCase is what somebody types, and what should come first.
type relevanceCase struct {
	class, locale, text string
	want                []string
}

// TestRelevance asks a small catalog what people ask, as a page does: first as
// it is typed, and when that finds nothing, with typos.
func TestRelevance(t *testing.T) {
	keys, docs, cases := readRelevance(t)
	x := New(slices.Values(docs))
	sum, count := map[string]float64{}, map[string]float64{}
	for _, c := range cases {
		q := Query{Text: c.text, Locale: c.locale, Limit: len(docs)}
		r := x.Search(q)
		if len(r.Hits) == 0 {
			q.Typos = true
			r = x.Search(q)
		}
		var got []string
		for _, h := range r.Hits {
			got = append(got, keys[h.ID])
		}
		score := 0.0
		if at := slices.IndexFunc(got, func(k string) bool { return slices.Contains(c.want, k) }); at >= 0 {
			score = 1 / float64(at+1)
		}
		if score < 1 {
			t.Logf("%s: %s %q: %v, want %v", c.class, c.locale, c.text, got[:min(len(got), 5)], c.want)
		}
		for _, class := range []string{c.class, "all"} {
			sum[class] += score
			count[class]++
		}
	}
	if count["all"] < 120 || len(docs) < 55 {
		t.Errorf("%v queries of %d activities", count["all"], len(docs))
	}
	for class := range count {
		mean := sum[class] / count[class]
		least, known := leastRelevance[class]
		t.Logf("%-40s %.3f of %v", class, mean, count[class])
		if !known || mean < least {
			t.Errorf("%s: mean reciprocal rank %.3f, at least %.3f wanted", class, mean, least)
		}
	}
}

// readRelevance reads the catalog and the queries.
func readRelevance(t *testing.T) (keys []string, docs []Document, cases []relevanceCase) {
	data, err := os.ReadFile("testdata/relevance.txt")
	if err != nil {
		t.Fatal(err)
	}
	class, begun := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case word == "#":
		case line == "":
			begun = false
		case word == "==":
			class = rest
		case class != "":
			text, want, ok := strings.Cut(rest, " = ")
			if !ok {
				t.Fatalf("no answer in %q", line)
			}
			cases = append(cases, relevanceCase{class, word, text, strings.Fields(want)})
			for _, k := range strings.Fields(want) {
				if !slices.Contains(keys, k) {
					t.Fatalf("no activity %q", k)
				}
			}
		case !begun:
			popularity, err := strconv.ParseFloat(rest, 32)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, Document{ID: int64(len(docs)), Boost: float32(popularity)})
			keys = append(keys, word)
			begun = true
		default:
			d := &docs[len(docs)-1]
			if word == "tags" {
				for tag := range strings.FieldsSeq(rest) {
					d.Fields = append(d.Fields, Field{"", testTag, tag})
				}
				continue
			}
			name, summary, _ := strings.Cut(rest, " | ")
			d.Fields = append(d.Fields, Field{word, testName, name}, Field{word, testSummary, summary})
		}
	}
	return keys, docs, cases
}
