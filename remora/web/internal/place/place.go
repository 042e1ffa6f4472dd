// Package place writes where in a list a page begins: a [remora.Cursor] and the order it belongs to, in
// the form it has in an address. A place is opaque to readers but not secret, and needs no
// signature: any place a reader makes up is just another place in a public list.
package place

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/sugarlabs/beamrider/remora"
)

// MaxText is how many bytes of the text are kept: more than any name that is one.
const MaxText = 1 << 10

const maxLen = 2 << 10 // bytes of a place

// The numbers of orders that are none of activities.
const (
	Versions = 0x7f // of an activity's versions
	Found    = 0x7e // of the results of a search
)

// Encode writes the place behind an entry, for the order numbered sort.
func Encode(sort byte, c remora.Cursor) string {
	text := c.Text
	if len(text) > MaxText {
		text = text[:MaxText] // a key is compared as bytes, so that half a letter does no harm
	}
	b := []byte{sort}
	b = binary.AppendVarint(b, c.Num)
	b = binary.AppendVarint(b, c.ID)
	b = append(b, text...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Decode reads what Encode wrote for the same order. The empty text is the beginning.
func Decode(sort byte, s string) (remora.Cursor, error) {
	if s == "" {
		return remora.Cursor{}, nil
	}
	bad := remora.Errorf(remora.KindInvalid, "place.syntax", "The page's address has a place in the list that is none.")
	if len(s) > maxLen {
		return remora.Cursor{}, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != sort {
		return remora.Cursor{}, bad
	}
	b = b[1:]
	num, n := binary.Varint(b)
	if n <= 0 {
		return remora.Cursor{}, bad
	}
	id, m := binary.Varint(b[n:])
	if m <= 0 {
		return remora.Cursor{}, bad
	}
	text := b[n+m:]
	if len(text) > MaxText {
		return remora.Cursor{}, bad
	}
	c := remora.Cursor{Text: string(text), Num: num, ID: id}
	if c == (remora.Cursor{}) {
		return remora.Cursor{}, bad // the beginning is written as nothing
	}
	return c, nil
}
