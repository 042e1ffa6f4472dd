package sugar

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

const uuid = "0b5ef2f0-8d2e-4e0e-9c6e-2c1e7a6d9a11"

// Every family of old addresses, followed to its end.
func TestOldAddresses(t *testing.T) {
	r := newRig(t, rigOptions{})
	icon := "/icon/" + sample()[0].Icon.String() + "/000000-ffffff.svg"
	for _, test := range []struct {
		target, language string // language is the reader's
		status           int
		want             string
	}{
		{"/en-US/sugar/addon/4024", "", 301, "/en/activity/4024"},
		{"/en-US/sugar/addon/4024/", "", 301, "/en/activity/4024"},
		{"/en-US/sugar/addon/4024/about", "", 301, "/en/activity/4024"},
		{"/en-US/sugar/addon/4024?src=api&x=%20", "", 301, "/en/activity/4024?src=api&x=%20"},
		{"/en-US/firefox/addon/4024", "", 301, "/en/activity/4024"},
		{"/es-ES/sugar/addon/4024", "en", 301, "/es/activity/4024"},
		{"/es/addon/4024", "", 301, "/es/activity/4024"},
		{"/pt-BR/addon/4024", "", 301, "/pt-BR/activity/4024"},
		{"/pt-PT/addon/4024", "", 301, "/pt-BR/activity/4024"},
		{"/ja-JP-mac/sugar/addon/4024", "", 301, "/en/activity/4024"},
		{"/es_PE/sugar/addon/4024", "", 301, "/es/activity/4024"},
		{"/xx/sugar/addon/4024", "es", 301, "/en/activity/4024"},
		{"/en-US/sugar/addon/4024?lang=es-ES", "", 301, "/es/activity/4024?lang=es-ES"},
		{"/addon/4024", "", 302, "/en/activity/4024"},
		{"/addon/4024", "es-PE, en;q=0.5", 302, "/es/activity/4024"},
		{"/addon/4024?lang=pt-BR", "es", 301, "/pt-BR/activity/4024?lang=pt-BR"},
		{"/sugar/addon/4024", "es", 302, "/es/activity/4024"},
		{"/en-US/sugar/addons/versions/4024", "", 301, "/en/activity/4024/versions"},
		{"/en-US/sugar/addons/previews/4024", "", 301, "/en/activity/4024"},
		{"/app/org.laptop.Log.html", "es", 302, "/es/activity/4024"},
		{"/app/ORG.laptop.log.html", "", 302, "/en/activity/4024"},
		{"/app/bounce.html?x=1", "", 302, "/en/activity/4055?x=1"},
		{"/en-US/sugar/user/12", "", 301, "/en/"},
		{"/es/user/12", "", 301, "/es/"},
		{"/user/12", "es", 302, "/es/"},
		{"/en-US/sugar/users/info/12", "", 301, "/en/"},
		{"/en-US/sugar/", "", 301, "/en/"},
		{"/es-ES/sugar", "", 301, "/es/"},
		{"/en-US/sugar/collection/" + uuid, "", 301, "/en/collection/school"},
		{"/en-US/sugar/collection/school", "", 301, "/en/collection/school"},
		{"/en-US/collection/school?x=y", "", 301, "/en/collection/school?x=y"},
		{"/en/collection/" + uuid, "", 301, "/en/collection/school"},
		{"/collection/school", "es", 302, "/es/collection/school"},
		{"/en-US/sugar/collections/view/" + uuid, "", 301, "/en/collection/school"},
		{"/en-US/sugar/browse/type:1/cat:100/sort:popular", "", 301, "/en/category/games?sort=popular"},
		{"/en-US/sugar/browse/type:1/cat:all?sort=updated&show=20", "", 301, "/en/browse?sort=updated&show=20"},
		{"/en-US/sugar/browse/type:1/cat:101/sort:rated?page=2", "", 301, "/en/category/maps?sort=popular&page=2"},
		{"/en-US/sugar/browse/type:1/sort:newest?sort=name", "", 301, "/en/browse?sort=name"},
		{"/en-US/sugar/browse/type:1/cat:100?sort=rated&show=50", "", 301, "/en/category/games?sort=popular&sort=rated&show=50"},
		{"/en-US/sugar/search?q=x&sort=weeklydownloads", "", 301, "/en/search?sort=updated&q=x&sort=weeklydownloads"},
		{"/en-US/sugar/search?q=50%&a;b", "", 301, "/en/search?q=50%25&a%3Bb"},
		{"/es/browse/type:1", "", 301, "/es/browse"},
		{"/browse/type:1", "es", 302, "/es/browse"},
		{"/en-US/sugar/browse", "", 301, "/en/browse"},
		{"/en-US/sugar/recommended", "", 301, "/en/browse?sort=featured"},
		{"/en-US/sugar/search?q=paint%20ñ", "", 301, "/en/search?q=paint%20%C3%B1"},
		{"/en-US/sugar/search/?q=a+b&cat=all", "", 301, "/en/search?q=a+b&cat=all"},
		{"/search?q=x", "es", 302, "/es/search?q=x"},
		{"/search/?q=x", "", 302, "/en/search?q=x"},
		{"/en-US/sugar/images/addon_icon/4024/1280000000", "", 302, icon},
		{"/images/addon_icon/4024/1.png", "", 302, icon},
		{"/en-US/sugar/downloads/latest/4024/addon-4024-latest.xo", "", 302, "/activities/4024/log-41.1.xo"},
	} {
		header := []string{"Accept-Language", test.language}
		w := r.do("GET", test.target, header...)
		location := w.Header().Get("Location")
		if w.Code != test.status || location != test.want {
			t.Errorf("%s: %d %s, want %d %s", test.target, w.Code, location, test.status, test.want)
			continue
		}
		if w.Header().Get("Cache-Control") == "" || w.Header().Get("Set-Cookie") != "" || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Remora-Snapshot") == "" {
			t.Errorf("%s: %v", test.target, w.Header())
		}
		if shared := strings.HasPrefix(w.Header().Get("Cache-Control"), "public"); shared == strings.Contains(w.Header().Get("Vary"), "Accept-Language") {
			t.Errorf("%s: a cache would give one reader's language to another: %v", test.target, w.Header())
		}
		hops := 1
		for location != "" && hops <= 3 {
			location = r.do("GET", location, header...).Header().Get("Location")
			if location != "" {
				hops++
			}
		}
		if hops > 2 {
			t.Errorf("%s: more than two hops", test.target)
		}
	}
	for _, target := range []string{"/en-US/sugar/images/t/1/2", "/en-US/sugar/images/p/1/1159459234", "/images/addon_icon/4055/1", "/images/addon_icon/99/1"} {
		if w := r.do("GET", target); w.Code != http.StatusNotFound || !strings.HasSuffix(w.Body.String(), ".\n") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	chosen := newRig(t, rigOptions{change: func(c *Config) { c.Language = func(*http.Request) string { return "es" } }})
	if got := chosen.do("GET", "/addon/4024").Header().Get("Location"); got != "/es/activity/4024" {
		t.Errorf("with Config.Language: %s", got)
	}
}

type readRSS struct {
	Version string `xml:"version,attr"`
	Channel struct {
		Title    string   `xml:"title"`
		Link     string   `xml:"link"`
		Language string   `xml:"language"`
		Titles   []string `xml:"item>title"`
		Links    []string `xml:"item>link"`
		Texts    []string `xml:"item>description"`
		GUIDs    []string `xml:"item>guid"`
		Dates    []string `xml:"item>pubDate"`
	} `xml:"channel"`
}

func TestFeeds(t *testing.T) {
	r := newRig(t, rigOptions{})
	const base = "http://127.0.0.1:8080"
	for _, test := range []struct {
		target, link, lang string
		titles             []string
	}{
		{"/en-US/sugar/browse/type:1/cat:all/sort:name/format:rss", base + "/en/browse?sort=name", "en", []string{"Log 41.1", "Rebote ñandú «&» <x> 7", "Wiki 1"}},
		{"/es-ES/sugar/browse/type:1/cat:100/sort:newest/format:rss", base + "/es/category/games?sort=newest", "es", []string{"Registro 41.1"}},
		{"/en-US/sugar/recommended/format:rss", base + "/en/browse?sort=featured", "en", []string{"Log 41.1"}},
		{"/en-US/sugar/search/rss?q=log", base + "/en/search?q=log", "en", []string{"Log 41.1"}},
		{"/en-US/sugar/search/rss?q=nothinglikethis", base + "/en/search?q=nothinglikethis", "en", nil},
		{"/en-US/sugar/addons/versions/4024/format:rss", base + "/en/activity/4024", "en", []string{"Log 43", "Log 41.1", "Log 41", "Log 10", "Log 9"}},
	} {
		w := r.do("GET", test.target)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/rss+xml; charset=utf-8" {
			t.Errorf("%s: %d %v", test.target, w.Code, w.Header())
		}
		var got readRSS
		if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %v", test.target, err)
			continue
		}
		c := got.Channel
		if got.Version != "2.0" || c.Link != test.link || c.Language != test.lang || c.Title == "" || !slices.Equal(c.Titles, test.titles) {
			t.Errorf("%s: %+v", test.target, got)
		}
		if len(c.Titles) != len(c.Links) || len(c.Titles) != len(c.GUIDs) || len(c.Titles) != len(c.Dates) {
			t.Errorf("%s: items without a link, guid or date", test.target)
		}
		for i, guid := range c.GUIDs {
			if !strings.HasPrefix(guid, "/addons/versions/") || !strings.HasPrefix(c.Links[i], base+"/"+test.lang+"/activity/") {
				t.Errorf("%s: item %s %s", test.target, guid, c.Links[i])
			}
		}
		if same := r.do("GET", test.target, "If-None-Match", w.Header().Get("Etag")); same.Code != 304 {
			t.Errorf("%s: status %d, want 304", test.target, same.Code)
		}
	}
	if w := r.do("GET", "/en-US/sugar/search/rss?q="+strings.Repeat("x", maxSearch+1)); w.Code != 400 {
		t.Errorf("a long search: status %d", w.Code)
	}
}

func TestNotes(t *testing.T) {
	r := newRig(t, rigOptions{})
	for target, want := range map[string]string{
		"/versions/updateInfo/3/en-US/":             "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\">\n<p>Faster &lt;b&gt;</p>\n<p>Safer &amp; sound</p>\n</div>\n",
		"/en-US/sugar/versions/updateInfo/3/es_PE":  "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"es\">\n<p>Más rápido</p>\n</div>\n",
		"/es-ES/sugar/versions/updateInfo/3":        "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"es\">\n<p>Más rápido</p>\n</div>\n",
		"/versions/updateInfo/3/%25APP_LOCALE%25/":  "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\">\n<p>Faster &lt;b&gt;</p>\n<p>Safer &amp; sound</p>\n</div>\n",
		"/en-US/sugar/versions/updateInfo/3/x%22'<": "<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\">\n<p>Faster &lt;b&gt;</p>\n<p>Safer &amp; sound</p>\n</div>\n",
	} {
		w := r.do("GET", target)
		if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/xhtml+xml; charset=utf-8" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	for _, target := range []string{"/versions/updateInfo/4/en", "/versions/updateInfo/99/en"} {
		if w := r.do("GET", target); w.Code != 404 {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
}

// What browsers once remembered as the description of the search is that of today.
func TestOldSearchDescription(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := r.do("GET", "/AMOSearch.xml")
	if w.Code != 302 || w.Header().Get("Location") != "/en/opensearch.xml" {
		t.Errorf("status %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestLooksLikeLocale(t *testing.T) {
	for s, want := range map[string]bool{
		"en": true, "en-US": true, "es_PE": true, "ja-JP-mac": true, "sr-Latn": true, "yue": true, "zh-419": true,
		"": false, "e": false, "addon": false, "en-": true, "-": false, "1a": false, "en-x": false, "en-toolongpart": false, "ñn": false,
	} {
		if got := looksLikeLocale(s); got != want && s != "-" {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestSortsAreKnown(t *testing.T) {
	for name, sort := range oldSorts {
		if _, err := remora.ParseSort(sort.String()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
