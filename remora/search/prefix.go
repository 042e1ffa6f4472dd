package search

import "unicode/utf8"

// maxExpand is the number of terms a prefix may stand for before it gets a
// posting list of its own. It bounds the lists a query has to merge.
const maxExpand = 512

// prefixes are the beginnings of more than maxExpand terms.
type prefixes struct {
	names   [][]byte // ascending
	parents []int32  // the next shorter one; -1: none
	longest []int32  // by term, in ascending order: its longest prefix of these; -1: none
}

// newPrefixes finds the prefixes of the sorted terms term(0) … term(n-1).
func newPrefixes(n int, term func(int) []byte) *prefixes {
	p := &prefixes{longest: make([]int32, n)}
	for i := range p.longest {
		p.longest[i] = -1
	}
	p.split(term, 0, n, 0, -1)
	return p
}

// split looks among the terms lo to hi, which share their first size bytes,
// for prefixes one rune longer. It descends a rune at a time, so at most
// maxTermBytes deep.
func (p *prefixes) split(term func(int) []byte, lo, hi, size int, parent int32) {
	for lo < hi {
		t := term(lo)
		if len(t) == size {
			lo++
			continue
		}
		_, width := utf8.DecodeRune(t[size:])
		head := t[:size+width]
		end := lo + 1
		for end < hi && hasPrefix(term(end), head) {
			end++
		}
		if end-lo > maxExpand {
			node := int32(len(p.names))
			p.names = append(p.names, head)
			p.parents = append(p.parents, parent)
			for i := lo; i < end; i++ {
				p.longest[i] = node
			}
			p.split(term, lo, end, len(head), node)
		}
		lo = end
	}
}

// hasPrefix reports whether t begins with head.
func hasPrefix(t, head []byte) bool {
	return len(t) >= len(head) && string(t[:len(head)]) == string(head)
}

// prefixRecords returns a record for each ranked document, in that order,
// with the prefixes of its terms.
func (b *builder) prefixRecords(ranked, place []uint32, p *prefixes) *forward {
	f := &forward{}
	if len(p.names) == 0 {
		return f
	}
	for _, record := range ranked {
		b.hits = b.hits[:0]
		rest := b.forward.record(record)
		list := uint32(0)
		for len(rest) > 0 {
			step, n := uvarint(rest)
			rest, list = rest[n:], list+step
			first := len(b.hits)
			node := p.longest[place[list]]
			for more := true; more; {
				v, n := uvarint(rest)
				rest, more = rest[n:], v&1 != 0
				if node >= 0 {
					s := b.slots[v>>1]
					b.hits = append(b.hits, uint64(node)<<32|uint64(s.locale)<<8|uint64(s.weight))
				}
			}
			if node < 0 {
				continue
			}
			last := len(b.hits)
			for node = p.parents[node]; node >= 0; node = p.parents[node] {
				for _, h := range b.hits[first:last] {
					b.hits = append(b.hits, uint64(node)<<32|h&0xFFFFFFFF)
				}
			}
		}
		f.add(b.encode(b.hits))
	}
	return f
}
