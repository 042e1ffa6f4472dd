package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

func mode(t testing.TB, s *sqlstore.Store) string {
	t.Helper()
	m, err := s.WriteMode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustMode(t testing.TB, s *sqlstore.Store, m string) {
	t.Helper()
	if err := s.SetWriteMode(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func mustMove(t testing.TB, from, to *database) sqlstore.CopyReport {
	t.Helper()
	r, err := sqlstore.Move(t.Context(), from.store, to.store, &sqlstore.MoveOptions{To: "the server on beamrider"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMoveUnderWrites moves a library that is written to: what was acknowledged is in the new database.
func TestMoveUnderWrites(t *testing.T) {
	from, to := engines["sqlite"](t), engines["mariadb"](t)
	fill(t, from.store)
	before := position(t, from.store)
	var mu sync.Mutex
	var acknowledged []remora.Stored
	var refused error
	begun := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 10_000 {
				st, err := publish(context.Background(), from.store, bundle(fmt.Sprintf("org.laptop.W%dN%d", w, i), "1"))
				mu.Lock()
				switch {
				case err == nil:
					acknowledged = append(acknowledged, st)
					if len(acknowledged) == 5 {
						close(begun)
					}
				case errors.Is(err, remora.ErrReadOnly):
					if errors.Is(err, &remora.Error{Kind: remora.KindReadOnly, Code: "write.moved"}) {
						refused = err
						mu.Unlock()
						return
					}
				default:
					t.Error(err)
					mu.Unlock()
					return
				}
				mu.Unlock()
			}
			t.Error("the move never ended")
		})
	}
	<-begun
	r := mustMove(t, from, to)
	wg.Wait()
	if refused == nil || !strings.Contains(remora.MessageOf(refused), "the server on beamrider") {
		t.Errorf("writers are told %v", refused)
	}
	if mode(t, from.store) != sqlstore.WriteMoved || mode(t, to.store) != sqlstore.WriteNormal {
		t.Errorf("the modes are %s and %s", mode(t, from.store), mode(t, to.store))
	}
	versions, h := all(t, to.store)
	for _, st := range acknowledged {
		if v, ok := versions[st.VersionID]; !ok || v.Filename != st.Filename {
			t.Errorf("the acknowledged version %d is not in the new database", st.VersionID)
		}
	}
	if h.Position != r.Position || h.Epoch != before.Epoch || h.Seq <= before.Seq {
		t.Errorf("the new database is at %v, the report says %v; the old one was at %v", h.Position, r.Position, before)
	}
	// A reader of the old one goes on with the new one.
	if _, err := to.store.Since(t.Context(), before); err != nil {
		t.Error(err)
	}
	if err := to.store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	// Counts that were refused are handed in at the new one.
	counts := []remora.DownloadCount{{Day: "2026-01-02", VersionID: acknowledged[0].VersionID, Source: "page", N: 2}}
	if err := from.store.AddDownloads(t.Context(), counts); !errors.Is(err, remora.ErrReadOnly) {
		t.Errorf("counts at the old one: %v", err)
	}
	if err := to.store.AddDownloads(t.Context(), counts); err != nil {
		t.Error(err)
	}
	mustPublish(t, to.store, "org.laptop.After", "1")
	if r := mustMove(t, from, to); !r.Resumed || r.Position != position(t, to.store) {
		t.Errorf("moved again, the report is %+v", r)
	}
	_, err := sqlstore.Move(t.Context(), from.store, engines["mariadb"](t).store, nil)
	if !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "move.done"}) || !strings.Contains(err.Error(), "beamrider") {
		t.Errorf("moved elsewhere too: %v", err)
	}
	// Undone, the old one is another history.
	mustMode(t, from.store, sqlstore.WriteNormal)
	if at := position(t, from.store); at.Epoch == before.Epoch {
		t.Error("two databases are written to in one epoch")
	}
	if _, err := from.store.Since(t.Context(), before); !errors.Is(err, remora.ErrGap) {
		t.Errorf("a reader of the time before: %v", err)
	}
	mustPublish(t, from.store, "org.laptop.Undone", "1")
	if _, err := sqlstore.Move(t.Context(), from.store, to.store, nil); !errors.Is(err, remora.ErrConflict) {
		t.Errorf("a move over a library that goes on: %v", err)
	}
	mustPublish(t, from.store, "org.laptop.Undone2", "1")
}

// TestMoveFromEveryPoint: wherever a move was killed, doing it again finishes it.
func TestMoveFromEveryPoint(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, from, to *database){
		"nothing": func(*testing.T, *database, *database) {},
		"frozen":  func(t *testing.T, from, _ *database) { mustMode(t, from.store, sqlstore.WriteFrozen) },
		"half copied": func(t *testing.T, from, to *database) {
			mustMode(t, from.store, sqlstore.WriteFrozen)
			ctx, o := stopAfter(t, 5)
			if _, err := sqlstore.Copy(ctx, from.store, to.store, o); err == nil {
				t.Fatal("the copy was not interrupted")
			}
		},
		"copied": func(t *testing.T, from, to *database) {
			mustMode(t, from.store, sqlstore.WriteFrozen)
			mustCopy(t, from, to, nil)
		},
		"copied, then written to": func(t *testing.T, from, to *database) {
			mustMode(t, from.store, sqlstore.WriteFrozen)
			mustCopy(t, from, to, nil)
			mustMode(t, from.store, sqlstore.WriteNormal)
			mustPublish(t, from.store, "org.laptop.Meanwhile", "1")
		},
		"marked": func(t *testing.T, from, to *database) {
			mustMode(t, from.store, sqlstore.WriteFrozen)
			mustCopy(t, from, to, nil)
			mustMode(t, from.store, sqlstore.WriteMoved)
		},
		"done": func(t *testing.T, from, to *database) { mustMove(t, from, to) },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := engines["sqlite"](t), engines["mariadb"](t)
			fill(t, from.store)
			epoch := position(t, from.store).Epoch
			prepare(t, from, to)
			r := mustMove(t, from, to)
			if mode(t, from.store) != sqlstore.WriteMoved || mode(t, to.store) != sqlstore.WriteNormal {
				t.Errorf("the modes are %s and %s", mode(t, from.store), mode(t, to.store))
			}
			if r.Digest == "" || r.Position != position(t, to.store) || r.Position.Epoch != epoch {
				t.Errorf("the report is %+v", r)
			}
			a, _ := all(t, from.store)
			b, _ := all(t, to.store)
			if len(a) == 0 || len(a) != len(b) {
				t.Errorf("there are %d versions, there were %d", len(b), len(a))
			}
			if err := to.store.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			mustPublish(t, to.store, "org.laptop.After", "1")
		})
	}
}

// TestMoveFails: after an error the old database takes writes again.
func TestMoveFails(t *testing.T) {
	from, to := engines["sqlite"](t), engines["mariadb"](t)
	fill(t, from.store)
	ctx, o := stopAfter(t, 4)
	if _, err := sqlstore.Move(ctx, from.store, to.store, &sqlstore.MoveOptions{Progress: o.Progress}); err == nil || remora.KindOf(err) != remora.KindUnavailable {
		t.Errorf("an interrupted move: %v", err)
	}
	if m := mode(t, from.store); m != sqlstore.WriteNormal {
		t.Errorf("after it the old database is %s", m)
	}
	mustPublish(t, from.store, "org.laptop.Meanwhile", "1")
	if _, err := sqlstore.Move(t.Context(), from.store, to.store, &sqlstore.MoveOptions{To: strings.Repeat("x", 256)}); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("a name that is too long: %v", err)
	}
	if _, err := sqlstore.Move(t.Context(), from.store, nil, nil); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("a move to nowhere: %v", err)
	}
	gone := openMariaDB(t, "a:b@tcp(127.0.0.1:1)/c", &sqlstore.Options{Wait: 1e9})
	var err error
	if gone.store, err = sqlstore.New(gone, gone.engine, nil); err != nil {
		t.Fatal(err)
	}
	at := position(t, from.store)
	if _, err := sqlstore.Move(t.Context(), from.store, gone.store, nil); remora.KindOf(err) != remora.KindUnavailable || !strings.Contains(remora.MessageOf(err), "writes to") {
		t.Errorf("a move to a server that is away: %v", err)
	}
	if position(t, from.store) != at {
		t.Error("writes were frozen for a server that is away")
	}
	mustMove(t, from, to)
}

// TestNewEpochInEveryMode is what a promotion relies on.
func TestNewEpochInEveryMode(t *testing.T) {
	onEach(t, func(t *testing.T, d *database) {
		fill(t, d.store)
		for _, m := range []string{sqlstore.WriteNormal, sqlstore.WriteFrozen, sqlstore.WriteMoved} {
			mustMode(t, d.store, m)
			at, want := position(t, d.store), digest(t, d.store)
			if err := d.store.NewEpoch(t.Context()); err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			now := position(t, d.store)
			if now.Epoch == at.Epoch || now.Seq != at.Seq || mode(t, d.store) != m || digest(t, d.store) != want {
				t.Errorf("%s: from %v to %v", m, at, now)
			}
			if _, err := d.store.Since(t.Context(), at); !errors.Is(err, remora.ErrGap) {
				t.Errorf("%s: a reader of the epoch before: %v", m, err)
			}
			if _, err := d.store.Since(t.Context(), now); err != nil {
				t.Errorf("%s: %v", m, err)
			}
		}
	})
}
