package intake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

func about(f intake.Facts) func(string, remora.Number) intake.Facts {
	return func(string, remora.Number) intake.Facts { return f }
}

func TestNewRequiresBoth(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		store intake.Store
		files remora.Files
	}{{nil, nil}, {s.store, nil}, {nil, s.files}} {
		if im, err := intake.New(c.store, c.files, nil); err == nil || im != nil {
			t.Errorf("New(%v, %v): %v, %v", c.store, c.files, im, err)
		}
	}
	if shelf, err := intake.NewShelf(nil, s.files); err == nil || shelf != nil {
		t.Errorf("NewShelf without a store: %v, %v", shelf, err)
	}
	if shelf, err := intake.NewShelf(s.store, nil); err == nil || shelf != nil {
		t.Errorf("NewShelf without files: %v, %v", shelf, err)
	}
}

func TestImport(t *testing.T) {
	s := newShop(t)
	path := packed(t, "org.example.Dance", "7", "")
	r, err := s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	if r.Stored.Existing || r.Stored.State != remora.StatePublished || r.Bundle.Manifest.BundleID != "org.example.Dance" {
		t.Errorf("got %+v", r.Stored)
	}
	if d := cmp.Diff([]string{"Stage", "Put", "Put", "Draft", "Link", "Publish"}, without(s.calls, "Activities")); d != "" {
		t.Errorf("the steps (-want +got)\n%s", d)
	}
	s.tidy("after the import")
	a := s.offered()["org.example.Dance"]
	if len(a.Versions) != 1 || a.Versions[0].Number.String() != "7" || a.License != "GPL-3.0-or-later" || a.Versions[0].RangeSource != remora.RangeInferred {
		t.Errorf("offered is %+v", a)
	}

	before := s.digest()
	again, err := s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	want := r.Stored
	want.Existing = true
	if d := cmp.Diff(want, again.Stored); d != "" {
		t.Errorf("again (-want +got)\n%s", d)
	}
	if s.digest() != before {
		t.Error("importing what is there has changed the catalog")
	}
	s.tidy("after importing again")
}

func without(list []string, word string) (rest []string) {
	for _, w := range list {
		if w != word {
			rest = append(rest, w)
		}
	}
	return rest
}

func (s *shop) digest() string {
	s.Helper()
	d, err := s.store.Digest(s.Context())
	s.must(err)
	return d
}

func TestImportFacts(t *testing.T) {
	s := newShop(t)
	span := remora.Range{Min: remora.MustNumber("0.96"), Max: remora.MustNumber("0.112")}
	facts := intake.Facts{ActivityID: 4024, FileID: 23559, Range: &span, Channel: remora.ChannelExperimental, Categories: []string{"games", "art"}, FeaturedRank: ptr(3)}
	var asked []string
	r, err := s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "7", ""), func(id string, n remora.Number) intake.Facts {
		asked = append(asked, id+" "+n.String())
		return facts
	})
	s.must(err)
	if d := cmp.Diff([]string{"org.example.Dance 7"}, asked); d != "" {
		t.Errorf("asked for (-want +got)\n%s", d)
	}
	if r.Stored.ActivityID != 4024 || r.Stored.FileID != 23559 {
		t.Errorf("the numbers are %+v", r.Stored)
	}
	a := s.offered()["org.example.Dance"]
	v := a.Versions[0]
	if a.ID != 4024 || v.FileID != 23559 || v.Range != span || v.RangeSource != remora.RangeSet || v.Channel != remora.ChannelExperimental || a.FeaturedRank != 3 || len(a.Categories) != 2 {
		t.Errorf("of the facts came %+v", a)
	}
	// What the facts do not speak of stays.
	_, err = s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "8", ""), about(intake.Facts{}))
	s.must(err)
	if a := s.offered()["org.example.Dance"]; a.FeaturedRank != 3 || len(a.Categories) != 2 || len(a.Versions) != 2 {
		t.Errorf("the next version has undone facts: %+v", a)
	}
	// What they empty is emptied.
	_, err = s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "9", ""), about(intake.Facts{Categories: []string{}, FeaturedRank: ptr(0)}))
	s.must(err)
	if a := s.offered()["org.example.Dance"]; a.FeaturedRank != 0 || len(a.Categories) != 0 {
		t.Errorf("empty facts are not set: %+v", a)
	}
	s.tidy("at the end")
}

func TestImportFolder(t *testing.T) {
	s := newShop(t)
	dir := unpacked(t, "org.example.Dance", "7", "")
	s.must(os.Symlink("/etc/passwd", filepath.Join(dir, "secrets"))) // left out, with a warning
	r, err := s.importer.Import(t.Context(), by, dir, nil)
	s.must(err)
	if len(r.Warnings) == 0 || r.Stored.Existing {
		t.Errorf("got %+v with %d warnings", r.Stored, len(r.Warnings))
	}
	again, err := s.importer.Import(t.Context(), by, dir, nil)
	s.must(err)
	if !again.Stored.Existing {
		t.Error("the same folder has become another bundle")
	}
	s.tidy("at the end")
	if _, err := s.importer.Import(t.Context(), by, t.TempDir(), nil); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("a folder that is no activity: %v", err)
	}
}

func TestImportLeavesNoTemporaryFile(t *testing.T) {
	s := newShop(t)
	tmp := t.TempDir()
	im, err := intake.New(s.store, s.files, &intake.Options{TempDir: tmp})
	s.must(err)
	_, err = im.Import(t.Context(), by, unpacked(t, "org.example.Dance", "7", ""), nil)
	s.must(err)
	if _, err := im.Import(t.Context(), by, t.TempDir(), nil); err == nil {
		t.Error("an empty folder was imported")
	}
	left, err := os.ReadDir(tmp)
	s.must(err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	im, err = intake.New(s.store, s.files, &intake.Options{TempDir: filepath.Join(tmp, "absent")})
	s.must(err)
	if _, err := im.Import(t.Context(), by, unpacked(t, "org.example.Song", "1", ""), nil); err == nil {
		t.Error("packing without a temporary folder succeeded")
	}
}

func TestImportRefuses(t *testing.T) {
	s := newShop(t)
	text := filepath.Join(t.TempDir(), "no.xo")
	s.must(os.WriteFile(text, []byte("this is no zip"), 0o644))
	first, err := s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "7", ""), nil)
	s.must(err)
	before := s.digest()
	for _, c := range []struct {
		name, path string
		kind       remora.Kind
		code       string
		about      func(string, remora.Number) intake.Facts
	}{
		{"absent", filepath.Join(t.TempDir(), "absent.xo"), remora.KindNotFound, "", nil},
		{"no zip", text, remora.KindInvalid, "", nil},
		{"other content", packed(t, "org.example.Dance", "7", "tags = other\n"), remora.KindConflict, "version.exists", nil},
		{"another's number", packed(t, "org.example.Song", "1", ""), remora.KindConflict, "activity.id", about(intake.Facts{ActivityID: first.Stored.ActivityID})},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := s.importer.Import(t.Context(), by, c.path, c.about)
			if r != nil || !errors.Is(err, &remora.Error{Kind: c.kind, Code: c.code}) && remora.KindOf(err) != c.kind || c.code != "" && !errors.Is(err, &remora.Error{Kind: c.kind, Code: c.code}) {
				t.Errorf("got %+v, %v; want kind %v, code %q", r, err, c.kind, c.code)
			}
			s.tidy("after the refusal")
		})
	}
	// Bytes of refused bundles may be staged until a sweep; of the catalog nothing changed.
	s.must(s.shelf.Settle(t.Context(), later()))
	if s.digest() != before {
		t.Error("refused bundles have changed the catalog")
	}
	if n := len(s.files.names(t, "uploads")); n != 1 {
		t.Errorf("%d uploads are kept, want the one that is offered", n)
	}
}

// TestImportAfterEveryFault makes each call of an import fail in turn, before it took effect and
// after. What clients see is whole at every moment, and the import done again finishes.
func TestImportAfterEveryFault(t *testing.T) {
	path := packed(t, "org.example.Dance", "7", "")
	next := packed(t, "org.example.Dance", "8", "")
	for name, facts := range map[string]intake.Facts{
		"plain":  {},
		"facts":  {ActivityID: 4024, Categories: []string{"games"}, FeaturedRank: ptr(1)},
		"hidden": {Hidden: true, Categories: []string{"games"}},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%v", name, late), func(t *testing.T) {
				for n := 1; ; n++ {
					s := newShop(t)
					s.watch = func(call string) {
						s.whole("after " + call)
						if facts.Hidden && len(s.offered()) > 0 {
							t.Errorf("after %s something hidden can be seen", call)
						}
						if public := s.files.names(t, "public"); facts.Hidden && len(public) > 0 {
							t.Errorf("after %s something hidden is public: %v", call, public)
						}
					}
					s.arm(n, late, errCut)
					r, err := s.importer.Import(t.Context(), by, path, about(facts))
					if err == nil {
						if n <= len(s.calls) {
							t.Fatalf("call %d (%s) failed, and nobody was told", n, s.calls[n-1])
						}
						if n < 6 {
							t.Fatalf("an import is %d calls", n-1)
						}
						return
					}
					what := fmt.Sprintf("call %d, %s", n, s.calls[len(s.calls)-1])
					if !errors.Is(err, remora.ErrUnavailable) || r != nil && !errors.Is(err, errCut) {
						t.Errorf("%s: the fault came out as %+v, %v", what, r, err)
					}
					if len(s.calls) != n {
						t.Errorf("%s: went on after a fault: %v", what, s.calls)
					}
					s.arm(0, false, nil)
					if _, err := s.importer.Import(t.Context(), by, path, about(facts)); err != nil {
						t.Fatalf("%s: the second attempt: %v", what, err)
					}
					if _, err := s.importer.Import(t.Context(), by, next, about(facts)); err != nil {
						t.Fatalf("%s: the next version: %v", what, err)
					}
					a := s.activity("org.example.Dance")
					hidden := a.State == remora.ActivityDisabled
					if len(a.Versions) != 2 || a.Versions[0].State != remora.StatePublished || hidden != facts.Hidden || len(a.Categories) != len(facts.Categories) {
						t.Errorf("%s: at the end there is %+v", what, a)
					}
					if _, seen := s.offered()["org.example.Dance"]; seen == facts.Hidden {
						t.Errorf("%s: hidden is %v, seen is %v", what, facts.Hidden, seen)
					}
					s.must(s.shelf.Settle(t.Context(), later()))
					s.tidy(what + ", at the end")
				}
			})
		}
	}
}

// TestImportOfTheWithdrawn: doing an import again brings nothing back that a person has withdrawn,
// and makes no public name of it.
func TestImportOfTheWithdrawn(t *testing.T) {
	for name, withdraw := range map[string]func(s *shop, r *intake.Result) error{
		"version": func(s *shop, r *intake.Result) error {
			return s.shelf.HideVersion(s.Context(), by, r.Stored.VersionID, false)
		},
		"activity": func(s *shop, r *intake.Result) error {
			return s.shelf.HideActivity(s.Context(), by, r.Stored.ActivityID, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			path := packed(t, "org.example.Dance", "7", "")
			r, err := s.importer.Import(t.Context(), by, path, nil)
			s.must(err)
			s.must(withdraw(s, r))
			s.watch = func(call string) { s.tidy("after " + call) }
			again, err := s.importer.Import(t.Context(), by, path, nil)
			s.must(err)
			if !again.Stored.Existing {
				t.Errorf("got %+v", again.Stored)
			}
			if len(s.offered()) != 0 {
				t.Error("what was withdrawn is offered again")
			}
			s.tidy("after importing again")
		})
	}
	t.Run("next version of a hidden activity", func(t *testing.T) {
		s := newShop(t)
		r, err := s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "7", ""), nil)
		s.must(err)
		s.must(s.shelf.HideActivity(t.Context(), by, r.Stored.ActivityID, false))
		s.watch = func(call string) { s.tidy("after " + call) }
		_, err = s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "8", ""), nil)
		s.must(err)
		s.watch = nil
		s.must(s.shelf.Settle(t.Context(), later()))
		a := s.activity("org.example.Dance")
		s.must(s.shelf.ShowActivity(t.Context(), by, &a))
		if a := s.offered()["org.example.Dance"]; len(a.Versions) != 2 {
			t.Errorf("shown again it is %+v", a)
		}
		s.tidy("shown again")
	})
	t.Run("deleted", func(t *testing.T) {
		s := newShop(t)
		path := packed(t, "org.example.Dance", "7", "")
		r, err := s.importer.Import(t.Context(), by, path, nil)
		s.must(err)
		s.must(s.shelf.HideVersion(t.Context(), by, r.Stored.VersionID, true))
		if _, err := s.importer.Import(t.Context(), by, path, nil); !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "version.deleted"}) {
			t.Errorf("a deleted version again: %v", err)
		}
		s.must(s.shelf.HideActivity(t.Context(), by, r.Stored.ActivityID, true))
		if _, err := s.importer.Import(t.Context(), by, packed(t, "org.example.Dance", "8", ""), nil); !errors.Is(err, &remora.Error{Kind: remora.KindConflict, Code: "activity.deleted"}) {
			t.Errorf("a deleted activity again: %v", err)
		}
		s.tidy("after it")
	})
}

// TestImportHidesWhatIsThere: a fact that says hidden withdraws what was offered.
func TestImportHidesWhatIsThere(t *testing.T) {
	s := newShop(t)
	path := packed(t, "org.example.Dance", "7", "")
	_, err := s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	_, err = s.importer.Import(t.Context(), by, path, about(intake.Facts{Hidden: true}))
	s.must(err)
	if len(s.offered()) != 0 {
		t.Error("it is still offered")
	}
	s.must(s.shelf.Settle(t.Context(), later()))
	s.tidy("after Settle")
}

// TestImportMendsName: a public name that somebody has removed by hand is made anew.
func TestImportMendsName(t *testing.T) {
	s := newShop(t)
	path := packed(t, "org.example.Dance", "7", "")
	r, err := s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	s.must(s.files.Remove(t.Context(), r.Stored.PublicName()))
	_, err = s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	s.tidy("after importing again")
}

func TestImportEnds(t *testing.T) {
	s := newShop(t)
	path := packed(t, "org.example.Dance", "7", "")
	ctx, cancel := context.WithCancel(t.Context())
	s.watch = func(call string) {
		if call == "Stage" {
			cancel()
		}
	}
	if _, err := s.importer.Import(ctx, by, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if len(s.offered()) != 0 {
		t.Error("it is offered although the import was ended")
	}
	s.watch = nil
	_, err := s.importer.Import(t.Context(), by, path, nil)
	s.must(err)
	s.tidy("after importing again")
}

func TestFind(t *testing.T) {
	top := t.TempDir()
	write := func(name string) {
		t.Helper()
		p := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"b/two.xo", "b/one.xo", "b/deep/er/content.xol", "b/notes.txt", "b/Maze.activity/activity/activity.info", "b/Maze.activity/inner.xo",
		"b/Empty.activity/x.xo", "b/x.xo.part", "a.xo", "c.txt", "elsewhere/far.xo",
	} {
		write(name)
	}
	for link, to := range map[string]string{"b/linked.xo": "one.xo", "b/loop": ".", "b/away": "../elsewhere", "way": "b", "latest.xo": "a.xo", "nowhere.xo": "gone.xo"} {
		if err := os.Symlink(to, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	below := []string{"b/Empty.activity/x.xo", "b/Maze.activity/", "b/deep/er/content.xol", "b/one.xo", "b/two.xo"}
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
		says  []string // in the error
	}{
		{"folder", []string{"b"}, below, nil},
		{"in the order given", []string{"b/two.xo", "a.xo"}, []string{"b/two.xo", "a.xo"}, nil},
		{"unpacked folder itself", []string{"b/Maze.activity"}, []string{"b/Maze.activity/"}, nil},
		{"no bundle", []string{"c.txt", "a.xo"}, []string{"a.xo"}, []string{"c.txt"}},
		{"absent", []string{"absent", "a.xo", "gone"}, []string{"a.xo"}, []string{"absent", "gone"}},
		{"nothing there", []string{"b/Maze.activity/activity"}, nil, nil},
		{"a link to a folder that is named", []string{"way"}, below, nil},
		{"a link to a bundle that is named", []string{"latest.xo"}, []string{"latest.xo"}, nil},
		{"a link to nowhere that is named", []string{"nowhere.xo", "a.xo"}, []string{"a.xo"}, []string{"nowhere.xo"}},
		{"none", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			for _, p := range c.paths {
				paths = append(paths, filepath.Join(top, p))
			}
			found, err := intake.Find(t.Context(), paths)
			var got []string
			for _, f := range found {
				rel, relErr := filepath.Rel(top, f.Path)
				if relErr != nil {
					t.Fatal(relErr)
				}
				if f.Folder {
					rel += "/"
				}
				got = append(got, rel)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if (err == nil) != (c.says == nil) {
				t.Errorf("the error is %v", err)
			}
			for _, word := range c.says {
				if !strings.Contains(fmt.Sprint(err), word) {
					t.Errorf("the error does not speak of %s: %v", word, err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := intake.Find(ctx, []string{top}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended, Find says %v", err)
	}
}
