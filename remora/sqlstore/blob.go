package sqlstore

import (
	"context"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// Stage notes that bytes are about to be put; see [remora.Store]. Bytes that a sweeper may be
// removing are KindUnavailable, code "blob.trash", until it has said so with Forget.
func (s *Store) Stage(ctx context.Context, sum remora.Digest, size int64, media string) error {
	var c checks
	if sum.IsZero() {
		c.mistake("they have no SHA-256 sum")
	}
	if size < 0 {
		c.mistake("their size is negative")
	}
	c.line("the media type", media, maxMedia)
	if err := c.err("blob.invalid", "The bytes"); err != nil {
		return s.fail("Stage", err)
	}
	return s.write(ctx, "Stage", func(t *tx) error {
		state, err := t.blobState(sum)
		switch {
		case isNone(err):
			_, err := t.exec("INSERT INTO blobs (sha256, size, media, state, since) VALUES (?, ?, ?, 'staged', ?)", sum[:], size, media, t.time())
			return err
		case err != nil:
			return err
		case state == "trash":
			return remora.Errorf(remora.KindUnavailable, "blob.trash", "An earlier copy of these bytes is just being cleared away. Try again in a few minutes.")
		case state == "staged":
			_, err := t.exec("UPDATE blobs SET since = ? WHERE sha256 = ?", t.time(), sum[:])
			return err
		}
		return nil
	})
}

func (t *tx) blobState(sum remora.Digest) (state string, err error) {
	err = t.one([]any{&state}, "SELECT state FROM blobs WHERE sha256 = ?"+t.d.forUpdate, sum[:])
	return state, err
}

// keepBlob notes that a version wants the bytes.
func (t *tx) keepBlob(sum remora.Digest) error {
	state, err := t.blobState(sum)
	switch {
	case isNone(err) || err == nil && state == "trash":
		return remora.Errorf(remora.KindConflict, "blob.unstaged", "The bytes with the sum %s were not stored, or were cleared away since. Upload the bundle again.", sum)
	case err != nil || state == "kept":
		return err
	}
	_, err = t.exec("UPDATE blobs SET state = 'kept', since = ? WHERE sha256 = ?", t.time(), sum[:])
	return err
}

// Who wants the bytes of a row of blobs. A row is kept while a version does. It is shown while an
// image is all that does: kept rows are what earlier programs look for among the bundles.
const (
	wantedAsBundle = "EXISTS (SELECT 1 FROM versions w JOIN activities a ON a.id = w.activity_id WHERE w.sha256 = blobs.sha256 AND w.state <> 'deleted' AND a.state <> 'deleted')"
	wantedAsImage  = "EXISTS (SELECT 1 FROM previews p JOIN activities a ON a.id = p.activity_id WHERE p.sha256 = blobs.sha256 AND a.state <> 'deleted')"
)

// releaseBlobs makes the bytes of versions that where selects sweepable, where no version of an
// activity that is not deleted wants them any more.
func (t *tx) releaseBlobs(where string, args ...any) error {
	_, err := t.exec("UPDATE blobs SET state = CASE WHEN "+wantedAsImage+" THEN 'shown' ELSE 'staged' END, since = ? WHERE state = 'kept' "+
		"AND sha256 IN (SELECT v.sha256 FROM versions v WHERE "+where+") AND NOT "+wantedAsBundle, append([]any{t.time()}, args...)...)
	return err
}

// Orphans marks blobs that nobody wants as trash and returns them; see [remora.Store].
func (s *Store) Orphans(ctx context.Context, before remora.Time, limit int) (sums []remora.Digest, err error) {
	if limit <= 0 {
		return nil, nil
	}
	limit = min(limit, 1000)
	err = s.write(ctx, "Orphans", func(t *tx) error {
		sums = nil
		var b []byte
		err := t.each([]any{&b}, func() error {
			sum, err := digestOf(b)
			sums = append(sums, sum)
			return err
		}, "SELECT sha256 FROM blobs WHERE state = 'trash' OR state = 'staged' AND since < ? AND NOT "+wantedAsBundle+" AND NOT "+wantedAsImage+
			" ORDER BY since, sha256 LIMIT ?"+t.d.forUpdate, int64(before), limit)
		if err != nil || len(sums) == 0 {
			return err
		}
		_, err = t.exec("UPDATE blobs SET state = 'trash' WHERE sha256 IN ("+marks(len(sums))+")", sumArgs(sums)...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return sums, nil
}

func sumArgs(sums []remora.Digest) []any {
	args := make([]any, len(sums))
	for i := range sums {
		args[i] = sums[i][:]
	}
	return args
}

// Forget drops the rows of blobs that [Store.Orphans] returned and whose files are gone. Others
// stay.
func (s *Store) Forget(ctx context.Context, sums []remora.Digest) error {
	return s.write(ctx, "Forget", func(t *tx) error {
		for part := range slices.Chunk(sums, pageSize) {
			if _, err := t.exec("DELETE FROM blobs WHERE state = 'trash' AND sha256 IN ("+marks(len(part))+")", sumArgs(part)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// A KeptFile is a file that the catalog wants to be there.
type KeptFile struct {
	Name   string
	Size   int64 // bytes; -1 when not known
	SHA256 remora.Digest
	Public []string // names under which it is offered, too
}

// Kept returns every file the catalog wants: the bundles of versions, and the icons and screenshots
// of activities that are not deleted, ordered by name. It is what a backup must hold and a check must find.
func (s *Store) Kept(ctx context.Context) (list []KeptFile, err error) {
	err = s.snapshot(ctx, "Kept", func(t *tx) error {
		if err := t.whole(); err != nil {
			return err
		}
		list = nil
		at := map[remora.Digest]int{}
		var sum []byte
		var size int64
		err := t.each([]any{&sum, &size}, func() error {
			d, err := digestOf(sum)
			at[d] = len(list)
			list = append(list, KeptFile{Name: remora.UploadName(d), Size: size, SHA256: d})
			return err
		}, "SELECT sha256, size FROM blobs WHERE state = 'kept' ORDER BY sha256")
		if err != nil {
			return err
		}
		var id int64
		var filename string
		err = t.each([]any{&sum, &id, &filename}, func() error {
			d, err := digestOf(sum)
			if i, ok := at[d]; ok {
				list[i].Public = append(list[i].Public, remora.PublicName(id, filename))
			}
			return err
		}, "SELECT v.sha256, v.activity_id, v.filename FROM versions v JOIN activities a ON a.id = v.activity_id WHERE a.state = 'active' AND v.state IN "+offeredStates+" ORDER BY v.id")
		if err != nil {
			return err
		}
		err = t.each([]any{&sum, &size}, func() error {
			d, err := digestOf(sum)
			list = append(list, KeptFile{Name: remora.ImageName(d), Size: size, SHA256: d})
			return err
		}, "SELECT p.sha256, MAX(p.size) FROM previews p JOIN activities a ON a.id = p.activity_id WHERE a.state <> 'deleted' GROUP BY p.sha256 ORDER BY p.sha256")
		if err != nil {
			return err
		}
		return t.each([]any{&sum, &size}, func() error {
			d, err := digestOf(sum)
			if size == 0 {
				size = -1
			}
			list = append(list, KeptFile{Name: remora.IconName(d), Size: size, SHA256: d})
			return err
		}, "SELECT icon_sha256, MAX(icon_size) FROM activities WHERE state <> 'deleted' AND icon_sha256 IS NOT NULL GROUP BY icon_sha256 ORDER BY icon_sha256")
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b KeptFile) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, nil
}
