package sqlstore

import (
	"bytes"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// distinctIDs returns the ids in order, each once.
func distinctIDs(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// screenshots returns the images, each once.
func (c *checks) screenshots(images []remora.Image) []remora.Image {
	list := []remora.Image{}
	for _, m := range images {
		if m.SHA256.IsZero() {
			c.mistake("a screenshot has no SHA-256 sum")
		}
		if m.Media != "image/png" && m.Media != "image/jpeg" {
			c.mistake("a screenshot is of type %.30q; it is image/png or image/jpeg", m.Media)
		}
		if m.Size < 1 || m.Size > maxImage {
			c.mistake("a screenshot has %d bytes; it has 1 to %d", m.Size, maxImage)
		}
		if m.Width < 1 || m.Width > maxSide || m.Height < 1 || m.Height > maxSide {
			c.mistake("a screenshot has %d by %d pixels; each side has 1 to %d", m.Width, m.Height, maxSide)
		}
		if !slices.ContainsFunc(list, func(other remora.Image) bool { return other.SHA256 == m.SHA256 }) {
			list = append(list, m)
		}
		if len(list) > maxImages {
			c.mistake("there are more than %d screenshots", maxImages)
			break
		}
	}
	return list
}

func sumsOf(images []remora.Image) []remora.Digest {
	sums := make([]remora.Digest, len(images))
	for i := range images {
		sums[i] = images[i].SHA256
	}
	return sums
}

// setScreenshots shows these and no others. One that was there keeps its number, which is in links.
func (t *tx) setScreenshots(activityID int64, images []remora.Image) (changed bool, err error) {
	have, err := t.screenshotSums(activityID)
	if err != nil || slices.Equal(have, sumsOf(images)) {
		return false, err
	}
	now := t.time()
	for i, m := range images {
		if slices.Contains(have, m.SHA256) {
			_, err = t.exec("UPDATE previews SET position = ?, rev = rev + 1 WHERE activity_id = ? AND sha256 = ?", i+1, activityID, m.SHA256[:])
		} else if err = t.keepImage(m.SHA256); err == nil {
			_, err = t.insert("INSERT INTO previews (activity_id, position, sha256, media, size, width, height, caption, created, rev) VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, 1)",
				activityID, i+1, m.SHA256[:], m.Media, m.Size, m.Width, m.Height, now)
		}
		if err != nil {
			return false, err
		}
	}
	var gone []remora.Digest
	for _, sum := range have {
		if slices.ContainsFunc(images, func(m remora.Image) bool { return m.SHA256 == sum }) {
			continue
		}
		if _, err := t.exec("DELETE FROM previews WHERE activity_id = ? AND sha256 = ?", activityID, sum[:]); err != nil {
			return false, err
		}
		gone = append(gone, sum)
	}
	return true, t.releaseImages(gone)
}

func (t *tx) screenshotSums(activityID int64) (sums []remora.Digest, err error) {
	var b []byte
	err = t.each([]any{&b}, func() error {
		sum, err := digestOf(b)
		sums = append(sums, sum)
		return err
	}, "SELECT sha256 FROM previews WHERE activity_id = ? ORDER BY position, id", activityID)
	return sums, err
}

// keepImage notes that a screenshot wants the bytes.
func (t *tx) keepImage(sum remora.Digest) error {
	state, err := t.blobState(sum)
	switch {
	case isNone(err) || err == nil && state == "trash":
		return remora.Errorf(remora.KindConflict, "blob.unstaged", "The image with the sum %s was not stored, or was cleared away since. Add the screenshot again.", sum)
	case err != nil || state == "kept" || state == "shown":
		return err
	}
	_, err = t.exec("UPDATE blobs SET state = 'shown', since = ? WHERE sha256 = ?", t.time(), sum[:])
	return err
}

// releaseImages makes the bytes of images sweepable that nobody wants any more.
func (t *tx) releaseImages(sums []remora.Digest) error {
	if len(sums) == 0 {
		return nil
	}
	sums = slices.Clone(sums)
	slices.SortFunc(sums, func(a, b remora.Digest) int { return bytes.Compare(a[:], b[:]) })
	// The rows are locked first, so that the next statement sees what those did who had them before.
	for _, sum := range sums {
		if _, err := t.blobState(sum); err != nil && !isNone(err) {
			return err
		}
	}
	_, err := t.exec("UPDATE blobs SET state = 'staged', since = ? WHERE state = 'shown' AND sha256 IN ("+marks(len(sums))+") AND NOT "+wantedAsImage,
		append([]any{t.time()}, sumArgs(sums)...)...)
	return err
}
