package nfs3

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sync"
)

// maxRecord bounds one reply: the data of the largest READ and room for what is around it.
const maxRecord = maxTransfer + 64<<10

// lastFragment marks the header of the last fragment of a record (RFC 5531, section 11).
const lastFragment = 1 << 31

// records are those that are done with, by the power of two that their capacity is. A large READ is a
// megabyte, and without them the collector of a small program would be at work all the time.
var records [bits.UintSize]sync.Pool

// newRecord returns a record of that length, with any content.
func newRecord(size int) []byte {
	class := bits.Len(uint(max(size, minRecord) - 1))
	if b, is := records[class].Get().(*[]byte); is {
		return (*b)[:size]
	}
	return make([]byte, size, 1<<class)
}

// release gives a record back that nobody looks at any more.
func release(record []byte) {
	if n := cap(record); n >= minRecord && n < 2*maxRecord && n&(n-1) == 0 {
		records[bits.Len(uint(n))-1].Put(&record)
	}
}

// minRecord is the least capacity of a record that is worth to be used again.
const minRecord = 4 << 10

// readRecord reads one record. What it takes memory for has been announced within the bound.
func readRecord(r io.Reader) ([]byte, error) {
	var record []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if err == io.EOF && record != nil {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		word := binary.BigEndian.Uint32(head[:])
		size, last := word&^lastFragment, word&lastFragment != 0
		if uint64(size)+uint64(len(record)) > maxRecord {
			return nil, fmt.Errorf("%w: a record is longer than %d bytes", ErrProtocol, maxRecord)
		}
		if size == 0 && !last {
			return nil, fmt.Errorf("%w: an empty fragment of a record", ErrProtocol)
		}
		at := len(record)
		if at == 0 {
			record = newRecord(int(size))
		} else {
			record = append(record, make([]byte, size)...)
		}
		if _, err := io.ReadFull(r, record[at:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if last {
			return record, nil
		}
	}
}
