package search

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	// maxTermBytes is the length at which a word is cut, in text and query
	// alike.
	maxTermBytes = 64
	// tailMark ends the term of the last character of a run that is cut into
	// pairs. Every character of a run begins a term, so that a query of one
	// character is a prefix; the mark keeps that tail from looking like a word
	// of its own. It cannot occur in a word.
	tailMark = 0x01
)

// class says how a rune takes part in words.
type class uint8

const (
	separator class = iota
	spaced          // letters of scripts with words between spaces
	dense           // characters of scripts that are cut into pairs
)

// classes holds the classes of the runes below loneRunes.
var classes = sync.OnceValue(func() *[loneRunes]class {
	var c [loneRunes]class
	for r := range c {
		if unicode.In(rune(r), unicode.L, unicode.M, unicode.N) {
			c[r] = spaced
		}
	}
	return &c
})

// classify returns the class of a folded rune.
func classify(r rune) class {
	switch {
	case r < loneRunes:
		return classes()[r]
	case plainDense(r):
		return dense
	case !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r):
		return separator
	case r < 0xE00:
		return spaced
	case r <= 0xEFF, // Thai, Lao
		0x1000 <= r && r <= 0x109F, 0xA9E0 <= r && r <= 0xA9FF, 0xAA60 <= r && r <= 0xAA7F, // Burmese
		0x1100 <= r && r <= 0x11FF, 0xA960 <= r && r <= 0xA97F, 0xAC00 <= r && r <= 0xD7FF, // Hangul
		0x1780 <= r && r <= 0x17FF, 0x1950 <= r && r <= 0x19DF, // Khmer, Tai
		0x2E80 <= r && r <= 0x31FF, 0x3400 <= r && r <= 0x4DBF, 0x4E00 <= r && r <= 0x9FFF, // Han, Kana, Bopomofo
		0xF900 <= r && r <= 0xFAFF, 0x1AFF0 <= r && r <= 0x1B16F, 0x20000 <= r && r <= 0x3FFFF:
		return dense
	}
	return spaced
}

// tokens calls emit for every term of a folded text, in order, until it
// returns false. The slice is valid during the call only. Extra terms are
// further ways to find the one before: the tail of a run in pairs, and an
// Arabic word without its article. A query leaves them out.
func tokens(folded []byte, emit func(term []byte, extra bool) bool) {
	for i := 0; i < len(folded); {
		r, size := utf8.DecodeRune(folded[i:])
		kind := classify(r)
		if kind == separator {
			i += size
			continue
		}
		end := i + size
		for end < len(folded) {
			r, size = utf8.DecodeRune(folded[end:])
			if classify(r) != kind {
				break
			}
			end += size
		}
		run := folded[i:end]
		i = end
		if kind == dense {
			if !pairs(run, emit) {
				return
			}
			continue
		}
		run = cut(run)
		if !emit(run, false) {
			return
		}
		if rest, ok := withoutArticle(run); ok && !emit(rest, true) {
			return
		}
	}
}

// pairs emits the overlapping pairs of a run, and its tail.
func pairs(run []byte, emit func(term []byte, extra bool) bool) bool {
	_, first := utf8.DecodeRune(run)
	if first == len(run) {
		return emit(run, false)
	}
	for first < len(run) {
		_, second := utf8.DecodeRune(run[first:])
		if !emit(run[:first+second], false) {
			return false
		}
		run, first = run[first:], second
	}
	var tail [utf8.UTFMax + 1]byte
	return emit(append(append(tail[:0], run...), tailMark), true)
}

// cut shortens a word to maxTermBytes, between runes.
func cut(word []byte) []byte {
	if len(word) <= maxTermBytes {
		return word
	}
	n := maxTermBytes
	for n > 0 && !utf8.RuneStart(word[n]) {
		n--
	}
	return word[:n]
}
