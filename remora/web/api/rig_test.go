package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func sumOf(s string) remora.Digest { return sha256.Sum256([]byte(s)) }

func release(id int64, number string, by remora.Interpreter) remora.Version {
	return remora.Version{
		Release: remora.Release{
			ID: id, Number: remora.MustNumber(number), State: remora.StatePublished,
			Interpreter: by, Range: remora.InferRange(by),
		},
		FileID: id, Filename: "maze-" + number + ".xo", Size: 482_113, SHA256: sumOf("bundle" + strconv.FormatInt(id, 10)),
		Published: remora.TimeOf(epoch),
	}
}

// The activity with one of everything.
const (
	mazeID = 900_001
	mazeV  = 9_000_000 // its version 41; the next follow
)

// maze has the versions 41 for Python 2, 42 for Python 3, 43 experimental, 44 not reviewed and 45
// withdrawn.
func maze() remora.Activity {
	versions := []remora.Version{
		release(mazeV, "41", remora.InterpreterPython2), release(mazeV+1, "42", remora.InterpreterPython3), release(mazeV+2, "43", remora.InterpreterPython3),
		release(mazeV+3, "44", remora.InterpreterNative), release(mazeV+4, "45", remora.InterpreterUnknown),
	}
	versions[1].Notes = remora.NewText(map[string]string{"en": "Mazes have keys.", "es": "Hay llaves."})
	versions[1].RangeSource = remora.RangeSet
	versions[2].Channel = remora.ChannelExperimental
	versions[3].State, versions[3].Published, versions[3].Archs = remora.StateAwaiting, 0, []string{"x86_64"}
	versions[4].State = remora.StateDisabled
	return remora.Activity{
		ID: mazeID, BundleID: "org.example.Maze", Slug: "maze", Listed: true, DefaultLocale: "en",
		Name:        remora.NewText(map[string]string{"en": "Zigzag Maze", "es": "Laberinto", "pt-BR": "Labirinto"}),
		Summary:     remora.NewText(map[string]string{"es": "Encuentra la salida."}),
		Description: remora.PlainText("en", "Find the way out."),
		License:     "GPL-3.0-or-later", LicenseText: "GPLv3+", Homepage: "https://example.org/maze",
		Icon: sumOf("icon"), FeaturedRank: 1, Categories: []string{"games"}, Tags: []string{"Maze", "play"},
		Authors:     []remora.Author{{ID: 3, Name: "Ana"}, {ID: 4, Name: "Bob"}},
		Screenshots: []remora.Image{{ID: 1, SHA256: sumOf("shot"), Media: "image/png", Width: 800, Height: 600}, {ID: 2, SHA256: sumOf("shot2"), Media: "image/jpeg", Width: 80, Height: 60}},
		Network:     remora.NetworkNone, Downloads: 1234, Created: remora.TimeOf(epoch), Updated: remora.TimeOf(epoch.Add(time.Hour)),
		Versions: versions,
	}
}

// hostile has in every text what somebody might put into a bundle to harm readers.
func hostile() remora.Activity {
	a := maze()
	v := release(9_100_000, "1", remora.InterpreterScript)
	v.Filename, v.Notes, v.Archs = evil+".xo", remora.Text{{Locale: "en", Value: evil}}, []string{evil}
	a.ID, a.BundleID, a.DefaultLocale, a.FeaturedRank = 900_002, evil, evil, 0
	a.Name, a.Summary, a.Description = remora.Text{{Locale: "en", Value: evil}}, remora.Text{{Locale: evil, Value: evil}}, remora.Text{{Locale: "en", Value: strings.Repeat(evil, 200)}}
	a.License, a.LicenseText, a.Homepage, a.Repository = evil, evil, "javascript:alert(1)", "https://example.org/<b>?a&\u2028"
	a.Categories, a.Tags, a.Authors, a.Screenshots = []string{evil}, []string{evil}, []remora.Author{{ID: 5, Name: evil}}, []remora.Image{{SHA256: sumOf("x"), Media: evil}}
	a.Versions = []remora.Version{v}
	return a
}

const evil = "</script><img src=x onerror=alert(1)>&\"'\u2028\u2029\u202e\x00\x07\xff\xc3 \U0001F600/?#%2f.."

// newFeed is a catalog of real shape, with the above and three collections in it.
func newFeed() *catalogtest.Feed {
	f := catalogtest.NewFeed(catalogtest.Activities(60))
	odd := maze() // an activity of which little is known
	odd.ID, odd.BundleID, odd.Listed = 900_003, "org.example.Odd", false
	odd.Name, odd.Summary, odd.Description, odd.Authors, odd.Screenshots, odd.Tags, odd.Categories = nil, nil, nil, nil, nil, nil, nil
	odd.License, odd.LicenseText, odd.Homepage, odd.Icon, odd.Network, odd.Created, odd.FeaturedRank = "", "", "", remora.Digest{}, 0, 0, 0
	odd.Versions = []remora.Version{release(9_200_000, "44", remora.InterpreterUnknown)}
	odd.Versions[0].State, odd.Versions[0].Published = remora.StateAwaiting, 0
	gone := maze()
	gone.ID, gone.BundleID, gone.State = 900_004, "org.example.Gone", remora.ActivityDisabled
	gone.Versions = []remora.Version{release(9_300_000, "1", remora.InterpreterWeb)}
	f.Put(maze(), hostile(), odd, gone)
	item := func(id int64) remora.CollectionItem { return remora.CollectionItem{ActivityID: id} }
	pinned := item(mazeID)
	pinned.Pin, pinned.Optional = remora.MustNumber("41"), true
	f.SetCollections(
		remora.Collection{ID: 1, UUID: "8c1a", Nickname: "first-grade", Listed: true, DefaultLocale: "en", Name: remora.NewText(map[string]string{"en": "First grade", "es": "Primer grado"}), Updated: remora.TimeOf(epoch), Items: []remora.CollectionItem{pinned, item(900_003), item(catalogtest.FirstActivity), item(77)}},
		remora.Collection{ID: 2, UUID: "8c1b", Nickname: "hidden", DefaultLocale: "en"},
		remora.Collection{ID: 3, UUID: "8c1c", Nickname: "second " + evil, Listed: true, DefaultLocale: evil, Name: remora.Text{{Locale: "en", Value: evil}}, Description: remora.Text{{Locale: "en", Value: evil}}, Items: []remora.CollectionItem{item(900_002)}},
	)
	return f
}

// open makes a library that has read the feed and does not follow it.
func open(t testing.TB, f remora.Feed) *live.Library {
	t.Helper()
	library, err := live.New(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	return library
}

func newHandler(t testing.TB) *Handler {
	t.Helper()
	h, err := New(Config{Library: open(t, newFeed())})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func send(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return sendRequest(h, r)
}

func sendRequest(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get reads the answer at a path, which must be there, into a value.
func get[T any](t testing.TB, h http.Handler, path string) (out T) {
	t.Helper()
	w := send(h, http.MethodGet, path)
	if w.Code != http.StatusOK {
		t.Fatalf("%s answers %d: %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return out
}

// problemAt reads the problem that is at a path.
func problemAt(t testing.TB, h http.Handler, path string) problem {
	t.Helper()
	w := send(h, http.MethodGet, path)
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code < 400 || p.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s answers %d %s: %s (%v)", path, w.Code, w.Header().Get("Content-Type"), w.Body, err)
	}
	return p
}
