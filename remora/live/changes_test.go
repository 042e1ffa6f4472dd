package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

func TestChanges(t *testing.T) {
	feed := catalogtest.NewFeed(catalogtest.Activities(3))
	l, err := New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Changes(remora.Position{}, 10); got.Gap || len(got.List) != 0 {
		t.Errorf("before anything is there: %+v", got)
	}
	refresh := func() {
		t.Helper()
		moved := l.Changed()
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-moved:
		default:
			t.Error("who waits for a change was not woken")
		}
	}
	refresh()
	at := func(seq int64) remora.Position { return remora.Position{Epoch: "epoch-1", Seq: seq} }
	id := func(i int64) int64 { return catalogtest.FirstActivity + i }
	feed.Put(catalogtest.Activity(0), catalogtest.Activity(3))
	refresh() // 2
	feed.Remove(id(1))
	feed.Put(catalogtest.Activity(2))
	refresh() // 3 and 4 at once
	feed.SetCollections(remora.Collection{Nickname: "c"})
	refresh() // 5

	still := l.Changed()
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-still:
		t.Error("it is said that something has changed")
	default:
	}

	second := []Change{{Seq: 2, ActivityID: id(0)}, {Seq: 2, ActivityID: id(3)}}
	fourth := []Change{{Seq: 4, ActivityID: id(2)}, {Seq: 4, ActivityID: id(1), Gone: true}}
	fifth := Change{Seq: 5}
	for _, c := range []struct {
		name  string
		after remora.Position
		limit int
		want  Changes
	}{
		{"all", at(1), 10, Changes{Position: at(5), List: append(append(second, fourth...), fifth)}},
		{"exactly", at(1), 5, Changes{Position: at(5), List: append(append(second, fourth...), fifth)}},
		{"whole numbers only", at(1), 3, Changes{Position: at(2), List: second}},
		{"one number at least", at(1), 1, Changes{Position: at(2), List: second}},
		{"no limit is one", at(2), 0, Changes{Position: at(4), List: fourth}},
		{"in the middle of what came together", at(3), 4, Changes{Position: at(5), List: append(fourth, fifth)}},
		{"nothing new", at(5), 10, Changes{Position: at(5)}},
		{"ahead", at(9), 10, Changes{Position: at(5)}},
		{"too old", at(0), 10, Changes{Position: at(5), Gap: true}},
		{"another epoch", remora.Position{Epoch: "other", Seq: 5}, 10, Changes{Position: at(5), Gap: true}},
	} {
		if diff := cmp.Diff(c.want, l.Changes(c.after, c.limit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestChangesAreBounded(t *testing.T) {
	var r recent
	r.forget(remora.Position{Epoch: "e"})
	delta := func(seq int64, n int) *remora.Delta {
		d := &remora.Delta{Header: remora.Header{Position: remora.Position{Epoch: "e", Seq: seq}}}
		for i := range n {
			d.Gone = append(d.Gone, int64(i))
		}
		return d
	}
	for seq := int64(1); seq <= 3000; seq++ {
		r.add(delta(seq, int(seq%50)))
		if len(r.list) > 2*maxRecent+maxAtOnce {
			t.Fatalf("%d changes are remembered", len(r.list))
		}
		if first := r.list[0].Seq; r.floor.Seq != first-1 {
			t.Fatalf("the floor is %d, the first change %d", r.floor.Seq, first)
		}
		n := 0
		for _, c := range r.list {
			if c.Seq == r.list[0].Seq {
				n++
			}
		}
		if want := max(int(r.list[0].Seq%50), 1); n != want {
			t.Fatalf("%d changes of number %d are left, want %d", n, r.list[0].Seq, want)
		}
	}
	if len(r.list) < maxRecent {
		t.Errorf("only %d changes are remembered", len(r.list))
	}
	r.add(delta(3001, maxAtOnce+1))
	if len(r.list) != 0 || r.floor.Seq != 3001 {
		t.Errorf("after more at once than is remembered: %d from %d on", len(r.list), r.floor.Seq)
	}
}
