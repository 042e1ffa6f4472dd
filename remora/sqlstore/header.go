package sqlstore

import (
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
)

func (t *tx) header() (remora.Header, error) {
	at, _, err := t.position()
	if err != nil {
		return remora.Header{}, err
	}
	return t.headerAt(at)
}

func (t *tx) headerAt(at remora.Position) (h remora.Header, err error) {
	h.Position = at
	if h.Categories, err = t.allCategories(); err != nil {
		return h, err
	}
	h.Collections, err = t.allCollections("1 = 1")
	return h, err
}

func (t *tx) allCategories() (list []remora.Category, err error) {
	var c remora.Category
	var locale, name *string
	err = t.each([]any{&c.ID, &c.Slug, &locale, &name}, func() error {
		if n := len(list); n == 0 || list[n-1].ID != c.ID {
			list = append(list, c)
		}
		if locale != nil && name != nil {
			last := &list[len(list)-1]
			last.Name = append(last.Name, remora.Localized{Locale: *locale, Value: *name})
		}
		return nil
	}, "SELECT c.id, c.slug, x.locale, x.name FROM categories c LEFT JOIN category_texts x ON x.category_id = c.id ORDER BY c.position, c.id, x.locale")
	return list, err
}

// allCollections returns the collections that where (a condition over table collections c) selects,
// with their texts and items.
func (t *tx) allCollections(where string, args ...any) (list []remora.Collection, err error) {
	var c remora.Collection
	var listed int64
	at := map[int64]int{}
	err = t.each([]any{&c.ID, &c.UUID, &c.Nickname, &listed, &c.DefaultLocale, &c.Updated}, func() error {
		c.Listed = listed != 0
		at[c.ID] = len(list)
		list = append(list, c)
		return nil
	}, "SELECT c.id, c.uuid, c.nickname, c.listed, c.default_locale, c.updated FROM collections c WHERE "+where+" ORDER BY c.id", args...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	var id int64
	var field string
	var l remora.Localized
	err = t.each([]any{&id, &field, &l.Locale, &l.Value}, func() error {
		i, ok := at[id]
		switch {
		case !ok:
		case field == fieldName:
			list[i].Name = append(list[i].Name, l)
		case field == fieldDescription:
			list[i].Description = append(list[i].Description, l)
		}
		return nil
	}, "SELECT x.collection_id, x.field, x.locale, x.value FROM collection_texts x JOIN collections c ON c.id = x.collection_id WHERE "+where+" ORDER BY x.collection_id, x.field, x.locale", args...)
	if err != nil {
		return nil, err
	}
	var item remora.CollectionItem
	var optional int64
	var pin *string
	err = t.each([]any{&id, &item.ActivityID, &item.BundleID, &pin, &optional}, func() (err error) {
		item.Optional, item.Pin = optional != 0, remora.Number{}
		if pin != nil {
			if item.Pin, err = remora.ParseNumber(*pin); err != nil {
				return corrupt(err)
			}
		}
		if i, ok := at[id]; ok {
			list[i].Items = append(list[i].Items, item)
		}
		return nil
	}, "SELECT x.collection_id, x.activity_id, a.bundle_id, v.number, x.optional FROM collection_items x JOIN collections c ON c.id = x.collection_id JOIN activities a ON a.id = x.activity_id LEFT JOIN versions v ON v.id = x.version_id WHERE "+where+" ORDER BY x.collection_id, x.position", args...)
	return list, err
}

// idArg returns ref as an id, nil if it is none.
func idArg(ref string) any {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || id <= 0 {
		return nil
	}
	return id
}
