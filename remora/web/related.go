package web

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// categoriesOf returns the categories of an activity, in the order of all categories.
func (v *visit) categoriesOf(a *remora.Activity) []link {
	if len(a.Categories) == 0 {
		return nil
	}
	var links []link
	for _, c := range v.view.Categories() {
		if !slices.Contains(a.Categories, c.Slug) {
			continue
		}
		links = append(links, link{Href: v.tongue.categoryPath(c.Slug), Name: v.tongue.categoryName(&c)})
	}
	return links
}

// groupsOf returns the listed collections that an activity is in.
func (v *visit) groupsOf(a *remora.Activity) []link {
	var links []link
	for _, c := range v.view.CollectionsOf(a.ID, groupsShown) {
		links = append(links, link{Href: v.tongue.collectionPath(c.Nickname), Name: v.groupName(c)})
	}
	return links
}

// related returns activities that whoever likes a may like as well.
func (v *visit) related(a *remora.Activity) []*remora.Activity {
	return v.view.Related(a, relatedShown)
}

// CollectionsOf returns up to limit listed collections that have an activity, by nickname. It looks
// at those alone, so that a page does not depend on all the others.
func (w *witness) CollectionsOf(id int64, limit int) []*remora.Collection {
	find := func(v *live.View) (list []*remora.Collection) {
		all := v.Collections()
		for i := range all {
			has := func(item remora.CollectionItem) bool { return item.ActivityID == id }
			if all[i].Listed && len(list) < limit && slices.ContainsFunc(all[i].Items, has) {
				list = append(list, &all[i])
			}
		}
		return list
	}
	sum := func(list []*remora.Collection) uint64 {
		var d digest
		d.number(int64(len(list)))
		for _, c := range list {
			d.text(c.Nickname)
			d.text(c.DefaultLocale)
			d.texts(c.Name)
		}
		return d.sum()
	}
	list := find(w.view)
	w.note(sum(list), func(v *live.View) uint64 { return sum(find(v)) })
	return list
}

// languagesOf returns the names, in the reader's language, of the languages that an activity has
// its name in, which are those it is translated to. The reader's own comes first.
func (l *tongue) languagesOf(a *remora.Activity) []string {
	namer := display.Languages(language.Make(l.tag))
	base, _, _ := strings.Cut(l.tag, "-")
	type named struct{ tag, name string }
	var list []named
	for i := range a.Name {
		tag, _, _ := strings.Cut(a.Name[i].Locale, "-")
		if tag == "und" || slices.ContainsFunc(list, func(n named) bool { return n.tag == tag }) {
			continue
		}
		list = append(list, named{tag, languageName(namer, tag)})
	}
	slices.SortFunc(list, func(x, y named) int {
		if (x.tag == base) != (y.tag == base) {
			return map[bool]int{true: -1, false: 1}[x.tag == base]
		}
		return cmp.Or(byName(x.name, y.name), strings.Compare(x.tag, y.tag))
	})
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].name
	}
	return names
}

// languageName returns what namer calls a language, else what it calls itself, else its tag.
func languageName(namer display.Namer, tag string) string {
	t, err := language.Parse(tag)
	if err != nil {
		return tag
	}
	name := ""
	if namer != nil {
		name = namer.Name(t)
	}
	// A name that a language of no name gets as well says nothing.
	if name == "" || name == namer.Name(language.Und) {
		name = display.Self.Name(t)
	}
	if name == "" {
		return tag
	}
	return name
}
