package storetest

import (
	"context"

	"github.com/sugarlabs/beamrider/remora"
)

// testStatistics tests a store that tells downloads by day and version.
func testStatistics(s *suite) {
	store, ok := s.Store.(interface {
		DownloadsByDay(ctx context.Context, activityID int64, from, to string) ([]remora.DownloadCount, error)
		DownloadsByVersion(ctx context.Context, activityID int64) (map[int64]int64, error)
	})
	if !ok {
		s.Skip("the store has no statistics")
	}
	ctx := s.Context()
	one := s.publish(bundle("org.laptop.Log", "1", ""))
	two := s.publish(bundle("org.laptop.Log", "2", ""))
	other := s.publish(bundle("org.laptop.Art", "1", ""))
	s.must(s.AddDownloads(ctx, []remora.DownloadCount{
		count("2025-12-31", one.VersionID, "page", 1), count("2026-01-01", one.VersionID, "page", 2), count("2026-01-01", two.VersionID, "page", 3),
		count("2026-01-01", two.VersionID, "updater", 1<<35), count("2026-01-02", one.VersionID, "other", 5), count("2026-01-01", other.VersionID, "page", 100),
		count("2026-01-01", 77, "page", 1000), // nobody's
	}))
	for _, c := range []struct {
		activity int64
		from, to string
		want     []remora.DownloadCount
	}{
		{one.ActivityID, "2026-01-01", "2026-01-02", []remora.DownloadCount{count("2026-01-01", 0, "page", 5), count("2026-01-01", 0, "updater", 1<<35), count("2026-01-02", 0, "other", 5)}},
		{one.ActivityID, "2025-12-31", "2025-12-31", []remora.DownloadCount{count("2025-12-31", 0, "page", 1)}},
		{0, "2026-01-01", "2026-01-01", []remora.DownloadCount{count("2026-01-01", 0, "page", 105), count("2026-01-01", 0, "updater", 1<<35)}},
		{other.ActivityID, "2026-01-02", "2026-12-31", nil},
		{one.ActivityID, "2026-01-02", "2026-01-01", nil},
		{77, "2025-01-01", "2026-12-31", nil},
	} {
		got, err := store.DownloadsByDay(ctx, c.activity, c.from, c.to)
		s.must(err)
		s.diff("from "+c.from+" to "+c.to, c.want, got)
	}
	for _, bad := range [][2]string{{"2026-1-1", "2026-01-02"}, {"2026-01-01", "2026-02-30"}, {"", ""}, {"2020-01-01", "2026-01-01"}} {
		_, err := store.DownloadsByDay(ctx, 0, bad[0], bad[1])
		s.refused(err, remora.KindInvalid, "")
	}
	for id, want := range map[int64]map[int64]int64{
		one.ActivityID: {one.VersionID: 8, two.VersionID: 3 + 1<<35}, other.ActivityID: {other.VersionID: 100}, 77: {},
	} {
		got, err := store.DownloadsByVersion(ctx, id)
		s.must(err)
		s.diff("by version", want, got)
	}
}

// testReports tests a store that gives the report of a version back.
func testReports(s *suite) {
	store, ok := s.Store.(interface {
		Report(ctx context.Context, versionID int64) ([]byte, error)
	})
	if !ok {
		s.Skip("the store gives no reports back")
	}
	sub := bundle("org.laptop.Log", "1", "")
	sub.Report = []byte("\x00\xff compressed")
	with := s.publish(sub)
	without := s.publish(bundle("org.laptop.Log", "2", ""))
	got, err := store.Report(s.Context(), with.VersionID)
	s.must(err)
	s.diff("the report", sub.Report, got)
	for _, id := range []int64{without.VersionID, 77} {
		_, err := store.Report(s.Context(), id)
		s.refused(err, remora.KindNotFound, "")
	}
}
