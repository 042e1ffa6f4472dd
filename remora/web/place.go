package web

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/sugarlabs/beamrider/remora"
)

// A place is where a page of a list begins: a [remora.Cursor] and the order it belongs to, in the
// form it has in an address. It is opaque to readers but not secret, and needs no signature: any
// place a reader makes up is just another place in a public list.

// Bounds of a place in an address.
const (
	maxPlaceText = 1 << 10 // bytes of the text kept; more than any name that is one
	maxPlace     = 2 << 10 // bytes of the whole in base64
)

// placeVersions is the order number under which places in the list of an activity's versions go:
// none of the orders of activities.
const placeVersions = 0x7f

// placeFound is the order number under which places in the results of a search go.
const placeFound = 0x7e

// encodePlace writes the place behind an entry, for the order numbered sort.
func encodePlace(sort byte, c remora.Cursor) string {
	text := c.Text
	if len(text) > maxPlaceText {
		text = text[:maxPlaceText] // a key is compared as bytes, so that half a letter does no harm
	}
	b := []byte{sort}
	b = binary.AppendVarint(b, c.Num)
	b = binary.AppendVarint(b, c.ID)
	b = append(b, text...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodePlace reads what encodePlace wrote for the same order. The empty text is the beginning.
func decodePlace(sort byte, s string) (remora.Cursor, error) {
	if s == "" {
		return remora.Cursor{}, nil
	}
	bad := remora.Errorf(remora.KindInvalid, "place.syntax", "The page's address has a place in the list that is none.")
	if len(s) > maxPlace {
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
	if len(text) > maxPlaceText {
		return remora.Cursor{}, bad
	}
	c := remora.Cursor{Text: string(text), Num: num, ID: id}
	if c == (remora.Cursor{}) {
		return remora.Cursor{}, bad // the beginning is written as nothing
	}
	return c, nil
}
