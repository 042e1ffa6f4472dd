package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

func (s *shop) take(id, number string) *intake.Result {
	s.Helper()
	r, err := s.importer.Import(s.Context(), by, packed(s, id, number, ""), nil)
	s.must(err)
	return r
}

func TestShelf(t *testing.T) {
	s := newShop(t)
	ctx := t.Context()
	one, two := s.take("org.example.Dance", "1"), s.take("org.example.Dance", "2")
	s.take("org.example.Song", "1")
	versions := func(want ...string) {
		t.Helper()
		var got []string
		for _, v := range s.offered()["org.example.Dance"].Versions {
			got = append(got, v.Number.String())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("offered are versions %v, want %v", got, want)
		}
		s.tidy("then")
	}
	dance := func() remora.Activity { return s.activity("org.example.Dance") }
	versions("1", "2")
	s.must(s.shelf.HideVersion(ctx, by, two.Stored.VersionID, false))
	versions("1")
	for i := range dance().Versions {
		a := dance()
		if v := &a.Versions[i]; v.ID == two.Stored.VersionID {
			s.must(s.shelf.ShowVersion(ctx, by, a.ID, v))
		}
	}
	versions("1", "2")
	s.must(s.shelf.HideActivity(ctx, by, one.Stored.ActivityID, false))
	versions()
	s.must(s.shelf.HideActivity(ctx, by, one.Stored.ActivityID, false)) // again is no mistake
	a := dance()
	s.must(s.shelf.ShowActivity(ctx, by, &a))
	versions("1", "2")
	s.must(s.shelf.HideVersion(ctx, by, one.Stored.VersionID, true))
	versions("2")
	for _, v := range dance().Versions {
		if v.ID != one.Stored.VersionID {
			continue
		}
		if err := s.shelf.ShowVersion(ctx, by, one.Stored.ActivityID, &v); !errors.Is(err, remora.ErrConflict) {
			t.Errorf("what is gone for good was shown: %v", err)
		}
	}
	versions("2")
	s.must(s.shelf.HideActivity(ctx, by, one.Stored.ActivityID, true))
	versions()
	a = dance()
	if err := s.shelf.ShowActivity(ctx, by, &a); !errors.Is(err, remora.ErrConflict) {
		t.Errorf("an activity that is gone for good was shown: %v", err)
	}
	s.must(s.shelf.Settle(ctx, later()))
	versions()
	if _, kept := s.offered()["org.example.Song"]; !kept {
		t.Error("another activity went too")
	}
	if n := len(s.files.names(t, "uploads")); n != 1 {
		t.Errorf("%d uploads are kept, want that of the one activity that is left", n)
	}
	if err := s.shelf.HideActivity(ctx, by, 77, false); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("hiding what is not there: %v", err)
	}
	if err := s.shelf.HideVersion(ctx, by, 77, false); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("hiding a version that is not there: %v", err)
	}
}

// TestShelfAfterEveryFault makes each call fail in turn. Whatever was withdrawn is no longer
// offered, whatever is offered is there, and Settle and a second attempt finish.
func TestShelfAfterEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		prepare, act func(s *shop, a *remora.Activity) error
		offered      int // versions, at the end
	}{
		"hide activity":   {nil, func(s *shop, a *remora.Activity) error { return s.shelf.HideActivity(s.Context(), by, a.ID, false) }, 0},
		"remove activity": {nil, func(s *shop, a *remora.Activity) error { return s.shelf.HideActivity(s.Context(), by, a.ID, true) }, 0},
		"hide version": {nil, func(s *shop, a *remora.Activity) error {
			return s.shelf.HideVersion(s.Context(), by, a.Versions[0].ID, false)
		}, 1},
		"show activity": {
			func(s *shop, a *remora.Activity) error { return s.shelf.HideActivity(s.Context(), by, a.ID, false) },
			func(s *shop, a *remora.Activity) error { return s.shelf.ShowActivity(s.Context(), by, a) }, 2,
		},
		"show version": {
			func(s *shop, a *remora.Activity) error {
				return s.shelf.HideVersion(s.Context(), by, a.Versions[0].ID, false)
			},
			func(s *shop, a *remora.Activity) error {
				return s.shelf.ShowVersion(s.Context(), by, a.ID, &a.Versions[0])
			}, 2,
		},
		"settle": {
			func(s *shop, a *remora.Activity) error { // the activity is deleted, and nothing was cleared away
				state := remora.ActivityDeleted
				return s.store.EditActivity(s.Context(), by, a.ID, remora.ActivityEdit{State: &state})
			},
			func(s *shop, a *remora.Activity) error { return s.shelf.Settle(s.Context(), later()) }, 0,
		},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%v", name, late), func(t *testing.T) {
				stocked := newShop(t)
				stocked.take("org.example.Dance", "1")
				stocked.take("org.example.Dance", "2")
				if c.prepare != nil {
					a := stocked.activity("org.example.Dance")
					stocked.must(c.prepare(stocked, &a))
				}
				for n := 1; ; n++ {
					s := stocked.another()
					a := s.activity("org.example.Dance")
					s.watch = func(call string) { s.whole("after " + call) }
					s.arm(n, late, errCut)
					err := c.act(s, &a)
					if err == nil {
						if n <= len(s.calls) {
							t.Fatalf("call %d (%s) failed, and nobody was told", n, s.calls[n-1])
						}
						return
					}
					what := fmt.Sprintf("call %d, %s", n, s.calls[len(s.calls)-1])
					if !errors.Is(err, errCut) {
						t.Errorf("%s: the fault came out as %v", what, err)
					}
					s.arm(0, false, nil)
					s.must(s.shelf.Settle(t.Context(), later()))
					a = s.activity("org.example.Dance")
					if err := c.act(s, &a); err != nil {
						t.Fatalf("%s: the second attempt: %v", what, err)
					}
					s.must(s.shelf.Settle(t.Context(), later()))
					s.tidy(what + ", at the end")
					if got := len(s.offered()["org.example.Dance"].Versions); got != c.offered {
						t.Errorf("%s: at the end %d versions are offered, want %d", what, got, c.offered)
					}
				}
			})
		}
	}
}

// TestSettle clears away what crashes have left: bytes that never came to be a draft, and public
// names of what is withdrawn. Names that are not there any more are no mistake.
func TestSettle(t *testing.T) {
	s := newShop(t)
	ctx := t.Context()
	kept := s.take("org.example.Dance", "1")
	for i := range 450 { // more than one question's worth
		content := fmt.Appendf(nil, "stray %d", i)
		sum := remora.Digest(sha256.Sum256(content))
		s.must(s.store.Stage(ctx, sum, int64(len(content)), "application/vnd.olpc-sugar"))
		if i%3 == 0 {
			continue // the crash was before Put
		}
		s.must(s.files.Put(ctx, remora.UploadName(sum), bytes.NewReader(content), int64(len(content)), sum[:]))
	}
	gone := s.take("org.example.Song", "1")
	state := remora.ActivityDisabled
	s.must(s.store.EditActivity(ctx, by, gone.Stored.ActivityID, remora.ActivityEdit{State: &state}))
	s.must(s.files.Remove(ctx, gone.Stored.PublicName()))

	s.must(s.shelf.Settle(ctx, 1)) // of the bytes nothing is old enough
	if n := len(s.files.names(t, "uploads")); n != 302 {
		t.Errorf("%d uploads are there, want all 302", n)
	}
	if _, err := s.files.Open(ctx, gone.Stored.PublicName()); err == nil {
		t.Error("a withdrawn name is there")
	}
	s.must(s.shelf.Settle(ctx, later()))
	if n := len(s.files.names(t, "uploads")); n != 2 {
		t.Errorf("%d uploads are left, want the 2 that versions want", n)
	}
	s.tidy("after Settle")
	if len(s.offered()) != 1 {
		t.Error("what is offered went too")
	}
	a := s.activity("org.example.Song")
	s.must(s.shelf.ShowActivity(ctx, by, &a))
	s.tidy("shown again")
	before := s.digest()
	s.must(s.shelf.Settle(ctx, later()))
	if s.digest() != before {
		t.Error("settling what is settled has changed the catalog")
	}
	if _, err := s.files.Open(ctx, kept.Stored.PublicName()); err != nil {
		t.Error(err)
	}
}

// TestSettleScreenshots clears away pictures that no activity shows, and no others.
func TestSettleScreenshots(t *testing.T) {
	s := newShop(t)
	ctx := t.Context()
	dance := s.take("org.example.Dance", "1")
	var images []remora.Image
	for i := range 3 {
		content := fmt.Appendf(nil, "picture %d", i)
		m := remora.Image{SHA256: sha256.Sum256(content), Media: "image/png", Size: int64(len(content)), Width: 4, Height: 3}
		s.must(s.store.Stage(ctx, m.SHA256, m.Size, m.Media))
		s.must(s.files.Put(ctx, remora.ImageName(m.SHA256), bytes.NewReader(content), m.Size, m.SHA256[:]))
		images = append(images, m)
	}
	settled := func(want int) {
		t.Helper()
		s.must(s.shelf.Settle(ctx, later()))
		if n := len(s.files.names(t, "previews")); n != want {
			t.Errorf("%d pictures are left, want the %d that are shown", n, want)
		}
		s.tidy("after Settle")
	}
	show := func(list ...remora.Image) {
		t.Helper()
		s.must(s.store.EditActivity(ctx, by, dance.Stored.ActivityID, remora.ActivityEdit{Screenshots: &list}))
	}
	show(images[:2]...) // the third was stored when a command was interrupted
	settled(2)
	show(images[1])
	settled(1)
	s.must(s.shelf.HideActivity(ctx, by, dance.Stored.ActivityID, false))
	settled(1)
	s.must(s.shelf.HideActivity(ctx, by, dance.Stored.ActivityID, true))
	settled(0)
}

// TestSettleGoesOn: a fault with names does not keep bytes from being cleared away.
func TestSettleGoesOn(t *testing.T) {
	s := newShop(t)
	sum := remora.Digest(sha256.Sum256([]byte("stray")))
	s.must(s.store.Stage(t.Context(), sum, 5, "application/vnd.olpc-sugar"))
	s.must(s.files.Put(t.Context(), remora.UploadName(sum), bytes.NewReader([]byte("stray")), 5, sum[:]))
	s.arm(1, false, errCut)
	if err := s.shelf.Settle(t.Context(), later()); !errors.Is(err, errCut) {
		t.Errorf("the fault came out as %v", err)
	}
	if n := len(s.files.names(t, "uploads")); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

func TestSettleEnds(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.shelf.Settle(ctx, later()); !errors.Is(err, context.Canceled) {
		t.Errorf("ended, Settle says %v", err)
	}
}
