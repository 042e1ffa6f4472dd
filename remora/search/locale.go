package search

import "strings"

// Factors of a score, in hundredths: whole numbers, so that a sum over words
// does not depend on the order in which an index happens to read them.
const (
	qualityWord    = 100
	qualityArticle = 90 // the word without the Arabic article of the query
	qualityTyping  = 70 // a prefix, as the last word of the query
	qualityPrefix  = 40 // a prefix elsewhere
	qualityWhole   = 20 // added for each word where a field is the query

	localeSame    = 100
	localeBase    = 95
	localeSibling = 85
	localeNeutral = 85
	localeOther   = 50
)

// maxLocales bounds the distinct locales an index tells apart. All further
// ones count as foreign to every reader.
const maxLocales = 1024

// normalLocale returns a locale name ("pt_BR.UTF-8", "sr@latin", "zh-Hans") in
// one form: lower case, parts joined by "-", without the encoding.
func normalLocale(s string) string {
	name, modifier, _ := strings.Cut(s, "@")
	name, _, _ = strings.Cut(name, ".")
	if modifier != "" {
		name += "-" + modifier
	}
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

// baseLocale returns the language of a normal locale name.
func baseLocale(s string) string {
	base, _, _ := strings.Cut(s, "-")
	return base
}

// localeFactor says how much a text in locale counts for a reader; both are
// normal names.
func localeFactor(reader, locale string) uint32 {
	switch {
	case reader == "" || reader == locale:
		return localeSame
	case locale == "":
		return localeNeutral
	case baseLocale(reader) == locale:
		return localeBase
	case baseLocale(reader) == baseLocale(locale):
		return localeSibling
	}
	return localeOther
}

// slot is what a posting says about one occurrence: where a term is found, and
// how much that field weighs.
type slot struct {
	locale uint16 // index into the locales of the index
	weight uint8  // 1..255
}
