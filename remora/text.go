package remora

import (
	"slices"
	"strings"
)

// Localized is one string in one locale, a BCP 47 tag such as "es-PE".
type Localized struct{ Locale, Value string }

// A Text is one thing said in several locales, sorted by locale, each at most once. The nil Text
// says nothing. A Text is not to be changed once shared.
type Text []Localized

// NewText returns a Text of the given strings. Locales are normalised, empty values dropped, and
// of several values for one locale the first in byte order wins.
func NewText(values map[string]string) Text {
	t := make(Text, 0, len(values))
	for locale, value := range values {
		if value != "" {
			t = append(t, Localized{NormalizeLocale(locale), value})
		}
	}
	slices.SortFunc(t, compareLocalized)
	return slices.CompactFunc(t, func(a, b Localized) bool { return a.Locale == b.Locale })
}

// PlainText returns a Text with one string, nil if the string is empty.
func PlainText(locale, value string) Text {
	if value == "" {
		return nil
	}
	return Text{{NormalizeLocale(locale), value}}
}

func compareLocalized(a, b Localized) int {
	if c := strings.Compare(a.Locale, b.Locale); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}

// In returns the string for a reader of locale, and the locale it is in: es-PE, else es, else the
// thing's own default, else English, else whatever comes first. It does not allocate.
func (t Text) In(locale, def string) (value, used string) {
	for _, want := range [...]string{locale, def, "en"} {
		for want != "" {
			if i, found := slices.BinarySearchFunc(t, want, func(l Localized, w string) int { return strings.Compare(l.Locale, w) }); found {
				return t[i].Value, t[i].Locale
			}
			cut := strings.LastIndexByte(want, '-')
			if cut < 0 {
				break
			}
			want = want[:cut]
		}
	}
	if len(t) > 0 {
		return t[0].Value, t[0].Locale
	}
	return "", ""
}

// maxLocaleLen is how long a tag can be that consists of registered parts only (RFC 5646, 4.4.1).
const maxLocaleLen = 35

// NormalizeLocale turns POSIX and BCP 47 spellings into one: es_PE.UTF-8 and es-pe are es-PE,
// zh_hant_tw is zh-Hant-TW, sr@latin is sr-Latn. Text that is no locale at all comes back as "und".
func NormalizeLocale(s string) string {
	s, modifier, _ := strings.Cut(s, "@")
	s, _, _ = strings.Cut(s, ".")
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' })
	if len(parts) == 0 || len(s) > maxLocaleLen {
		return "und"
	}
	for i, p := range parts {
		for j := 0; j < len(p); j++ {
			if c := p[j] | 0x20; (c < 'a' || c > 'z') && (p[j] < '0' || p[j] > '9') {
				return "und"
			}
		}
		switch {
		case i == 0:
			p = strings.ToLower(p)
			if p == "c" || p == "posix" {
				return "en"
			}
			if len(p) < 2 || len(p) > 8 {
				return "und"
			}
			parts[i] = p
		case len(p) == 4:
			parts[i] = strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		case len(p) == 2:
			parts[i] = strings.ToUpper(p)
		default:
			parts[i] = strings.ToLower(p)
		}
	}
	if len(parts) == 1 || len(parts[1]) != 4 { // a script that is named already stays
		switch modifier {
		case "latin":
			parts = slices.Insert(parts, 1, "Latn")
		case "cyrillic":
			parts = slices.Insert(parts, 1, "Cyrl")
		}
	}
	if s = strings.Join(parts, "-"); len(s) > maxLocaleLen {
		return "und"
	}
	return s
}
