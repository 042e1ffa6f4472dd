package session

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

type readerKey string

// A delayed feed is answered by a replica that applies everything a second later, except where the
// context has a session that has seen more, or asks for the primary.
type delayed struct{ primary, replica *catalogtest.Feed }

func (d delayed) of(ctx context.Context) *catalogtest.Feed {
	if ctx.Value(readerKey("primary")) != nil {
		return d.primary
	}
	return d.replica
}

func (d delayed) Load(ctx context.Context, add func(remora.Activity) error) (remora.Header, error) {
	return d.of(ctx).Load(ctx, add)
}

func (d delayed) Since(ctx context.Context, after remora.Position) (remora.Delta, error) {
	return d.of(ctx).Since(ctx, after)
}

func (d delayed) Downloads(ctx context.Context) (map[int64]int64, error) {
	return d.of(ctx).Downloads(ctx)
}

func asPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, readerKey("primary"), true)
}

// TestDelayedReplica writes through one front end and reads through the other, many times, while
// both poll a replica that lags by a second.
func TestDelayedReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds = 300
		feed := delayed{catalogtest.NewFeed(catalogtest.Activities(3)), catalogtest.NewFeed(catalogtest.Activities(3))}
		ctx, cancel := context.WithCancel(t.Context())
		var fronts [2]http.Handler
		var s [2]*Sessions
		var libraries [2]*live.Library
		ended := make(chan error)
		for i := range fronts {
			library, err := live.New(feed, &live.Options{Primary: asPrimary})
			if err != nil {
				t.Fatal(err)
			}
			go func() { ended <- library.Run(ctx) }()
			<-library.Ready()
			libraries[i] = library
			s[i] = sessions(t, library, func(c *Config) {
				c.Attach = func(ctx context.Context, token string) context.Context {
					if token == "primary" {
						return asPrimary(ctx)
					}
					return ctx
				}
			})
			fronts[i] = s[i].Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.WriteString(w, library.View().Activity(catalogtest.FirstActivity).Slug); err != nil {
					t.Error(err)
				}
			}))
		}
		type change struct {
			activity remora.Activity
			due      time.Time
		}
		log := make(chan change, rounds)
		var replication sync.WaitGroup
		replication.Go(func() {
			for c := range log {
				time.Sleep(time.Until(c.due)) // virtual
				feed.replica.Put(c.activity)
			}
		})
		for round := range rounds {
			a := catalogtest.Activity(0)
			a.Slug = "slug-" + strconv.Itoa(round)
			at := feed.primary.Put(a)
			log <- change{a, time.Now().Add(time.Second)}
			written := httptest.NewRecorder()
			if err := s[round%2].Issue(written, httptest.NewRequest("POST", "/", nil), at, "primary"); err != nil {
				t.Fatal(err)
			}
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r.Header.Set(HeaderSeen, written.Header().Get(HeaderSeen))
			began := time.Now()
			fronts[1-round%2].ServeHTTP(w, r)
			if w.Body.String() != a.Slug || w.Header().Get(HeaderBehind) != "" || time.Since(began) > 0 {
				t.Fatalf("round %d: %s after %v, want %s; head %v", round, w.Body, time.Since(began), a.Slug, w.Header())
			}
			time.Sleep(time.Duration(round%7) * 100 * time.Millisecond) // virtual
			for i, l := range libraries {
				if st := l.Status(); st.Stale || st.Fault != nil {
					t.Fatalf("round %d: library %d says %+v", round, i, st)
				}
			}
		}
		if n := feed.primary.Calls().Load + feed.replica.Calls().Load; n != 2 {
			t.Errorf("the whole catalog was loaded %d times, want once for each front end", n)
		}
		close(log)
		replication.Wait()
		cancel()
		for range fronts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
