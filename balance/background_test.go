package balance

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestBackground: who waits for news is no load, neither for the choice nor for a limit, and is counted
// rightly to its end.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newBlocking()
		other := newBlocking()
		b := mustNew(t, []Backend{{Name: "a", Handler: h, MaxInFlight: 1}, {Name: "b", Handler: other, MaxInFlight: 1}}, &Options{
			Picker: LeastInFlight{}, Classify: func(in *Info) { in.Background = in.Path == "/news" },
		})
		ask := func(path string) {
			go b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			synctest.Wait()
		}
		for range 3 {
			ask("/news") // one after the other, to whomever
		}
		news := func(h *blocking) (n int) {
			for {
				select {
				case <-h.in:
					n++
				case <-time.After(time.Second):
					return n
				}
			}
		}
		atA, atB := news(h), news(other)
		if atA+atB != 3 {
			t.Fatalf("%d and %d", atA, atB)
		}
		ask("/1")
		ask("/2") // each has room for one
		if news(h) != 1 || news(other) != 1 {
			t.Error("news are counted as load")
		}
		for range atA + 1 {
			h.out <- struct{}{}
		}
		for range atB + 1 {
			other.out <- struct{}{}
		}
		synctest.Wait()
		for _, e := range b.pool.Load().members {
			if n := e.state.background.Load(); n != 0 {
				t.Errorf("%s: %d in the background at the end", e.Name, n)
			}
		}
	})
}
