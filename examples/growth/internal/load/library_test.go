package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/site"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/remora/sugar"
	"github.com/sugarlabs/beamrider/remora/web"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// disk is remora.Files in a folder, without the care of a real one.
type disk struct{ root *os.Root }

func (d *disk) Put(_ context.Context, name string, r io.Reader, _ int64, _ []byte) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if old, err := d.root.ReadFile(name); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := d.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return d.root.WriteFile(name, content, 0o644)
}

func (d *disk) Open(_ context.Context, name string) (fs.File, error) { return d.root.Open(name) }

func (d *disk) Link(_ context.Context, from, to string) error {
	if err := d.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	if err := d.root.Link(from, to); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (d *disk) Remove(_ context.Context, name string) error { return d.root.Remove(name) }

// A frontEnd is a real front end that also takes imports.
type frontEnd struct {
	http.Handler
	library  *live.Library
	store    *sqlstore.Store
	importer *intake.Importer
	dir      string
}

func newFrontEnd(t *testing.T) *frontEnd {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := &frontEnd{dir: t.TempDir()}
	conns, err := sqlstore.OpenSQLite(filepath.Join(f.dir, "catalog.sqlite"), nil)
	must(err)
	t.Cleanup(func() {
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
	})
	must(sqlstore.Migrate(t.Context(), conns, sqlstore.SQLite))
	f.store, err = sqlstore.New(conns, sqlstore.SQLite, nil)
	must(err)
	root, err := os.OpenRoot(f.dir)
	must(err)
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	files := &disk{root}
	f.importer, err = intake.New(f.store, files, nil)
	must(err)
	f.library, err = live.New(f.store, nil)
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.library.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-f.library.Ready()
	s, err := site.New(site.Config{})
	must(err)
	pages, err := web.New(web.Config{Library: f.library, Site: s})
	must(err)
	f.Handler, err = sugar.New(sugar.Config{Library: f.library, Files: files, Site: s, Recolor: xo.Recolor, Next: pages})
	must(err)
	return f
}

func (f *frontEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/internal/import" {
		if err := f.take(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	if c, err := r.Cookie(tokenName); err == nil {
		var seq int64
		if _, err := fmt.Sscan(c.Value, &seq); err != nil {
			http.Error(w, "this is no token", http.StatusBadRequest)
			return
		}
		if f.library.View().Position().Seq < seq {
			if err := f.library.Refresh(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	}
	f.Handler.ServeHTTP(w, r)
}

func (f *frontEnd) take(w http.ResponseWriter, r *http.Request) (err error) {
	spool, err := os.CreateTemp(f.dir, "*.xo")
	if err != nil {
		return err
	}
	_, err = io.Copy(spool, r.Body)
	defer func() { err = errors.Join(err, os.Remove(spool.Name())) }()
	if err := errors.Join(err, spool.Close()); err != nil {
		return err
	}
	result, err := f.importer.Import(r.Context(), remora.Actor{UserID: remora.SystemUser}, spool.Name(), nil)
	if err != nil {
		return err
	}
	at, err := f.store.Position(r.Context())
	if err != nil {
		return err
	}
	answer, err := json.Marshal(acknowledgement{
		ActivityID: result.Stored.ActivityID, VersionID: result.Stored.VersionID, Filename: result.Stored.Filename,
		SHA256: remora.Digest(result.Bundle.SHA256).String(), Existing: result.Stored.Existing, Seq: at.Seq, Epoch: at.Epoch,
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: tokenName, Value: fmt.Sprint(at.Seq), Path: "/"})
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(answer)
	return err
}

// TestRealFrontEnd holds the checks of this package against what a front end really answers: none
// of it may be called wrong, more versions than fit on one page included.
func TestRealFrontEnd(t *testing.T) {
	const versions = 33 // a page has 30
	l, stop := running(t, newFrontEnd(t), func(c *Config) {
		c.Rates = Rates{Page: 20, Search: 20, Update: 40, Batch: 10, Download: 20}
		c.Seeds = 1
	})
	// One activity gets more versions, while it is read, than the load would give it in the time.
	a := l.model.all[0]
	for place := 1; place <= versions; place++ {
		b, err := pack(t.Context(), t.TempDir(), chosen{a, place, l.seed})
		if err != nil {
			t.Fatal(err)
		}
		l.model.sending(b)
		if o, _ := l.send(t.Context(), b, l.clients[0], false); o.class != classOK {
			t.Fatalf("%+v", o)
		}
	}
	until(t, l, "every kind is answered", func(r Report) bool {
		for k := range KindImport {
			if r.Total(k).OK < 10 {
				return false
			}
		}
		return r.Acked == versions+1
	})
	stop()
	r := l.Report()
	checkSums(t, r, true)
	for k := range KindImport {
		if n := r.Total(k); n.Failed+n.Wrong+n.Unknown+n.Refused > 0 {
			t.Errorf("%v is not all good:\n%s", k, r)
			break
		}
	}
	if err := l.VerifyAll(t.Context(), l.target); err != nil {
		t.Error(err)
	}
}
