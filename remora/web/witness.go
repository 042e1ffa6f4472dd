package web

import (
	"encoding/binary"
	"hash/maphash"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// A witness is the View as one page sees it: it answers the page's questions and remembers them,
// each with a digest of the answer. A page that is kept can so be asked later whether it still
// shows the truth, without rendering it: the same questions, put to the present View, must have
// the same answers. So a change of the catalog ends the pages that show it and no other. A witness
// is for one goroutine.
type witness struct {
	view *live.View
	asks []ask
}

// An ask is a question to a View, and the digest of the answer that the page was made of.
type ask struct {
	again func(*live.View) uint64
	saw   uint64
}

// holds reports whether every answer is the same in another View.
func holds(asks []ask, v *live.View) bool {
	for i := range asks {
		if asks[i].again(v) != asks[i].saw {
			return false
		}
	}
	return true
}

func (w *witness) note(saw uint64, again func(*live.View) uint64) {
	w.asks = append(w.asks, ask{again, saw})
}

// Activity is [live.View.Activity].
func (w *witness) Activity(id int64) *remora.Activity {
	a := w.view.Activity(id)
	w.note(digestOf(a), func(v *live.View) uint64 { return digestOf(v.Activity(id)) })
	return a
}

// ByBundleID is [live.View.ByBundleID].
func (w *witness) ByBundleID(bundleID string) *remora.Activity {
	a := w.view.ByBundleID(bundleID)
	w.note(digestOf(a), func(v *live.View) uint64 { return digestOf(v.ByBundleID(bundleID)) })
	return a
}

// Count is [live.View.Count].
func (w *witness) Count(category string) int {
	category = strings.Clone(category)
	n := w.view.Count(category)
	w.note(uint64(n), func(v *live.View) uint64 { return uint64(v.Count(category)) })
	return n
}

// List is [live.View.List].
func (w *witness) List(sort remora.Sort, category string, after remora.Cursor, limit int) (page []*remora.Activity, more bool) {
	category = strings.Clone(category)
	after.Text = strings.Clone(after.Text)
	page, more = w.view.List(sort, category, after, limit)
	w.note(digestList(page, more), func(v *live.View) uint64 { return digestList(v.List(sort, category, after, limit)) })
	return page, more
}

// Find is [live.View.Find] without the counts of facets that the filter has a value of: pages do not
// show what else there would be instead, and so need not end when that changes.
func (w *witness) Find(q live.Query) live.Found {
	for f := range q.Filter {
		q.Filter[f] = strings.Clone(q.Filter[f])
	}
	find := func(v *live.View) live.Found {
		found := v.Find(q)
		for f := range q.Filter {
			if q.Filter[f] != "" {
				found.Counts[f] = nil
			}
		}
		return found
	}
	found := find(w.view)
	w.note(digestFound(&found), func(v *live.View) uint64 {
		again := find(v)
		return digestFound(&again)
	})
	return found
}

// Related is [live.View.Related]. Pages that show what is related show no counts with it, so that
// they do not end with every download.
func (w *witness) Related(a *remora.Activity, limit int) []*remora.Activity {
	sum := func(list []*remora.Activity) uint64 {
		var d digest
		for _, each := range list {
			d.mention(each)
		}
		return d.sum()
	}
	list, id := w.view.Related(a, limit), a.ID
	w.note(sum(list), func(v *live.View) uint64 { return sum(v.Related(v.Activity(id), limit)) })
	return list
}

// Tags is [live.View.Tags].
func (w *witness) Tags(limit int) []live.Tag {
	again := func(v *live.View) uint64 {
		var d digest
		for _, t := range v.Tags(limit) {
			d.text(t.Name)
			d.number(int64(t.N))
		}
		return d.sum()
	}
	w.note(again(w.view), again)
	return w.view.Tags(limit)
}

// TagName is [live.View.TagName].
func (w *witness) TagName(tag string) string {
	tag = strings.Clone(tag)
	again := func(v *live.View) uint64 {
		var d digest
		d.text(v.TagName(tag))
		return d.sum()
	}
	w.note(again(w.view), again)
	return w.view.TagName(tag)
}

// Author is [live.View.Author].
func (w *witness) Author(id int64) (remora.Author, bool) {
	again := func(v *live.View) uint64 {
		author, known := v.Author(id)
		var d digest
		d.text(author.Name)
		if known {
			d.number(1)
		}
		return d.sum()
	}
	w.note(again(w.view), again)
	return w.view.Author(id)
}

// Suggest is [live.View.Suggest].
func (w *witness) Suggest(text, locale string, limit int) []*remora.Activity {
	found := w.view.Suggest(text, locale, limit)
	w.note(digestList(found, false), func(v *live.View) uint64 { return digestList(v.Suggest(text, locale, limit), false) })
	return found
}

// Categories is [live.View.Categories].
func (w *witness) Categories() []remora.Category {
	w.note(digestCategories(w.view), digestCategories)
	return w.view.Categories()
}

// Collections is [live.View.Collections].
func (w *witness) Collections() []remora.Collection {
	w.note(digestCollections(w.view), digestCollections)
	return w.view.Collections()
}

// Collection is [live.View.Collection].
func (w *witness) Collection(ref string) *remora.Collection {
	again := func(v *live.View) uint64 {
		var d digest
		d.collection(v.Collection(ref))
		return d.sum()
	}
	w.note(again(w.view), again)
	return w.view.Collection(ref)
}

// A member is an entry of a collection that is there to be shown.
type member struct {
	item     *remora.CollectionItem
	activity *remora.Activity
}

// Members returns the entries of a collection whose activities are in lists.
func (w *witness) Members(c *remora.Collection) []member {
	find := func(v *live.View, c *remora.Collection) []member {
		if c == nil {
			return nil
		}
		list := make([]member, 0, len(c.Items))
		for i := range c.Items {
			if a := v.Activity(c.Items[i].ActivityID); a != nil && a.InLists() {
				list = append(list, member{&c.Items[i], a})
			}
		}
		return list
	}
	sum := func(list []member) uint64 {
		var d digest
		for _, m := range list {
			d.mention(m.activity)
		}
		return d.sum()
	}
	list, nickname := find(w.view, c), strings.Clone(c.Nickname)
	w.note(sum(list), func(v *live.View) uint64 { return sum(find(v, v.Collection(nickname))) })
	return list
}

// seed is of this process: kept pages do not outlive it.
var seed = maphash.MakeSeed()

// A digest sums up what the catalog says, for comparing. The zero digest is of nothing.
type digest struct{ h maphash.Hash }

func (d *digest) sum() uint64 {
	d.begin()
	return d.h.Sum64()
}

// begin makes digests comparable: each Hash would choose a seed of its own.
func (d *digest) begin() {
	if d.h.Seed() != seed {
		d.h.SetSeed(seed)
	}
}

func (d *digest) number(n int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	d.bytes(b[:])
}

func (d *digest) bytes(b []byte) {
	d.begin()
	_, _ = d.h.Write(b) // a hash takes everything
}

// text adds its length as well, so that "ab", "c" is not "a", "bc".
func (d *digest) text(s string) {
	d.number(int64(len(s)))
	_, _ = d.h.WriteString(s)
}

func (d *digest) texts(t remora.Text) {
	d.number(int64(len(t)))
	for i := range t {
		d.text(t[i].Locale)
		d.text(t[i].Value)
	}
}

// activity adds the revision, which any edit of an activity or of one of its versions raises, the
// count of downloads, which does not, and what a restored backup may have put in their place.
func (d *digest) activity(a *remora.Activity) {
	if a == nil {
		d.number(-1)
		return
	}
	d.number(a.ID)
	d.number(a.Revision)
	d.number(int64(a.Updated))
	d.number(a.Downloads)
	d.number(int64(len(a.Versions)))
	for i := range a.Versions {
		v := &a.Versions[i]
		d.number(v.ID)
		d.number(int64(v.State)<<8 | int64(v.Channel))
		d.text(v.Range.Min.String())
		d.text(v.Range.Max.String())
	}
}

// mention adds what a page says that mentions an activity without its counts.
func (d *digest) mention(a *remora.Activity) {
	d.number(a.ID)
	d.number(a.Revision)
	d.number(int64(a.Updated))
}

func digestOf(a *remora.Activity) uint64 {
	var d digest
	d.activity(a)
	return d.sum()
}

func digestList(list []*remora.Activity, more bool) uint64 {
	var d digest
	d.list(list)
	if more {
		d.number(1)
	}
	return d.sum()
}

func (d *digest) list(list []*remora.Activity) {
	d.number(int64(len(list)))
	for _, a := range list {
		d.activity(a)
	}
}

func digestFound(f *live.Found) uint64 {
	var d digest
	d.list(f.Activities)
	d.number(int64(f.Total))
	d.text(f.Next.Text)
	d.number(f.Next.Num)
	d.number(f.Next.ID)
	d.text(f.Corrected)
	if f.Partial {
		d.number(1)
	}
	for _, counts := range f.Counts {
		d.counts(counts)
	}
	return d.sum()
}

func (d *digest) counts(list []live.FacetCount) {
	d.number(int64(len(list)))
	for _, c := range list {
		d.text(c.Value)
		d.number(int64(c.N))
	}
}

func digestCategories(v *live.View) uint64 {
	var d digest
	for i := range v.Categories() {
		c := &v.Categories()[i]
		d.number(c.ID)
		d.text(c.Slug)
		d.texts(c.Name)
	}
	return d.sum()
}

func digestCollections(v *live.View) uint64 {
	var d digest
	for i := range v.Collections() {
		d.collection(&v.Collections()[i])
	}
	return d.sum()
}

func (d *digest) collection(c *remora.Collection) {
	if c == nil {
		d.number(-1)
		return
	}
	d.number(c.ID)
	d.text(c.UUID)
	d.text(c.Nickname)
	d.text(c.DefaultLocale)
	d.number(int64(c.Updated))
	if c.Listed {
		d.number(1)
	}
	d.texts(c.Name)
	d.texts(c.Description)
	d.number(int64(len(c.Items)))
	for i := range c.Items {
		item := &c.Items[i]
		d.number(item.ActivityID)
		d.text(item.Pin.String())
		if item.Optional {
			d.number(1)
		}
	}
}
