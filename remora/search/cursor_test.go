package search

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCursor reads a list with skip table in steps and jumps of all sizes.
func TestCursor(t *testing.T) {
	const docs = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	var want []uint32
	x := New(func(yield func(Document) bool) {
		for i := range docs {
			d := Document{ID: int64(i)}
			if r.IntN(3) > 0 {
				want = append(want, uint32(i))
				for _, l := range []string{"a", "b", "c"}[:1+r.IntN(3)] {
					d.Fields = append(d.Fields, Field{l, 7, "word"})
				}
			}
			if !yield(d) {
				return
			}
		}
	})
	list := x.terms.find([]byte("word"))
	factors := slices.Repeat([]uint32{7}, len(x.slots))
	for range 200 {
		c, count := newCursor(list, qualityWord)
		if int(count) != len(want) {
			t.Fatalf("%d documents, want %d", count, len(want))
		}
		for at := 0; ; {
			if at == len(want) {
				if c.doc != noDoc {
					t.Fatalf("at %d after the end", c.doc)
				}
				break
			}
			if c.doc != want[at] {
				t.Fatalf("at %d, want %d", c.doc, want[at])
			}
			if r.IntN(4) == 0 {
				target := c.doc + 1 + r.Uint32N(1<<r.IntN(14))
				i, _ := slices.BinarySearch(want, target)
				read := c.seek(target)
				if read > 3*(skipEvery+1) {
					t.Fatalf("passed %d postings on the way from %d to %d", read, want[at], target)
				}
				at = i
				continue
			}
			if best, read := c.best(factors); best != 7 || read < 1 || read > 3 {
				t.Fatalf("best of %d: %d, %d read", c.doc, best, read)
			}
			c.step()
			at++
		}
	}
}

// TestSearchStopsNoEarlierThanItMay has the best document behind the first
// window, where the score that is still possible is just enough.
func TestSearchStopsNoEarlierThanItMay(t *testing.T) {
	const fillers = 9000
	for _, c := range []struct {
		name   string
		boost  float32 // of the fillers
		weight uint8   // of the fillers
		best   uint8   // weight of the last document, which has no boost
	}{
		{"greater score", 0.5, 50, 65},
		{"equal score after rounding, smaller id", 1e-9, 100, 100},
	} {
		x := New(func(yield func(Document) bool) {
			for i := range int64(fillers) {
				if !yield(Document{ID: 1000 + i, Boost: c.boost, Fields: []Field{{"en", c.weight, "word"}}}) {
					return
				}
			}
			yield(Document{ID: 5, Fields: []Field{{"en", c.best, "word"}}})
		})
		got := x.Search(Query{Text: "word", Limit: 1}).Hits
		if want := (Hit{5, score(uint32(c.best)*localeSame*(qualityWord+qualityWhole), 1, 0, true)}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
	}
}

// TestSearchStopsNoEarlierThanAWholeName has popular documents that no other
// can reach but the one whose name is the query, and that far behind.
func TestSearchStopsNoEarlierThanAWholeName(t *testing.T) {
	x := New(func(yield func(Document) bool) {
		for i := range int64(9000) {
			d := of(i, "en", "turtle blocks more")
			d.Boost = 0.1
			if !yield(d) {
				return
			}
		}
		yield(of(9000, "en", "Turtle blocks"))
	})
	for _, count := range []bool{false, true} {
		got := x.Search(Query{Text: "turtle blocks", Locale: "en", Limit: 2, Count: count}).Hits
		if diff := cmp.Diff([]Hit{{9000, 120}, {0, 105}}, got); diff != "" {
			t.Errorf("count %v: -want +got\n%s", count, diff)
		}
	}
}

// TestSearchStopsEarly looks at the work saved once nothing better can come.
func TestSearchStopsEarly(t *testing.T) {
	x := New(func(yield func(Document) bool) {
		for i := range int64(20_000) {
			if !yield(Document{ID: i, Fields: []Field{{"en", 100, "word"}}}) {
				return
			}
		}
	})
	s := new(search)
	if !s.open(x, parse("word"), false) {
		t.Fatal("the word has no list")
	}
	s.weigh(x, "en", 0)
	var r Result
	if s.run(x, &Query{Limit: 10}, &r); len(r.Hits) != 10 || s.spent > 2*firstWindow {
		t.Errorf("%d hits after %d postings", len(r.Hits), s.spent)
	}
}
