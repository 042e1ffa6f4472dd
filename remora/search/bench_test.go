package search

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func BenchmarkNew(b *testing.B) {
	for _, c := range []struct {
		name  string
		docs  int
		words int
	}{{"256x3", 256, 10}, {"1k", 1000, 30}, {"10k", 10_000, 30}, {"100k", 100_000, 30}} {
		b.Run(c.name, func(b *testing.B) {
			if testing.Short() && c.docs > 10_000 {
				b.Skip("takes a gigabyte")
			}
			docs := collect((&corpus{docs: c.docs, description: c.words, seed: 1}).all())
			var text int64
			for i := range docs {
				if c.name == "256x3" { // the overlay of recent changes
					docs[i].Fields = docs[i].Fields[:min(9, len(docs[i].Fields))]
				}
				for _, f := range docs[i].Fields {
					text += int64(len(f.Text))
				}
			}
			b.SetBytes(text)
			var x *Index
			for b.Loop() {
				x = New(slices.Values(docs))
			}
			b.ReportMetric(float64(x.Stats().Bytes)/float64(text), "B/textbyte")
			b.ReportMetric(float64(text)/1e6, "text-MB")
			b.ReportMetric(float64(x.Stats().Terms), "terms")
		})
	}
}

// collect copies documents whose fields are used again.
func collect(seq func(func(Document) bool)) (docs []Document) {
	seq(func(d Document) bool {
		d.Fields = slices.Clone(d.Fields)
		docs = append(docs, d)
		return true
	})
	return docs
}

func BenchmarkSearch(b *testing.B) {
	for _, docs := range []int{10_000, 100_000} {
		if testing.Short() && docs > 10_000 {
			continue
		}
		x := New((&corpus{docs: docs, description: 30, seed: 1}).all())
		common, rare := vocabularyWord(0, 0), vocabularyWord(0, 20_000)
		for _, q := range []struct{ name, text string }{
			{"letter", "e"},
			{"letters", "a b c d e f g h i j k l m n o p"},
			{"two", "ab"},
			{"common", common},
			{"commons", common + " " + vocabularyWord(0, 1) + " " + vocabularyWord(0, 2)},
			{"rare+letter", rare + " a"},
			{"rare", rare},
			{"han", "一"},
			{"none", "zzzzzzzzz"},
		} {
			b.Run(fmt.Sprintf("%d/%s", docs, q.name), func(b *testing.B) {
				var worst time.Duration
				n := 0
				for b.Loop() {
					start := time.Now()
					n = len(x.Search(Query{Text: q.text, Locale: "l0"}).Hits)
					worst = max(worst, time.Since(start))
				}
				b.ReportMetric(float64(worst.Microseconds()), "max-µs")
				b.ReportMetric(float64(n), "hits")
			})
		}
	}
}
