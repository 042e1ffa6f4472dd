package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/leonelquinteros/gotext"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// messages is what pages need of a message catalog; the message ids are the English sentences.
type messages interface {
	// Get returns the message in the catalog's language, formatted as by fmt if there are args.
	Get(id string, args ...any) string
	// GetN returns the form of a sentence for n things.
	GetN(one, many string, n int, args ...any) string
}

// A tongue is one language the pages speak.
type tongue struct {
	tag      string // BCP 47, as in addresses
	dir      string // "ltr" or "rtl"
	own      string // its name in itself
	messages messages
	printer  *message.Printer
}

// t and n are called so, and not by longer names, because every sentence passes through them; the
// extractor looks for calls of methods with these names.

func (l *tongue) t(id string, args ...any) string { return l.messages.Get(id, args...) }

// n says a sentence about count things. Its first argument is the count, written as the language
// writes numbers.
func (l *tongue) n(one, many string, count int, args ...any) string {
	return l.plural(one, many, count, append([]any{l.number(int64(count))}, args...)...)
}

// plural returns the form of a sentence for count. A language may have a form that says the number
// in words, "one activity", and so has no place for it.
func (l *tongue) plural(one, many string, count int, args ...any) string {
	text := l.messages.GetN(one, many, count)
	if !strings.Contains(text, "%") {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// loadTongues reads every locales/*.po. English comes first, the others by tag: the first is the
// language of readers whose own there is not.
func loadTongues(files fs.FS) ([]*tongue, error) {
	names, err := fs.Glob(files, "locales/*.po")
	if err != nil {
		return nil, err
	}
	var list []*tongue
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		tag := strings.TrimSuffix(path.Base(name), ".po")
		parsed, err := language.Parse(tag)
		if err != nil || parsed.String() != tag {
			return nil, fmt.Errorf("the name of %s is not a BCP 47 language tag in its usual spelling", name)
		}
		po := gotext.NewPo()
		po.Parse(withoutFuzzy(raw))
		l := &tongue{tag: tag, dir: direction(tag), messages: po, printer: message.NewPrinter(parsed)}
		// Translators: the name of your language, in your language.
		l.own = l.t("English")
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *tongue) int {
		if a.tag == "en" || b.tag == "en" {
			return map[bool]int{true: -1, false: 1}[a.tag == "en"]
		}
		return strings.Compare(a.tag, b.tag)
	})
	if len(list) == 0 || list[0].tag != "en" {
		return nil, fmt.Errorf("locales/en.po is missing")
	}
	return list, nil
}

// withoutFuzzy drops the entries that a tool has guessed and nobody has checked ("#, fuzzy"), and
// those that are no longer used ("#~"): gotext would serve the former. The header, which msginit
// marks fuzzy as well, stays.
func withoutFuzzy(po []byte) []byte {
	var out, entry bytes.Buffer
	fuzzy, header, ended := false, false, false
	flush := func() {
		if !fuzzy || header {
			out.Write(entry.Bytes())
			out.WriteByte('\n')
		}
		entry.Reset()
		fuzzy, header, ended = false, false, false
	}
	first := true // the header is the first entry
	for line := range bytes.Lines(po) {
		text := bytes.TrimSpace(line)
		begins := bytes.HasPrefix(text, []byte("#")) || bytes.HasPrefix(text, []byte("msgctxt")) || bytes.HasPrefix(text, []byte("msgid "))
		if ended && begins {
			flush()
		}
		switch {
		case len(text) == 0 || bytes.HasPrefix(text, []byte("#~")):
			continue
		case bytes.HasPrefix(text, []byte("#,")):
			fuzzy = fuzzy || bytes.Contains(text, []byte("fuzzy"))
		case bytes.HasPrefix(text, []byte("msgid ")):
			header = first && bytes.Equal(text, []byte(`msgid ""`))
			first = false
		case bytes.HasPrefix(text, []byte("msgstr")):
			ended = true
		}
		entry.Write(text)
		entry.WriteByte('\n')
	}
	flush()
	return out.Bytes()
}

// rtlLanguages and rtlScripts are written from right to left (Unicode CLDR, likely subtags and
// script metadata).
var (
	rtlLanguages = []string{"ar", "arc", "arz", "azb", "ckb", "dv", "fa", "glk", "he", "iw", "ji", "ks", "lrc", "mzn", "nqo", "pnb", "prs", "ps", "sd", "skr", "syr", "ug", "ur", "yi"}
	rtlScripts   = []string{"Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}
)

// direction returns "rtl" or "ltr" for a locale.
func direction(locale string) string {
	base, rest, _ := strings.Cut(locale, "-")
	script, _, _ := strings.Cut(rest, "-")
	switch {
	case len(script) == 4:
		if slices.Contains(rtlScripts, script) {
			return "rtl"
		}
	case slices.Contains(rtlLanguages, base):
		return "rtl"
	}
	return "ltr"
}
