// Package xgettext finds the sentences of a package that are to be translated and writes them as
// gettext catalogs. It knows the two places where ours have sentences: calls of t, n and plural methods in
// Go sources, and {{t "…"}} and {{tn "one" "many" n}} in html/template files.
//
// It reads syntax trees, not text, so that a sentence in a comment or in a string is not one, and
// refuses a call whose sentence is not a constant: such a sentence could not be found by a
// translator. A Go comment that begins with "Translators:" on the lines above a call goes into the
// catalog with it.
package xgettext
