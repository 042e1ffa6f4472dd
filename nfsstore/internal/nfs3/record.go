package nfs3

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxRecord bounds one reply: the data of the largest READ and room for what is around it.
const maxRecord = maxTransfer + 64<<10

// lastFragment marks the header of the last fragment of a record (RFC 5531, section 11).
const lastFragment = 1 << 31

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
		record = append(record, make([]byte, size)...)
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
