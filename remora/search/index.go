package search

import (
	"cmp"
	"iter"
	"slices"
)

// Field is one text of a document.
type Field struct {
	Locale string // as the catalog writes it ("pt_BR", "zh-Hans"); empty: text of no language, such as a tag
	Weight uint8  // how much a match in it counts, 1 to 255; 0 counts as 1
	Text   string
}

// Document is what an index knows of one thing.
type Document struct {
	ID     int64
	Fields []Field
	Boost  float32 // popularity, 0 to 1; what lies outside is brought to the nearer end, not-a-number to 0
}

// Stats says how large an index is.
type Stats struct {
	Documents int
	Terms     int   // distinct terms of all locales
	Bytes     int64 // memory held by the index
}

// Index finds documents by their words. It never changes, may be used by many
// goroutines at once, and is made by [New]; a nil or zero Index is empty.
type Index struct {
	ids     []int64   // by rank: greatest boost first, then smallest id
	boosts  []float32 // by rank
	numbers []uint32  // by rank: the places in which the documents were given
	byID    []uint32  // ranks, in the order of ids
	given   int       // documents, with those that a later one replaced
	locales []string  // normal names; the one numbered maxLocales, if any, stands for all further ones
	slots   []slot
	terms   dictionary
	heavy   dictionary // prefixes of more than maxExpand terms, with the documents of all of them
	wholes  dictionary // short fields as a whole
	texts   texts
}

// New returns an index of docs, which it ranges over once. Documents and
// their Fields may be used again by the caller after each step. Of several
// documents with one ID the last counts. A nil docs gives an empty index.
//
// The finished index takes about as many bytes as the text, up to twice as
// many where there is little.
// Building allocates about four times the bytes of a large text, in
// all, and several times those of a small one.
func New(docs iter.Seq[Document]) *Index {
	if docs == nil {
		return &Index{}
	}
	b := newBuilder()
	for d := range docs {
		b.add(&d)
	}
	return b.index()
}

// Stats returns the size of the index.
func (x *Index) Stats() Stats {
	if x == nil {
		return Stats{}
	}
	s := Stats{
		Documents: len(x.ids),
		Terms:     x.terms.terms,
		Bytes:     int64(len(x.ids))*20 + int64(len(x.slots))*4 + x.terms.size() + x.heavy.size() + x.wholes.size() + x.texts.size(),
	}
	for _, l := range x.locales {
		s.Bytes += int64(len(l)) + 16
	}
	return s
}

// Documents returns how many documents [New] was given. They have the numbers
// from 0 on in which they came, by which a [Set] knows them; those of documents
// that a later one replaced are not used.
func (x *Index) Documents() int {
	if x == nil {
		return 0
	}
	return x.given
}

// Number returns the number of the document with an id, and whether there is
// one.
func (x *Index) Number(id int64) (n int, ok bool) {
	if x == nil {
		return 0, false
	}
	rank, ok := x.rank(id)
	if !ok {
		return 0, false
	}
	return int(x.numbers[rank]), true
}

// rank returns the rank of the document with an id.
func (x *Index) rank(id int64) (rank uint32, ok bool) {
	i, ok := slices.BinarySearchFunc(x.byID, id, func(rank uint32, id int64) int { return cmp.Compare(x.ids[rank], id) })
	if !ok {
		return 0, false
	}
	return x.byID[i], true
}

// builder gathers documents in the order in which they come.
type builder struct {
	fold    folder
	vocab   *vocabulary // terms
	keys    *vocabulary // of short fields
	forward forward     // of terms
	wholes  forward     // of keys
	texts   forward

	ids    []int64
	boosts []float32
	latest map[int64]uint32 // the last record of each id

	locales   []string
	localeOf  map[string]uint16 // by normal name
	slots     []slot
	slotOf    []uint32 // slot + 1 by locale<<8 | weight
	uses      []uint32 // of each slot
	hits      []uint64 // of the document at hand: list<<32 | locale<<8 | weight
	names     []uint64 // of the document at hand: key<<32 | locale<<8 | weight
	record    []byte
	texted    []byte // record of the texts of the document at hand
	run       []byte // word numbers of the field at hand
	key       []byte
	rawLocale string // the last locale seen and its number: fields come in groups
	rawNumber uint16
}

// newBuilder returns an empty builder.
func newBuilder() *builder {
	b := &builder{
		vocab:    newVocabulary(),
		keys:     newVocabulary(),
		latest:   make(map[int64]uint32),
		localeOf: make(map[string]uint16),
	}
	b.rawNumber = b.locale("")
	return b
}

// locale returns the number of a locale.
func (b *builder) locale(raw string) uint16 {
	if raw == b.rawLocale && len(b.locales) > 0 {
		return b.rawNumber
	}
	name := normalLocale(raw)
	n, ok := b.localeOf[name]
	if !ok {
		n = uint16(min(len(b.locales), maxLocales))
		switch {
		case n < maxLocales:
			b.locales = append(b.locales, name)
			b.localeOf[name] = n
		case len(b.locales) == maxLocales:
			b.locales = append(b.locales, "")
		}
	}
	// The text of a locale name may belong to a larger string.
	b.rawLocale, b.rawNumber = raw, n
	return n
}

// add takes one document.
func (b *builder) add(d *Document) {
	b.hits, b.names, b.texted = b.hits[:0], b.names[:0], b.texted[:0]
	for i := range d.Fields {
		b.addField(&d.Fields[i])
	}
	b.latest[d.ID] = uint32(len(b.ids))
	b.ids = append(b.ids, d.ID)
	b.boosts = append(b.boosts, unit(d.Boost))
	b.forward.add(b.encode(b.hits))
	b.wholes.add(b.encode(b.names))
	b.texts.add(b.texted)
}

// addField takes one text of the document at hand.
func (b *builder) addField(f *Field) {
	weight := max(f.Weight, 1)
	locale := b.locale(f.Locale)
	low := uint64(locale)<<8 | uint64(weight)
	folded := b.fold.fold(f.Text)
	words := 0
	b.run = b.run[:0]
	tokens(folded, func(term []byte, extra bool) bool {
		n := b.vocab.number(term)
		b.hits = append(b.hits, uint64(n)<<32|low)
		if !extra {
			b.run = appendUvarint(b.run, n)
			words++
		}
		return true
	})
	if words > 1 {
		b.texted = appendUvarint(b.texted, uint32(locale))
		b.texted = append(b.texted, weight)
		b.texted = appendUvarint(b.texted, uint32(len(b.run)))
		b.texted = append(b.texted, b.run...)
	}
	if key := wholeKey(folded, b.key); key != nil {
		b.key = key
		b.names = append(b.names, uint64(b.keys.number(key))<<32|low)
	}
}

// unit brings f into 0..1.
func unit(f float32) float32 {
	if !(f > 0) { // also not-a-number
		return 0
	}
	return min(f, 1)
}

// encode writes hits (list<<32 | locale<<8 | weight) as a record: of one list
// and locale only the greatest weight, since only the best match of a word
// counts.
func (b *builder) encode(hits []uint64) []byte {
	slices.Sort(hits)
	b.record = b.record[:0]
	last := uint32(0)
	for i := 0; i < len(hits); {
		list := uint32(hits[i] >> 32)
		b.record = appendUvarint(b.record, list-last)
		last = list
		for more := true; more; {
			for i+1 < len(hits) && hits[i]>>8 == hits[i+1]>>8 {
				i++
			}
			s := b.slot(uint32(hits[i]))
			i++
			more = i < len(hits) && uint32(hits[i]>>32) == list
			v := s << 1
			if more {
				v |= 1
			}
			b.record = appendUvarint(b.record, v)
		}
	}
	return b.record
}

// slot returns the number of the slot locale<<8 | weight.
func (b *builder) slot(key uint32) uint32 {
	if need := int(key|0xFF) + 1; need > len(b.slotOf) {
		b.slotOf = append(b.slotOf, make([]uint32, need-len(b.slotOf))...)
	}
	n := b.slotOf[key]
	if n == 0 {
		b.slots = append(b.slots, slot{uint16(key >> 8), uint8(key)})
		b.uses = append(b.uses, 0)
		n = uint32(len(b.slots))
		b.slotOf[key] = n
	}
	b.uses[n-1]++
	return n - 1
}

// index turns what was gathered into an index.
func (b *builder) index() *Index {
	ranked := b.ranked()
	x := &Index{
		ids:     make([]int64, len(ranked)),
		boosts:  make([]float32, len(ranked)),
		numbers: ranked,
		byID:    make([]uint32, len(ranked)),
		given:   len(b.ids),
		locales: b.locales,
	}
	for rank, record := range ranked {
		x.ids[rank], x.boosts[rank], x.byID[rank] = b.ids[record], b.boosts[record], uint32(rank)
	}
	slices.SortFunc(x.byID, func(p, q uint32) int { return cmp.Compare(x.ids[p], x.ids[q]) })
	// The names were cut from the caller's strings.
	for i, l := range x.locales {
		x.locales[i] = string([]byte(l))
	}
	order, place := b.vocab.sorted()
	term := func(i int) []byte { return b.vocab.term(order[i]) }

	// Before slots are named for good, so that all kinds of lists share them.
	prefixes := newPrefixes(len(order), term)
	byPrefix := b.prefixRecords(ranked, place, prefixes)
	rename := b.renameSlots()
	x.slots = b.slots

	data, ends := invert(&b.forward, ranked, place, len(order), rename)
	b.forward = forward{}
	x.terms = newDictionary(len(order), term, data, ends)
	if len(prefixes.names) > 0 {
		data, ends := invert(byPrefix, nil, nil, len(prefixes.names), rename)
		x.heavy = newDictionary(len(prefixes.names), func(i int) []byte { return prefixes.names[i] }, data, ends)
	}
	x.texts = newTexts(&b.texts, ranked)
	b.texts = forward{}
	x.texts.words = make([]uint32, 0, x.terms.terms)
	for i, n := range order {
		if i == 0 && ends[0] > 0 || i > 0 && ends[i] > ends[i-1] { // as in the dictionary
			x.texts.words = append(x.texts.words, n)
		}
	}

	order, place = b.keys.sorted()
	data, ends = invert(&b.wholes, ranked, place, len(order), rename)
	x.wholes = newDictionary(len(order), func(i int) []byte { return b.keys.term(order[i]) }, data, ends)
	return x
}

// ranked returns the records that count, greatest boost first, then smallest
// id.
func (b *builder) ranked() []uint32 {
	ranked := make([]uint32, 0, len(b.latest))
	for record, id := range b.ids {
		if b.latest[id] == uint32(record) {
			ranked = append(ranked, uint32(record))
		}
	}
	slices.SortFunc(ranked, func(p, q uint32) int {
		return cmp.Or(cmp.Compare(b.boosts[q], b.boosts[p]), cmp.Compare(b.ids[p], b.ids[q]))
	})
	return ranked
}

// renameSlots gives the most used slots the smallest numbers, which are the
// shortest to write, and returns the new number of each.
func (b *builder) renameSlots() []uint32 {
	order := make([]uint32, len(b.slots))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(p, q uint32) int { return cmp.Compare(b.uses[q], b.uses[p]) })
	slots := make([]slot, len(order))
	rename := make([]uint32, len(order))
	for i, old := range order {
		slots[i], rename[old] = b.slots[old], uint32(i)
	}
	b.slots = slots
	return rename
}
