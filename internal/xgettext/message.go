package xgettext

import (
	"cmp"
	"slices"
	"strings"
)

// A Message is one sentence to translate.
type Message struct {
	ID     string
	Plural string   // "" where there is one form only
	Files  []string // where it is used, sorted, without line numbers so that they do not change with every edit
	Notes  []string // for translators, sorted
}

// messageSet merges messages by their ids.
type messageSet map[string]*Message

func (s messageSet) add(id, plural, file, note string) {
	m := s[id]
	if m == nil {
		m = &Message{ID: id}
		s[id] = m
	}
	m.Plural = cmp.Or(m.Plural, plural)
	if !slices.Contains(m.Files, file) {
		m.Files = append(m.Files, file)
	}
	if note != "" && !slices.Contains(m.Notes, note) {
		m.Notes = append(m.Notes, note)
	}
}

func (s messageSet) sorted() []Message {
	list := make([]Message, 0, len(s))
	for _, m := range s {
		slices.Sort(m.Files)
		slices.Sort(m.Notes)
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Message) int {
		return cmp.Or(cmp.Compare(a.Files[0], b.Files[0]), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Template returns the messages as a catalog to be translated (.pot).
func Template(messages []Message) []byte {
	return catalog(messages, "", func(string) string { return "" })
}

// English returns the messages as the catalog of their own language: every sentence is its own
// translation.
func English(messages []Message) []byte {
	return catalog(messages, "en", func(s string) string { return s })
}

func catalog(messages []Message, lang string, say func(string) string) []byte {
	var b strings.Builder
	b.WriteString("# Written by internal/xgettext; run go generate instead of editing.\n")
	b.WriteString("msgid \"\"\nmsgstr \"\"\n")
	if lang != "" {
		b.WriteString(quote("Language: "+lang+"\n") + "\n")
	}
	for _, header := range []string{"MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit"} {
		b.WriteString(quote(header+"\n") + "\n")
	}
	if lang != "" {
		b.WriteString(quote("Plural-Forms: nplurals=2; plural=(n != 1);\n") + "\n")
	}
	for _, m := range messages {
		b.WriteByte('\n')
		for _, note := range m.Notes {
			b.WriteString("#. " + note + "\n")
		}
		b.WriteString("#: " + strings.Join(m.Files, " ") + "\n")
		if HasVerb(m.ID) || HasVerb(m.Plural) {
			b.WriteString("#, c-format\n")
		}
		b.WriteString("msgid " + quote(m.ID) + "\n")
		if m.Plural == "" {
			b.WriteString("msgstr " + quote(say(m.ID)) + "\n")
			continue
		}
		b.WriteString("msgid_plural " + quote(m.Plural) + "\n")
		b.WriteString("msgstr[0] " + quote(say(m.ID)) + "\n")
		b.WriteString("msgstr[1] " + quote(say(m.Plural)) + "\n")
	}
	return []byte(b.String())
}

// quote writes a string as .po files do: C escapes, UTF-8 as it is.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// HasVerb reports whether a sentence has a place for an argument.
func HasVerb(s string) bool { return len(Verbs(s)) > 0 }

// Verbs returns the formatting verbs of a sentence, sorted, with the index each argument has: "1s",
// "2d". Two sentences with equal Verbs take the same arguments.
func Verbs(s string) []string {
	var list []string
	next := 1
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i++; i == len(s) {
			return append(list, "!")
		}
		if s[i] == '%' {
			continue
		}
		index := next
		if s[i] == '[' {
			end := strings.IndexByte(s[i:], ']')
			if end != 2 || s[i+1] < '1' || s[i+1] > '9' {
				return append(list, "!")
			}
			index = int(s[i+1] - '0')
			i += 3
		}
		if i >= len(s) || (s[i] != 's' && s[i] != 'd') {
			return append(list, "!") // none of ours: the sentence is broken
		}
		list = append(list, string(rune('0'+index))+string(s[i]))
		next = index + 1
	}
	slices.Sort(list)
	return list
}
