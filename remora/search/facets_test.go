package search

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestFacetsLikeMaps compares facets and sets with maps.
func TestFacetsLikeMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.IntRange(0, 300).Draw(t, "docs")
		const facets = 3
		// Of few values many documents have each, of many a few.
		values := [facets]int{3, 40, 1000}
		b := NewFacetsBuilder(docs, facets)
		want := [facets]map[string]map[int]bool{{}, {}, {}}
		add := func(doc, facet int, value string) {
			b.Add(doc, facet, value)
			if want[facet][value] == nil {
				want[facet][value] = map[int]bool{}
			}
			want[facet][value][doc] = true
		}
		for doc := range docs {
			for facet, most := range values {
				for range rapid.IntRange(0, 3).Draw(t, "values") {
					add(doc, facet, fmt.Sprint(rapid.IntRange(0, most).Draw(t, "value")))
				}
			}
		}
		f := b.Facets()
		within := map[int]bool{}
		set := NewSet(docs)
		if docs > 0 {
			for _, doc := range rapid.SliceOf(rapid.IntRange(0, docs-1)).Draw(t, "within") {
				within[doc] = true
				set.Add(doc)
			}
		}
		for facet := range facets {
			var seen []string
			for value, d := range f.Values(facet) {
				seen = append(seen, value)
				has := want[facet][value]
				both := sortedKeys(has)
				both = slices.DeleteFunc(both, func(doc int) bool { return !within[doc] })
				for what, d := range map[string]Documents{"Values": d, "Value": f.Value(facet, value)} {
					same(t, what+" All", slices.Collect(d.All()), sortedKeys(has))
					same(t, what+" Len", d.Len(), len(has))
					same(t, what+" Count", d.Count(set), len(both))
					narrowed := set.Clone()
					d.Narrow(narrowed)
					same(t, what+" Narrow", slices.Collect(narrowed.All()), both)
					for doc := range docs {
						if d.Has(doc) != has[doc] {
							t.Fatalf("%s Has(%d) = %v", what, doc, !has[doc])
						}
					}
				}
			}
			same(t, "values", seen, sortedKeys(want[facet]))
		}
		nothing := f.Value(0, "no such value")
		same(t, "Len of an unknown value", nothing.Len(), 0)
		same(t, "Count of an unknown value", nothing.Count(set), 0)
		emptied := set.Clone()
		nothing.Narrow(emptied)
		same(t, "narrowed by an unknown value", emptied.Len(), 0)
		same(t, "the set that was cloned", slices.Collect(set.All()), sortedKeys(within))
	})
}

func sortedKeys[K ~string | ~int, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func same(t *rapid.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestSetOperations(t *testing.T) {
	const most = 130
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.IntRange(0, most-1))
		make := func(label string) (*Set, map[int]bool) {
			s, m := NewSet(most), map[int]bool{}
			for _, n := range numbers.Draw(t, label) {
				s.Add(n)
				m[n] = true
			}
			return s, m
		}
		a, inA := make("a")
		b, inB := make("b")
		for _, op := range []struct {
			name string
			do   func(s *Set)
			in   func(n int) bool
		}{
			{"And", func(s *Set) { s.And(b) }, func(n int) bool { return inA[n] && inB[n] }},
			{"AndNot", func(s *Set) { s.AndNot(b) }, func(n int) bool { return inA[n] && !inB[n] }},
			{"Or", func(s *Set) { s.Or(b) }, func(n int) bool { return inA[n] || inB[n] }},
			{"Remove", func(s *Set) {
				for n := range inB {
					s.Remove(n)
				}
			}, func(n int) bool { return inA[n] && !inB[n] }},
		} {
			s := a.Clone()
			op.do(s)
			var want []int
			for n := range most {
				if op.in(n) {
					want = append(want, n)
				}
				if s.Has(n) != op.in(n) {
					t.Fatalf("%s: Has(%d) = %v", op.name, n, s.Has(n))
				}
			}
			same(t, op.name, slices.Collect(s.All()), want)
			same(t, op.name+" Len", s.Len(), len(want))
		}
		same(t, "Cap", a.Clone().Cap(), most)
	})
}

// TestFacetsStaySmall holds the promise on memory: rare values four bytes, common ones a bit each.
func TestFacetsStaySmall(t *testing.T) {
	const docs = 64_000
	b := NewFacetsBuilder(docs, 2)
	for doc := range docs {
		b.Add(doc, 0, "all")
		b.Add(doc, 1, fmt.Sprint(doc/2))
	}
	// A bitmap; then two numbers, a header and a place for each value.
	most := int64(docs/8+24) + int64(docs*4+docs/2*24)
	if got := b.Facets().Bytes(); got > most {
		t.Errorf("%d bytes, want at most %d", got, most)
	}
}
