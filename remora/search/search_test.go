package search

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ids returns the documents of hits.
func ids(hits []Hit) (ids []int64) {
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// of makes a document of texts in one locale, the first of which is the name.
func of(id int64, locale string, texts ...string) Document {
	d := Document{ID: id}
	for i, t := range texts {
		d.Fields = append(d.Fields, Field{locale, uint8(max(100>>i, 1)), t})
	}
	return d
}

func TestSearchScripts(t *testing.T) {
	x := New(slices.Values([]Document{
		of(1, "fr", "Éditeur d'étoiles", "Un ŒUVRE sur l'école"),
		of(2, "ar", "مُحَرِّر النُّصوص", "أدوات الكتـــابة والقراءة ١٢٣"),
		of(3, "ja", "お絵かき", "えをかくためのｱｸﾃｨﾋﾞﾃｨ"),
		of(4, "zh_CN", "活动中心", "学习汉字"),
		of(5, "th", "โปรแกรมวาดรูป", "เรียนรู้"),
		of(6, "ko", "그림그리기", "한글을 배우자"),
		of(7, "de", "Straßenkarte", "Größe"),
		of(8, "tr", "Işık İstanbul"),
		of(9, "hi", "चित्र बनाओ"),
		of(10, "ru", "Ёлка и йогурт"),
		of(11, "el", "Λόγος ΣΟΦΌΣ"),
		of(12, "pl", "Żółw Łódź"),
		of(13, "en", "Sugar活動 2048", "c++ & e-mail"),
		of(14, "fa", "ویرایشگر کتاب"),
		of(15, "he", "שָׁלוֹם"),
		of(16, "zh", "茶"),
		of(17, "zh", "红茶"),
	}))
	for _, c := range []struct {
		query string
		want  []int64
	}{
		{"éditeur", []int64{1}},
		{"EDITEUR etoiles", []int64{1}},
		{"edi", []int64{1}},
		{"e\u0301diteur", []int64{1}},
		{"oeuvre", []int64{1}},
		{"ecole", []int64{1}},
		{"editeur nothing", nil},
		{"diteur", nil}, // inside a word
		{"محرر", []int64{2}},
		{"ادوات الكتابه", []int64{2}},
		{"أدوات", []int64{2}},
		{"123", []int64{2}},
		{"絵", []int64{3}},
		{"き", []int64{3}},
		{"絵かき", []int64{3}},
		{"お絵", []int64{3}},
		{"かお", nil},
		{"アクティビティ", []int64{3}},
		{"中心", []int64{4}},
		{"汉字", []int64{4}},
		{"动", []int64{4}},
		{"วาดรูป", []int64{5}},
		{"โปรแกรม", []int64{5}},
		{"그리기", []int64{6}},
		{"한글", []int64{6}},
		{"strassenkarte", []int64{7}},
		{"GROSSE", []int64{7}},
		{"isik istanbul", []int64{8}},
		{"चित्र", []int64{9}},
		{"चत", nil}, // vowel signs are letters
		{"елка иогурт", []int64{10}},
		{"λογοσ σοφος", []int64{11}},
		{"zolw lodz", []int64{12}},
		{"sugar", []int64{13}},
		{"活動", []int64{13}},
		{"２０４８", []int64{13}},
		{"mail e", []int64{13}},
		{"ويرايشكر كتاب", nil}, // gaf is not kaf
		{"كتاب", []int64{14, 2}},
		{"שלום", []int64{15}},
		{"茶", []int64{16, 17}},
		{"", nil},
		{" .,! ", nil},
		{"\xff\xfe", nil},
	} {
		if diff := cmp.Diff(c.want, ids(x.Search(Query{Text: c.query}).Hits)); diff != "" {
			t.Errorf("Search(%q): -want +got\n%s", c.query, diff)
		}
	}
}

func TestSearchOrder(t *testing.T) {
	docs := []Document{
		of(1, "es", "pintar"),
		of(2, "es_MX", "pintar"),
		of(3, "en", "pintar"),
		of(4, "es_AR", "pintar"),
		of(5, "", "pintar"),
		of(6, "es_MX", "pintarlo"),
		of(7, "es_MX", "otro", "pintar"),
		{ID: 8, Boost: 1, Fields: []Field{{"en", 100, "pintar"}}},
	}
	x := New(slices.Values(docs))
	got := x.Search(Query{Text: "pintar", Locale: "es-MX"}).Hits
	want := []Hit{{2, 120}, {1, 114}, {4, 102}, {5, 102}, {8, 90}, {6, 70}, {3, 60}, {7, 60}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in es-MX: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(want[:3], x.Search(Query{Text: "pintar", Locale: "es_MX.UTF-8", Limit: 3}).Hits); diff != "" {
		t.Errorf("limited: -want +got\n%s", diff)
	}
	got = x.Search(Query{Text: "pint otro"}).Hits
	if diff := cmp.Diff([]Hit{{7, (50*0.4 + 100) / 2}}, got); diff != "" {
		t.Errorf("two words: -want +got\n%s", diff)
	}
}

func TestSearchEmpty(t *testing.T) {
	var none *Index
	for name, x := range map[string]*Index{"nil": none, "zero": {}, "no docs": New(nil), "no text": New(slices.Values([]Document{{ID: 1}}))} {
		if hits := x.Search(Query{Text: "a"}).Hits; hits != nil {
			t.Errorf("%s: %v", name, hits)
		}
	}
	if got := none.Stats(); got != (Stats{}) {
		t.Errorf("Stats of nil: %+v", got)
	}
}

func TestNewLastDocumentCounts(t *testing.T) {
	x := New(slices.Values([]Document{
		{ID: 1, Boost: 1, Fields: []Field{{"en", 1, "old"}}},
		of(2, "en", "other"),
		{ID: 1, Boost: float32(math.NaN()), Fields: []Field{{"en", 0, "new"}}},
	}))
	if hits := x.Search(Query{Text: "old"}).Hits; hits != nil {
		t.Errorf("the replaced document is found: %v", hits)
	}
	if diff := cmp.Diff([]Hit{{1, 1.2}}, x.Search(Query{Text: "new", Locale: "en"}).Hits); diff != "" {
		t.Error(diff)
	}
	if s := x.Stats(); s.Documents != 2 || s.Terms != 2 {
		t.Errorf("Stats: %+v", s)
	}
}

func TestNewKeepsNothingOfTheCaller(t *testing.T) {
	fields := make([]Field, 1)
	x := New(func(yield func(Document) bool) {
		for i, w := range []string{"apple", "pear", "plum"} {
			fields[0] = Field{"en", 9, w}
			if !yield(Document{ID: int64(i), Fields: fields}) {
				return
			}
		}
	})
	for i, w := range []string{"apple", "pear", "plum"} {
		if diff := cmp.Diff([]int64{int64(i)}, ids(x.Search(Query{Text: w}).Hits)); diff != "" {
			t.Errorf("%s: %s", w, diff)
		}
	}
}

func TestQueryBounds(t *testing.T) {
	var names []string
	for i := range MaxWords {
		names = append(names, fmt.Sprintf("w%d", i))
	}
	x := New(slices.Values([]Document{of(1, "en", strings.Join(names, " ")), of(2, "en", strings.Repeat("x", 300))}))
	for _, c := range []struct {
		name, query string
		want        []int64
	}{
		{"words beyond the last are not looked for", strings.Join(names, " ") + " absent", []int64{1}},
		{"a word too many in front is", "absent " + strings.Join(names, " "), nil},
		{"a repeated word is one", strings.Repeat("w0 ", 40) + "w1", []int64{1}},
		{"runes beyond the last are not read", "w0" + strings.Repeat(" ", MaxQueryRunes-2) + "absent", []int64{1}},
		{"a long word", strings.Repeat("x", 300), []int64{2}},
		{"cut words of text and query agree", strings.Repeat("x", maxTermBytes+1), []int64{2}},
		{"the beginning of a long word", strings.Repeat("x", 20), []int64{2}},
	} {
		if diff := cmp.Diff(c.want, ids(x.Search(Query{Text: c.query}).Hits)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

// TestSearchReadsABoundedNumberOfPostings looks at the budget itself: the time
// it stands for differs from machine to machine.
func TestSearchReadsABoundedNumberOfPostings(t *testing.T) {
	const docs, locales = 20_000, 40
	x := New(func(yield func(Document) bool) {
		fields := make([]Field, locales)
		for i := range docs {
			for l := range fields {
				fields[l] = Field{fmt.Sprint("l", l), 9, "every word common"}
			}
			if !yield(Document{ID: int64(docs - i), Fields: fields, Boost: float32(i) / docs}) {
				return
			}
		}
	})
	words := parse("every common w")
	s := new(search)
	if !s.open(x, words, false) {
		t.Fatal("a word has no list")
	}
	s.weigh(x, "", 0)
	// Counting goes on when nothing better can come, so that nothing but the
	// budget ends the search.
	var r Result
	s.run(x, &Query{Count: true}, &r)
	seen := r.Total
	if !r.Partial {
		t.Error("the result is not partial")
	}
	if most := MaxPostings + minWindow*locales*len(words.words); s.spent > most {
		t.Errorf("read %d postings, at most %d expected", s.spent, most)
	}
	if s.spent < MaxPostings/2 || seen < MaxPostings/2/locales/len(words.words) {
		t.Errorf("gave up after %d postings and %d documents", s.spent, seen)
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, ids(x.Search(Query{Text: "every common w", Limit: 3}).Hits)); diff != "" {
		t.Errorf("the most popular come first: -want +got\n%s", diff)
	}
}

func TestNewManyLocales(t *testing.T) {
	x := New(func(yield func(Document) bool) {
		for i := range maxLocales + 50 {
			if !yield(of(int64(i), fmt.Sprint("l", i), "word")) {
				return
			}
		}
	})
	for _, c := range []struct {
		locale string
		want   Hit
	}{
		{"l3", Hit{3, 120}},
		{fmt.Sprint("l", maxLocales+10), Hit{0, 60}},
	} {
		if got := x.Search(Query{Text: "word", Locale: c.locale, Limit: 1}).Hits; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %v, want %v", c.locale, got, c.want)
		}
	}
	if n := len(x.Search(Query{Text: "word", Limit: MaxLimit}).Hits); n != maxLocales+50 {
		t.Errorf("%d hits", n)
	}
}

func TestSearchConcurrently(t *testing.T) {
	x := New((&corpus{docs: 200, description: 5, seed: 3}).all())
	queries := []string{"a", "e", vocabularyWord(0, 0), vocabularyWord(0, 1) + " b", "zzz"}
	want := make([][]Hit, len(queries))
	for i, q := range queries {
		want[i] = x.Search(Query{Text: q, Locale: "l0"}).Hits
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				for i, q := range queries {
					if diff := cmp.Diff(want[i], x.Search(Query{Text: q, Locale: "l0"}).Hits); diff != "" {
						t.Errorf("%q: %s", q, diff)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestFold(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"Hello, World", "hello, world"},
		{"Crème BRÛLÉE", "creme brulee"},
		{"Ａｂｃ１２３", "abc123"},
		{"ﬁn Ⅷ", "fin viii"},
		{"Straße ẞ", "strasse ss"},
		{"İI ıi", "ii ii"},
		{"ΣΊΣΥΦΟΣ", "σισυφοσ"},
		{"Ёжик й", "ежик и"},
		{"أإآٱا", "ااااا"},
		{"مَدْرَسَة", "مدرسه"},
		{"الكتـــاب", "الكتاب"},
		{"یک ى", "يك ي"},
		{"١٢٣ ۴۵۶ १२३", "123 456 123"},
		{"𝟗𝒜", "9a"},
		{"か\u3099 ｶﾞ", "が ガ"},
		{"\u1112\u1161\u11ab", "한"},
		{"क\u093c", "क\u093c"},
		{"か" + strings.Repeat("\u3099", 100), "が" + strings.Repeat("\u3099", maxMarks-1)},
		{"co\u00adop\u200b", "coop"},
		{"a\xff\xfeb", "a\ufffdb"},
		{"\xf4և", "\ufffdեւ"},
		{"สวัสดี", "สวัสดี"},
	} {
		got := Fold(c.in)
		if got != c.want {
			t.Errorf("Fold(%q) = %q, want %q", c.in, got, c.want)
		}
		if again := Fold(got); again != got {
			t.Errorf("Fold(%q) = %q, folded again %q", c.in, got, again)
		}
	}
}

// TestFoldAlone compares the two ways of folding where both apply.
func TestFoldAlone(t *testing.T) {
	var f, g folder
	for r := rune(1); r < 0x11000; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		s := "a" + string(r) + "\u0301é" + string(r) + "ب" + string(r)
		if f.alone(s) {
			if got, want := string(f.out), string(g.whole(s)); got != want {
				t.Errorf("%U: %q alone, %q in the whole", r, got, want)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		in           string
		index, query []string
	}{
		{"one two-three", []string{"one", "two", "three"}, []string{"one", "two", "three"}},
		{"v2.0", []string{"v2", "0"}, []string{"v2", "0"}},
		{"絵", []string{"絵"}, []string{"絵"}},
		{"お絵かき", []string{"お絵", "絵か", "かき", "き\x01"}, []string{"お絵", "絵か", "かき"}},
		{"sugar活動x", []string{"sugar", "活動", "動\x01", "x"}, []string{"sugar", "活動", "x"}},
		{"—", nil, nil},
		{"الكتاب التي", []string{"الكتاب", "كتاب", "التي"}, []string{"الكتاب", "التي"}},
		{strings.Repeat("é", 40), []string{strings.Repeat("é", 32)}, []string{strings.Repeat("é", 32)}},
		{"x" + strings.Repeat("é", 40), []string{"x" + strings.Repeat("é", 31)}, []string{"x" + strings.Repeat("é", 31)}},
	} {
		var index, query []string
		tokens([]byte(c.in), func(term []byte, extra bool) bool {
			index = append(index, string(term))
			if !extra {
				query = append(query, string(term))
			}
			return true
		})
		if diff := cmp.Diff(c.index, index); diff != "" {
			t.Errorf("%q: -want +got\n%s", c.in, diff)
		}
		if diff := cmp.Diff(c.query, query); diff != "" {
			t.Errorf("%q without what is extra: -want +got\n%s", c.in, diff)
		}
	}
}

func TestNormalLocale(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "en": "en", "pt_BR": "pt-br", "pt-BR": "pt-br", "pt_BR.UTF-8": "pt-br",
		"sr@latin": "sr-latin", "sr_RS.utf8@latin": "sr-rs-latin", "zh-Hans": "zh-hans",
	} {
		if got := normalLocale(in); got != want {
			t.Errorf("normalLocale(%q) = %q, want %q", in, got, want)
		}
	}
}
