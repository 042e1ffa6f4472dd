package web

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// pseudoTag is the language of nobody: English that looks foreign, so that developers see which
// sentences translators never get, what breaks where words are longer, and which letters a font
// lacks. The tag is the one that CLDR keeps for this ("accented English").
const pseudoTag = "en-XA"

// pseudo is the message catalog of pseudoTag.
type pseudo struct{}

func newPseudo() *tongue {
	return &tongue{tag: pseudoTag, dir: "ltr", own: pseudo{}.Get("English"), messages: pseudo{}, printer: message.NewPrinter(language.English)}
}

func (pseudo) Get(id string, args ...any) string {
	text := disguise(id)
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return text
}

func (p pseudo) GetN(one, many string, n int, args ...any) string {
	if n == 1 {
		return p.Get(one, args...)
	}
	return p.Get(many, args...)
}

// disguises are letters that look like the ASCII ones and are not.
var disguises = strings.NewReplacer(
	"a", "á", "b", "ƀ", "c", "ç", "d", "đ", "e", "é", "f", "ƒ", "g", "ĝ", "h", "ĥ", "i", "í", "j", "ĵ", "k", "ķ", "l", "ł", "m", "ɱ",
	"n", "ñ", "o", "ó", "p", "þ", "q", "ɋ", "r", "ŕ", "s", "š", "t", "ţ", "u", "ú", "v", "ṽ", "w", "ŵ", "x", "ẋ", "y", "ý", "z", "ž",
	"A", "Á", "B", "Ɓ", "C", "Ç", "D", "Đ", "E", "É", "F", "Ƒ", "G", "Ĝ", "H", "Ĥ", "I", "Í", "J", "Ĵ", "K", "Ķ", "L", "Ł", "M", "Ṁ",
	"N", "Ñ", "O", "Ó", "P", "Þ", "Q", "Ɋ", "R", "Ŕ", "S", "Š", "T", "Ţ", "U", "Ú", "V", "Ṽ", "W", "Ŵ", "X", "Ẋ", "Y", "Ý", "Z", "Ž",
)

// disguise returns a sentence in brackets, with other letters and a third longer, as German and
// Finnish are. What stands for something else ("%s", "YYYY") stays.
func disguise(id string) string {
	var b strings.Builder
	b.WriteString("⟦")
	letters := 0
	for rest := id; rest != ""; {
		end := strings.IndexAny(rest, "%Y")
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(disguises.Replace(rest[:end]))
		letters += end
		rest = rest[end:]
		kept := 0
		switch {
		case strings.HasPrefix(rest, "YYYY-MM-DD"):
			return "YYYY-MM-DD" // nothing but a pattern
		case strings.HasPrefix(rest, "%"):
			kept = 1 + len(rest[1:]) - len(strings.TrimLeft(rest[1:], "[]0123456789+-# ."))
			kept = min(kept+1, len(rest)) // the verb
		case rest != "":
			kept = 1
			b.WriteString(disguises.Replace(rest[:1]))
			rest = rest[1:]
			continue
		}
		b.WriteString(rest[:kept])
		rest = rest[kept:]
	}
	b.WriteString(strings.Repeat("·", letters/3))
	b.WriteString("⟧")
	return b.String()
}
