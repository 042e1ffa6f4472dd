package search

import (
	"encoding/binary"
	"math"
)

// noDoc is the document of a cursor that has read its whole list.
const noDoc = math.MaxUint32

// cursor reads a posting list document by document. After step or seek it
// stands before the slots of doc; best or hop must be called before the next
// step.
type cursor struct {
	data    []byte // postings
	skips   []byte // entries not yet passed
	pos     int
	doc     uint32
	quality uint32 // of a match through this list, in hundredths
}

// newCursor returns a cursor at the first document of a list, and the number
// of documents in it.
func newCursor(list []byte, quality uint32) (c cursor, count uint32) {
	count, n := uvarint(list)
	table := int((count-1)/skipEvery) * skipSize
	c = cursor{data: list[n+table:], skips: list[n : n+table], doc: noDoc, quality: quality}
	c.step()
	return c, count
}

// step goes to the next document.
func (c *cursor) step() {
	if c.pos >= len(c.data) {
		c.doc = noDoc
		return
	}
	d, n := uvarint(c.data[c.pos:])
	c.pos += n
	c.doc += d // from noDoc, which is -1, to the first
}

// best reads the slots of the document and returns the greatest of their
// factors, and how many there were.
func (c *cursor) best(factors []uint32) (best uint32, read int) {
	for {
		v, n := uvarint(c.data[c.pos:])
		c.pos += n
		read++
		best = max(best, factors[v>>1])
		if v&1 == 0 {
			return best, read
		}
	}
}

// hop passes the slots of the document and returns how many there were.
func (c *cursor) hop() (read int) {
	for {
		first := c.data[c.pos]
		for c.data[c.pos] >= 0x80 {
			c.pos++
		}
		c.pos++
		read++
		if first&1 == 0 {
			return read
		}
	}
}

// seek goes to the first document not before target and returns how many
// slots it had to pass. The cursor must stand before the slots of a document
// that lies before target.
func (c *cursor) seek(target uint32) (read int) {
	jump := false
	for len(c.skips) > 0 {
		before := binary.LittleEndian.Uint32(c.skips)
		if before >= target {
			break
		}
		if off := int(binary.LittleEndian.Uint32(c.skips[4:])); off > c.pos {
			c.pos, c.doc, jump = off, before, true
		}
		c.skips = c.skips[skipSize:]
	}
	if jump {
		c.step()
	}
	for c.doc < target {
		read += c.hop()
		c.step()
	}
	return read
}
