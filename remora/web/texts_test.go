package web

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func folder(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestParseText(t *testing.T) {
	link := func(s string) span { return span{s, s} }
	for text, want := range map[string][]block{
		"One.\r\n\r\nTwo,\nlines.\n\n\n": {{Spans: []span{{Text: "One."}}}, {Spans: []span{{Text: "Two,\nlines."}}}},
		"# Who we are\nA club.\n# \nx":   {{Heading: true, Spans: []span{{Text: "Who we are"}}}, {Spans: []span{{Text: "A club.\n# \nx"}}}},
		"#no heading":                    {{Spans: []span{{Text: "#no heading"}}}},
		"See https://example.org/a, or (http://example.org/b).": {{Spans: []span{
			{Text: "See "}, link("https://example.org/a"), {Text: ", or ("}, link("http://example.org/b"), {Text: ")."}}}},
		"https://example.org/a_(b)!":         {{Spans: []span{link("https://example.org/a_(b)"), {Text: "!"}}}},
		"http:// and https://. and ftp://x":  {{Spans: []span{{Text: "http://"}, {Text: " and https://."}, {Text: " and ftp://x"}}}},
		"<b>javascript:alert(1)</b> & \"x\"": {{Spans: []span{{Text: "<b>javascript:alert(1)</b> & \"x\""}}}},
		"\ufffd":                             {{Spans: []span{{Text: "\ufffd"}}}},
	} {
		if diff := cmp.Diff(want, parseText(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// Nothing of a text is lost or made up, and a link is always an http or https address.
func FuzzParseText(f *testing.F) {
	for _, s := range []string{"See https://example.org/a, or (http://example.org/b).", "# x\nhttp://http://https://", "http://\u00a0https:///", "a\r\rb", "# "} {
		f.Add(s)
	}
	letters := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "#", "")), "") }
	f.Fuzz(func(t *testing.T, text string) {
		var all strings.Builder
		for _, b := range parseText(text) {
			if len(b.Spans) == 0 {
				t.Errorf("an empty block in %q", text)
			}
			for _, s := range b.Spans {
				all.WriteString(s.Text)
				if s.Href != "" && (s.Href != s.Text || !strings.HasPrefix(s.Href, "http://") && !strings.HasPrefix(s.Href, "https://")) {
					t.Errorf("a link %q for %q", s.Href, s.Text)
				}
			}
			all.WriteByte('\n')
		}
		if got, want := letters(all.String()), letters(text); got != want {
			t.Errorf("%q became %q", want, got)
		}
	})
}

func TestReadTextsSaysEveryMistake(t *testing.T) {
	_, err := ReadTexts(folder(map[string]string{
		"about.txt": strings.Repeat("x", MaxText+1), "privacy.txt": "\xff", "contact.txt": " \n", "abuot.txt": "x", "about.l!.txt": "x",
		"README": "fine", "about.txt~": "fine", "about.es.txt": "bien",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "about.txt has more than 65536 bytes", "privacy.txt is not UTF-8", "contact.txt is empty", "abuot.txt is no page", "about.l!.txt names no language")
	wantNoText(t, err.Error(), "README", "txt~")
	if _, err := ReadTexts(fstest.MapFS{"about.txt/x": {Data: []byte("x")}}); err != nil {
		t.Errorf("a folder of that name: %v", err)
	}
}

func TestOwnTexts(t *testing.T) {
	texts, err := ReadTexts(folder(map[string]string{
		"about.txt":      "# Our club\n\nAsk at https://club.example.org/.\n\n<script>alert(1)</script>",
		"about.es.txt":   "\ufeffSomos un club.",
		"privacy.ar.txt": "لا نحتفظ بشيء",
	}))
	if err != nil {
		t.Fatal(err)
	}
	h := newHandlerWith(t, richFeed(), map[string]string{"es": spanish, "ar": arabic})
	h.texts = texts
	body := mustGet(t, h, "/en/about")
	checkPage(t, body, "https://club.example.org/")
	wantText(t, body, "<h2>Our club</h2>", `<a href="https://club.example.org/" rel="noopener nofollow">https://club.example.org/</a>.`, "&lt;script&gt;", `<div class="text" dir="auto">`)
	body = mustGet(t, h, "/es/about")
	checkPage(t, body)
	wantText(t, body, "<p>Somos un club.</p>", `<div class="text">`)
	wantNoText(t, body, "Our club")
	wantText(t, mustGet(t, h, "/ar/privacy"), "لا نحتفظ بشيء")
	wantText(t, mustGet(t, h, "/en/privacy"), "What is counted") // only there in another language
}
