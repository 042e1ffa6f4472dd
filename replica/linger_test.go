package replica

import "testing"

// A session that reads again and again without a pause may have seen something new on the primary with
// each read. Now and then one of its reads waits until it is known what that can be, and goes to a
// replica that has it.
func TestSessionWithoutPauseLeavesThePrimary(t *testing.T) {
	r := made(t, Config{Nodes: []Node{{Name: "p"}, {Name: "a"}}})
	s := NewSession()
	ctx := WithSession(t.Context(), s)
	s.wrote(ids("0-1-5"))
	for range 3 { // each time it has just read
		r.sawPrimary(ctx)
		if got := r.Read(ctx); got != r.fallback {
			t.Fatal("what it has seen a moment ago is not known yet, and it reads from a replica")
		}
	}
	s.mu.Lock()
	s.stays -= int64(lingering)
	s.mu.Unlock()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		<-r.nodes[0].kick // it is asked soon, as somebody waits
		r.mu.Lock()
		defer r.mu.Unlock()
		r.nodes[0].facts.began = ticks()
		r.update()
	}()
	if got := r.Read(ctx); got != r.nodes[1].read {
		t.Error("after a while it still reads from the primary")
	}
	<-asked
	if got := r.Read(ctx); got != r.nodes[1].read {
		t.Error("it does not stay with the replica")
	}
	// Nobody answers: it does not wait for ever.
	r.sawPrimary(ctx)
	s.mu.Lock()
	s.stays -= int64(lingering)
	s.mu.Unlock()
	if got := r.Read(ctx); got != r.fallback {
		t.Error("it reads what is not known to be new enough")
	}
}
