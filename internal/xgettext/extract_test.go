package xgettext

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func TestExtract(t *testing.T) {
	got, err := Extract(files(
		"a.go", "package p\n\nfunc (l *T) t(id string) string { return l.m.Get(id) }\nfunc (l *T) n(one, many string) string { return l.m.GetN(one, many) }\n\nfunc f(l *T) {\n\t// Translators: a\n\t// note.\n\tl.t(\"One\\n\\\"%s\\\"\", 1)\n\tl.n(`%s dog`, \"%s dogs\", 2) // t(\"not this\")\n\tl.plural(\"%s cat\", \"%s cats\", 3)\n\tt(\"nor this\")\n\tl.other(\"nor this\")\n}\n",
		"a_test.go", "package p\n\nfunc g(l *T) { l.t(\"in a test\") }\n",
		"templates/x.html", `{{define "d"}}{{if t "In if"}}{{else}}{{t "In else"}}{{end}}{{range .X}}{{with t "In with"}}{{end}}{{end}}{{end}}{{/* t "comment" */}}t "text"{{template "d" (t "In template")}}{{printf "%s" (tn "%s way" "%s ways" .N)}}{{t "One\n\"%s\""}}{{(t "Chained").Field}}`,
		"templates/y.txt", `{{t "elsewhere"}}`,
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []Message{
		{ID: "%s cat", Plural: "%s cats", Files: []string{"a.go"}},
		{ID: "%s dog", Plural: "%s dogs", Files: []string{"a.go"}},
		{ID: "One\n\"%s\"", Files: []string{"a.go", "templates/x.html"}, Notes: []string{"a note."}},
		{ID: "%s way", Plural: "%s ways", Files: []string{"templates/x.html"}},
		{ID: "Chained", Files: []string{"templates/x.html"}},
		{ID: "In else", Files: []string{"templates/x.html"}},
		{ID: "In if", Files: []string{"templates/x.html"}},
		{ID: "In template", Files: []string{"templates/x.html"}},
		{ID: "In with", Files: []string{"templates/x.html"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExtractSaysWhatItCannotRead(t *testing.T) {
	for name, f := range map[string]fstest.MapFS{
		"a.go:3:16: the sentence given to t is not a string literal": files("a.go", "package p\n\nfunc f(l *T) { l.t(x) }\n"),
		"is called without a sentence":                               files("a.go", "package p\n\nfunc f(l *T) { l.n(\"one\") }\n"),
		"expected":                                                   files("a.go", "package p\n\nfunc {\n"),
		"has a sentence that is not a string literal":                files("templates/a.html", `{{t .X}}`),
		"{{tn \"one\"}}":                                             files("templates/a.html", `{{tn "one"}}`),
		"unclosed action":                                            files("templates/a.html", `{{t "x"`),
	} {
		if _, err := Extract(f); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error %v does not say %q", err, name)
		}
	}
}

func TestCatalogs(t *testing.T) {
	list := []Message{
		{ID: "A \"b\"\n", Files: []string{"a.go"}, Notes: []string{"why"}},
		{ID: "%s dog", Plural: "%s dogs", Files: []string{"a.go", "b.go"}},
	}
	const head = "# Written by internal/xgettext; run go generate instead of editing.\nmsgid \"\"\nmsgstr \"\"\n"
	const mime = "\"MIME-Version: 1.0\\n\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"\n\"Content-Transfer-Encoding: 8bit\\n\"\n"
	pot := head + mime + "\n#. why\n#: a.go\nmsgid \"A \\\"b\\\"\\n\"\nmsgstr \"\"\n" +
		"\n#: a.go b.go\n#, c-format\nmsgid \"%s dog\"\nmsgid_plural \"%s dogs\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n"
	if diff := cmp.Diff(pot, string(Template(list))); diff != "" {
		t.Error(diff)
	}
	en := head + "\"Language: en\\n\"\n" + mime + "\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\n" +
		"\n#. why\n#: a.go\nmsgid \"A \\\"b\\\"\\n\"\nmsgstr \"A \\\"b\\\"\\n\"\n" +
		"\n#: a.go b.go\n#, c-format\nmsgid \"%s dog\"\nmsgid_plural \"%s dogs\"\nmsgstr[0] \"%s dog\"\nmsgstr[1] \"%s dogs\"\n"
	if diff := cmp.Diff(en, string(English(list))); diff != "" {
		t.Error(diff)
	}
}

func TestVerbs(t *testing.T) {
	for s, want := range map[string][]string{
		"": nil, "100 %% sure": nil, "%s and %d": {"1s", "2d"}, "%[2]d and %[1]s": {"1s", "2d"}, "%[2]s %s": {"2s", "3s"},
		"%x": {"!"}, "100 %": {"!"}, "%[": {"!"}, "%[x]s": {"!"}, "%[1]": {"!"},
	} {
		if diff := cmp.Diff(want, Verbs(s)); diff != "" {
			t.Errorf("%q: %s", s, diff)
		}
	}
}

func FuzzVerbs(f *testing.F) {
	f.Add("%[2]d of %[1]s, 5 %%")
	f.Add("%[")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Verbs(s); len(got) > strings.Count(s, "%") {
			t.Fatalf("%q has the verbs %q", s, got)
		}
	})
}
