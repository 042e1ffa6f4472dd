package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/leonelquinteros/gotext"
	"golang.org/x/text/language"

	"github.com/sugarlabs/beamrider/internal/xgettext"
	"github.com/sugarlabs/beamrider/remora"
)

const spanish = `
msgid ""
msgstr ""
"Language: es\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

msgid "English"
msgstr "Español"

msgid "Download"
msgstr "Descargar"

msgid "YYYY-MM-DD"
msgstr "DD/MM/YYYY"

msgid "%s activity"
msgid_plural "%s activities"
msgstr[0] "%s actividad"
msgstr[1] "%s actividades"

#, fuzzy
msgid "Browse"
msgstr "WRONG"
msgid "Facts"
msgstr "Datos"
`

const arabic = `
msgid ""
msgstr ""
"Language: ar\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);\n"

msgid "English"
msgstr "العربية"

msgid "%s activity"
msgid_plural "%s activities"
msgstr[0] "لا أنشطة %s"
msgstr[1] "نشاط واحد %s"
msgstr[2] "نشاطان %s"
msgstr[3] "%s أنشطة"
msgstr[4] "%s نشاطًا"
msgstr[5] "%s نشاط"
`

// The catalogs are what the sources say; "go generate" writes them anew.
func TestCatalogsAreCurrent(t *testing.T) {
	messages, err := xgettext.Extract(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) < 50 {
		t.Fatalf("only %d messages were found", len(messages))
	}
	for name, want := range map[string][]byte{"messages.pot": xgettext.Template(messages), "en.po": xgettext.English(messages)} {
		got, err := os.ReadFile("locales/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("locales/%s is not what the sources say; run go generate (-want +got):\n%s", name, diff)
		}
	}
}

// pluralForms are the numbers of forms that CLDR's plural rules know for whole numbers, as gettext
// writes them.
var pluralForms = map[string]int{"en": 2, "es": 2, "fr": 2, "ar": 6}

// Every language is complete, has as many plural forms as it needs, and says what it says with the
// arguments there are.
func TestTranslationsAreComplete(t *testing.T) {
	messages, err := xgettext.Extract(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(embedded, "locales/*.po")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(embedded, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range incomplete(messages, raw, pluralForms[strings.TrimSuffix(path.Base(name), ".po")]) {
			t.Errorf("%s: %s", name, m)
		}
	}
}

// incomplete returns what is wrong with a catalog. forms is how many plural forms the language has,
// 0 if that is not known.
func incomplete(messages []xgettext.Message, raw []byte, forms int) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if i := bytes.Index(raw, []byte("#, fuzzy")); i >= 0 && bytes.Contains(raw[:i], []byte("msgstr")) {
		say("there are fuzzy entries, which are not shown: check them and take the mark away")
	}
	po := gotext.NewPo()
	po.Parse(withoutFuzzy(raw))
	header := regexp.MustCompile(`nplurals=(\d+);`).FindStringSubmatch(po.PluralForms)
	switch {
	case header == nil:
		say("the header has no Plural-Forms")
	case forms != 0 && header[1] != strconv.Itoa(forms):
		say("the header says %s plural forms; the language has %d", header[1], forms)
	default:
		forms, _ = strconv.Atoi(header[1])
	}
	translated := po.GetDomain().GetTranslations()
	for _, m := range messages {
		entry := translated[m.ID]
		if entry == nil || entry.Trs[0] == "" {
			say("%q is missing", m.ID)
			continue
		}
		said := entry.Trs
		if m.Plural != "" {
			for n := range forms {
				if said[n] == "" {
					say("%q lacks plural form %d", m.ID, n)
				}
			}
		}
		for n, text := range said {
			if m.Plural != "" && len(xgettext.Verbs(m.ID)) == 1 && !strings.Contains(text, "%") {
				continue // the number in words
			}
			if diff := cmp.Diff(xgettext.Verbs(m.ID), xgettext.Verbs(text)); diff != "" {
				say("the translation of %q, form %d, takes other arguments: %s", m.ID, n, diff)
			}
		}
	}
	return wrong
}

func TestIncompleteIsFound(t *testing.T) {
	messages := []xgettext.Message{{ID: "Yes"}, {ID: "%s day", Plural: "%s days"}}
	const head = "msgid \"\"\nmsgstr \"\"\n\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\n\n"
	const yes, days = "msgid \"Yes\"\nmsgstr \"Sí\"\n\n", "msgid \"%s day\"\nmsgid_plural \"%s days\"\nmsgstr[0] \"%s día\"\nmsgstr[1] \"%s días\"\n"
	for po, want := range map[string]string{
		head + yes + days: "", yes + days: "Plural-Forms", head + days: "\"Yes\" is missing", head + yes: "day\" is missing",
		head + "#, fuzzy\n" + yes + days: "fuzzy", head + strings.Replace(yes, "Sí", "", 1) + days: "missing",
		head + yes + strings.Replace(days, "%s días", "", 1):              "lacks plural form 1",
		head + yes + strings.Replace(days, "%s día\"", "un día\"", 1):     "",
		head + yes + strings.Replace(days, "%s días", "%d días", 1):       "other arguments",
		strings.Replace(head, "nplurals=2", "nplurals=3", 1) + yes + days: "the language has 2",
	} {
		got := strings.Join(incomplete(messages, []byte(po), 2), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", po, got, want)
		}
	}
}

func TestLanguages(t *testing.T) {
	list := numbered(3)
	list[0].Name = remora.NewText(map[string]string{"en": "Letters", "ar": "حروف"})
	list[1].Name = remora.NewText(map[string]string{"es": "Letras"})
	list[1].DefaultLocale = "es"
	list[2].Name = remora.PlainText("und", "???")
	list[2].DefaultLocale = "und"
	h := newHandlerWith(t, newFeed(games(), list...), map[string]string{"es": spanish, "ar": arabic})

	es := mustGet(t, h, "/es/activity/100002")
	checkPage(t, es, homes...)
	wantText(t, es, `<html lang="es" dir="ltr">`, "<h1>Letras</h1>", ">Descargar</span>", "Datos", ">Browse<", ">Juegos<", "/03/2026",
		`<a lang="ar" hreflang="ar" dir="rtl" href="/ar/activity/100002">العربية</a>`, `hreflang="es" dir="ltr" href="/es/activity/100002" aria-current="true"`,
		`<link rel="alternate" hreflang="ar" href="http://example.com/ar/activity/100002">`)
	wantNoText(t, es, "WRONG")

	ar := mustGet(t, h, "/ar/")
	checkPage(t, ar)
	wantText(t, ar, `<html lang="ar" dir="rtl">`, ">حروف</a>", `lang="es" dir="ltr">Letras</a>`, `dir="auto">???</a>`, "٣ أنشطة")

	en := mustGet(t, h, "/en/")
	wantText(t, en, ">Letters</a>", `lang="es">Letras</a>`)
	if w := get(h, "/nothing", "Accept-Language", "ar"); w.Code != 404 || !strings.Contains(w.Body.String(), `dir="rtl"`) {
		t.Errorf("the page of a fault is not in the reader's language: %d", w.Code)
	}
}

func TestWithoutFuzzy(t *testing.T) {
	po := gotext.NewPo()
	po.Parse(withoutFuzzy([]byte("#, fuzzy\nmsgid \"\"\nmsgstr \"\"\n\"Plural-Forms: nplurals=1; plural=0;\\n\"\n" +
		"msgid \"a\"\nmsgstr \"A\"\n#, c-format, fuzzy\nmsgid \"b\"\nmsgstr \"B\"\n#| msgid \"x\"\nmsgid \"c\"\nmsgstr \"\"\n\"C\"\n\n#~ msgid \"d\"\n#~ msgstr \"D\"")))
	got := map[string]string{}
	for _, id := range []string{"a", "b", "c", "d"} {
		got[id] = po.Get(id, []any{}...)
	}
	if diff := cmp.Diff(map[string]string{"a": "A", "b": "b", "c": "C", "d": "d"}, got); diff != "" {
		t.Error(diff)
	}
	if got := po.PluralForms; got != "nplurals=1; plural=0;" {
		t.Errorf("the header is gone: %q", got)
	}
}

// Our list of directions is what the likely script of each language in CLDR says.
func TestDirectionsAreThoseOfCLDR(t *testing.T) {
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			base, err := language.ParseBase(string([]rune{a, b}))
			if err != nil || base.String() != string([]rune{a, b}) {
				continue
			}
			script, confidence := language.Make(base.String()).Script()
			if confidence == language.No {
				continue
			}
			if want := direction("xx-" + script.String()); direction(base.String()) != want {
				t.Errorf("%s is written in %s, %s; we say %s", base, script, want, direction(base.String()))
			}
		}
	}
}

func FuzzWithoutFuzzy(f *testing.F) {
	f.Add([]byte(spanish))
	f.Add([]byte("#, fuzzy\nmsgid \"a\"\nmsgstr \"b\"\n"))
	f.Fuzz(func(t *testing.T, po []byte) {
		once := withoutFuzzy(po)
		if len(once) > 2*len(po)+2 {
			t.Fatalf("%d bytes became %d", len(po), len(once))
		}
	})
}
