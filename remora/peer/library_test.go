package peer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/peer"
	"github.com/sugarlabs/beamrider/remora/session"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// folder is remora.Files without the care of a real one.
type folder struct{ root *os.Root }

func (d folder) Put(_ context.Context, name string, r io.Reader, _ int64, _ []byte) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return errors.Join(d.root.MkdirAll(path.Dir(name), 0o755), d.root.WriteFile(name, content, 0o644))
}

func (d folder) Open(_ context.Context, name string) (fs.File, error) { return d.root.Open(name) }
func (d folder) Remove(_ context.Context, name string) error          { return d.root.Remove(name) }

func (d folder) Link(_ context.Context, from, to string) error {
	err := errors.Join(d.root.MkdirAll(path.Dir(to), 0o755), d.root.Link(from, to))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// frontEnds returns n of them on one new catalog, each with a library of its own that never polls.
func frontEnds(t testing.TB, n int) (list []http.Handler) {
	dir := t.TempDir()
	conns, err := sqlstore.OpenSQLite(filepath.Join(dir, "catalog.sqlite"), nil)
	must(t, err)
	t.Cleanup(func() { must(t, conns.Close()) })
	must(t, sqlstore.Migrate(t.Context(), conns, sqlstore.SQLite))
	store, err := sqlstore.New(conns, sqlstore.SQLite, nil)
	must(t, err)
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { must(t, root.Close()) })
	importer, err := intake.New(store, folder{root}, nil)
	must(t, err)
	where, err := site.New(site.Config{})
	must(t, err)
	for range n {
		library, err := live.New(store, nil)
		must(t, err)
		must(t, library.Refresh(t.Context()))
		sessions, err := session.New(session.Config{Keys: [][]byte{[]byte("sixteen bytes or more")}, Library: library, Site: where})
		must(t, err)
		inside, err := peer.New(peer.Config{Library: library, Import: peer.Import{
			Token: "correct-horse-battery", Importer: importer, Store: store, Issuer: sessions, TempDir: t.TempDir(),
		}})
		must(t, err)
		mux := http.NewServeMux()
		mux.Handle("/internal/", inside)
		mux.HandleFunc("GET /activity/{bundle}", func(w http.ResponseWriter, r *http.Request) {
			a := library.View().ByBundleID(r.PathValue("bundle"))
			if a == nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Cache-Control", "public")
			if _, err := fmt.Fprint(w, len(a.Versions)); err != nil {
				t.Error(err)
			}
		})
		list = append(list, sessions.Handler(mux))
	}
	return list
}

func bundle(t testing.TB, number int) []byte {
	dir := filepath.Join(t.TempDir(), "Maze.activity")
	must(t, os.MkdirAll(filepath.Join(dir, "activity"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "activity", "activity.info"), fmt.Appendf(nil,
		"[Activity]\nname = Maze\nbundle_id = org.example.Maze\nexec = sugar-activity3 maze.Maze\nactivity_version = %d\nicon = maze\nlicense = GPLv3+\n", number), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "activity", "maze.svg"), []byte(`<svg width="55"><rect width="45" fill="#fff"/></svg>`), 0o644))
	var b bytes.Buffer
	_, err := xo.Pack(t.Context(), dir, &b, nil)
	must(t, err)
	return b.Bytes()
}

// TestReadYourImport sends bundles to one front end and reads through the other, with a real
// catalog: with the token each is there at once, and the balancer hears of each.
func TestReadYourImport(t *testing.T) {
	fronts := frontEnds(t, 2)
	serve := func(i int, r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		fronts[i].ServeHTTP(w, r)
		return w
	}
	send := func(i int, content []byte) (*httptest.ResponseRecorder, peer.Imported) {
		r := httptest.NewRequest("POST", peer.ImportPath, bytes.NewReader(content))
		r.Header.Set("Authorization", "Bearer correct-horse-battery")
		w := serve(i, r)
		var got peer.Imported
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return w, got
	}
	read := func(i int, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/activity/org.example.Maze", nil)
		r.Header.Set(session.HeaderSeen, token)
		return serve(i, r)
	}
	var last peer.Imported
	const rounds = 6
	for round := range rounds {
		content := bundle(t, round+1)
		w, got := send(round%2, content)
		token := w.Header().Get(session.HeaderSeen)
		if w.Code != http.StatusCreated || got.Existing || token == "" || got.Seq <= last.Seq || got.Epoch == "" {
			t.Fatalf("import %d: %d %+v, token %q", round, w.Code, got, token)
		}
		// Without its token the other front end would not know yet.
		if w := read(1-round%2, ""); w.Body.String() == fmt.Sprint(round+1) {
			t.Errorf("import %d is shown before anybody asked; this test proves nothing", round)
		}
		if w := read(1-round%2, token); w.Body.String() != fmt.Sprint(round+1) || w.Header().Get(session.HeaderBehind) != "" || w.Header().Get("Cache-Control") != "public" {
			t.Errorf("import %d is not shown by the other front end: %s, head %v", round, w.Body, w.Header())
		}
		if w, again := send(1-round%2, content); w.Code != http.StatusOK || !again.Existing || again.VersionID != got.VersionID || again.SHA256 != got.SHA256 {
			t.Errorf("import %d again: %d %+v", round, w.Code, again)
		}
		last = got
	}
	w := serve(0, httptest.NewRequest("GET", fmt.Sprintf("%s?after=%d&epoch=%s", peer.ChangesPath, 0, last.Epoch), nil))
	var page peer.Page
	must(t, json.Unmarshal(w.Body.Bytes(), &page))
	heard := 0
	for _, c := range page.Changes {
		if c.ActivityID == last.ActivityID && c.Kind == peer.KindChanged {
			heard++
		}
	}
	if page.Gap || heard == 0 {
		t.Errorf("the changes are %+v", page)
	}
	// A bundle that is none is refused with a sentence.
	if w, _ := send(0, []byte("no bundle")); w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("no bundle: %d %s", w.Code, w.Body)
	}
}
