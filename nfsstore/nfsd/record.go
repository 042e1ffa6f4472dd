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

// middlePiece is how much it gets then, until that much has come.
const middlePiece = 128 << 10

// Buffers of the longest records, and of middling ones.
var (
	large  = sync.Pool{New: func() any { return new([maxRecord]byte) }}
	middle = sync.Pool{New: func() any { return new([middlePiece]byte) }}
)

// A record is a message. free may be called once nothing of it is used any more.
type record struct {
	b   []byte
	big any // what b is in, of a pool, or nil
}

func (r *record) free() {
	switch b := r.big.(type) {
	case *[maxRecord]byte:
		large.Put(b)
	case *[middlePiece]byte:
		middle.Put(b)
	}
	r.b, r.big = nil, nil
}

// grow makes room for at least one of n bytes more, and returns for how many. claim is asked before
// more memory is taken than the first piece; it may be nil.
func (r *record) grow(n int, claim func(bytes int64) error) (int, error) {
	if room := cap(r.b) - len(r.b); room > 0 {
		return min(n, room), nil
	}
	old := *r
	size := len(r.b)
	if size >= firstPiece && claim != nil {
		more := int64(middlePiece)
		if size >= middlePiece {
			more = maxRecord - middlePiece
		}
		if err := claim(more); err != nil {
			return 0, err
		}
	}
	switch {
	case size == 0:
		r.b = make([]byte, 0, min(n, firstPiece))
	case size < firstPiece: // pieces of a record that came in small ones
		r.b = append(make([]byte, 0, firstPiece), old.b...)
	case size < middlePiece:
		b := middle.Get().(*[middlePiece]byte)
		r.b, r.big = append(b[:0], old.b...), b
	default:
		b := large.Get().(*[maxRecord]byte)
		r.b, r.big = append(b[:0], old.b...), b
	}
	old.free()
	return min(n, cap(r.b)-len(r.b)), nil
}

// readRecord reads one record. The error is io.EOF only when the connection ended before it. For
// claim see grow.
func readRecord(r io.Reader, claim func(bytes int64) error) (rec record, err error) {
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
			n, err := rec.grow(left, claim)
			if err != nil {
				return rec, err
			}
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
