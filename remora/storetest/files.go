package storetest

import (
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

func (s *suite) withdrawn(limit int) map[int64]string {
	s.Helper()
	names, err := s.Withdrawn(s.Context(), limit)
	s.must(err)
	if len(names) > limit {
		s.Errorf("%d names, asked for %d", len(names), limit)
	}
	got := map[int64]string{}
	for _, n := range names {
		got[n.VersionID] = n.Name
	}
	return got
}

func testWithdrawn(s *suite) {
	ctx := s.Context()
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("org.laptop.Log", "2", ""))
	s.draft(bundle("org.laptop.Log", "3", "")) // somebody may be about to link and publish it
	s.diff("nothing is withdrawn", map[int64]string{}, s.withdrawn(10))
	state := func(st remora.Stored, to remora.State) error {
		return s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: &to})
	}
	s.must(state(one, remora.StateDisabled))
	leaving := map[int64]string{one.VersionID: one.PublicName()}
	for range 2 { // until the caller says so
		s.diff("a disabled version", leaving, s.withdrawn(10))
	}
	// Somebody may be removing the name: it cannot be counted on.
	s.refused(state(one, remora.StatePublished), remora.KindConflict, "version.unlinked")
	s.refused(s.Relinked(ctx, one.VersionID), remora.KindConflict, "link.leaving")
	s.unchanged("Unlinked", func() { s.must(s.Unlinked(ctx, []int64{one.VersionID, two.VersionID})) })
	s.diff("after Unlinked", map[int64]string{}, s.withdrawn(10))
	s.refused(state(one, remora.StatePublished), remora.KindConflict, "version.unlinked")
	s.must(s.Relinked(ctx, one.VersionID))
	s.diff("after Relinked, while its activity is about to be shown", map[int64]string{}, s.withdrawn(10))
	s.must(state(one, remora.StatePublished))
	s.must(state(one, remora.StateDisabled))
	s.diff("disabled again", leaving, s.withdrawn(10))
	s.must(s.Unlinked(ctx, []int64{one.VersionID}))

	// Unlinked of what is offered is no news: two is still there.
	if a := s.visible(two.ActivityID); a == nil || len(a.Versions) != 1 {
		s.Fatalf("readers see %+v", a)
	}
	disabled, active := remora.ActivityDisabled, remora.ActivityActive
	s.must(s.EditActivity(ctx, by, two.ActivityID, remora.ActivityEdit{State: &disabled}))
	got := s.withdrawn(10)
	if got[two.VersionID] != two.PublicName() || len(got) != 2 { // and the draft of a hidden activity
		s.Errorf("of a disabled activity: %v", got)
	}
	if n := len(s.withdrawn(1)); n != 1 {
		s.Errorf("asked for one name, got %d", n)
	}
	s.refused(s.EditActivity(ctx, by, two.ActivityID, remora.ActivityEdit{State: &active}), remora.KindConflict, "activity.unlinked")
	for id := range got {
		s.must(s.Unlinked(ctx, []int64{id}))
	}
	s.must(s.Relinked(ctx, two.VersionID))
	s.must(s.EditActivity(ctx, by, two.ActivityID, remora.ActivityEdit{State: &active}))

	s.must(state(two, remora.StateDeleted))
	s.diff("a deleted version", map[int64]string{two.VersionID: two.PublicName()}, s.withdrawn(10))
	s.must(s.Unlinked(ctx, []int64{two.VersionID}))
	s.refused(s.Relinked(ctx, two.VersionID), remora.KindConflict, "version.deleted")

	// A crash before Publish, a sweep of the name, and the import again.
	sub := bundle("org.laptop.Log", "4", "")
	four := s.draft(sub)
	s.must(state(four, remora.StateDeleted))
	s.diff("a deleted draft", map[int64]string{four.VersionID: four.PublicName()}, s.withdrawn(10))
	if names, err := s.Withdrawn(ctx, 0); err != nil || len(names) != 0 {
		s.Errorf("asked for no names: %v, %v", names, err)
	}
}

func testOrphans(s *suite) {
	ctx := s.Context()
	later := remora.TimeOf(time.Now().Add(time.Hour))
	orphans := func(before remora.Time, want ...remora.Digest) {
		s.Helper()
		got, err := s.Orphans(ctx, before, 10)
		s.must(err)
		set := func(list []remora.Digest) map[remora.Digest]bool {
			m := map[remora.Digest]bool{}
			for _, d := range list {
				m[d] = true
			}
			return m
		}
		s.diff("orphans", set(want), set(got))
	}
	wanted := bundle("org.laptop.Log", "1", "")
	st := s.publish(wanted)
	stray := bundle("org.laptop.Log", "2", "")
	s.stage(stray)
	orphans(remora.TimeOf(time.Now().Add(-time.Hour))) // the grace is not over
	s.stage(stray)                                     // staging again is no mistake
	s.unchanged("sweeping", func() {
		for range 2 { // those marked earlier too
			orphans(later, stray.SHA256)
		}
		// Somebody may be removing the bytes: they cannot be counted on.
		s.refused(s.Stage(ctx, stray.SHA256, stray.Size, "x"), remora.KindUnavailable, "blob.trash")
		_, err := s.Draft(ctx, by, stray)
		s.refused(err, remora.KindConflict, "blob.unstaged")
		orphans(1, stray.SHA256)
		s.must(s.Forget(ctx, []remora.Digest{stray.SHA256, wanted.SHA256}))
		orphans(later)
		s.stage(stray)
	})
	s.draft(stray)
	orphans(later)
	s.must(s.Forget(ctx, []remora.Digest{stray.SHA256}))
	s.stage(stray) // wanted bytes are not staged anew
	orphans(later)

	// Bytes that nobody wants any more.
	s.must(s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDisabled)}))
	orphans(later)
	s.must(s.EditVersion(ctx, by, st.VersionID, remora.VersionEdit{State: ptr(remora.StateDeleted)}))
	orphans(later, wanted.SHA256)
	s.must(s.EditActivity(ctx, by, st.ActivityID, remora.ActivityEdit{State: ptr(remora.ActivityDeleted)}))
	orphans(later, wanted.SHA256, stray.SHA256)

	var many []remora.Digest
	for i := range 25 {
		sub := bundle("org.laptop.Many", fmt.Sprint(i), "")
		s.stage(sub)
		many = append(many, sub.SHA256)
	}
	for n := len(many) + 2; n > 0; {
		got, err := s.Orphans(ctx, later, 10)
		s.must(err)
		if len(got) != min(n, 10) {
			s.Fatalf("%d orphans, want %d of the %d left", len(got), min(n, 10), n)
		}
		s.must(s.Forget(ctx, got))
		n -= len(got)
	}
	s.refused(s.Stage(ctx, remora.Digest{}, 1, "x"), remora.KindInvalid, "")
	s.refused(s.Stage(ctx, remora.Digest{1}, -1, "x"), remora.KindInvalid, "")
}

// count is written shorter than a composite literal with keys.
func count(day string, versionID int64, source string, n int64) remora.DownloadCount {
	return remora.DownloadCount{Day: day, VersionID: versionID, Source: source, N: n}
}

func testDownloads(s *suite) {
	ctx := s.Context()
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("org.laptop.Log", "2", ""))
	other := s.publish(bundle("org.laptop.Art", "1", ""))
	counts := func(want map[int64]int64) {
		s.Helper()
		got, err := s.Downloads(ctx)
		s.must(err)
		s.diff("the counts", want, got)
	}
	counts(map[int64]int64{})
	s.unchanged("counting", func() {
		s.must(s.AddDownloads(ctx, nil))
		s.must(s.AddDownloads(ctx, []remora.DownloadCount{
			count("2026-01-01", one.VersionID, "updater", 3), count("2026-01-01", one.VersionID, "page", 4), count("2026-01-02", one.VersionID, "page", 5),
			count("2026-01-01", one.VersionID, "page", 1), count("2026-01-01", two.VersionID, "other", 1<<35),
			count("2026-01-01", 77, "other", 9), // a version that is not there is nobody's
		}))
		counts(map[int64]int64{one.ActivityID: 13 + 1<<35})
		s.must(s.AddDownloads(ctx, []remora.DownloadCount{count("2026-01-01", one.VersionID, "page", 2), count("2026-01-01", other.VersionID, "page", 0)}))
		counts(map[int64]int64{one.ActivityID: 15 + 1<<35})
		for _, bad := range []remora.DownloadCount{count("2026-1-1", 1, "page", 1), count("2026-02-30", 1, "page", 1), count("2026-01-01", 1, "web", 1), count("2026-01-01", 1, "page", -1)} {
			s.refused(s.AddDownloads(ctx, []remora.DownloadCount{count("2026-01-01", one.VersionID, "page", 1), bad}), remora.KindInvalid, "")
		}
		counts(map[int64]int64{one.ActivityID: 15 + 1<<35})
	})
}
