package sugar

import (
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

// A groupModel is what Sugar's micro-format updater makes of a page. It counts start and end tags,
// whatever they are, and so shows what that parser would lose.
type groupModel struct {
	Name, Desc string
	Offers     []groupOffer
}

type groupOffer struct {
	ID, Version, URL string
	Optional         bool
}

var htmlToken = regexp.MustCompile(`(?s)<!.*?>|</?[a-zA-Z][^>]*>|[^<]+`)

var attribute = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// readGroup follows _UpdateHTMLParser of jarabe.model.update.microformat.
func readGroup(page string) (m groupModel) {
	depth := map[string]int{} // how many tags are open in each part, the part's own included
	var now groupOffer
	// What the parser keeps of a part is the last run of text, except for the id, which it adds up.
	for _, token := range htmlToken.FindAllString(page, -1) {
		switch {
		case strings.HasPrefix(token, "<!"):
		case strings.HasPrefix(token, "</"):
			for part, n := range depth {
				if n > 0 {
					depth[part]--
				}
			}
			if depth["info"] == 0 && now.ID != "" {
				if now.Version != "" && now.URL != "" {
					m.Offers = append(m.Offers, now)
				}
				now = groupOffer{}
			}
		case strings.HasPrefix(token, "<"):
			class, id, href := "", "", ""
			for _, a := range attribute.FindAllStringSubmatch(token, -1) {
				switch a[1] {
				case "class":
					class = a[2]
				case "id":
					id = a[2]
				case "href":
					href = html.UnescapeString(a[2])
				}
			}
			open := func(part string, starts bool) {
				if depth[part] > 0 {
					depth[part]++
				} else if starts {
					depth[part] = 1
				}
			}
			open("group-name", id == "olpc-activity-group-name")
			open("group-desc", id == "olpc-activity-group-desc")
			if depth["info"] == 0 {
				if class == "olpc-activity-info" {
					depth["info"] = 1
					now = groupOffer{}
				}
				continue
			}
			depth["info"]++
			for _, part := range []string{"id", "version", "url", "optional"} {
				open(part, class == "olpc-activity-"+part)
			}
			if depth["url"] > 0 && href != "" {
				now.URL = href
			}
		default:
			text := strings.TrimSpace(html.UnescapeString(token))
			if depth["group-name"] > 0 {
				m.Name = text
			}
			if depth["group-desc"] > 0 {
				m.Desc = text
			}
			if depth["id"] > 0 {
				now.ID += text
			}
			if depth["version"] > 0 {
				now.Version = text
			}
			if depth["optional"] > 0 {
				now.Optional = text == "1"
			}
		}
	}
	return m
}

// The model must see what the real parser would lose, or it proves nothing.
func TestGroupModelCountsTags(t *testing.T) {
	block := func(extra, id string) string {
		return `<td class="olpc-activity-info">` + extra + `<span class="olpc-activity-id">` + id + `</span><span class="olpc-activity-version">1</span>` +
			`<span class="olpc-activity-url"><a href="/x.xo">x</a></span></td>`
	}
	if got := len(readGroup(block("", "a") + block("", "b")).Offers); got != 2 {
		t.Errorf("two good blocks read as %d", got)
	}
	if got := len(readGroup(block("<br>", "a") + block("", "b")).Offers); got == 2 {
		t.Error("a void tag in a block went unnoticed")
	}
}

func TestGroup(t *testing.T) {
	r := newRig(t, rigOptions{})
	const base = "http://127.0.0.1:8080/activities/"
	pinned := groupOffer{"org.laptop.Log", "41", base + "4024/log-41.xo", false}
	bounce := groupOffer{"bounce", "7", base + "4055/bounce-7.xo", true}
	for _, test := range []struct {
		query string
		want  groupModel
	}{
		{"collection_nickname=school", groupModel{"Our school", "What <we> use every day", []groupOffer{{"org.laptop.Log", "41.1", base + "4024/log-41.1.xo", false}, pinned, bounce}}},
		{"collection_nickname=school&lang=es_PE&sugar=0.98", groupModel{"Nuestra escuela", "What <we> use every day", []groupOffer{{"org.laptop.Log", "9", base + "4024/log-9.xo", false}, pinned, bounce}}},
		{"collection_nickname=school&lang=xx", groupModel{"Our school", "What <we> use every day", []groupOffer{{"org.laptop.Log", "41.1", base + "4024/log-41.1.xo", false}, pinned, bounce}}},
		{"collection_nickname=school&sugar=0.80", groupModel{"Our school", "What <we> use every day", []groupOffer{pinned, bounce}}},
		{"collection_nickname=0b5ef2f0-8d2e-4e0e-9c6e-2c1e7a6d9a11&sugar=0.80", groupModel{"Our school", "What <we> use every day", []groupOffer{pinned, bounce}}},
		{"collection_nickname=nobody%27s+%26+%3Cb%3E", groupModel{Name: "nobody's & <b>"}},
	} {
		w := r.do("GET", "/services/micro-format.php?"+test.query)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Etag") == "" {
			t.Errorf("%s: status %d, %v", test.query, w.Code, w.Header())
		}
		if diff := cmp.Diff(test.want, readGroup(w.Body.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.query, diff)
		}
		if head := r.do("HEAD", "/services/micro-format.php?"+test.query); head.Code != 200 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") || head.Body.Len() > 0 {
			t.Errorf("%s: HEAD %d %v", test.query, head.Code, head.Header())
		}
		if same := r.do("GET", "/services/micro-format.php?"+test.query, "If-None-Match", w.Header().Get("Etag")); same.Code != 304 {
			t.Errorf("%s: status %d, want 304", test.query, same.Code)
		}
	}
	for _, query := range []string{"", "collection_nickname=", "lang=es", "collection_nickname=school&sugar=nonsense"} {
		w := r.do("GET", "/services/micro-format.php?"+query)
		if w.Code != 400 || !strings.HasSuffix(w.Body.String(), ".\n") {
			t.Errorf("%s: status %d, %q", query, w.Code, w.Body)
		}
	}
}

func TestGroupShape(t *testing.T) {
	r := newRig(t, rigOptions{})
	body := r.do("GET", "/services/micro-format.php?collection_nickname=school&lang=es").Body.String()
	blocks := strings.Split(body, `class="olpc-activity-info"`)
	for _, block := range blocks[1:] {
		for _, void := range []string{"<br", "<img", "<input", "<hr", "<meta", "<link", "/>"} {
			if strings.Contains(block, void) {
				t.Errorf("a void tag %s in %s", void, block)
			}
		}
	}
	for part, want := range map[string][]string{
		"id":      {"org.laptop.Log", "org.laptop.Log", "bounce"},
		"name":    {"Registro", "Registro", "Rebote ñandú «&amp;» &lt;x&gt;"},
		"version": {"41.1", "41", "7"},
		"size":    {"6000", "5000", "6000"},
	} {
		if diff := cmp.Diff(want, grep(body, "olpc-activity-"+part, `olpc-activity-`+part+`">`, "</span>")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", part, diff)
		}
	}
	if strings.Count(body, `id="olpc-activity-group-name"`) != 1 || strings.Count(body, `id="olpc-activity-group-desc"`) != 1 {
		t.Error("the group has not one name and one description")
	}
	if strings.Contains(body, "Hidden") || strings.Contains(body, ">42<") {
		t.Error("an unlisted activity or an unpublished version is shown")
	}
}

func FuzzGroup(f *testing.F) {
	f.Add("school", "es_PE", "0.120", "Log")
	f.Add("a & <b>\n\"", "zz@latin.x", "x", "<br> &amp;\x00")
	f.Fuzz(func(t *testing.T, nickname, lang, release, name string) {
		q := url.Values{"collection_nickname": {nickname}, "lang": {lang}, "sugar": {release}}
		w := httptest.NewRecorder()
		request := httptest.NewRequest("GET", "/services/micro-format.php?"+q.Encode(), nil)
		h := fuzzHandler(t)
		h.ServeHTTP(w, request)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("status %d", w.Code)
		}
		// A block reads the same whatever the activity is called.
		a := &remora.Activity{ID: 1, BundleID: "org.example.A", DefaultLocale: "en", Name: remora.PlainText("en", name)}
		v := version(1, "a-1.xo", "1", nil)
		page := groupPage{locale: lang, base: "http://x"}
		page.begin(name, nickname)
		page.activity(a, &v, false)
		page.activity(a, &v, true)
		page.end()
		want := []groupOffer{{"org.example.A", "1", "http://x/activities/1/a-1.xo", false}, {"org.example.A", "1", "http://x/activities/1/a-1.xo", true}}
		if diff := cmp.Diff(want, readGroup(string(page.b)).Offers); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, page.b)
		}
	})
}
