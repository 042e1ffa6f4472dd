package nfsstore

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/nfsstore/memvol"
)

// Whatever comes and goes in whatever order, with the source away now and then, more changes than are
// remembered and copies that take long: in the end the mirror has what it has to have.
func TestMirrorEndsRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := []string{"a/1", "a/2", "b/1", "b/2", "c", "d"}
		type step struct {
			name  string
			gone  bool
			size  int
			pause int // seconds
			away  bool
		}
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				name: rapid.SampledFrom(names).Draw(rt, "name"), gone: rapid.IntRange(0, 2).Draw(rt, "gone") == 0,
				size: rapid.SampledFrom([]int{0, 10, 5000, 400_000}).Draw(rt, "size"), away: rapid.IntRange(0, 3).Draw(rt, "away") == 0,
				pause: rapid.SampledFrom([]int{0, 0, 0, 1, 20, 4000}).Draw(rt, "pause"),
			}
		}), 1, 40).Draw(rt, "steps")
		o := MirrorOptions{
			Concurrency: rapid.IntRange(1, 3).Draw(rt, "workers"), Pending: rapid.IntRange(1, 8).Draw(rt, "pending"),
			Bandwidth: rapid.SampledFrom([]int64{0, 50_000}).Draw(rt, "bandwidth"), Verify: true, Within: []string{"."},
		}
		strays := rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(rt, "strays")
		synctest.Test(t, func(t *testing.T) {
			open := func() *Store {
				s, err := New(memvol.New(nil), nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			src, dst := open(), open()
			away := &awayVolume{Vol: src.vol}
			src.vol = away
			for _, name := range strays {
				mustPut(t, dst, name, content(99, 77))
			}
			keep := content(1, 1)
			mustPut(t, src, "keep", keep) // a catalog that has nothing at all would be taken for a mistake
			var catalog told
			catalog.set(change("keep", keep))
			want := map[string]string{"keep": string(keep)}
			o.Reconcile = catalog.everything
			m := startMirror(t, dst, src, o)
			for i, s := range steps {
				away.set(false) // for what follows
				if _, ok := want[s.name]; ok {
					if err := src.Remove(t.Context(), s.name); err != nil {
						t.Fatal(err)
					}
				}
				c := Change{Name: s.name, Gone: true}
				if delete(want, s.name); !s.gone {
					b := content(uint64(i), s.size)
					mustPut(t, src, s.name, b)
					c = change(s.name, b)
					want[s.name] = string(b)
				}
				away.set(s.away)
				catalog.set(c)
				m.changes <- c
				<-after(t, s.pause)
			}
			away.set(false)
			<-after(t, 3600)
			m.end(t)
			got := map[string]string{}
			for info, err := range dst.List(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				b, err := read(t.Context(), dst, info.Name)
				if err != nil {
					t.Fatal(err)
				}
				got[info.Name] = string(b)
			}
			sizes := func(m map[string]string) map[string]string {
				all := map[string]string{}
				for name, b := range m {
					all[name] = fmt.Sprintf("%d bytes, %x", len(b), sumOf([]byte(b)))
				}
				return all
			}
			if diff := cmp.Diff(sizes(want), sizes(got)); diff != "" {
				rt.Errorf("-want +got:\n%s", diff)
			}
			if s := m.now(); s.Behind != 0 || s.Left != 0 || !s.Oldest.IsZero() || s.Away {
				rt.Errorf("in the end %+v", s)
			}
			if err := errors.Join(src.Close(), dst.Close()); err != nil {
				t.Error(err)
			}
		})
	})
}

// A withdrawal that fails is tried again before a minute is over, however often it failed.
func TestWithdrawalsAreTriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dst, err := New(memvol.New(nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer dst.Close()
		m := &mirror{dst: dst, log: dst.log, progress: func(MirrorStats) {}, jobs: map[string]*mirrorJob{}}
		m.take(Change{Name: "a", Gone: true})
		for range 20 {
			job := m.pickRemoval(t.Context())
			if job == nil {
				t.Fatal("it is not tried again")
			}
			m.removals = m.removals[1:]
			job.running = true
			m.finish(mirrorResult{job: job, wait: true, err: ErrUnavailable})
			if pause := m.pause(); pause > 30*time.Second {
				t.Errorf("it waits %v", pause)
			}
			<-time.After(m.pause())
			m.pick(t.Context())
		}
	})
}
