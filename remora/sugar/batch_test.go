package sugar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/sugarlabs/beamrider/remora"
)

func (r *rig) batch(body string, header ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest("POST", "http://127.0.0.1:8080/api/v1/updates", strings.NewReader(body))
	q.Host = "127.0.0.1:8080"
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

func TestBatch(t *testing.T) {
	r := newRig(t, rigOptions{})
	log411 := func(id string) string {
		return fmt.Sprintf(`"%s":{"version":"41.1","url":"http://127.0.0.1:8080/activities/4024/log-41.1.xo","size":6000,"sha256":"%s"}`, id, sample()[0].Versions[3].SHA256)
	}
	bounce := fmt.Sprintf(`"bounce":{"version":"7","url":"http://127.0.0.1:8080/activities/4055/bounce-7.xo","size":6000,"sha256":"%s"}`, sample()[1].Versions[0].SHA256)
	for _, test := range []struct{ body, want string }{
		{`{"sugar":"0.120","installed":{"org.laptop.Log":"41"}}`, log411("org.laptop.Log")},
		{`{"sugar":"0.120","installed":{"org.laptop.Log":"1.0","bounce":"6"}}`, bounce + "," + log411("org.laptop.Log")},
		{`{"installed":{"ORG.laptop.log":"41"}}`, log411("ORG.laptop.log")}, // the client's own spelling is its key
		{`{"sugar":"0.120","installed":{"org.laptop.Log":"41.1.0"}}`, ""},   // equal
		{`{"sugar":"0.120","installed":{"org.laptop.Log":"50"}}`, ""},
		{`{"sugar":"0.98","installed":{"org.laptop.Log":"9"}}`, ""},
		{`{"sugar":"0.120","installed":{"org.laptop.Log":""}}`, log411("org.laptop.Log")},
		{`{"sugar":"0.120","installed":{"org.laptop.Log":"what?"}}`, ""},
		{`{"sugar":"0.120","installed":{"org.example.None":"1"}}`, ""},
		{`{"sugar":"0.120","installed":{}}`, ""},
		{`{"future":true,"installed":{"bounce":"1"}}`, bounce},
	} {
		w := r.batch(test.body)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: status %d, %v", test.body, w.Code, w.Header())
		}
		etag := strings.Trim(w.Header().Get("Etag"), `"`)
		want := fmt.Sprintf("{\"seq\":1,\"etag\":%q,\"updates\":{%s}}\n", etag, test.want)
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.body, diff)
		}
		for _, known := range []string{etag, `\"` + etag + `\"`} {
			again := r.batch(strings.Replace(test.body, "{", `{"known":"`+known+`",`, 1))
			if again.Code != 204 || again.Body.Len() != 0 {
				t.Errorf("%s known: status %d, %q", test.body, again.Code, again.Body)
			}
		}
		if other := r.batch(strings.Replace(test.body, "{", `{"known":"other",`, 1)); other.Code != 200 {
			t.Errorf("%s with another known: status %d", test.body, other.Code)
		}
	}
	experimental := r.batch(`{"sugar":"0.120","experimental":true,"installed":{"org.laptop.Log":"41.1"}}`)
	if !strings.Contains(experimental.Body.String(), `"version":"43"`) {
		t.Errorf("experimental: %s", experimental.Body)
	}
}

func TestBatchRefuses(t *testing.T) {
	r := newRig(t, rigOptions{})
	many := map[string]string{}
	for i := range maxBatchIDs + 1 {
		many[fmt.Sprintf("a.b%d", i)] = "1"
	}
	tooMany, err := json.Marshal(map[string]any{"installed": many})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, body string
		header     []string
		status     int
		code       string
	}{
		{"empty", "", nil, 400, "updates.syntax"},
		{"not JSON", "<xml/>", nil, 400, "updates.syntax"},
		{"two values", `{"installed":{}}{}`, nil, 400, "updates.syntax"},
		{"a list", `[]`, nil, 400, "updates.syntax"},
		{"wrong type", `{"installed":{"a":1}}`, nil, 400, "updates.syntax"},
		{"bad Sugar", `{"sugar":"new","installed":{}}`, nil, 400, "sugar.syntax"},
		{"long", `{"installed":{"a":"` + strings.Repeat("1", maxBatchBody) + `"}}`, nil, 413, "updates.size"},
		{"many", string(tooMany), nil, 413, "updates.count"},
		{"packed", `{}`, []string{"Content-Encoding", "gzip"}, 400, "updates.encoding"},
	} {
		w := r.batch(test.body, test.header...)
		var p struct {
			Title, Detail, Code string
			Status              int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s: %v in %q", test.name, err, w.Body)
		}
		if w.Code != test.status || p.Status != test.status || p.Code != test.code || p.Title == "" || !strings.HasSuffix(p.Detail, ".") {
			t.Errorf("%s: status %d, %+v", test.name, w.Code, p)
		}
		if w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", test.name, w.Header())
		}
	}
}

// All of sixty activities outdated is the most that a laptop asks in practice; over a slow line the
// answer must stay small.
func TestBatchSize(t *testing.T) {
	feed := newFeed()
	installed := map[string]string{}
	for i := range 60 {
		name := fmt.Sprintf("activity%c%c", 'a'+i%26, 'a'+i/26)
		id := "org.example.Some" + strings.ToUpper(name[8:]) + "Activity"
		feed.activities[int64(100001+i)] = remora.Activity{
			ID: int64(100001 + i), BundleID: id, Listed: true, DefaultLocale: "en", Name: remora.PlainText("en", name),
			Versions: []remora.Version{version(int64(1000001+i), fmt.Sprintf("%s-%d.xo", name, i+2), fmt.Sprint(i+2), nil)},
		}
		installed[id] = "1"
	}
	r := newRig(t, rigOptions{feed: feed})
	body, err := json.Marshal(map[string]any{"sugar": "0.120", "installed": installed})
	if err != nil {
		t.Fatal(err)
	}
	w := r.batch(string(body), "Accept-Encoding", "gzip, deflate")
	if w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > 5<<10 {
		t.Errorf("%d bytes, encoding %q", w.Body.Len(), w.Header().Get("Content-Encoding"))
	}
	plain := r.batch(string(body))
	if diff := cmp.Diff(plain.Body.String(), gunzip(t, w.Body.Bytes())); diff != "" {
		t.Errorf("(-plain +packed):\n%s", diff)
	}
	var answer struct {
		Seq     int64
		Etag    string
		Updates map[string]batchOffer
	}
	if err := json.Unmarshal(plain.Body.Bytes(), &answer); err != nil || len(answer.Updates) != 60 {
		t.Errorf("%d updates, %v", len(answer.Updates), err)
	}
}

func gunzip(t testing.TB, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCatalog(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := r.do("GET", "/api/v1/activities.json")
	var got struct{ Activities map[string]catalogEntry }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	s := sample()
	want := map[string]catalogEntry{
		"org.laptop.Log":   {"41.1", "0.114", "http://127.0.0.1:8080/activities/4024/log-41.1.xo", 6000, s[0].Versions[3].SHA256},
		"bounce":           {"7", "0.82", "http://127.0.0.1:8080/activities/4055/bounce-7.xo", 6000, s[1].Versions[0].SHA256},
		"org.example.Wiki": {"1", "0.114", "http://127.0.0.1:8080/activities/4101/wiki-1.xol", 5500, s[3].Versions[0].SHA256},
	}
	if diff := cmp.Diff(want, got.Activities); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, word := range []string{`"version":`, `"minSugarVersion":`, `"xo_url":`, `"xo_size":`} {
		if strings.Count(w.Body.String(), word) != 3 {
			t.Errorf("not every activity has %s", word)
		}
	}
	packed := r.do("GET", "/api/v1/activities.json", "Accept-Encoding", "gzip")
	if gunzip(t, packed.Body.Bytes()) != w.Body.String() || packed.Header().Get("Etag") == w.Header().Get("Etag") {
		t.Error("the packed list is another one, or has the same ETag")
	}
	for _, etag := range []string{w.Header().Get("Etag"), packed.Header().Get("Etag")} {
		encoding := map[bool]string{true: "gzip", false: ""}[etag == packed.Header().Get("Etag")]
		if same := r.do("GET", "/api/v1/activities.json", "If-None-Match", etag, "Accept-Encoding", encoding); same.Code != 304 {
			t.Errorf("status %d, want 304", same.Code)
		}
	}

	// The same bytes are kept until something changes.
	if again := r.catalog.kept; len(again) != 1 {
		t.Errorf("%d documents are kept for one address", len(again))
	}
	bounce := s[1]
	bounce.Listed = false
	r.feed.put(bounce)
	if err := r.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := r.do("GET", "/api/v1/activities.json"); strings.Contains(w.Body.String(), "bounce") {
		t.Error("the list did not follow a change")
	}
	// Addresses are bounded.
	for i := range 10 {
		q := httptest.NewRequest("GET", "/api/v1/activities.json", nil)
		q.Host = fmt.Sprintf("127.0.0.%d", i+1)
		r.ServeHTTP(httptest.NewRecorder(), q)
	}
	if n := len(r.catalog.kept); n != keptCatalogs {
		t.Errorf("%d documents are kept", n)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for _, test := range []struct {
		header string
		want   bool
	}{
		{"", false}, {"gzip", true}, {"GZIP", true}, {"x-gzip", true}, {"gzip, deflate", true}, {"deflate, gzip;q=1.0", true},
		{"gzip;q=0", false}, {"gzip;q=0.000", false}, {"gzip; q=0.5", true}, {"*", true}, {"*;q=0", false}, {"*;q=0, gzip", true},
		{"gzip;q=0, *", false}, {"identity", false}, {"br", false}, {";;,,=", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", test.header)
		if got := acceptsGzip(r); got != test.want {
			t.Errorf("%q: %v", test.header, got)
		}
	}
}
