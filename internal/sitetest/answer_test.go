package sitetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An answer is what the server said to one request.
type answer struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
}

// mostBytes bounds what is read of one answer.
const mostBytes = 64 << 20

// ask sends one request and reads the answer. address may be relative to the server's.
func (r *rig) ask(t testing.TB, method, address string, headers ...string) *answer {
	t.Helper()
	return r.send(t, method, address, nil, headers...)
}

func (r *rig) send(t testing.TB, method, address string, content io.Reader, headers ...string) *answer {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = r.url + address
	}
	request, err := http.NewRequestWithContext(t.Context(), method, address, content)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostBytes))
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	return &answer{url: request.URL, status: response.StatusCode, header: response.Header, body: body}
}

// get asks for what must be there.
func (r *rig) get(t testing.TB, address string, headers ...string) *answer {
	t.Helper()
	a := r.ask(t, http.MethodGet, address, headers...)
	if a.status != http.StatusOK {
		t.Fatalf("%s answers %d", address, a.status)
	}
	return a
}

// media returns the media type without its parameters.
func (a *answer) media() string {
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	return strings.TrimSpace(media)
}

// isPage reports whether people read it: the update groups of old laptops are HTML too, of a form of
// their own that tests of remora/sugar hold to the contract.
func (a *answer) isPage() bool {
	return a.media() == "text/html" && (a.url == nil || !strings.HasPrefix(a.url.Path, "/services/"))
}

func (a *answer) isXML() bool {
	m := a.media()
	return m == "text/xml" || m == "application/xml" || strings.HasSuffix(m, "+xml")
}

func (a *answer) isJSON() bool {
	m := a.media()
	return m == "application/json" || strings.HasSuffix(m, "+json")
}

func (a *answer) isBundle() bool { return strings.HasPrefix(a.media(), "application/vnd.olpc-") }

func (a *answer) moved() bool {
	return a.status >= 300 && a.status < 400 && a.status != http.StatusNotModified
}

// plain returns the body without its encoding.
func (a *answer) plain() ([]byte, error) {
	switch e := a.header.Get("Content-Encoding"); e {
	case "":
		return a.body, nil
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(r, mostBytes))
	default:
		return nil, fmt.Errorf("it is in the encoding %s, which was not asked for", e)
	}
}

// headerProblems returns what is wrong with the headers of an answer to a GET.
func (a *answer) headerProblems() (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	want := func(name, value string) {
		if got := a.header.Get(name); got != value {
			say("the header %s is %q, want %q", name, got, value)
		}
	}
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy"} {
		if n := len(a.header.Values(name)); n > 1 {
			say("there are %d headers %s", n, name)
		}
	}
	want("X-Content-Type-Options", "nosniff")
	want("Referrer-Policy", "same-origin")
	if a.header.Get("Cache-Control") == "" {
		say("there is no header Cache-Control")
	}
	if a.header.Get("Set-Cookie") != "" {
		say("a cookie is set by what only reads: %s", a.header.Get("Set-Cookie"))
	}
	if a.moved() {
		return problems
	}
	media := a.header.Get("Content-Type")
	switch {
	case media == "":
		say("there is no header Content-Type")
	case (strings.HasPrefix(media, "text/") || a.isPage()) && !strings.HasSuffix(strings.ToLower(media), "; charset=utf-8"):
		say("Content-Type %q does not say that it is UTF-8", media)
	}
	immutable := strings.Contains(a.header.Get("Cache-Control"), "immutable")
	if a.header.Get("ETag") == "" && !immutable && a.status == http.StatusOK {
		say("there is neither an ETag nor may it be kept for ever")
	}
	if a.isPage() {
		if a.header.Get("Content-Language") == "" {
			say("there is no header Content-Language")
		}
		for _, p := range policyProblems(a.header.Get("Content-Security-Policy")) {
			say("Content-Security-Policy: %s", p)
		}
	}
	return problems
}

// policyProblems returns what a page's Content-Security-Policy allows and must not, or lacks.
func policyProblems(policy string) (problems []string) {
	rules := map[string][]string{}
	for rule := range strings.SplitSeq(policy, ";") {
		if words := strings.Fields(rule); len(words) > 0 {
			rules[words[0]] = words[1:]
		}
	}
	for name, words := range rules {
		for _, w := range words {
			if w != "'self'" && w != "'none'" {
				problems = append(problems, name+" allows "+w)
			}
		}
	}
	for _, name := range []string{"default-src", "base-uri", "form-action", "frame-ancestors"} {
		if rules[name] == nil {
			problems = append(problems, "it does not say "+name)
		}
	}
	slices.Sort(problems)
	return problems
}

var (
	digits = regexp.MustCompile(`^[0-9]+$`)
	hexSum = regexp.MustCompile(`^[0-9a-f]{16,64}(\.[a-z]+)?$`)
	place  = regexp.MustCompile(`^[A-Za-z0-9_.~-]*\.[a-z0-9]{2,5}$`)
)

// kindOf returns what kind of address this is: those of one kind are served by the same code. The
// language is part of it, and so are the names of the query's parameters.
func kindOf(u *url.URL) string {
	parts := strings.Split(u.EscapedPath(), "/")
	for i, p := range parts {
		switch before := parts[max(i-1, 0)]; {
		case digits.MatchString(p):
			parts[i] = "{n}"
		case hexSum.MatchString(p):
			parts[i] = "{sum}"
		case before == "{sum}" || before == "{n}" && place.MatchString(p):
			if i > 1 && parts[1] != "static" {
				parts[i] = "{file}"
			}
		case slices.Contains([]string{"collection", "category", "tag", "author", "person"}, before):
			parts[i] = "{name}"
		}
	}
	kind := strings.Join(parts, "/")
	var names []string
	for name, values := range u.Query() {
		if name == "sort" {
			name += "=" + strings.Join(values, ",")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) > 1 {
		names = []string{"…"} // which are combined does not matter
	}
	if len(names) > 0 {
		kind += "?" + strings.Join(names, "&")
	}
	return kind
}
