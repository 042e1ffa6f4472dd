package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/remora"
)

// MaxText bounds one file of [ReadTexts], in bytes.
const MaxText = 64 << 10

// textNames are the pages that can be in an administrator's own words.
var textNames = []string{"about", "privacy", "contact"}

// Texts are pages in the administrator's own words. Make them with [ReadTexts]. They are immutable.
type Texts struct {
	byName map[string]map[string][]block // by name, by language; "" where the file says none
}

// ReadTexts reads the files about.txt, privacy.txt and contact.txt of a folder, and those for one
// language, such as about.pt-BR.txt. What does not end in .txt is left alone.
//
// A text is UTF-8. Blank lines part paragraphs, a line that begins with "# " is a heading, and
// addresses that begin with http:// or https:// become links. Every mistake is in the error, with
// the name of its file.
func ReadTexts(folder fs.FS) (*Texts, error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, fmt.Errorf("web: texts: %w", err)
	}
	t := &Texts{byName: map[string]map[string][]block{}}
	var errs []error
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".txt")
		if !ok || e.IsDir() {
			continue
		}
		name, locale, _ := strings.Cut(stem, ".")
		if !slices.Contains(textNames, name) {
			errs = append(errs, textMistake(e.Name(), "is no page of the library; the pages are about, privacy and contact"))
			continue
		}
		if locale != "" {
			tag, err := language.Parse(strings.ReplaceAll(locale, "_", "-"))
			if err != nil {
				errs = append(errs, textMistake(e.Name(), "names no language; write it as in about.es.txt"))
				continue
			}
			locale = tag.String()
		}
		text, err := readText(folder, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if t.byName[name] == nil {
			t.byName[name] = map[string][]block{}
		}
		t.byName[name][locale] = parseText(text)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return t, nil
}

func textMistake(file, what string) error {
	return remora.Errorf(remora.KindInvalid, "texts.file", "The file %s %s.", path.Base(file), what)
}

func readText(folder fs.FS, name string) (string, error) {
	f, err := folder.Open(name)
	if err != nil {
		return "", fmt.Errorf("web: texts: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, MaxText+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("web: texts: %w", err)
	}
	switch {
	case len(raw) > MaxText:
		return "", textMistake(name, fmt.Sprintf("has more than %d bytes; shorten it", MaxText))
	case !utf8.Valid(raw):
		return "", textMistake(name, "is not UTF-8; save it as UTF-8")
	case strings.TrimSpace(string(raw)) == "":
		return "", textMistake(name, "is empty; write something, or remove it")
	}
	return strings.TrimPrefix(string(raw), "\ufeff"), nil
}

// of returns the text of a page for a reader of l, and the language it is in where it is another;
// false where there is none.
func (t *Texts) of(name string, l *tongue) (blocks []block, anyLanguage, found bool) {
	if t == nil {
		return nil, false, false
	}
	base, _, _ := strings.Cut(l.tag, "-")
	for _, tag := range []string{l.tag, base, ""} {
		if blocks, found = t.byName[name][tag]; found {
			return blocks, tag == "", true
		}
	}
	return nil, false, false
}

// A block is a heading or a paragraph.
type block struct {
	Heading bool
	Spans   []span
}

// A span is a piece of a paragraph; one with an Href is a link.
type span struct{ Text, Href string }

func parseText(text string) []block {
	var list []block
	for _, p := range paragraphs(text) {
		var lines []string
		flush := func() {
			if len(lines) > 0 {
				list = append(list, block{Spans: parseSpans(strings.Join(lines, "\n"))})
				lines = nil
			}
		}
		for line := range strings.SplitSeq(p, "\n") {
			if title, ok := strings.CutPrefix(line, "# "); ok && strings.TrimSpace(title) != "" {
				flush()
				list = append(list, block{Heading: true, Spans: []span{{Text: strings.TrimSpace(title)}}})
				continue
			}
			lines = append(lines, line)
		}
		flush()
	}
	return list
}

// parseSpans finds the addresses in a text.
func parseSpans(text string) []span {
	var list []span
	add := func(s span) {
		if s.Text != "" {
			list = append(list, s)
		}
	}
	for {
		at := -1
		for _, scheme := range []string{"http://", "https://"} {
			if i := strings.Index(text, scheme); i >= 0 && (at < 0 || i < at) {
				at = i
			}
		}
		if at < 0 {
			add(span{Text: text})
			return list
		}
		end := strings.IndexFunc(text[at:], func(r rune) bool { return r <= ' ' || strings.ContainsRune(`<>"`+"\u00a0\u3000", r) })
		if end < 0 {
			end = len(text) - at
		}
		// The full stop behind an address ends the sentence, and so does a bracket that it did not open.
		href := strings.TrimRight(text[at:at+end], ".,;:!?'")
		if strings.HasSuffix(href, ")") && !strings.Contains(href, "(") {
			href = strings.TrimRight(href, ").,;:!?'")
		}
		if strings.HasSuffix(href, "//") { // a scheme alone is no address
			add(span{Text: text[:at+end]})
			text = text[at+end:]
			continue
		}
		add(span{Text: text[:at]})
		add(span{Text: href, Href: href})
		text = text[at+len(href):]
	}
}
