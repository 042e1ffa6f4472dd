package search

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

// corpus makes documents that look like a catalog: a tenth of them in 80
// locales, the rest in 3; a name, tags, a summary and a description; words of
// a Zipf distribution, a vocabulary for each language, in six scripts.
type corpus struct {
	docs        int
	description int // words
	seed        uint64
}

var alphabets = []string{
	"abcdefghijklmnopqrstuvwxyz",
	"aábcčdďeéěfghiíjklmnňoópqrřsštťuúůvxyýzž",
	"абвгдежзийклмнопрстуфхцчшщыьэюя",
	"ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
	"कखगघचछजझटठडढतथदधनपफबभमयरलवशषसह",
}

// vocabularyWord makes the n-th word of a language: frequent words are short.
func vocabularyWord(language, n int) string {
	r := rand.New(rand.NewPCG(uint64(language), uint64(n)))
	if language%8 == 7 { // Japanese, Chinese: two to four characters
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteRune(rune(0x4E00 + int(r.ExpFloat64()*400)%3000))
		}
		return b.String()
	}
	letters := []rune(alphabets[0])
	if language%8 < len(alphabets) {
		letters = []rune(alphabets[language%8])
	}
	length := 2 + r.IntN(4)
	for m := n; m > 0; m /= 8 {
		length++
	}
	var b strings.Builder
	for range min(length, 12) {
		// Letters are not equally frequent either.
		b.WriteRune(letters[int(r.ExpFloat64()*float64(len(letters))/4)%len(letters)])
	}
	return b.String()
}

func (c *corpus) all() iter.Seq[Document] {
	return func(yield func(Document) bool) {
		r := rand.New(rand.NewPCG(c.seed, 1))
		zipf := rand.NewZipf(r, 1.1, 4, 30_000)
		words := map[int][]string{}
		word := func(language int) string {
			n := int(zipf.Uint64())
			if words[language] == nil {
				words[language] = make([]string, 30_001)
			}
			if words[language][n] == "" {
				words[language][n] = vocabularyWord(language, n)
			}
			return words[language][n]
		}
		text := func(language, n int) string {
			var b strings.Builder
			for i := range n {
				if i > 0 && language%8 != 7 {
					b.WriteByte(' ')
				}
				b.WriteString(word(language))
			}
			return b.String()
		}
		var fields []Field
		for i := range c.docs {
			fields = fields[:0]
			locales := 3
			if i%10 == 0 {
				locales = 80
			}
			for l := range locales {
				language := l
				if locales == 3 && l > 0 {
					language = r.IntN(80)
				}
				name := fmt.Sprintf("l%d", language)
				if language%5 == 1 {
					name += "_XX"
				}
				fields = append(fields,
					Field{name, 100, text(language, 2)},
					Field{name, 40, text(language, 12)},
					Field{name, 20, text(language, c.description)})
			}
			fields = append(fields, Field{"", 60, text(0, 3)})
			if !yield(Document{ID: int64(i + 1), Fields: fields, Boost: r.Float32() * r.Float32()}) {
				return
			}
		}
	}
}
