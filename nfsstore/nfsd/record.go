package nfsd

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Bounds of one record (RFC 5531, section 11): the longest data of a call, and what is around it.
const (
	maxData   = 1 << 20
	maxRecord = maxData + 64<<10
)

// firstPiece is how much memory a record gets before any of it has come. Whoever wants more has to
// send that first.
const firstPiece = 16 << 10

// maxFragments bounds the pieces of a record; most clients send one.
const maxFragments = 64

const lastFragment = 1 << 31

var (
	errLongRecord = errors.New("a record is longer than 1 MiB and 64 KiB")
	errFragments  = errors.New("a record is in too many pieces")
)

// large keeps buffers of the longest record.
var large = sync.Pool{New: func() any { return new([maxRecord]byte) }}

// A record is a message. free may be called once nothing of it is used any more.
type record struct {
	b   []byte
	big *[maxRecord]byte // what b is in, or nil
}

func (r *record) free() {
	if r.big != nil {
		large.Put(r.big)
	}
	r.b, r.big = nil, nil
}

// grow makes room for n bytes more.
func (r *record) grow(n int) {
	if cap(r.b)-len(r.b) >= n {
		return
	}
	if r.big == nil && len(r.b) == 0 && n <= firstPiece {
		r.b = make([]byte, 0, n)
		return
	}
	if len(r.b)+n <= firstPiece {
		r.b = append(make([]byte, 0, firstPiece), r.b...)
		return
	}
	big := large.Get().(*[maxRecord]byte)
	r.b = append(big[:0], r.b...)
	r.big = big
}

// readRecord reads one record. The error is io.EOF only when the connection ended before it.
func readRecord(r io.Reader) (rec record, err error) {
	defer func() {
		if err != nil {
			rec.free()
		}
	}()
	for range maxFragments {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) && rec.b != nil {
				err = io.ErrUnexpectedEOF
			}
			return rec, err
		}
		mark := binary.BigEndian.Uint32(head[:])
		left := int(mark &^ lastFragment)
		if left > maxRecord-len(rec.b) {
			return rec, errLongRecord
		}
		for left > 0 {
			n := left
			if len(rec.b) < firstPiece {
				n = min(left, firstPiece-len(rec.b))
			}
			rec.grow(n)
			at := len(rec.b)
			rec.b = rec.b[:at+n]
			if _, err := io.ReadFull(r, rec.b[at:]); err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return rec, err
			}
			left -= n
		}
		if mark&lastFragment != 0 {
			return rec, nil
		}
		if rec.b == nil {
			rec.b = []byte{}
		}
	}
	return rec, errFragments
}
