package search

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one word of a query.
type word struct {
	term   []byte
	prefix uint32 // quality of a term that begins with it; 0: none does
	forms  []form // others in which it is looked for
	typos  int    // greatest distance at which terms are looked for
	quoted bool   // only whole terms match
	phrase int    // number of the phrase it stands in, from 1; 0: none
}

// form is another form of a word.
type form struct {
	term          []byte
	whole, prefix uint32 // qualities of a term that equals it, or begins with it; 0: none does
}

// request is a query that was read.
type request struct {
	words   []word
	phrases [][][]byte // the words of each
	whole   []byte     // the key of fields that are the query; nil: none
}

// quotes are the marks around a phrase. Any two of them make a pair.
const quotes = `"＂“”„‟«»「」『』`

// parse reads a query: its distinct words, outside and inside each phrase.
func parse(text string) *request {
	text = firstRunes(text, MaxQueryRunes)
	p := parser{req: new(request), typing: -1}
	var f folder
	p.req.whole = bytes.Clone(wholeKey(f.fold(text), nil))
	quoted := false
	for {
		at := strings.IndexAny(text, quotes)
		if at < 0 {
			at = len(text)
		}
		p.add(f.fold(text[:at]), quoted)
		if at == len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		text = text[at+size:]
		// A quote that is not closed is none.
		quoted = !quoted && strings.ContainsAny(text, quotes)
	}
	if p.typing >= 0 {
		w := &p.req.words[p.typing]
		w.prefix = qualityTyping
		for i := range w.forms {
			f := &w.forms[i]
			if f.prefix > 0 {
				f.prefix = qualityTyping
			} else {
				f.whole = qualityTyping
			}
		}
	}
	return p.req
}

// firstRunes returns the first n runes of s.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// parser gathers the words of a query.
type parser struct {
	req    *request
	typing int // the word that is probably still being typed; -1: none
}

// add takes the folded text between two quotes.
func (p *parser) add(folded []byte, quoted bool) {
	var terms [][]byte
	tokens(folded, func(term []byte, extra bool) bool {
		if !extra {
			terms = append(terms, bytes.Clone(term))
		}
		return true
	})
	if len(terms) == 0 {
		return
	}
	p.typing = -1
	phrase := 0
	if quoted && len(terms) > 1 {
		phrase = len(p.req.phrases) + 1
	}
	for n, term := range terms {
		at := slices.IndexFunc(p.req.words, func(w word) bool {
			return bytes.Equal(w.term, term) && w.quoted == quoted && w.phrase == phrase
		})
		if at < 0 {
			if len(p.req.words) == MaxWords {
				terms = terms[:n]
				break
			}
			at = len(p.req.words)
			p.req.words = append(p.req.words, newWord(term, quoted, phrase))
		}
		if !quoted {
			p.typing = at
		}
	}
	if phrase > 0 && len(terms) > 0 {
		p.req.phrases = append(p.req.phrases, terms)
	}
}

// newWord returns a word. What is quoted is not looked for in other forms.
func newWord(term []byte, quoted bool, phrase int) word {
	w := word{term: term, quoted: quoted, phrase: phrase}
	if !quoted || pair(term) && phrase == 0 {
		w.prefix = qualityPrefix
	}
	if rest, ok := withoutArticle(term); ok {
		w.forms = append(w.forms, form{rest, qualityArticle, w.prefix})
	}
	if quoted {
		return w
	}
	for _, stem := range stems(term) {
		w.forms = append(w.forms, form{term: stem, whole: qualityPrefix})
	}
	w.typos = typosAllowed(term)
	return w
}

// pair reports whether a term is of a script that is cut into pairs.
func pair(term []byte) bool {
	r, _ := utf8.DecodeRune(term)
	return classify(r) == dense
}

// stems returns the word without the s or es of a plural, as English, Spanish,
// French and Portuguese have it.
func stems(term []byte) (stems [][]byte) {
	n := len(term)
	if n < 4 || term[n-1] != 's' || term[n-2] == 's' {
		return nil
	}
	for _, c := range term {
		if c < 'a' || c > 'z' {
			return nil
		}
	}
	stems = append(stems, term[:n-1])
	if n > 4 && term[n-2] == 'e' {
		stems = append(stems, term[:n-2])
	}
	return stems
}

// articles are the Arabic article and what it becomes after "and", "with",
// "then", "like" and "for", all written together with the word; longer ones
// first.
var articles = []string{"وال", "بال", "فال", "كال", "ال", "لل"}

// minArticle is how many letters a word with an article has at least, three of
// them its own: shorter ones only look so.
const minArticle = 5

// withoutArticle returns the rest of a word that begins with an article.
func withoutArticle(term []byte) (rest []byte, ok bool) {
	if len(term) < 2*minArticle || term[0]&^7 != 0xD8 { // no Arabic letter
		return nil, false
	}
	for _, a := range articles {
		rest, ok := bytes.CutPrefix(term, []byte(a))
		if ok && utf8.RuneCount(rest) >= 3 {
			return rest, utf8.RuneCount(term) >= minArticle
		}
	}
	return nil, false
}

// typosAllowed returns the greatest distance at which terms are looked for in
// place of a word.
func typosAllowed(term []byte) int {
	letters, digits := 0, 0
	for i := 0; i < len(term); {
		r, size := utf8.DecodeRune(term[i:])
		i += size
		letters++
		if unicode.IsNumber(r) {
			digits++
		}
	}
	switch {
	case letters < 4 || digits == letters || pair(term):
		return 0
	case letters < 8:
		return 1
	}
	return 2
}

// maxWholeBytes is the length up to which a field is known as a whole.
const maxWholeBytes = 40

// wholeKey appends to key the words of a folded text with a space between
// them, or returns nil where there are none or they are too long.
func wholeKey(folded, key []byte) []byte {
	key = key[:0]
	gap := false
	for i := 0; i < len(folded); {
		r, size := utf8.DecodeRune(folded[i:])
		if classify(r) == separator {
			gap = len(key) > 0
		} else {
			if gap {
				key = append(key, ' ')
				gap = false
			}
			if key = append(key, folded[i:i+size]...); len(key) > maxWholeBytes {
				return nil
			}
		}
		i += size
	}
	if len(key) == 0 {
		return nil
	}
	return key
}
