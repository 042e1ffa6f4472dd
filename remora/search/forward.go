package search

import "encoding/binary"

// forward holds, while an index is built, one record per document: its lists
// (terms, or prefixes) in ascending order with their slots. Turning the
// records over gives the postings without ever sorting them all.
//
// A record is a sequence of: the list number as a difference to the one
// before, then its slots as slot<<1 | more.
type forward struct {
	chunks  [][]byte
	records []span
}

// span is where a record lies.
type span struct {
	chunk, start, end uint32
}

const (
	firstChunk = 64 << 10
	maxChunk   = 4 << 20
)

// add appends a copy of record as that of the next document.
func (f *forward) add(record []byte) {
	last := len(f.chunks) - 1
	if last < 0 || len(f.chunks[last])+len(record) > cap(f.chunks[last]) {
		size := firstChunk
		if last >= 0 {
			size = min(2*cap(f.chunks[last]), maxChunk)
		}
		f.chunks = append(f.chunks, make([]byte, 0, max(size, len(record))))
		last++
	}
	start := len(f.chunks[last])
	f.chunks[last] = append(f.chunks[last], record...)
	f.records = append(f.records, span{uint32(last), uint32(start), uint32(start + len(record))})
}

// record returns the record of a document.
func (f *forward) record(doc uint32) []byte {
	s := f.records[doc]
	return f.chunks[s.chunk][s.start:s.end]
}

// skipEvery is how many documents of a list lie between two entries of its
// skip table; skipSize is the length of an entry.
const (
	skipEvery = 128
	skipSize  = 8
)

// filling is the state of one list while it is measured and written.
type filling struct {
	at    uint64 // bytes so far; then the offset of the next write
	data  uint64 // offset of the first posting
	count uint32 // documents
	last  uint32 // the last document, plus one
}

// invert turns records over. The documents of every list come out in the
// order given by ranked (record numbers; nil: as they are); a list number l of a record becomes
// list place[l], or stays l where place is nil; slots are renamed by rename.
// It returns the lists, one after the other, and the end of each.
//
// A list is: the number of its documents; a skip table with an entry for every
// skipEvery-th document but the first (the document before it and the offset
// of its posting, both uint32); then the postings: the difference to the
// document before (the first: to -1) and the slots as slot<<1 | more.
func invert(f *forward, ranked, place []uint32, lists int, rename []uint32) (data []byte, ends []uint64) {
	state := make([]filling, lists)
	docs := len(ranked)
	if ranked == nil {
		docs = len(f.records)
	}
	for doc := range docs {
		b := f.record(placed(ranked, uint32(doc)))
		list := uint32(0)
		for len(b) > 0 {
			step, n := uvarint(b)
			b, list = b[n:], list+step
			s := &state[placed(place, list)]
			s.at += uint64(varintLen(uint32(doc) + 1 - s.last))
			s.last = uint32(doc) + 1
			s.count++
			for more := true; more; {
				v, n := uvarint(b)
				b, more = b[n:], v&1 != 0
				s.at += uint64(varintLen(rename[v>>1]<<1 | v&1))
			}
		}
	}
	ends = make([]uint64, lists)
	var size uint64
	for i := range state {
		s := &state[i]
		if s.count > 0 {
			postings := s.at
			s.at = size
			s.data = size + uint64(varintLen(s.count)) + uint64((s.count-1)/skipEvery*skipSize)
			size = s.data + postings
		}
		ends[i] = size
	}
	data = make([]byte, size)
	for i := range state {
		s := &state[i]
		if s.count > 0 {
			putUvarint(data[s.at:], s.count)
		}
		s.at, s.last, s.count = s.data, 0, 0
	}
	for doc := range docs {
		b := f.record(placed(ranked, uint32(doc)))
		list := uint32(0)
		for len(b) > 0 {
			step, n := uvarint(b)
			b, list = b[n:], list+step
			i := placed(place, list)
			s := &state[i]
			if s.count > 0 && s.count%skipEvery == 0 {
				// The table ends where the postings begin; its length is that
				// of the full list, its head is found from the header.
				head := s.data - tableLen(data, ends, i, s.data)
				e := data[head+uint64(s.count/skipEvery-1)*skipSize:]
				binary.LittleEndian.PutUint32(e, s.last-1)
				binary.LittleEndian.PutUint32(e[4:], uint32(s.at-s.data))
			}
			s.at += uint64(putUvarint(data[s.at:], uint32(doc)+1-s.last))
			s.last = uint32(doc) + 1
			s.count++
			for more := true; more; {
				v, n := uvarint(b)
				b, more = b[n:], v&1 != 0
				s.at += uint64(putUvarint(data[s.at:], rename[v>>1]<<1|v&1))
			}
		}
	}
	return data, ends
}

// placed returns place[n], or n where place is nil.
func placed(place []uint32, n uint32) uint32 {
	if place == nil {
		return n
	}
	return place[n]
}

// tableLen returns the length of the skip table of list i, whose postings
// begin at first.
func tableLen(data []byte, ends []uint64, i uint32, first uint64) uint64 {
	start := uint64(0)
	if i > 0 {
		start = ends[i-1]
	}
	_, n := uvarint(data[start:])
	return first - start - uint64(n)
}

// uvarint reads a little-endian base-128 number, as encoding/binary does,
// without that package's checks: the bytes are our own.
func uvarint(b []byte) (v uint32, n int) {
	c := b[0]
	if c < 0x80 {
		return uint32(c), 1
	}
	v = uint32(c & 0x7F)
	for shift := 7; ; shift += 7 {
		n++
		c = b[n]
		v |= uint32(c&0x7F) << shift
		if c < 0x80 {
			return v, n + 1
		}
	}
}

// putUvarint writes v and returns its length.
func putUvarint(b []byte, v uint32) int {
	n := 0
	for ; v >= 0x80; v >>= 7 {
		b[n] = byte(v) | 0x80
		n++
	}
	b[n] = byte(v)
	return n + 1
}

// appendUvarint appends v.
func appendUvarint(b []byte, v uint32) []byte {
	return binary.AppendUvarint(b, uint64(v))
}

// varintLen returns the length of v as putUvarint writes it.
func varintLen(v uint32) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
