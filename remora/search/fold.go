package search

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks bounds the combining marks kept on one letter. Real writing stays
// far below; without a bound a text of marks alone makes normalisation insert
// joiners of its own, and folding twice would differ from folding once.
const maxMarks = 8

// Fold returns s in the form in which texts and queries are compared: NFKC
// (Unicode Standard Annex #15), lower case, without the accents of Latin,
// Greek and Cyrillic, the vowel signs of Arabic and Hebrew, the Arabic tatweel
// and invisible format characters; Arabic letter variants (alef with hamza,
// final yeh, teh marbuta, Persian keheh and yeh) and the digits of all scripts
// become one form. Runs of bytes that are not UTF-8 become U+FFFD. Folding is
// idempotent; the result is for comparing, not for showing.
func Fold(s string) string {
	var f folder
	return string(f.fold(s))
}

// folder folds with buffers that are used again.
type folder struct {
	wide, flat, out []byte
}

// fold returns the folded s; the slice is valid until the next call.
func (f *folder) fold(s string) []byte {
	if f.alone(s) {
		return f.out
	}
	return f.whole(s)
}

// alone folds s rune by rune into f.out and reports whether that is right: it
// is while each rune folds in the same way whatever its neighbours are. Nearly
// all text is of that kind, and normalising it takes several times as long.
func (f *folder) alone(s string) bool {
	letters := loneLetters()
	f.out = slices.Grow(f.out[:0], len(s))
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			f.out = append(f.out, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r < rune(len(letters)):
			f.out = append(f.out, letters[r]...)
		case plainDense(r):
			f.out = append(f.out, s[i:i+size]...)
		default:
			return false
		}
		i += size
	}
	return true
}

// whole folds s by normalising it.
func (f *folder) whole(s string) []byte {
	if !utf8.ValidString(s) {
		// Next to a byte that is none, a character might not be decomposed.
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	f.wide = norm.NFKD.AppendString(f.wide[:0], s)
	if !f.flatten() {
		return f.flat
	}
	f.out = norm.NFC.Append(f.out[:0], f.flat...)
	return f.out
}

// loneRunes is the end of the blocks, from Latin to Arabic, whose marks are
// all ignored, so that nothing in them depends on a neighbour.
const loneRunes = 0x700

// loneLetters returns the folded form of each rune below loneRunes.
var loneLetters = sync.OnceValue(func() *[loneRunes]string {
	var letters [loneRunes]string
	var f folder
	for r := range letters {
		letters[r] = string(f.whole(string(rune(r))))
	}
	return &letters
})

// plainDense reports whether r is one of the characters of Chinese, Japanese
// or Korean that fold to themselves as long as no mark or single Hangul letter
// follows, and are part of words.
func plainDense(r rune) bool {
	return 0x4E00 <= r && r <= 0x9FEF || 0xAC00 <= r && r <= 0xD7A3 ||
		0x3041 <= r && r <= 0x3096 || 0x30A1 <= r && r <= 0x30FA || r == 0x30FC
}

// flatten maps the decomposed f.wide, rune by rune, to f.flat and reports
// whether anything is left that could compose again.
func (f *folder) flatten() (composes bool) {
	f.flat = f.flat[:0]
	marks := 0
	for i := 0; i < len(f.wide); {
		c := f.wide[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			f.flat = append(f.flat, c)
			marks = 0
			i++
			continue
		}
		r, size := utf8.DecodeRune(f.wide[i:])
		i += size
		if ignorable(r) {
			continue
		}
		if unicode.IsMark(r) {
			composes = true
			if marks++; marks > maxMarks {
				continue
			}
			f.flat = utf8.AppendRune(f.flat, r)
			continue
		}
		marks = 0
		if 0x1100 <= r && r <= 0x11FF { // Hangul letters compose to syllables
			composes = true
		}
		f.flat = appendLetter(f.flat, unicode.ToLower(r))
	}
	return composes
}

// appendLetter appends the plain form of a lower-case letter that Unicode does
// not decompose.
func appendLetter(b []byte, r rune) []byte {
	switch r {
	case 'ß':
		return append(b, "ss"...)
	case 'æ':
		return append(b, "ae"...)
	case 'œ':
		return append(b, "oe"...)
	case 'þ':
		return append(b, "th"...)
	case 'ø':
		return append(b, 'o')
	case 'ł':
		return append(b, 'l')
	case 'đ', 'ð':
		return append(b, 'd')
	case 'ħ':
		return append(b, 'h')
	case 'ŧ':
		return append(b, 't')
	case 'ı':
		return append(b, 'i')
	case 'ς': // final sigma
		r = 'σ'
	case 'ٱ': // alef wasla
		r = 'ا'
	case 'ى', 'ی': // alef maksura, Farsi yeh
		r = 'ي'
	case 'ک': // keheh
		r = 'ك'
	case 'ة': // teh marbuta
		r = 'ه'
	default:
		if r > 0x600 && unicode.Is(unicode.Nd, r) {
			return append(b, digit(r))
		}
	}
	return utf8.AppendRune(b, r)
}

// digit returns the ASCII digit of a decimal digit of another script. Unicode
// keeps the ten digits of a script together and in order.
func digit(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	return '0'
}

// ignorable reports whether a decomposed rune carries nothing that a reader
// would type: accents and vowel signs of the scripts that are read without
// them, and format characters. Marks of other scripts (Devanagari vowels, the
// Japanese voicing mark) are letters in all but name and stay.
func ignorable(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r < 0x300:
		return r == 0xAD // soft hyphen
	case r <= 0x36F: // combining accents
		return true
	case r < 0x483:
		return false
	case r <= 0x489: // combining Cyrillic
		return r != 0x482
	case r < 0x591:
		return false
	case r <= 0x6ED: // Hebrew and Arabic
		return r == 0x640 || unicode.In(r, unicode.Mn, unicode.Cf)
	case 0x1AB0 <= r && r <= 0x1AFF, 0x1DC0 <= r && r <= 0x1DFF, 0x20D0 <= r && r <= 0x20FF,
		0xFE00 <= r && r <= 0xFE0F, 0xFE20 <= r && r <= 0xFE2F:
		return unicode.IsMark(r)
	}
	return unicode.Is(unicode.Cf, r)
}
