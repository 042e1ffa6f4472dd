package balance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestQueueWakesFor: who waits for one backend gets another that comes back.
func TestQueueWakesFor(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after func(t *testing.T, b *Balancer) error
	}{
		"undrain": {
			func(t *testing.T, b *Balancer) error { return b.Drain(t.Context(), "b") },
			func(t *testing.T, b *Balancer) error { return b.Undrain("b") },
		},
		"enable": {
			func(t *testing.T, b *Balancer) error { return b.Disable("b", "a test") },
			func(t *testing.T, b *Balancer) error { return b.Enable("b") },
		},
		"health": {
			func(t *testing.T, b *Balancer) error {
				b.turn("a", b.pool.Load().members[0].state, up, nil)
				b.turn("b", b.pool.Load().members[1].state, down, errors.New("a test"))
				return nil
			},
			func(t *testing.T, b *Balancer) error {
				b.turn("b", b.pool.Load().members[1].state, up, nil)
				return nil
			},
		},
		"add": {
			func(t *testing.T, b *Balancer) error { return nil },
			func(t *testing.T, b *Balancer) error {
				return b.Add(Backend{Name: "c", MaxInFlight: 1, Handler: says("c")})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				held := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gate })
				var waits []string
				b := mustNew(t, []Backend{{Name: "a", MaxInFlight: 1, Handler: held}, {Name: "b", MaxInFlight: 1, Handler: held}}, &Options{
					Events: Events{Queued: func(in Info, waited time.Duration, err error) {
						waits = append(waits, fmt.Sprint(in.Path, " ", waited, " ", err))
					}},
				})
				var all sync.WaitGroup
				ask := func(path string) {
					all.Go(func() {
						b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
					})
					synctest.Wait()
				}
				if err := tt.before(t, b); err != nil {
					t.Fatal(err)
				}
				if name == "add" { // b is busy too
					ask("/b")
				}
				ask("/in")
				ask("/1")
				if n := b.Stats().Queue.Waiting; n != 1 {
					t.Fatalf("%d wait", n)
				}
				time.Sleep(time.Second)
				if err := tt.after(t, b); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if diff := cmp.Diff([]string{"/1 1s <nil>"}, waits); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				close(gate)
				all.Wait()
			})
		})
	}
}

// TestRefusedWhy: there is a word for each reason.
func TestRefusedWhy(t *testing.T) {
	for err, want := range map[error]string{
		errFull: "full", errCrowded: "crowded", errHopeless: "hopeless", errShed: "shed", errOverstay: "overstayed", errPushed: "pushed",
		ErrNoBackend: "no backend", fmt.Errorf("%w: the picker chose none", ErrNoBackend): "no backend", context.Canceled: "", nil: "",
	} {
		if got := RefusedWhy(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
