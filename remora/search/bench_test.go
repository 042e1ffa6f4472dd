package search

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/internal/benchtest"
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

// BenchmarkSearch reports how long searches take, by what is asked: the median
// and the slowest of a hundred in time of the processor, which does not depend
// on what else the machine does. All count their matches, as pages do.
func BenchmarkSearch(b *testing.B) {
	for _, docs := range []int{10_000, 100_000} {
		if testing.Short() && docs > 10_000 {
			continue
		}
		x := New((&corpus{docs: docs, description: 30, seed: 1}).all())
		sample := sampleTexts(docs, 400)
		for _, class := range []struct {
			name  string
			typos bool
			text  func(r *rand.Rand, words []string) string
		}{
			{"word", false, func(r *rand.Rand, w []string) string { return pick(r, w) }},
			{"prefix", false, func(r *rand.Rand, w []string) string { return firstRunes(pick(r, w), 1+r.IntN(4)) }},
			{"two", false, func(r *rand.Rand, w []string) string { return pick(r, w) + " " + pick(r, w) }},
			{"common", false, func(r *rand.Rand, _ []string) string {
				return vocabularyWord(0, r.IntN(3)) + " " + vocabularyWord(0, 3+r.IntN(3)) + " " + vocabularyWord(0, 6+r.IntN(3))
			}},
			{"phrase", false, func(r *rand.Rand, w []string) string {
				n := r.IntN(len(w) - 1)
				return `"` + w[n] + " " + w[n+1] + `"`
			}},
			{"typo", true, func(r *rand.Rand, w []string) string { return wrong(r, long(r, w, 4), 1) }},
			{"typos", true, func(r *rand.Rand, w []string) string { return wrong(r, long(r, w, 8), 2) }},
			{"two-typos", true, func(r *rand.Rand, w []string) string {
				return wrong(r, long(r, w, 8), 2) + " " + wrong(r, long(r, w, 4), 1)
			}},
			{"none", true, func(r *rand.Rand, w []string) string { return "zzq" + pick(r, w) + "qzz" }},
			{"letters", false, func(r *rand.Rand, _ []string) string {
				var t strings.Builder
				for range 1 + r.IntN(8) {
					t.WriteString(string(rune('a'+r.IntN(26))) + " ")
				}
				return t.String()
			}},
		} {
			b.Run(fmt.Sprintf("%d/%s", docs, class.name), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				r := rand.New(rand.NewPCG(1, 2))
				var times []time.Duration
				hits, partial := 0, 0
				for b.Loop() {
					q := Query{Text: class.text(r, sample[r.IntN(len(sample))]), Locale: "l0", Typos: class.typos, Count: true}
					start := benchtest.CPUTime(b)
					found := x.Search(q)
					times = append(times, benchtest.CPUTime(b)-start)
					hits += len(found.Hits)
					if found.Partial {
						partial++
					}
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
				b.ReportMetric(float64(hits)/float64(len(times)), "hits")
				b.ReportMetric(100*float64(partial)/float64(len(times)), "%partial")
			})
		}
	}
}

// sampleTexts returns the words of texts of the corpus, of many documents.
func sampleTexts(docs, n int) (texts [][]string) {
	i := 0
	for d := range (&corpus{docs: docs, description: 30, seed: 1}).all() {
		if i++; i > 4*n {
			break
		}
		// Every language that has words between spaces.
		if f := d.Fields[1+3*(i%3)]; len(strings.Fields(f.Text)) > 2 {
			texts = append(texts, strings.Fields(f.Text))
		}
	}
	return texts
}

func pick(r *rand.Rand, words []string) string { return words[r.IntN(len(words))] }

// long picks a word of at least n letters, where there is one.
func long(r *rand.Rand, words []string, n int) string {
	var fit []string
	for _, w := range words {
		if utf8.RuneCountInString(w) >= n {
			fit = append(fit, w)
		}
	}
	if len(fit) == 0 {
		return pick(r, words)
	}
	return pick(r, fit)
}

// wrong changes n letters of a word.
func wrong(r *rand.Rand, word string, n int) string {
	letters := []rune(word)
	for range n {
		at := r.IntN(len(letters))
		switch r.IntN(4) {
		case 0:
			letters = slices.Delete(letters, at, at+1)
		case 1:
			letters = slices.Insert(letters, at, letters[r.IntN(len(letters))])
		case 2:
			letters[at] = letters[r.IntN(len(letters))]
		default:
			other := (at + 1) % len(letters)
			letters[at], letters[other] = letters[other], letters[at]
		}
	}
	return string(letters)
}
