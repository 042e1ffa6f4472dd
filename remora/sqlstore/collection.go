package sqlstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// PutCollection makes or replaces the collection with c's nickname; see [remora.Store]. ID, Updated
// and the items' ActivityID are the store's; a UUID counts for a new collection only, and "" lets
// the store choose. The same content again changes nothing. A pin must be a version there is:
// else KindInvalid, code "collection.pin".
func (s *Store) PutCollection(ctx context.Context, by remora.Actor, c remora.Collection) (id int64, err error) {
	if err := checkCollection(by, &c); err != nil {
		return 0, s.fail("PutCollection", err)
	}
	err = s.write(ctx, "PutCollection", func(t *tx) (err error) {
		id, err = t.putCollection(by, c)
		return err
	})
	return id, err
}

func checkCollection(by remora.Actor, c *remora.Collection) error {
	var k checks
	k.by(by)
	if c.Nickname == "" {
		k.mistake("it has no nickname")
	}
	k.line("the nickname", c.Nickname, maxNickname)
	k.line("the UUID", c.UUID, 36)
	k.text("the name", c.Name)
	k.text("the description", c.Description)
	k.locale("the default locale", c.DefaultLocale)
	if len(c.Items) > maxItems {
		k.mistake("it has more than %d items", maxItems)
	}
	return k.err("collection.invalid", "The collection")
}

func (t *tx) putCollection(by remora.Actor, c remora.Collection) (id int64, err error) {
	items, err := t.resolveItems(c.Items)
	if err != nil {
		return 0, err
	}
	old, err := t.allCollections("c.nickname = ?", c.Nickname)
	if err != nil {
		return 0, err
	}
	now := t.time()
	if len(old) > 0 {
		id = old[0].ID
		if sameCollection(&old[0], &c) {
			return id, nil
		}
		_, err = t.exec("UPDATE collections SET listed = ?, default_locale = ?, updated = ?, rev = rev + 1 WHERE id = ?", flag(c.Listed), c.DefaultLocale, now, id)
		if err != nil {
			return 0, err
		}
		for _, table := range []string{"collection_texts", "collection_items"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE collection_id = ?", id); err != nil {
				return 0, err
			}
		}
	} else {
		if c.UUID == "" {
			c.UUID = newUUID()
		}
		id, err = t.insert("INSERT INTO collections (uuid, nickname, listed, owner_id, default_locale, created, updated, rev) VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
			c.UUID, c.Nickname, flag(c.Listed), by.UserID, c.DefaultLocale, now, now)
		if err != nil {
			return 0, err
		}
	}
	err = t.insertRows("INSERT INTO collection_texts (collection_id, locale, field, value)", "", 4, func(yield func([]any) bool) {
		for _, f := range []struct {
			field string
			text  remora.Text
		}{{fieldName, c.Name}, {fieldDescription, c.Description}} {
			for _, l := range f.text {
				if !yield([]any{id, l.Locale, f.field, l.Value}) {
					return
				}
			}
		}
	})
	if err != nil {
		return 0, err
	}
	err = t.insertRows("INSERT INTO collection_items (collection_id, activity_id, version_id, optional, position)", "", 5, func(yield func([]any) bool) {
		for i, item := range items {
			if !yield([]any{id, item.activity, item.version, flag(c.Items[i].Optional), i}) {
				return
			}
		}
	})
	if err != nil {
		return 0, err
	}
	t.entry = &entry{by: by, kind: "collection.put", target: fmt.Sprintf("collection %d", id), data: map[string]any{"nickname": c.Nickname, "items": len(items)}}
	return id, nil
}

// sameCollection reports whether putting c would change nothing that readers see.
func sameCollection(old, c *remora.Collection) bool {
	return old.Listed == c.Listed && old.DefaultLocale == c.DefaultLocale &&
		slices.Equal(old.Name, c.Name) && slices.Equal(old.Description, c.Description) &&
		slices.EqualFunc(old.Items, c.Items, func(a, b remora.CollectionItem) bool {
			return remora.BundleKey(a.BundleID) == remora.BundleKey(b.BundleID) && a.Pin == b.Pin && a.Optional == b.Optional
		})
}

type itemRow struct {
	activity int64
	version  any // nil: no pin
}

// resolveItems finds the activities and versions that items name, with few queries.
func (t *tx) resolveItems(items []remora.CollectionItem) ([]itemRow, error) {
	rows := make([]itemRow, len(items))
	at := make(map[string]int, len(items))
	for i, item := range items {
		key := remora.BundleKey(item.BundleID)
		if _, twice := at[key]; twice {
			return nil, remora.Errorf(remora.KindInvalid, "collection.twice", "The collection names %.100q twice.", item.BundleID)
		}
		at[key] = i
	}
	for part := range slices.Chunk(items, pageSize) {
		keys := make([]any, len(part))
		for i, item := range part {
			keys[i] = remora.BundleKey(item.BundleID)
		}
		var id int64
		var key string
		err := t.each([]any{&id, &key}, func() error {
			if i, ok := at[key]; ok {
				rows[i].activity = id
			}
			return nil
		}, "SELECT id, bundle_key FROM activities WHERE state <> 'deleted' AND bundle_key IN ("+marks(len(keys))+")", keys...)
		if err != nil {
			return nil, err
		}
		var version int64
		var number string
		err = t.each([]any{&key, &version, &number}, func() error {
			if i, ok := at[key]; ok && !items[i].Pin.IsZero() && items[i].Pin.String() == number {
				rows[i].version = version
			}
			return nil
		}, "SELECT a.bundle_key, v.id, v.number FROM activities a JOIN versions v ON v.activity_id = a.id WHERE v.state <> 'deleted' AND a.bundle_key IN ("+marks(len(keys))+")", keys...)
		if err != nil {
			return nil, err
		}
	}
	for i, item := range items {
		switch {
		case rows[i].activity == 0:
			return nil, remora.Errorf(remora.KindInvalid, "collection.unknown", "The collection names %.100q, which is not in the library.", item.BundleID)
		case rows[i].version == nil && !item.Pin.IsZero():
			return nil, remora.Errorf(remora.KindInvalid, "collection.pin", "The collection pins version %s of %.100q, which is not in the library.", item.Pin, item.BundleID)
		}
	}
	return rows, nil
}

// newUUID returns a random UUID, version 4 of RFC 9562.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // does not fail, by its documentation
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
