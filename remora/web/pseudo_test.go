package web

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestDisguise(t *testing.T) {
	for id, want := range map[string]string{
		"":                    "⟦⟧",
		"Search":              "⟦Šéáŕçĥ··⟧",
		"Version %s: %d %%":   "⟦Ṽéŕšíóñ %s: %d %%···⟧",
		"%[2]s of %[1]5.2f":   "⟦%[2]s óƒ %[1]5.2f·⟧",
		"Your %s":             "⟦Ýóúŕ %s·⟧",
		"YYYY-MM-DD":          "YYYY-MM-DD",
		"a percent sign at %": "⟦á þéŕçéñţ šíĝñ áţ %······⟧",
	} {
		if got := disguise(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// foreign is what the catalog says in TestNothingUntranslated: letters that no sentence of ours has.
const foreign = "Ωμέγα"

// translatable are the texts of a page that a person reads.
var (
	hidden     = regexp.MustCompile(`(?s)<!DOCTYPE[^>]*>|<(code|title)\b.*?</(code|title)>|<bdi>.*?</bdi>|<a lang=.*?</a>|<head>.*?</head>`)
	spoken     = regexp.MustCompile(`\b(?:alt|title|placeholder|aria-label|content)="([^"]*)"`)
	anyTag     = regexp.MustCompile(`(?s)<[^>]*>`)
	entity     = regexp.MustCompile(`&[#a-z0-9]+;`)
	bracketed  = regexp.MustCompile(`⟦[^⟦⟧]*⟧`)
	asciiWords = regexp.MustCompile(`[A-Za-z]{2,}`)
	linked     = regexp.MustCompile(`(?:href|action)="(/en-XA/[^"#]*)"`)
)

// proper are words that are the same in every language.
var proper = map[string]bool{
	"SHA": true, "Sugar": true, "GPL": true, "MIT": true, "or": true, "later": true, "org": true, "example": true, "Atom": true, "RSS": true, "English": true,
	"python": true, "UTC": true, "xo": true, "kB": true, "MB": true, "API": true, "OpenAPI": true, "http": true, "https": true, "com": true, "thing": true, "git": true,
}

// untranslated returns the words of a page that are in no sentence a translator gets.
func untranslated(body string) []string {
	text := hidden.ReplaceAllString(body, " ")
	var read strings.Builder
	for _, m := range spoken.FindAllStringSubmatch(text, -1) {
		read.WriteString(m[1] + "\n")
	}
	read.WriteString(anyTag.ReplaceAllString(text, "\n"))
	rest := entity.ReplaceAllString(read.String(), " ")
	for {
		shorter := bracketed.ReplaceAllString(rest, " ") // the innermost first: sentences stand in sentences
		if shorter == rest {
			break
		}
		rest = shorter
	}
	var odd []string
	for _, word := range asciiWords.FindAllString(rest, -1) {
		if !proper[word] {
			odd = append(odd, word)
		}
	}
	return odd
}

func TestUntranslatedIsFound(t *testing.T) {
	for body, want := range map[string]string{
		`<p>⟦Ĥí⟧ <a title="Click">⟦á ⟦ƀ⟧⟧</a>`: "Click",
		`<p>⟦Ĥí⟧ you</p>`:                      "you",
		`<p>⟦Ĥí %s⟧ <code>code</code></p>`:     "",
	} {
		if got := strings.Join(untranslated(body), " "); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// TestNothingUntranslated walks through the site in a language that makes every sentence visible
// which translators get, and looks for others.
func TestNothingUntranslated(t *testing.T) {
	list := numbered(45)
	for i := range list {
		a := &list[i]
		a.Name, a.Summary, a.Description = remora.PlainText("el", fmt.Sprintf("%s %d", foreign, i)), remora.PlainText("el", foreign), remora.PlainText("el", foreign)
		a.Tags = []string{foreign}
		a.Authors = []remora.Author{{ID: 100001, Name: foreign}}
		a.Versions[0].Notes = remora.PlainText("el", foreign)
		a.Versions[0].Archs = []string{"x86_64"}
		a.Network = remora.Network(i % 3)
	}
	header := games()
	for i := range header.Categories {
		header.Categories[i].Name = remora.PlainText("el", foreign)
	}
	header.Collections = []remora.Collection{{ID: 1, UUID: "11111111-1111-4111-8111-111111111111", Nickname: "42", Listed: true, DefaultLocale: "el",
		Name: remora.PlainText("el", foreign), Description: remora.PlainText("el", foreign), Items: []remora.CollectionItem{{ActivityID: 100001, Optional: true}}}}
	h, err := New(Config{Library: newLibrary(t, newFeed(header, list...), nil), Name: foreign, PseudoLocale: true})
	if err != nil {
		t.Fatal(err)
	}
	const most = 400
	todo, seen := []string{"/en-XA/", "/en-XA/nowhere", "/en-XA/browse?sort=x", "/en-XA/browse?after=x", "/en-XA/browse?sugar=x", "/en-XA/browse?%", "/en-XA/search?q=nothing+of+the+kind"}, map[string]bool{}
	pages := 0
	for len(todo) > 0 && pages < most {
		target := todo[0]
		todo = todo[1:]
		if seen[target] {
			continue
		}
		seen[target] = true
		w := get(h, target)
		if w.Code >= 300 && w.Code < 400 {
			todo = append(todo, w.Header().Get("Location"))
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		pages++
		body := w.Body.String()
		if odd := untranslated(body); len(odd) > 0 {
			t.Errorf("%s (%d) has words that cannot be translated: %q", target, w.Code, odd[:min(len(odd), 12)])
		}
		if w.Code == http.StatusOK {
			for _, m := range linked.FindAllStringSubmatch(body, -1) {
				todo = append(todo, strings.ReplaceAll(m[1], "&amp;", "&"))
			}
		}
	}
	if pages < 50 {
		t.Errorf("only %d pages were found", pages)
	}
}

// TestPseudoIsNobodys: only those who ask for it see it.
func TestPseudoIsNobodys(t *testing.T) {
	h := newHandlerOn(t, newFeed(games()))
	if w := get(h, "/en-XA/"); w.Code != http.StatusFound || w.Header().Get("Location") != "/en/" {
		t.Errorf("without PseudoLocale: %d to %s", w.Code, w.Header().Get("Location"))
	}
	h, err := New(Config{Library: newLibrary(t, newFeed(games()), nil), PseudoLocale: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Language("en-US"); got != "en" {
		t.Errorf("a reader of American English gets %s", got)
	}
	wantText(t, mustGet(t, h, "/en-XA/"), `lang="en-XA"`, "⟦Ɓŕóŵšé")
}
