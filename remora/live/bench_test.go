package live

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/benchtest"
	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

var benchSizes = []int{1_000, 10_000, 100_000}

// library returns one that has loaded n activities, made once for all benchmarks of a size.
func library(b *testing.B, n int) *Library {
	b.Helper()
	l, err := New(catalogtest.NewFeed(catalogtest.Activities(n)), nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := l.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	return l
}

// change applies a new text of activity i.
func change(l *Library, i int) {
	a := catalogtest.Activity(i)
	a.Revision++
	v := l.View()
	d := remora.Delta{Header: v.header, Activities: []remora.Activity{a}}
	d.Seq++
	l.apply(d)
}

// settleLayers changes some activities and folds, so that there are layers of every kind.
func settleLayers(l *Library, n int) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 150 {
		change(l, r.IntN(n))
		for l.fold(context.Background()) {
		}
	}
}

// BenchmarkChangeVisible is the time from a row read to the View that shows it, search included,
// with the folder at work beside it as in life.
func BenchmarkChangeVisible(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := library(b, n)
			ctx, cancel := context.WithCancel(b.Context())
			kick := make(chan struct{}, 1)
			var wg sync.WaitGroup
			wg.Go(func() { l.foldLoop(ctx, kick) })
			r := rand.New(rand.NewPCG(1, 1))
			var took, cpu []time.Duration
			layers := 0
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for b.Loop() {
				a := catalogtest.Activity(r.IntN(n))
				a.Revision++
				d := remora.Delta{Header: l.View().header, Activities: []remora.Activity{a}}
				d.Seq++
				began, used := time.Now(), benchtest.CPUTime(b)
				l.apply(d)
				took = append(took, time.Since(began))
				cpu = append(cpu, benchtest.CPUTime(b)-used)
				layers = max(layers, len(l.View().layers))
				select {
				case kick <- struct{}{}:
				default:
				}
			}
			cancel()
			wg.Wait()
			for unit, times := range map[string][]time.Duration{"µs": took, "cpu-µs": cpu} {
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-"+unit)
				b.ReportMetric(float64(times[len(times)*95/100].Microseconds()), "p95-"+unit)
			}
			b.ReportMetric(float64(layers), "layers-max")
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range benchSizes {
		l := library(b, n)
		settleLayers(l, n)
		v := l.View()
		id := catalogtest.FirstActivity + int64(n/2)
		bundle := v.Activity(id).BundleID
		file := v.Activity(id).Versions[1].FileID
		for name, look := range map[string]func() bool{
			"Activity":   func() bool { return v.Activity(id) != nil },
			"ByBundleID": func() bool { return v.ByBundleID(bundle) != nil },
			"ByFile":     func() bool { _, w := v.ByFile(file); return w != nil },
			"Count":      func() bool { return v.Count("games") > 0 },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !look() {
						b.Fatal("not found")
					}
				}
			})
		}
	}
}

func BenchmarkList(b *testing.B) {
	for _, n := range benchSizes {
		l := library(b, n)
		settleLayers(l, n)
		v := l.View()
		for _, sort := range []remora.Sort{remora.SortUpdated, remora.SortName} {
			whole, _ := v.List(sort, "", remora.Cursor{}, n/2)
			after := remora.CursorOf(sort, whole[len(whole)-1])
			b.Run(fmt.Sprintf("%v/%d", sort, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if page, _ := v.List(sort, "games", after, 24); len(page) != 24 {
						b.Fatalf("%d activities", len(page))
					}
				}
			})
		}
	}
}

// BenchmarkFind is a page of a list: narrowed by nothing, by one and by three values, and by one
// that is so rare that the end of the list is looked at; with the counts beside it and without.
func BenchmarkFind(b *testing.B) {
	for _, n := range benchSizes {
		l := library(b, n)
		settleLayers(l, n)
		v := l.View()
		rare := Filter{FacetTag: v.values(FacetTag, v.shown)[0].Value, FacetCategory: "games", FacetLicense: "MIT", FacetSize: "1", FacetInterpreter: "web", FacetLanguage: "am"}
		for _, q := range []struct {
			name   string
			filter Filter
		}{
			{"all", Filter{}},
			{"one", Filter{FacetCategory: "games"}},
			{"three", Filter{FacetCategory: "games", FacetLicense: "MIT", FacetSugar: "0.114"}},
			{"rare", rare},
			{"nothing", Filter{FacetTag: "no such tag"}},
		} {
			for _, counts := range []bool{false, true} {
				name := q.name
				if counts {
					name += "+counts"
				}
				b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						v.Find(Query{Filter: q.filter, Limit: 24, Counts: counts})
					}
				})
			}
		}
		b.Run(fmt.Sprintf("Related/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := int64(0)
			for b.Loop() {
				v.Related(v.Activity(catalogtest.FirstActivity+i%int64(n)), 6)
				i++
			}
		})
		b.Run(fmt.Sprintf("Tags/%d", n), func(b *testing.B) {
			for b.Loop() {
				(&View{layers: v.layers, shown: v.shown}).Tags(50)
			}
		})
	}
}

// BenchmarkSearch is a page of what words find, with counts and without, and with a filter.
func BenchmarkSearch(b *testing.B) {
	for _, n := range benchSizes {
		l := library(b, n)
		settleLayers(l, n)
		v := l.View()
		words := []string{"ka", "kalo", "lomi tuse", "学", "moncha"}
		for _, q := range []struct {
			name string
			Query
		}{
			{"bare", Query{}},
			{"counts", Query{Counts: true}},
			{"filter+counts", Query{Counts: true, Filter: Filter{FacetCategory: "games", FacetSugar: "0.114"}}},
		} {
			b.Run(fmt.Sprintf("%s/%d", q.name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					q := q.Query
					q.Text, q.Locale, q.Limit, q.Sugar = words[i%len(words)], "es", 24, remora.NewestSugar
					v.Find(q)
					i++
				}
			})
		}
	}
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkHeap reports the memory an activity takes, beside the text in it.
func BenchmarkHeap(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text, bare, indexed, faceted, took, sorted float64
			for b.Loop() {
				before := heapNow()
				var builder remora.SnapshotBuilder
				bytes := 0
				for a := range catalogtest.Activities(n) {
					bytes += catalogtest.TextBytes(&a)
					builder.Add(a)
				}
				snap := builder.Snapshot(remora.Header{})
				alone := heapNow()
				began := time.Now()
				index := search.New(documents(context.Background(), snap))
				took = time.Since(began).Seconds()
				both := heapNow()
				began = time.Now()
				facets, listed := facetsOf(snap)
				sorted = time.Since(began).Seconds()
				three := heapNow()
				faceted = float64(three-both) / float64(n)
				text = float64(bytes) / float64(n)
				bare = float64(alone-before) / float64(n)
				indexed = float64(both-before) / float64(n)
				runtime.KeepAlive(snap)
				runtime.KeepAlive(index)
				runtime.KeepAlive(facets)
				runtime.KeepAlive(listed)
			}
			b.ReportMetric(text, "text-B/activity")
			b.ReportMetric(bare, "heap-B/activity")
			b.ReportMetric(indexed, "heap+index-B/activity")
			b.ReportMetric(sorted*1000, "facets-ms")
			b.ReportMetric(faceted, "facets-B/activity")
			b.ReportMetric(bare-1.5*text, "over-1.5×text-B/activity")
			b.ReportMetric(took*1000, "index-ms")
		})
	}
}

func BenchmarkSaveLoad(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		v := library(b, n).View()
		var file bytes.Buffer
		b.Run(fmt.Sprintf("save/%d", n), func(b *testing.B) {
			for b.Loop() {
				file.Reset()
				if err := writeView(&file, v, time.Time{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(file.Len())/float64(n), "B/activity")
		})
		b.Run(fmt.Sprintf("load/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := readView(bytes.NewReader(file.Bytes())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFold is what the folder does to take a full set of layers into the base.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := library(b, n)
			for b.Loop() {
				p, worth := l.plan(true)
				if !worth || !l.install(b.Context(), p, merge(b.Context(), p.list[p.from:p.to], p.downs, p.intoBase())) {
					b.Fatal("nothing was merged")
				}
			}
		})
	}
}
