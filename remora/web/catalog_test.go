package web

import (
	"io/fs"
	"os"
	"path"
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

// Every language says what it says with the arguments there are. Sentences may be missing: they
// are shown in English.
func TestTranslationsTakeTheirArguments(t *testing.T) {
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
		po := gotext.NewPo()
		po.Parse(withoutFuzzy(raw))
		english := path.Base(name) == "en.po"
		for _, m := range messages {
			if m.Plural == "" {
				if english && !po.IsTranslated(m.ID) {
					t.Errorf("%s lacks %q", name, m.ID)
				}
				if diff := cmp.Diff(xgettext.Verbs(m.ID), xgettext.Verbs(po.Get(m.ID, []any{}...))); diff != "" {
					t.Errorf("%s: the translation of %q takes other arguments: %s", name, m.ID, diff)
				}
				continue
			}
			for n := range 120 {
				if diff := cmp.Diff(xgettext.Verbs(m.ID), xgettext.Verbs(po.GetN(m.ID, m.Plural, n))); diff != "" {
					t.Errorf("%s: the translation of %q for %d takes other arguments: %s", name, m.ID, n, diff)
					break
				}
			}
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
	wantText(t, es, `<html lang="es" dir="ltr">`, "<h1>Letras</h1>", "<span>Descargar</span>", "Datos", ">Browse<", ">Juegos<", "/03/2026",
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
