package web

import (
	"fmt"
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// said returns the text of a part of a page, from one mark to the next.
func said(t testing.TB, body, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, from)
	if !ok {
		t.Fatalf("the page has no %q", from)
	}
	part, _, _ := strings.Cut(rest, to)
	part = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(part, " ")
	return strings.Join(strings.Fields(html.UnescapeString(part)), " ")
}

func TestOffer(t *testing.T) {
	set := func(lo, hi string) func(*remora.Version) {
		return func(v *remora.Version) {
			v.RangeSource = remora.RangeSet
			v.Range = remora.Range{}
			if lo != "" {
				v.Range.Min = remora.MustNumber(lo)
			}
			if hi != "" {
				v.Range.Max = remora.MustNumber(hi)
			}
		}
	}
	a := activity(100001, "Thing")
	a.Versions = append(a.Versions,
		release(1, "43", remora.InterpreterPython3, set("0.120", "")),
		release(2, "44", remora.InterpreterPython3, func(v *remora.Version) { v.Channel = remora.ChannelExperimental }),
		release(3, "45", remora.InterpreterPython3, func(v *remora.Version) { v.State = remora.StateAwaiting }),
		release(4, "46", remora.InterpreterPython3, func(v *remora.Version) { v.State = remora.StateRejected }),
		release(5, "9", remora.InterpreterWeb, func(v *remora.Version) { v.Archs = []string{"x86_64"} }),
	)
	h := newHandlerOn(t, newFeed(games(), a))
	const newer = "Why not the newest? Version 45 is newer, but waits for review. Version 44 is newer, but experimental: it is for those who like to try things out."
	for _, tt := range []struct {
		name, query, agent string
		want               string
	}{
		{"nobody knows", "", "Mozilla/5.0 (X11; Linux) Firefox/140.0", "Version 43 It is the newest that is finished. Choose your Sugar below to see whether it is for you. Download 1.3 MB For Sugar 0.120 or later " + newer},
		{"the updater", "", "Sugar/0.120", "Version 43 It is the newest that is finished, and it is for your Sugar 0.120. Download 1.3 MB For Sugar 0.120 or later " + newer},
		{"Browse", "", "Mozilla/5.0 (X11) AppleWebKit/537 SugarLabs/0.98", "Version 41 It is the newest for your Sugar 0.98. Download 1.3 MB For Sugar 0.82 to 0.116 inferred: it is started by Python 2 " + newer + " Version 43 is newer, but it is for Sugar 0.120 or later, and you have Sugar 0.98."},
		{"an OLPC build", "", "Mozilla/5.0 OLPC/0.4.6-abc", "Version 41 It is the newest for your Sugar 0.84. Download 1.3 MB For Sugar 0.82 to 0.116 inferred: it is started by Python 2 " + newer + " Version 43 is newer, but it is for Sugar 0.120 or later, and you have Sugar 0.84."},
		{"asked", "?sugar=0.118", "Sugar/0.120", "Version 42 It is the newest for your Sugar 0.118. Download 1.3 MB For Sugar 0.114 or later inferred: it is started by Python 3 " + newer + " Version 43 is newer, but it is for Sugar 0.120 or later, and you have Sugar 0.118."},
		{"an empty question", "?sugar=", "Sugar/0.120", "Version 43 It is the newest that is finished, and it is for your Sugar 0.120. Download 1.3 MB For Sugar 0.120 or later " + newer},
		{"nothing fits", "?sugar=0.72", "", "Nothing for you yet No version of this activity is for Sugar 0.72. Why not? Version 45: It waits for review. Only those who ask for experimental versions are offered it. Version 44: It is experimental. Only those who ask for experimental versions are offered it. Version 43: It is for Sugar 0.120 or later, and you have Sugar 0.72."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := mustGet(t, h, "/en/activity/100001"+tt.query, "User-Agent", tt.agent)
			checkPage(t, body, homes...)
			if diff := cmp.Diff(tt.want, said(t, body, `<h2 id="offer">`, `<form class="ask"`)); diff != "" {
				t.Error(diff)
			}
		})
	}
	body := mustGet(t, h, "/en/activity/100001?sugar=0.118")
	v := a.Versions[1]
	wantText(t, body, fmt.Sprintf(`href="/b/%s/thing-42.xo"`, v.SHA256), "<option selected>0.118</option>", "<option>0.122</option>", "<option>0.82</option>")
	wantText(t, mustGet(t, h, "/en/activity/100001?sugar=3.4"), "<option selected>3.4</option>")
}

// Who can run nothing of an activity is led to what does run.
func TestWhatRunsInstead(t *testing.T) {
	modern := activity(100001, "Thing")
	modern.Versions = modern.Versions[1:] // for Python 3
	const way = `<p><a href="/en/browse?sugar=0.98">What runs on Sugar 0.98</a></p>`
	wantNoText(t, mustGet(t, newHandlerOn(t, newFeed(games(), modern)), "/en/activity/100001?sugar=0.98"), way)
	h := newHandlerOn(t, newFeed(games(), modern, activity(100002, "Other")))
	wantText(t, mustGet(t, h, "/en/activity/100001?sugar=0.98"), way)
	wantNoText(t, mustGet(t, h, "/en/activity/100001?sugar=0.120"), "What runs on")
	if ids, _ := idsOf(mustGet(t, h, "/en/browse?sugar=0.98")); len(ids) != 1 || ids[0] != "100002" {
		t.Errorf("%v run on Sugar 0.98", ids)
	}
}

func TestInferredIsMarkedInReasons(t *testing.T) {
	h := newHandlerOn(t, newFeed(games(), activity(100001, "Thing")))
	body := mustGet(t, h, "/en/activity/100001", "User-Agent", "SugarLabs/0.98")
	want := "Why not the newest? Version 42 is newer, but it is for Sugar 0.114 or later, and you have Sugar 0.98. inferred: it is started by Python 3"
	if got := said(t, body, `<h2 id="offer">`, `<form class="ask"`); !strings.HasSuffix(got, want) {
		t.Errorf("the page says %q", got)
	}
}

func TestVersions(t *testing.T) {
	a := activity(100001, "Thing")
	a.Versions = append(a.Versions,
		release(1, "43", remora.InterpreterNative, func(v *remora.Version) {
			v.Archs, v.Channel = []string{"armv7l", "x86_64"}, remora.ChannelExperimental
			v.Notes = remora.NewText(map[string]string{"ar": "جديد\n\nأسرع"})
		}),
		release(2, "44", remora.InterpreterScript, func(v *remora.Version) {
			v.State, v.Published, v.Submitted = remora.StateAwaiting, 0, remora.TimeOf(epoch)
		}),
		release(3, "45", remora.InterpreterScript, func(v *remora.Version) { v.State = remora.StateDisabled }),
		release(4, "40", remora.InterpreterUnknown),
	)
	h := newHandlerOn(t, newFeed(games(), a))
	body := mustGet(t, h, "/en/activity/100001/versions", "User-Agent", sugar120)
	checkPage(t, body)
	var got []string
	for _, row := range strings.Split(said(t, body, `<ol class="versions">`, "</ol>"), "Version ")[1:] {
		got = append(got, strings.ReplaceAll(regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(row, "SUM"), " ", " "))
	}
	want := []string{
		"44 waiting for review It waits for review. Only those who ask for experimental versions are offered it. Made for Sugar 0.82 or later inferred: it is started by a script of its own Started by a script of its own Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 SUM ",
		"43 experimental It is experimental. Only those who ask for experimental versions are offered it. جديد أسرع Made for Sugar 0.82 or later inferred: it is started by a program of its own Started by a program of its own Processors armv7l, x86_64 Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 SUM Download version 43 1.3 MB ",
		"42 for you This is the newest for your Sugar 0.120. Made for Sugar 0.114 or later inferred: it is started by Python 3 Started by Python 3 Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 SUM Download version 42 1.3 MB ",
		"41 It is for Sugar 0.82 to 0.116, and you have Sugar 0.120. Made for Sugar 0.82 to 0.116 inferred: it is started by Python 2 Started by Python 2 Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 SUM Download version 41 1.3 MB ",
		"40 It runs on your Sugar 0.120, but a newer one does too. Made for every Sugar inferred: the bundle does not say Date 2026-03-04 Size 1.3 MB (1,234,567 bytes) SHA-256 SUM Download version 40 1.3 MB",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantText(t, body, `<div class="text" lang="ar" dir="rtl">`)
	// Nobody knows what is for a reader whose Sugar is not known.
	unknown := mustGet(t, h, "/en/activity/100001/versions")
	wantText(t, unknown, `<li class="chosen">`, "This is the one you are offered.")
	wantNoText(t, unknown, "for you<")
}

// An address of another site breaks between its parts.
func TestOutsideAddresses(t *testing.T) {
	a := activity(100001, "Thing")
	a.Repository = "https://git.example.org/people/thing/"
	wantText(t, mustGet(t, newHandlerOn(t, newFeed(games(), a)), "/en/activity/100001"),
		`href="https://git.example.org/people/thing/" rel="noopener nofollow" dir="ltr">git.example.org/<wbr>people/<wbr>thing<wbr></a>`)
}

func TestManyVersionsArePaged(t *testing.T) {
	a := activity(100001, "Thing")
	a.Versions = nil
	for i := range 2*versionsShown + 7 {
		a.Versions = append(a.Versions, release(int64(i+1), fmt.Sprint(i+1), remora.InterpreterPython3))
	}
	h := newHandlerOn(t, newFeed(games(), a))
	number := regexp.MustCompile(`<h2><a href="[^"]*">Version (\d+)`)
	want := len(a.Versions)
	pages := 0
	for path := "/en/activity/100001/versions?sugar=0.120"; path != ""; pages++ {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, "seen from Sugar 0.120")
		for _, m := range number.FindAllStringSubmatch(body, -1) {
			if m[1] != fmt.Sprint(want) {
				t.Fatalf("version %s stands where %d should", m[1], want)
			}
			want--
		}
		_, path = idsOf(body)
	}
	if want != 0 || pages != 3 {
		t.Errorf("%d versions were not shown, on %d pages", want, pages)
	}
}

// Whatever the catalog says is text on the page and nothing else.
func TestHostileTexts(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">{{.Site}}%s&amp;</a></title></textarea>` + "\u202e\x00\x07"
	for _, page := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil.example/x", "https://user:pass@evil.example/", "http://", "ftp://evil.example/", evil} {
		a := activity(100001, evil)
		a.Summary, a.Description = remora.PlainText("en", evil), remora.PlainText("ar", evil+"\n\n"+evil)
		a.DefaultLocale, a.BundleID, a.License, a.LicenseText = evil, evil, "", evil
		a.Homepage, a.Repository = page, page
		a.Tags, a.Categories = []string{evil, "x"}, []string{evil}
		for i := range a.Versions {
			a.Versions[i].Filename = evil
			a.Versions[i].Archs = []string{evil}
			a.Versions[i].Notes = remora.Text{{Locale: evil, Value: evil}}
		}
		header := remora.Header{
			Categories:  []remora.Category{{Slug: evil, Name: remora.PlainText("en", evil)}},
			Collections: []remora.Collection{{Nickname: evil, Listed: true, Name: remora.Text{{Locale: evil, Value: evil}}, Description: remora.PlainText("en", evil), Items: []remora.CollectionItem{{ActivityID: a.ID}}}},
		}
		h := newHandlerOn(t, newFeed(header, a))
		for _, path := range []string{
			"/en/", "/en/browse", "/en/category/" + escape(evil), "/en/search?q=" + escape(evil),
			"/en/activity/100001", "/en/activity/100001/versions", "/en/collection/" + escape(evil),
		} {
			body := mustGet(t, h, path)
			wantNoText(t, body, "<script", "<img src=x", "javascript:alert(3)\">{", "\x00")
			for _, e := range parsePage(t, body) {
				for name, value := range e.attrs {
					if strings.HasPrefix(name, "on") || name == "href" && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "http://example.com/") && !strings.HasPrefix(value, "#") {
						t.Errorf("%s: <%s %s=%q>", path, e.name, name, value)
					}
				}
			}
		}
	}
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// A Host that is nobody's can reach the pages where no site guards them; it must not leave its place.
func TestHostileHost(t *testing.T) {
	h := newHandlerOn(t, richFeed())
	r := httptest.NewRequest("GET", "/en/activity/100001", nil)
	r.Host = `evil"><script>`
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	wantNoText(t, w.Body.String(), "<script>")
}

func TestActivityWithNothing(t *testing.T) {
	a := remora.Activity{ID: 5, BundleID: "bounce", Listed: true, Versions: []remora.Version{release(1, "1", remora.InterpreterUnknown, func(v *remora.Version) { v.Published, v.Size = 0, 0 })}}
	h := newHandlerOn(t, newFeed(remora.Header{}, a))
	for _, path := range []string{"/en/", "/en/browse?sort=newest", "/en/activity/5", "/en/activity/5/versions"} {
		body := mustGet(t, h, path)
		checkPage(t, body)
		wantText(t, body, "bounce")
	}
	wantText(t, mustGet(t, h, "/en/activity/5"), "Nobody has described it yet.", "not stated")
}

func TestVerdictsHaveSentences(t *testing.T) {
	h := newHandlerOn(t, newFeed(remora.Header{}))
	l := h.tongues[0]
	r := release(1, "7", remora.InterpreterPython3).Release
	r.Archs = []string{"x86_64"}
	seen := map[string]bool{}
	for reason := remora.ReasonOffered; reason <= remora.ReasonArch; reason++ {
		for _, sugar := range []remora.Number{{}, remora.MustNumber("0.98")} {
			v := remora.Verdict{Reason: reason, Release: r, Client: remora.Client{Sugar: sugar}}
			s := l.verdict(&v)
			if s == "" || strings.Contains(s, "%!") {
				t.Errorf("%s: %q", reason, s)
			}
			seen[s] = true
			needed := reason != remora.ReasonOffered && reason != remora.ReasonNewer && reason != remora.ReasonPin
			if s := l.overtaken(&v); (s != "") != needed || strings.Contains(s, "%!") {
				t.Errorf("%s: overtaken says %q", reason, s)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d different sentences", len(seen))
	}
	for _, tt := range []struct{ text, want string }{
		{"0.100-0.116", "Sugar 0.100 to 0.116"}, {"0.114-open", "Sugar 0.114 or later"}, {"-0.98", "Sugar 0.98 or earlier"}, {"0.98", "Sugar 0.98 only"},
	} {
		r, err := remora.ParseRange(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.sugarRange(r); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.text, got, tt.want)
		}
	}
}
