package peer

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newLibrary returns one that shows the feed as it is now; it does not run.
func newLibrary(t testing.TB, feed remora.Feed) *live.Library {
	t.Helper()
	l, err := live.New(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	refresh(t, l)
	return l
}

func refresh(t testing.TB, l *live.Library) {
	t.Helper()
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func newHandler(t testing.TB, c Config) *Handler {
	t.Helper()
	if c.Library == nil {
		c.Library = newLibrary(t, catalogtest.NewFeed(catalogtest.Activities(3)))
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}
