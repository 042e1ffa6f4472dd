package sitetest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A good page, and what is changed in it to make each bad one.
const goodPage = `<!DOCTYPE html>
<html lang="en" dir="ltr">
<head><meta charset="utf-8"><title>Page</title></head>
<body>
<a href="#main">Skip</a>
<header><nav aria-label="Library"><a href="/en/browse">Browse</a></nav></header>
<main id="main">
<h1>Title</h1>
<form action="/en/search"><label for="q">Search</label><input id="q" name="q" type="search"><select name="sugar" aria-label="Sugar"><option value="">any</option><option selected>0.120</option></select><input type="hidden" name="lang" value="en"></form>
<h2>Part</h2><p lang="ar" dir="rtl">نص</p>
<a href="/en/activity/1"><img src="/icon/1.svg" alt="Boats" width="5" height="5"></a>
</main>
<footer><nav aria-label="Languages"><a href="/es/">Español</a></nav></footer>
</body>
</html>
`

func TestPageProblems(t *testing.T) {
	if p := pageProblems([]byte(goodPage)); p != nil {
		t.Fatalf("the good page has problems: %q", p)
	}
	for _, tt := range []struct{ old, new, says string }{
		{"<!DOCTYPE html>\n", "", "the page begins with"},
		{`lang="en" dir="ltr"`, `lang="ar" dir="ltr"`, `a page in "ar" has the direction "ltr"`},
		{`lang="ar" dir="rtl"`, `lang="x y" dir="rtl"`, "names no language"},
		{`dir="rtl"`, `dir="right"`, "is no direction"},
		{"<title>Page</title>", "<title> </title>", "has no title"},
		{"<h1>Title</h1>", "<h1>Title</h1><h1>Two</h1>", "has 2 <h1>"},
		{"<h1>Title</h1>", "<h1></h1>", "<h1> is empty"},
		{"<h2>Part</h2>", "<h3>Part</h3>", "follows a heading of level 1"},
		{"<h2>Part</h2>", `<h2 id="q">Part</h2>`, `2 elements have the id "q"`},
		{`id="main"`, `id="content"`, "the link to #main leads to nothing"},
		{`<label for="q">`, `<label for="p">`, "has no label"},
		{`<label for="q">`, `<label for="p">`, "refers to nothing"},
		{` aria-label="Sugar"`, ``, "has no label"},
		{` alt="Boats"`, ``, "has no alt"},
		{` alt="Boats"`, ` alt=""`, "has no name"},
		{` width="5"`, ``, "has no width"},
		{` aria-label="Library"`, ``, `several navigations are called ""`},
		{`"Library"`, `"Languages"`, `several navigations are called "Languages"`},
		{"<p ", "<p onclick=x ", "has the attribute onclick"},
		{"<p ", "<p style=x ", "has the attribute style"},
		{"<h2>", "<script>x</script><h2>", "a script in it"},
		{"<h2>", "<style>x</style><h2>", "a <style>"},
		{"<h2>", "<iframe></iframe><h2>", "a <iframe>"},
		{"<meta ", `<meta http-equiv="refresh"><meta `, "http-equiv"},
		{`"/en/browse"`, `" JavaScript:x"`, "a javascript: address"},
		{"Part", "%!s(MISSING)", "a template does that went wrong"},
		{"Part", "a\x02b", "a control character"},
		{"Part", `<svg></svg>`, "neither hidden nor an image"},
	} {
		bad := strings.Replace(goodPage, tt.old, tt.new, 1)
		if p := pageProblems([]byte(bad)); !slices.ContainsFunc(p, func(s string) bool { return strings.Contains(s, tt.says) }) {
			t.Errorf("with %q for %q nothing says %q: %q", tt.new, tt.old, tt.says, p)
		}
	}
}

func TestHeaderProblems(t *testing.T) {
	good := func() *answer {
		return &answer{status: 200, header: http.Header{
			"X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"same-origin"}, "Cache-Control": {"public, max-age=60"},
			"Content-Type": {"text/html; charset=utf-8"}, "Content-Language": {"en"}, "Etag": {`"x"`},
			"Content-Security-Policy": {"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
		}}
	}
	if p := good().headerProblems(); p != nil {
		t.Fatalf("the good answer has problems: %q", p)
	}
	for _, tt := range []struct{ name, value, says string }{
		{"X-Content-Type-Options", "", "X-Content-Type-Options"},
		{"Referrer-Policy", "origin", "Referrer-Policy"},
		{"Cache-Control", "", "Cache-Control"},
		{"Content-Type", "", "no header Content-Type"},
		{"Content-Type", "text/html", "UTF-8"},
		{"Etag", "", "neither an ETag"},
		{"Content-Language", "", "Content-Language"},
		{"Set-Cookie", "a=b", "a cookie"},
		{"Content-Security-Policy", "", "does not say default-src"},
		{"Content-Security-Policy", "default-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'", "allows 'unsafe-inline'"},
	} {
		a := good()
		a.header.Set(tt.name, tt.value)
		if tt.value == "" {
			a.header.Del(tt.name)
		}
		if p := a.headerProblems(); !slices.ContainsFunc(p, func(s string) bool { return strings.Contains(s, tt.says) }) {
			t.Errorf("with %s: %q nothing says %q: %q", tt.name, tt.value, tt.says, p)
		}
	}
}

func TestLinks(t *testing.T) {
	at, err := url.Parse("http://127.0.0.1/en/")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		media, body string
		want        []string
	}{
		{"text/html; charset=utf-8", goodPage, []string{
			"/en/browse", "/en/search?lang=en&q=&sugar=0.120", "/en/search?lang=en&q=star&sugar=0.120", "/en/search?lang=en&q=&sugar=",
			"/en/activity/1", "/icon/1.svg", "/es/",
		}},
		{"application/rss+xml", `<rss><link>http://127.0.0.1/en/browse</link><title>http://no.example/</title><image url="http://127.0.0.1/i.svg"/></rss>`, []string{"/en/browse", "/i.svg"}},
		{"application/opensearchdescription+xml", `<OpenSearchDescription><Url template="http://127.0.0.1/en/search?q={searchTerms}&amp;p={startPage?}"/></OpenSearchDescription>`, []string{"/en/search?q=star&p="}},
		{"application/xml", `<urlset><url><loc>http://127.0.0.1/en/browse</loc></url></urlset>`, []string{"/en/browse"}},
		{"application/json", `{"a":{"url":"http://127.0.0.1/b/x.xo"},"paths":{"/api/v1/a":{"get":{}},"/api/v1/{id}":{"get":{}},"/api/v1/c":{"post":{}}}}`, []string{"/b/x.xo", "/api/v1/a"}},
		{"text/css", `a { background: url("/static/x.svg") }`, []string{"/static/x.svg"}},
		{"text/plain", "User-agent: *\nSitemap: http://127.0.0.1/sitemap.xml\n", []string{"/sitemap.xml"}},
	} {
		a := &answer{url: at, status: 200, header: http.Header{"Content-Type": {tt.media}}, body: []byte(tt.body)}
		var got []string
		for _, l := range a.links() {
			got = append(got, strings.TrimPrefix(l.address, "http://127.0.0.1"))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.media, diff)
		}
	}
}

func TestKindOf(t *testing.T) {
	for address, want := range map[string]string{
		"/en/activity/100001":                                 "/en/activity/{n}",
		"/en/activity/100001/versions":                        "/en/activity/{n}/versions",
		"/en/collection/first-day":                            "/en/collection/{name}",
		"/en/browse?sort=name":                                "/en/browse?sort=name",
		"/en/browse?sort=name&category=art&license=x":         "/en/browse?…",
		"/icon/" + strings.Repeat("ab", 32) + "/000-fff.svg":  "/icon/{sum}/{file}",
		"/static/" + strings.Repeat("ab", 8) + "/favicon.svg": "/static/{sum}/favicon.svg",
		"/activities/100001/boats-1.xo":                       "/activities/{n}/{file}",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := kindOf(u); got != want {
			t.Errorf("kindOf(%s) is %s, want %s", address, got, want)
		}
	}
}
