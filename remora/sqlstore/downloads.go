package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// Downloads returns the downloads of each activity; see [remora.Feed].
func (s *Store) Downloads(ctx context.Context) (counts map[int64]int64, err error) {
	err = s.snapshot(ctx, "Downloads", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		counts = map[int64]int64{}
		var id, n int64
		return t.each([]any{&id, &n}, func() error {
			counts[id] = n
			return nil
		}, "SELECT v.activity_id, SUM(d.n) FROM downloads d JOIN versions v ON v.id = d.version_id GROUP BY v.activity_id")
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// maxDays bounds how many days are asked for at once: some three years.
const maxDays = 1100

// DownloadsByDay returns the downloads of an activity, 0 standing for all, on each day from from to
// to, by source: ordered by day and source, those of all versions together, so that VersionID is 0.
// Days without any are left out. Days are written as in [remora.DownloadCount]; what is no day, or
// more than three years of them, is KindInvalid. It asks the database each time, which for all
// activities reads a row for every version that was downloaded on a day: keep what it says for a while.
func (s *Store) DownloadsByDay(ctx context.Context, activityID int64, from, to string) (days []remora.DownloadCount, err error) {
	first, ok1 := parseDay(from)
	last, ok2 := parseDay(to)
	switch {
	case !ok1 || !ok2:
		return nil, s.fail("DownloadsByDay", remora.Errorf(remora.KindInvalid, "downloads.day", "From %.20q to %.20q are no days; write them like 2006-01-02.", from, to))
	case last.Sub(first) >= maxDays*24*time.Hour:
		return nil, s.fail("DownloadsByDay", remora.Errorf(remora.KindInvalid, "downloads.days", "From %s to %s are more than %d days. Ask for fewer at once.", from, to, maxDays))
	}
	query, args := "SELECT d.day, d.source, SUM(d.n) FROM downloads d JOIN versions v ON v.id = d.version_id WHERE d.day BETWEEN ? AND ?", []any{from, to}
	if activityID != 0 {
		query, args = query+" AND v.activity_id = ?", append(args, activityID)
	}
	err = s.snapshot(ctx, "DownloadsByDay", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		days = nil
		var c remora.DownloadCount
		return t.each([]any{&c.Day, &c.Source, &c.N}, func() error {
			days = append(days, c)
			return nil
		}, query+" GROUP BY d.day, d.source ORDER BY d.day, d.source", args...)
	})
	if err != nil {
		return nil, err
	}
	return days, nil
}

// DownloadsByVersion returns the downloads, of all days, of each version of an activity that has any.
func (s *Store) DownloadsByVersion(ctx context.Context, activityID int64) (counts map[int64]int64, err error) {
	err = s.snapshot(ctx, "DownloadsByVersion", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		counts = map[int64]int64{}
		var id, n int64
		return t.each([]any{&id, &n}, func() error {
			counts[id] = n
			return nil
		}, "SELECT v.id, SUM(d.n) FROM versions v JOIN downloads d ON d.version_id = v.id WHERE v.activity_id = ? GROUP BY v.id", activityID)
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// parseDay reads a day of the one form there is.
func parseDay(s string) (time.Time, bool) {
	d, err := time.Parse(time.DateOnly, s)
	return d, err == nil && d.Format(time.DateOnly) == s
}

// AddDownloads adds counts; see [remora.Store]. All are added or none. It is the one write that is
// not the same when done twice: after an error with code "outcome.unknown" the counts may be in.
func (s *Store) AddDownloads(ctx context.Context, counts []remora.DownloadCount) error {
	type key struct {
		day     string
		version int64
		source  string
	}
	sum := map[key]int64{}
	for _, c := range counts {
		var k checks
		if _, ok := parseDay(c.Day); !ok {
			k.mistake("%.20q is no day; write it like 2006-01-02", c.Day)
		}
		switch c.Source {
		case "updater", "page", "other":
		default:
			k.mistake("%.20q is no source; it is updater, page or other", c.Source)
		}
		if c.N < 0 || c.N > 1<<40 {
			k.mistake("the count %d is out of range", c.N)
		}
		if err := k.err("downloads.invalid", "The count"); err != nil {
			return s.fail("AddDownloads", err)
		}
		if c.N > 0 {
			sum[key{c.Day, c.VersionID, c.Source}] += c.N
		}
	}
	if len(sum) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(sum))
	for k, n := range sum {
		rows = append(rows, []any{k.day, k.version, k.source, n})
	}
	// In one order, so that two front ends that add do not wait for each other crosswise.
	slices.SortFunc(rows, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(int64), b[1].(int64)), cmp.Compare(a[2].(string), b[2].(string)))
	})
	return s.write(ctx, "AddDownloads", func(t *tx) error {
		return t.insertRows("INSERT INTO downloads (day, version_id, source, n)", t.d.upsert("downloads", "day, version_id, source", nil, []string{"n"}), 4, slices.Values(rows))
	})
}
