package replica

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// limited returns a router whose primary is a fake that takes reads, at most limit at once.
func limited(t *testing.T, limit int) (*Router, *fakeServer) {
	t.Helper()
	r := made(t, Config{Nodes: []Node{{Name: "p"}}, MaxPrimaryReads: limit})
	s := &fakeServer{hold: make(chan struct{})}
	r.nodes[0].fallbackServer = s
	if got := r.Read(t.Context()); got != r.fallback {
		t.Fatal("reads do not fall back to the primary")
	}
	return r, s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	t.Helper()
	timeout := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-timeout:
			t.Fatal("it did not come about that " + what)
		case <-tick.C:
		}
	}
}

func TestReadsOnThePrimaryAreBounded(t *testing.T) {
	r, s := limited(t, 3)
	var readers sync.WaitGroup
	for range 24 {
		readers.Go(func() {
			for range 200 {
				var x string
				if err := r.Read(t.Context()).QueryRowContext(t.Context(), "SELECT ?", 1).Scan(&x); err != nil || x != "0" {
					t.Errorf("a read gives %q, %v", x, err)
					return
				}
			}
		})
	}
	readers.Wait()
	if got := s.most.Load(); got > 3 {
		t.Errorf("%d reads were at work at once, want at most 3", got)
	}
	if got := s.dials.Load(); got > 3 {
		t.Errorf("%d connections were made for it, want at most 3", got)
	}
	st := r.Status().PrimaryReads
	if st.Limit != 3 || st.InUse != 0 || st.Waiting != 0 || st.Refused != 0 {
		t.Errorf("status %+v", st)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.open.Load(); got != 0 || r.limiter.open != 0 {
		t.Errorf("%d connections are open after Close, %d are counted", got, r.limiter.open)
	}
}

func TestWhoFindsThePrimaryFullWaitsShortly(t *testing.T) {
	r, s := limited(t, 1)
	held, err := r.fallback.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Its time is over before a connection is free.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Read(ctx).PingContext(ctx) }()
	eventually(t, "a read waits", func() bool { return r.limiter.status().Waiting == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a read whose time is over gives %v", err)
	}
	// Nothing is given back.
	if err := r.Read(t.Context()).PingContext(t.Context()); !errors.Is(err, ErrNoReplica) {
		t.Errorf("a read gives %v, want ErrNoReplica", err)
	}
	// There is room for so many, and the next is refused at once.
	waiting := make(chan error, limitQueue)
	release, cancel := context.WithCancel(t.Context())
	for range limitQueue {
		go func() { waiting <- r.Read(release).PingContext(release) }()
	}
	// They wait for half a second at most, and this machine may be slow: whoever comes later makes room.
	eventually(t, "the queue is full or over", func() bool {
		st := r.limiter.status()
		return st.Waiting == limitQueue || st.Refused > 3
	})
	if r.limiter.status().Waiting == limitQueue {
		if err := r.Read(t.Context()).PingContext(t.Context()); !errors.Is(err, ErrNoReplica) {
			t.Errorf("one too many gives %v, want ErrNoReplica", err)
		}
	}
	cancel()
	for range limitQueue {
		<-waiting
	}
	if st := r.limiter.status(); st.Waiting != 0 || st.Refused == 0 || st.InUse != 1 {
		t.Errorf("status %+v", st)
	}
	// What is given back goes to who waits, not to a new connection.
	go func() { ended <- r.Read(t.Context()).PingContext(t.Context()) }()
	eventually(t, "a read waits", func() bool { return r.limiter.status().Waiting == 1 })
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("who waited gets %v", err)
	}
	if got := s.dials.Load(); got != 1 {
		t.Errorf("%d connections were made, want 1", got)
	}
}

func TestReadsOnThePrimaryFollowIt(t *testing.T) {
	r, s := limited(t, 2)
	hold := func(n int) (conns []*sql.Conn) {
		for range n {
			c, err := r.fallback.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		return conns
	}
	give := func(conns []*sql.Conn) {
		for _, c := range conns {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	conns := hold(2)
	give(conns[:1])
	r.view.Store(&view{generation: r.view.Load().generation + 1, primary: r.nodes[0]})
	give(conns[1:])
	if s.open.Load() > 1 {
		t.Error("a connection of another generation went back to the pool")
	}
	give(hold(2))
	if got := s.dials.Load(); got != 4 {
		t.Errorf("%d connections were made, want 4: those of another generation are not used", got)
	}
	r.renewed.Add(1)
	give(hold(2))
	if got := s.dials.Load(); got != 6 {
		t.Errorf("%d connections were made, want 6: those before Renew are not used", got)
	}
	if st := r.limiter.status(); st.InUse != 0 {
		t.Errorf("status %+v", st)
	}
	refused := error(&mysql.MySQLError{Number: 1792, Message: "read only"})
	s.err.Store(&refused)
	for name, write := range map[string]func() error{
		"Exec":  func() error { _, err := r.fallback.ExecContext(t.Context(), "DELETE"); return err },
		"Query": func() error { return r.fallback.QueryRowContext(t.Context(), "DELETE").Scan(new(string)) },
	} {
		if err := write(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("a write by %s gives %v, want ErrReadOnly", name, err)
		}
	}
	s.err.Store(nil)
	// It became read-only, and nobody knows yet.
	r.view.Store(&view{generation: 9})
	if err := r.fallback.PingContext(t.Context()); !errors.Is(err, ErrNoReplica) {
		t.Errorf("without a primary a read gives %v, want ErrNoReplica", err)
	}
	if st := r.limiter.status(); st.InUse != 0 {
		t.Errorf("a connection that was not made is still counted: %+v", st)
	}
}

// Whatever callers do, no connection and no right to one is lost, and never are there too many.
func TestLimiterSurvivesEverything(t *testing.T) {
	r, s := limited(t, 3)
	var readers sync.WaitGroup
	lost := mysql.ErrInvalidConn
	for w := range 16 {
		readers.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%5)*100*time.Microsecond)
				switch (w + i) % 8 {
				case 0:
					r.renewed.Add(1)
				case 1:
					v := *r.view.Load()
					v.generation++
					r.view.Store(&v)
				case 2:
					s.err.Store(&lost)
				case 3:
					s.err.Store(nil)
				case 4:
					_ = r.fallback.PingContext(t.Context())
				}
				// How it ends is not the point here.
				_ = r.fallback.QueryRowContext(ctx, "HOLD").Scan(new(string))
				cancel()
			}
		})
	}
	readers.Wait()
	s.err.Store(nil)
	if got := s.mostOpen.Load(); got > 3 {
		t.Errorf("%d connections were open at once, want at most 3", got)
	}
	if st := r.limiter.status(); st.InUse != 0 || st.Waiting != 0 {
		t.Errorf("status %+v", st)
	}
	var all []*sql.Conn
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := r.fallback.Conn(ctx)
		if err != nil {
			t.Fatalf("a right to a connection is lost: %v", err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if got := s.open.Load(); got != 0 || r.limiter.open != 0 || len(r.limiter.idle) != 0 {
		t.Errorf("%d connections are open after Close, %d are counted", got, r.limiter.open)
	}
}
