package remora

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// A Sort is an order in which activities are listed.
type Sort uint8

// The orders. Ties are broken by id, so every order is total.
const (
	SortUpdated  Sort = iota // most recently changed first
	SortNewest               // most recently added first
	SortName                 // by name in the activity's own default locale, without case
	SortPopular              // most downloaded first
	SortFeatured             // by rank; only activities that have one
	sortCount
)

var sortNames = [...]string{"updated", "newest", "name", "popular", "featured"}

// String returns the stable word for the order.
func (s Sort) String() string {
	if int(s) >= len(sortNames) {
		return "invalid"
	}
	return sortNames[s]
}

// ParseSort reads what [Sort.String] wrote.
func ParseSort(s string) (Sort, error) {
	for i, name := range sortNames {
		if s == name {
			return Sort(i), nil
		}
	}
	return 0, Errorf(KindInvalid, "sort.unknown", "There is no order %s; the known ones are %s.", quote(s), strings.Join(sortNames[:], ", "))
}

// A Cursor is a place in an ordered list: just behind the activity it was made of. It stays valid
// when activities come and go. The zero Cursor is the beginning.
type Cursor struct {
	Text string // key of SortName
	Num  int64  // key of the other orders
	ID   int64
}

// CursorOf returns the place just behind a in order s.
func CursorOf(s Sort, a *Activity) Cursor {
	c := Cursor{ID: a.ID}
	switch s {
	case SortUpdated:
		c.Num = int64(a.Updated)
	case SortNewest:
		c.Num = int64(a.Created)
	case SortPopular:
		c.Num = a.Downloads
	case SortFeatured:
		c.Num = -int64(a.FeaturedRank)
	case SortName:
		c.Text = nameKey(a)
	}
	return c
}

// Compare orders places of the same Sort: negative when c comes before d.
func (c Cursor) Compare(d Cursor) int {
	return cmp.Or(strings.Compare(c.Text, d.Text), cmp.Compare(d.Num, c.Num), cmp.Compare(d.ID, c.ID))
}

func nameKey(a *Activity) string {
	name, _ := a.Name.In(a.DefaultLocale, "")
	name = strings.TrimLeftFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	return strings.ToLower(name)
}

// A Snapshot is an immutable picture of the catalog at one Position: everything that pages and
// clients need, found in constant or logarithmic time however large it is. Its activities are
// shared and must not be changed. All methods may be called concurrently.
type Snapshot struct {
	header     Header
	activities []Activity // by id
	ids        []int64    // of activities: a search among them touches little memory
	bundles    map[string]int32
	files      map[int64]int32
	versions   map[int64]int32
	sums       map[Digest]int32
	images     map[int64]int32
	// orders["" and each category][sort] lists indexes of listed activities.
	orders map[string]*[sortCount][]int32
}

// A SnapshotBuilder collects activities for a Snapshot. It copies their texts into a few large
// blocks of memory and shares repeated values, so that a hundred thousand activities do not
// become millions of small objects. It is for one goroutine, and of no use after Snapshot.
type SnapshotBuilder struct {
	activities []Activity
	arena      arena
	shared     map[string]string
	ranges     map[Range]Range
	numbers    map[string]Number
}

// Add copies a into the snapshot to be.
func (b *SnapshotBuilder) Add(a Activity) {
	if b.shared == nil {
		b.shared = map[string]string{}
		b.ranges = map[Range]Range{}
		b.numbers = map[string]Number{}
	}
	a.BundleID = b.arena.keep(a.BundleID)
	a.Slug = b.arena.keep(a.Slug)
	a.DefaultLocale = b.share(a.DefaultLocale)
	a.Name = b.text(a.Name)
	a.Summary = b.text(a.Summary)
	a.Description = b.text(a.Description)
	a.License = b.share(a.License)
	a.LicenseText = b.share(a.LicenseText)
	a.Homepage = b.arena.keep(a.Homepage)
	a.Repository = b.arena.keep(a.Repository)
	a.Categories = b.shareAll(distinct(a.Categories))
	a.Tags = b.shareAll(a.Tags)
	a.Authors = slices.Clone(a.Authors)
	for i := range a.Authors {
		a.Authors[i].Name = b.share(a.Authors[i].Name)
	}
	a.Screenshots = slices.Clone(a.Screenshots)
	for i := range a.Screenshots {
		a.Screenshots[i].Media = b.share(a.Screenshots[i].Media)
	}
	a.Versions = slices.Clone(a.Versions)
	for i := range a.Versions {
		v := &a.Versions[i]
		v.Filename = b.arena.keep(v.Filename)
		v.Notes = b.text(v.Notes)
		v.Archs = b.shareAll(v.Archs)
		v.Number = b.number(v.Number)
		if r, ok := b.ranges[v.Range]; ok {
			v.Range = r
		} else if len(b.ranges) < mostShared {
			b.ranges[v.Range] = v.Range
		}
	}
	b.activities = append(b.activities, a)
}

// distinct returns the categories without repetition and without "", which stands for all: an
// activity is once in each list.
func distinct(categories []string) []string {
	for i, c := range categories {
		if c == "" || slices.Contains(categories[:i], c) {
			out := make([]string, 0, len(categories))
			for _, c := range categories {
				if c != "" && !slices.Contains(out, c) {
					out = append(out, c)
				}
			}
			return out
		}
	}
	return categories
}

// mostShared bounds each table of values that many activities have in common: past that, they are
// not common ones.
const mostShared = 1 << 16

// number keeps one copy of numbers that are written alike, as most are.
func (b *SnapshotBuilder) number(n Number) Number {
	if have, ok := b.numbers[n.text]; ok {
		return have
	}
	n.text, n.key = b.arena.keep(n.text), b.arena.keep(n.key)
	if len(b.numbers) < mostShared {
		b.numbers[n.text] = n
	}
	return n
}

// share keeps one copy of values that many activities have in common.
func (b *SnapshotBuilder) share(s string) string {
	if s == "" {
		return ""
	}
	if have, ok := b.shared[s]; ok {
		return have
	}
	s = b.arena.keep(s)
	if len(b.shared) < mostShared {
		b.shared[s] = s
	}
	return s
}

func (b *SnapshotBuilder) shareAll(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = b.share(s)
	}
	return out
}

func (b *SnapshotBuilder) text(t Text) Text {
	if len(t) == 0 {
		return nil
	}
	out := make(Text, len(t))
	for i, l := range t {
		out[i] = Localized{Locale: b.share(l.Locale), Value: b.arena.keep(l.Value)}
	}
	return out
}

// Snapshot returns the picture of what was added, as of header. Of two activities with one id the
// later counts.
func (b *SnapshotBuilder) Snapshot(header Header) *Snapshot {
	unique := byID(b.activities)
	*b = SnapshotBuilder{}
	versions := 0
	for i := range unique {
		versions += len(unique[i].Versions)
	}
	s := &Snapshot{
		header:     header,
		activities: unique,
		ids:        make([]int64, len(unique)),
		bundles:    make(map[string]int32, len(unique)),
		files:      make(map[int64]int32, versions),
		versions:   make(map[int64]int32, versions),
		sums:       make(map[Digest]int32, versions),
		images:     map[int64]int32{},
		orders:     map[string]*[sortCount][]int32{},
	}
	for i := range unique {
		a := &unique[i]
		s.ids[i] = a.ID
		s.bundles[BundleKey(a.BundleID)] = int32(i)
		for _, img := range a.Screenshots {
			s.images[img.ID] = int32(i)
		}
		for j := range a.Versions {
			v := &a.Versions[j]
			s.versions[v.ID] = int32(i)
			if v.FileID != 0 {
				s.files[v.FileID] = int32(i)
			}
			if !v.SHA256.IsZero() {
				s.sums[v.SHA256] = int32(i)
			}
		}
	}
	s.order()
	return s
}

// byID returns the activities by id, of several with one id the last. It moves indexes about, not
// the activities, which are large.
func byID(list []Activity) []Activity {
	sorted := true
	for i := 1; i < len(list) && sorted; i++ {
		sorted = list[i-1].ID < list[i].ID
	}
	if sorted {
		return list
	}
	at := make([]int32, len(list))
	for i := range at {
		at[i] = int32(i)
	}
	slices.SortFunc(at, func(x, y int32) int { return cmp.Or(cmp.Compare(list[x].ID, list[y].ID), cmp.Compare(x, y)) })
	out := make([]Activity, 0, len(list))
	for i, x := range at {
		if i+1 < len(at) && list[at[i+1]].ID == list[x].ID {
			continue
		}
		out = append(out, list[x])
	}
	return out
}

func (s *Snapshot) order() {
	list := func(category string) *[sortCount][]int32 {
		o := s.orders[category]
		if o == nil {
			o = new([sortCount][]int32)
			s.orders[category] = o
		}
		return o
	}
	type place struct {
		cursor Cursor
		index  int32
	}
	places := make([]place, 0, len(s.activities))
	for sort := range sortCount {
		places = places[:0]
		for i := range s.activities {
			a := &s.activities[i]
			if a.InLists() && (sort != SortFeatured || a.FeaturedRank > 0) {
				places = append(places, place{CursorOf(sort, a), int32(i)})
			}
		}
		slices.SortFunc(places, func(x, y place) int { return x.cursor.Compare(y.cursor) })
		for _, p := range places {
			all := list("")
			all[sort] = append(all[sort], p.index)
			for _, category := range s.activities[p.index].Categories {
				in := list(category)
				in[sort] = append(in[sort], p.index)
			}
		}
	}
}

// InLists reports whether a is shown in lists and search: listed, active, and with a version that
// is published in the stable channel.
func (a *Activity) InLists() bool {
	if !a.Listed || a.State != ActivityActive {
		return false
	}
	for i := range a.Versions {
		if v := &a.Versions[i]; v.State == StatePublished && v.Channel == ChannelStable {
			return true
		}
	}
	return false
}

// Header returns what the catalog holds besides activities, and the position.
func (s *Snapshot) Header() *Header { return &s.header }

// Len returns the number of activities.
func (s *Snapshot) Len() int { return len(s.activities) }

// All returns the activities by id.
func (s *Snapshot) All() []Activity { return s.activities }

// Activity returns the activity with this id, nil if there is none.
func (s *Snapshot) Activity(id int64) *Activity {
	i, found := slices.BinarySearch(s.ids, id)
	return s.at(int32(i), found)
}

// Index returns the place in All of the activity with this id, or where it would be.
func (s *Snapshot) Index(id int64) (i int, found bool) { return slices.BinarySearch(s.ids, id) }

// ByBundleID returns the activity with this bundle id in any case, nil if there is none.
func (s *Snapshot) ByBundleID(bundleID string) *Activity {
	i, found := s.bundles[BundleKey(bundleID)]
	return s.at(i, found)
}

// ByFile returns the activity one of whose versions has this file id, nil if there is none.
func (s *Snapshot) ByFile(fileID int64) *Activity {
	i, found := s.files[fileID]
	return s.at(i, found)
}

// ByVersion returns the activity that has the version with this id, nil if there is none.
func (s *Snapshot) ByVersion(versionID int64) *Activity {
	i, found := s.versions[versionID]
	return s.at(i, found)
}

// BySum returns an activity one of whose versions has this sum, nil if there is none.
func (s *Snapshot) BySum(sum Digest) *Activity {
	i, found := s.sums[sum]
	return s.at(i, found)
}

// ByImage returns the activity that has the screenshot with this id, nil if there is none.
func (s *Snapshot) ByImage(id int64) *Activity {
	i, found := s.images[id]
	return s.at(i, found)
}

func (s *Snapshot) at(i int32, found bool) *Activity {
	if !found {
		return nil
	}
	return &s.activities[i]
}

// An Order is a list of activities in one order. It is immutable.
type Order struct {
	of   *Snapshot
	sort Sort
	list []int32
}

// Order returns the list of a category, "" for all, in one order. An unknown category is empty.
func (s *Snapshot) Order(sort Sort, category string) Order {
	o := s.orders[category]
	if o == nil || sort >= sortCount {
		return Order{of: s, sort: sort}
	}
	return Order{of: s, sort: sort, list: o[sort]}
}

// Len returns the number of activities in the list.
func (o Order) Len() int { return len(o.list) }

// At returns the i-th activity, 0 ≤ i < Len.
func (o Order) At(i int) *Activity { return &o.of.activities[o.list[i]] }

// Index returns the place in [Snapshot.All] of the i-th activity, 0 ≤ i < Len. It reads less memory
// than At.
func (o Order) Index(i int) int { return int(o.list[i]) }

// Behind returns the index of the first activity behind a place, Len if there is none.
func (o Order) Behind(c Cursor) int {
	if c == (Cursor{}) {
		return 0
	}
	n, _ := slices.BinarySearchFunc(o.list, c, func(i int32, c Cursor) int {
		if CursorOf(o.sort, &o.of.activities[i]).Compare(c) <= 0 {
			return -1
		}
		return 1
	})
	return n
}
