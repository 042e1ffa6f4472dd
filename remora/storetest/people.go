package storetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

func (s *suite) setAuthors(activityID int64, names ...string) error {
	return s.EditActivity(s.Context(), by, activityID, remora.ActivityEdit{Authors: &names})
}

func testAuthors(s *suite) {
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("org.laptop.Art", "1", ""))
	third := s.publish(bundle("org.laptop.Third", "1", ""))
	ids := map[string]int64{}
	authors := func(activityID int64, want ...string) {
		s.Helper()
		a := s.visible(activityID)
		var got []string
		for _, p := range a.Authors {
			got = append(got, p.Name)
			if id, known := ids[strings.ToLower(p.Name)]; p.ID <= 1 || known && id != p.ID {
				s.Errorf("the author %q is user %d, was %d", p.Name, p.ID, id)
			}
			ids[strings.ToLower(p.Name)] = p.ID
		}
		s.diff("the authors", want, got)
		s.diff("those the people who run it see", a.Authors, s.stored(activityID).Authors)
	}
	authors(one.ActivityID)
	s.must(s.setAuthors(one.ActivityID, "  Zoë   𝒳 ", "Ana", "zoë 𝒳"))
	authors(one.ActivityID, "Zoë 𝒳", "Ana")
	s.unchanged("the same authors again", func() { s.must(s.setAuthors(one.ActivityID, "Zoë 𝒳", "Ana")) })
	s.must(s.setAuthors(two.ActivityID, "Ana"))
	s.must(s.setAuthors(one.ActivityID, "Ana", "Zoë 𝒳", "Bert"))
	authors(one.ActivityID, "Ana", "Zoë 𝒳", "Bert") // the order they are named in
	authors(two.ActivityID, "Ana")
	if ids["ana"] == ids["bert"] {
		s.Error("two people are one user")
	}
	s.publish(bundle("org.laptop.Log", "2", ""))
	authors(one.ActivityID, "Ana", "Zoë 𝒳", "Bert")

	// A name is spelled as it was last, everywhere, and readers are told.
	before, at := s.visible(two.ActivityID), s.position()
	s.must(s.setAuthors(one.ActivityID, "ANA"))
	authors(one.ActivityID, "ANA")
	authors(two.ActivityID, "ANA")
	d := s.since(at)
	var told []int64
	for _, a := range d.Activities {
		told = append(told, a.ID)
	}
	s.diff("the feed tells of", []int64{one.ActivityID, two.ActivityID}, told)
	if a := s.visible(two.ActivityID); a.Revision <= before.Revision {
		s.Errorf("the other activity is still at revision %d", a.Revision)
	}
	authors(third.ActivityID)

	s.must(s.setAuthors(one.ActivityID))
	authors(one.ActivityID)
	authors(two.ActivityID, "ANA")
	for _, bad := range [][]string{{""}, {" \t"}, {"\xff"}, {"a\x00b"}, {strings.Repeat("é", 91)}, make([]string, 51)} {
		s.unchanged("refused authors", func() { s.refused(s.setAuthors(one.ActivityID, bad...), remora.KindInvalid, "edit.invalid") })
	}
	s.must(s.setAuthors(one.ActivityID, strings.Repeat("é", 90)))
	authors(one.ActivityID, strings.Repeat("é", 90))
}

func testNetwork(s *suite) {
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	set := func(n remora.Network) error {
		return s.EditActivity(s.Context(), by, st.ActivityID, remora.ActivityEdit{Network: &n})
	}
	if n := s.visible(st.ActivityID).Network; n != remora.NetworkUnknown {
		s.Errorf("of a new activity it is known that it is %s", n)
	}
	for _, n := range []remora.Network{remora.NetworkNeeded, remora.NetworkNone, remora.NetworkUnknown, remora.NetworkNone} {
		at := s.position()
		s.must(set(n))
		if d := s.since(at); len(d.Activities) != 1 || d.Activities[0].Network != n {
			s.Errorf("the feed tells %+v, not of %s", d, n)
		}
		s.unchanged("the same again", func() { s.must(set(n)) })
	}
	s.publish(bundle("org.laptop.Log", "2", ""))
	if n := s.visible(st.ActivityID).Network; n != remora.NetworkNone {
		s.Errorf("a new bundle changed what people have said to %s", n)
	}
	s.unchanged("no network", func() { s.refused(set(remora.NetworkNeeded+1), remora.KindInvalid, "edit.invalid") })
}

// image returns a screenshot whose bytes are a function of n.
func image(n int) remora.Image {
	return remora.Image{SHA256: sha256.Sum256(fmt.Append(nil, "image ", n)), Media: "image/png", Size: int64(100 + n), Width: 640, Height: 480}
}

func (s *suite) stageImages(images ...remora.Image) {
	s.Helper()
	for _, m := range images {
		s.must(s.Stage(s.Context(), m.SHA256, m.Size, m.Media))
	}
}

func (s *suite) setScreenshots(activityID int64, images ...remora.Image) error {
	return s.EditActivity(s.Context(), by, activityID, remora.ActivityEdit{Screenshots: &images})
}

func testScreenshots(s *suite) {
	st := s.publish(bundle("org.laptop.Log", "1", ""))
	a, b, c := image(1), image(2), image(3)
	b.Media, b.Width, b.Height = "image/jpeg", 1, 8192
	ids := map[remora.Digest]int64{}
	shown := func(want ...remora.Image) {
		s.Helper()
		got := s.visible(st.ActivityID).Screenshots
		for i := range got {
			id := got[i].ID
			if old := ids[got[i].SHA256]; id <= 0 || old != 0 && old != id {
				s.Errorf("screenshot %d has the number %d, had %d", i, id, old)
			}
			ids[got[i].SHA256] = id
			got[i].ID = 0
		}
		s.diff("the screenshots", want, got)
	}
	s.unchanged("bytes that were not staged", func() {
		s.refused(s.setScreenshots(st.ActivityID, a), remora.KindConflict, "blob.unstaged")
	})
	s.stageImages(a, b, c)
	s.must(s.setScreenshots(st.ActivityID, a, b, a))
	shown(a, b)
	s.unchanged("the same again", func() { s.must(s.setScreenshots(st.ActivityID, a, b)) })
	at := s.position()
	s.must(s.setScreenshots(st.ActivityID, c, b, a))
	shown(c, b, a)
	if d := s.since(at); len(d.Activities) != 1 || len(d.Activities[0].Screenshots) != 3 {
		s.Errorf("the feed tells %+v", d)
	}
	s.publish(bundle("org.laptop.Log", "2", ""))
	shown(c, b, a)
	s.must(s.setScreenshots(st.ActivityID, c, a))
	shown(c, a)
	s.must(s.setScreenshots(st.ActivityID))
	shown()
	s.must(s.setScreenshots(st.ActivityID, b)) // within the grace
	if id := s.visible(st.ActivityID).Screenshots[0].ID; id <= ids[c.SHA256] {
		s.Errorf("the number %d was given out twice: links would show another image", id)
	}
	for what, spoil := range map[string]func(*remora.Image){
		"no sum": func(m *remora.Image) { m.SHA256 = remora.Digest{} }, "another type": func(m *remora.Image) { m.Media = "image/svg+xml" },
		"no bytes": func(m *remora.Image) { m.Size = 0 }, "too many bytes": func(m *remora.Image) { m.Size = 1 << 40 },
		"no width": func(m *remora.Image) { m.Width = 0 }, "too high": func(m *remora.Image) { m.Height = 1 << 20 },
	} {
		bad := a
		spoil(&bad)
		s.unchanged(what, func() { s.refused(s.setScreenshots(st.ActivityID, bad), remora.KindInvalid, "edit.invalid") })
	}
	var many []remora.Image
	for n := range 21 {
		many = append(many, image(n))
	}
	s.unchanged("too many", func() { s.refused(s.setScreenshots(st.ActivityID, many...), remora.KindInvalid, "edit.invalid") })
}

// testScreenshotBytes checks that bytes stay while anybody wants them, and no longer.
func testScreenshotBytes(s *suite) {
	ctx := s.Context()
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("org.laptop.Art", "1", ""))
	later := remora.TimeOf(time.Now().Add(time.Hour))
	// swept sweeps, and removes what it is told to.
	swept := func(what string, want ...remora.Image) {
		s.Helper()
		got, err := s.Orphans(ctx, later, 10)
		s.must(err)
		set := map[remora.Digest]bool{}
		for _, sum := range got {
			set[sum] = true
		}
		expected := map[remora.Digest]bool{}
		for _, m := range want {
			expected[m.SHA256] = true
		}
		s.diff(what, expected, set)
		s.must(s.Forget(ctx, got))
	}
	a, b := image(1), image(2)
	s.stageImages(a)
	swept("nobody wants it yet", a)
	s.stageImages(a, b)
	s.must(s.setScreenshots(one.ActivityID, a, b))
	s.must(s.setScreenshots(two.ActivityID, a))
	s.stageImages(a)
	swept("all are wanted")
	s.must(s.setScreenshots(one.ActivityID, b))
	swept("another has it still")
	s.must(s.setScreenshots(two.ActivityID))
	swept("the last one let it go", a)
	s.must(s.EditActivity(ctx, by, one.ActivityID, remora.ActivityEdit{State: ptr(remora.ActivityDisabled)}))
	swept("what is hidden can come back")
	s.must(s.EditActivity(ctx, by, one.ActivityID, remora.ActivityEdit{State: ptr(remora.ActivityDeleted)}))
	swept("its bundle and its screenshot", b, remora.Image{SHA256: bundle("org.laptop.Log", "1", "").SHA256})

	// The same bytes as a bundle and as a screenshot.
	sub := bundle("org.laptop.Both", "1", "")
	both := s.publish(sub)
	same := image(9)
	same.SHA256 = sub.SHA256
	s.must(s.setScreenshots(two.ActivityID, same))
	s.must(s.EditVersion(ctx, by, both.VersionID, remora.VersionEdit{State: ptr(remora.StateDeleted)}))
	swept("it is a screenshot still")
	s.must(s.setScreenshots(two.ActivityID))
	swept("it is nothing any more", same)
}
