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
		if d, err := time.Parse(time.DateOnly, c.Day); err != nil || d.Format(time.DateOnly) != c.Day {
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
