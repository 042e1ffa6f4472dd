package live

import (
	"slices"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/search"
)

func (v *View) Search(text, locale string, limit int) []*remora.Activity {
	if text == "" {
		return nil
	}
	return v.Find(Query{Text: text, Locale: locale, Limit: limit}).Activities
}

func (v *View) findText(q Query) Found {
	within := v.narrow(v.shown, q.Filter, facetCount)
	var hits []search.Hit
	for i, l := range v.layers {
		hits = append(hits, l.index.Search(search.Query{Text: q.Text, Locale: q.Locale, Limit: q.Limit, Skip: func(id int64) bool {
			n, _ := l.snap.Index(id)
			return !within[i].Has(n)
		}})...)
	}
	slices.SortFunc(hits, compareHits)
	var out Found
	for _, h := range hits[:min(len(hits), q.Limit)] {
		out.Activities = append(out.Activities, v.Activity(h.ID))
	}
	return out
}
