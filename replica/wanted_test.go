package replica

import (
	"testing"
	"time"
)

func TestReplicasAreLookedAtWhileSessionsWait(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}, {Name: "b"}}})
	a, b := r.nodes[1], r.nodes[2]
	waited := func(what string, wantA, wantB bool) {
		t.Helper()
		if gotA, gotB := a.waitedFor(), b.waitedFor(); gotA != wantA || gotB != wantB {
			t.Errorf("%s: sessions wait for a: %v, for b: %v, want %v, %v", what, gotA, gotB, wantA, wantB)
		}
	}
	waited("nobody wants anything", false, false)
	r.want(r.view.Load(), ids("0-1-5"))
	waited("both have it", false, false)
	r.want(r.view.Load(), ids("0-1-9"))
	waited("none has it", true, true)
	if len(a.wake) != 1 || len(b.wake) != 1 {
		t.Error("not both were woken")
	}
	r.want(r.view.Load(), ids("0-1-7")) // which does not make it less
	a.at("0-1-8")
	b.at("0-1-9")
	waited("a has some of it, b all", true, false)
	r.want(r.view.Load(), ids("7-1-1"))
	waited("something else is wanted besides", true, true)
	for d := range uint32(3 * maxDomains) { // as made-up tokens would
		r.want(r.view.Load(), gtids{{d, 1, 1}})
	}
	if n := len(r.wanted.Load().at); n > maxDomains {
		t.Errorf("%d domains are wanted", n)
	}

	b.draining = true
	refresh(r)
	r.want(r.view.Load(), ids("0-1-20"))
	waited("b is not read", true, false)
	old := *r.wanted.Load()
	old.until = ticks() - 1
	r.wanted.Store(&old)
	waited("it was wanted too long ago", false, false)
	r.want(r.view.Load(), ids("0-1-8"))
	waited("what was wanted then is not wanted any more", false, false)
	if w := r.wanted.Load(); time.Duration(w.until-ticks()) > wantTime {
		t.Error("a position is wanted for longer than it may be")
	}
}

func FuzzParseLast(f *testing.F) {
	f.Add("0-1-5;0-1-7,1-1-1")
	f.Add(";")
	f.Fuzz(func(t *testing.T, text string) {
		last, all, err := parseLast(text)
		if err != nil && (last != nil || all != nil) {
			t.Errorf("%q gives %v, %v and an error", text, last, all)
		}
	})
}
