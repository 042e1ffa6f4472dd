package sugar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
)

// fakeFeed is a catalog in memory. put and header changes count as one change each.
type fakeFeed struct {
	mu         sync.Mutex
	header     remora.Header
	activities map[int64]remora.Activity
	changed    map[int64]int64 // activity to the seq of its last change
	fault      error
}

func newFeed(list ...remora.Activity) *fakeFeed {
	f := &fakeFeed{activities: map[int64]remora.Activity{}, changed: map[int64]int64{}}
	f.header.Position = remora.Position{Epoch: "test", Seq: 1}
	for _, a := range list {
		f.activities[a.ID] = a
		f.changed[a.ID] = 1
	}
	return f
}

func (f *fakeFeed) put(a remora.Activity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.header.Seq++
	f.activities[a.ID] = a
	f.changed[a.ID] = f.header.Seq
}

func (f *fakeFeed) Load(_ context.Context, add func(remora.Activity) error) (remora.Header, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		return remora.Header{}, f.fault
	}
	for _, id := range slices.Sorted(maps.Keys(f.activities)) {
		if err := add(f.activities[id]); err != nil {
			return remora.Header{}, err
		}
	}
	return f.header, nil
}

func (f *fakeFeed) Since(_ context.Context, after remora.Position) (remora.Delta, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := remora.Delta{Header: f.header}
	for id, seq := range f.changed {
		if seq > after.Seq {
			d.Activities = append(d.Activities, f.activities[id])
		}
	}
	return d, f.fault
}

func (f *fakeFeed) Downloads(context.Context) (map[int64]int64, error) { return nil, nil }

// folder is a store of files in a folder, for reading.
type folder string

func (d folder) Open(_ context.Context, name string) (fs.File, error) {
	return os.Open(filepath.Join(string(d), filepath.FromSlash(name)))
}

func (d folder) Put(_ context.Context, name string, r io.Reader, _ int64, _ []byte) error {
	path := filepath.Join(string(d), filepath.FromSlash(name))
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func (d folder) Link(context.Context, string, string) error { return errors.ErrUnsupported }
func (d folder) Remove(context.Context, string) error       { return errors.ErrUnsupported }

// counts remembers what was counted.
type counts struct {
	mu   sync.Mutex
	seen []string
}

func (c *counts) Count(versionID int64, source string, client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, source+" "+client.String()+" "+remoraID(versionID))
}

func (c *counts) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

func remoraID(id int64) string { return string(appendJSON(nil, id)) }

// A rig is a handler over a small catalog.
type rig struct {
	*Handler
	feed    *fakeFeed
	files   folder
	library *live.Library
	counts  *counts
}

type rigOptions struct {
	change func(*Config)
	feed   *fakeFeed
	cold   bool // the library is not loaded
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	r := &rig{feed: o.feed, files: folder(t.TempDir()), counts: &counts{}}
	if r.feed == nil {
		r.feed = newFeed(sample()...)
		r.feed.header.Categories = []remora.Category{
			{ID: 100, Slug: "games", Name: remora.PlainText("en", "Games")},
			{ID: 101, Slug: "maps", Name: remora.PlainText("en", "Maps & more")},
		}
		r.feed.header.Collections = sampleCollections()
	}
	if len(r.feed.activities) > 100 {
		return r.finish(t, o) // a catalog for measuring has no files
	}
	for _, a := range r.feed.activities {
		for _, v := range a.Versions {
			if err := r.files.Put(t.Context(), remora.PublicName(a.ID, v.Filename), bytes.NewReader(bundleBytes(v.Filename)), v.Size, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r.finish(t, o)
}

func (r *rig) finish(t testing.TB, o rigOptions) *rig {
	t.Helper()
	library, err := live.New(r.feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !o.cold {
		if err := library.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.library = library
	s, err := site.New(site.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Library: library, Files: r.files, Site: s, Counter: r.counts,
		Languages: []string{"en", "es", "pt-BR"},
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<!DOCTYPE html><p>next "+r.URL.RequestURI())
		}),
	}
	if o.change != nil {
		o.change(&c)
	}
	if r.Handler, err = New(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// do serves one request. header is name, value, name, value …
func (r *rig) do(method, target string, header ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, "http://127.0.0.1:8080"+target, nil)
	q.Host = "127.0.0.1:8080"
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

// bundleBytes returns what a bundle of this name holds in tests: all different, none of one byte.
func bundleBytes(filename string) []byte {
	return bytes.Repeat([]byte(filename+"\n"), 500)
}

func version(id int64, filename, number string, change func(*remora.Version)) remora.Version {
	data := bundleBytes(filename)
	v := remora.Version{
		Release: remora.Release{
			ID: id, Number: remora.MustNumber(number), State: remora.StatePublished,
			Range: remora.Range{Min: remora.MustNumber("0.114")}, Interpreter: remora.InterpreterPython3,
		},
		FileID: id + 1000, Filename: filename, Size: int64(len(data)), SHA256: sha256.Sum256(data),
		Submitted: remora.TimeOf(time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)),
		Published: remora.TimeOf(time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC)),
	}
	if change != nil {
		change(&v)
	}
	return v
}

func sugarRange(s string) remora.Range {
	r, err := remora.ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r
}

func sample() []remora.Activity {
	updated := remora.TimeOf(time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC))
	return []remora.Activity{
		{
			ID: 4024, BundleID: "org.laptop.Log", Slug: "log", Listed: true, DefaultLocale: "en", Revision: 1, Updated: updated, Created: updated,
			Name:       remora.NewText(map[string]string{"en": "Log", "es": "Registro"}),
			Summary:    remora.PlainText("en", "See what went wrong & why"),
			Categories: []string{"games"}, FeaturedRank: 1,
			Icon: sha256.Sum256([]byte("icon")),
			Versions: []remora.Version{
				version(1, "log-9.xo", "9", func(v *remora.Version) { v.Range = sugarRange("0.82-0.98") }),
				version(2, "log-10.xo", "10", func(v *remora.Version) { v.Range = sugarRange("0.100-0.116") }),
				version(3, "log-41.xo", "41", func(v *remora.Version) {
					v.Notes = remora.NewText(map[string]string{"en": "Faster <b>\nSafer & sound", "es": "Más rápido"})
				}),
				version(4, "log-41.1.xo", "41.1", nil),
				version(5, "log-42.xo", "42", func(v *remora.Version) { v.State = remora.StateAwaiting }),
				version(6, "log-43.xo", "43", func(v *remora.Version) { v.Channel = remora.ChannelExperimental }),
			},
		},
		{
			ID: 4055, BundleID: "bounce", Slug: "bounce", Listed: true, DefaultLocale: "es", Revision: 1, Updated: updated, Created: updated,
			Name:       remora.NewText(map[string]string{"es": "Rebote ñandú «&» <x>"}),
			Categories: []string{"maps"},
			Versions: []remora.Version{
				version(20, "bounce-7.xo", "7", func(v *remora.Version) { v.Range = remora.Range{} }),
			},
		},
		{
			ID: 4100, BundleID: "org.example.Hidden", Slug: "hidden", Listed: false, DefaultLocale: "en", Revision: 1, Updated: updated, Created: updated,
			Name:     remora.PlainText("en", "Hidden"),
			Versions: []remora.Version{version(30, "hidden-1.xo", "1", nil)},
		},
		{
			ID: 4101, BundleID: "org.example.Wiki", Slug: "wiki", Listed: true, ContentBundle: true, DefaultLocale: "en", Revision: 1, Updated: updated, Created: updated,
			Name:     remora.PlainText("en", "Wiki"),
			Versions: []remora.Version{version(40, "wiki-1.xol", "1", nil)},
		},
	}
}

func sampleCollections() []remora.Collection {
	return []remora.Collection{{
		ID: 1, UUID: "0b5ef2f0-8d2e-4e0e-9c6e-2c1e7a6d9a11", Nickname: "school", DefaultLocale: "en",
		Name:        remora.NewText(map[string]string{"en": "Our school", "es": "Nuestra escuela"}),
		Description: remora.PlainText("en", "What <we> use\nevery day"),
		Items: []remora.CollectionItem{
			{ActivityID: 4024, BundleID: "org.laptop.Log"},
			{ActivityID: 4024, BundleID: "org.laptop.Log", Pin: remora.MustNumber("41")},
			{ActivityID: 4055, BundleID: "bounce", Optional: true},
			{ActivityID: 4100, BundleID: "org.example.Hidden"},
			{ActivityID: 4024, BundleID: "org.laptop.Log", Pin: remora.MustNumber("42")}, // not published
			{ActivityID: 9999, BundleID: "org.example.Gone"},
		},
	}}
}

var emptyContext = context.Background()
