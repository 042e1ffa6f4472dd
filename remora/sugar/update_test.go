package sugar

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

const goldenUpdate = `<?xml version="1.0" encoding="UTF-8"?>
<RDF:RDF xmlns:RDF="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:em="http://www.mozilla.org/2004/em-rdf#">
<RDF:Description about="urn:mozilla:extension:org.laptop.Log">
<em:updates>
<RDF:Seq>
<RDF:li resource="urn:mozilla:extension:org.laptop.Log:41"/>
</RDF:Seq>
</em:updates>
</RDF:Description>
<RDF:Description about="urn:mozilla:extension:org.laptop.Log:41">
<em:version>41</em:version>
<em:targetApplication>
<RDF:Description>
<em:id>{3ca105e0-2280-4897-99a0-c277d1b733d2}</em:id>
<em:minVersion>0.114</em:minVersion>
<em:maxVersion>0.122</em:maxVersion>
<em:updateLink>http://127.0.0.1:8080/activities/4024/log-41.xo</em:updateLink>
<em:updateSize>5</em:updateSize>
<em:updateInfoURL>http://127.0.0.1:8080/versions/updateInfo/3/%APP_LOCALE%/</em:updateInfoURL>
<em:updateHash>sha256:HASH</em:updateHash>
</RDF:Description>
</em:targetApplication>
</RDF:Description>
</RDF:RDF>
`

// only leaves one version of an activity.
func only(a remora.Activity, id int64) remora.Activity {
	var keep []remora.Version
	for _, v := range a.Versions {
		if v.ID == id {
			keep = append(keep, v)
		}
	}
	a.Versions = keep
	return a
}

func TestUpdateGolden(t *testing.T) {
	log := only(sample()[0], 3)
	r := newRig(t, rigOptions{feed: newFeed(log)})
	for _, path := range []string{"/services/update-aslo.php", "/update/VersionCheck.php"} {
		w := r.do("GET", path+"?id=org.laptop.Log&appVersion=0.120")
		want := strings.Replace(goldenUpdate, "HASH", log.Versions[0].SHA256.String(), 1)
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		for name, want := range map[string]string{
			"Content-Type":           "text/xml; charset=utf-8",
			"Cache-Control":          "public, max-age=3600",
			"Last-Modified":          "Sat, 02 Mar 2024 12:00:00 GMT",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "same-origin",
			"Content-Length":         strconv.Itoa(w.Body.Len()),
			"Content-Encoding":       "",
			"Set-Cookie":             "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		if got := w.Header().Get("Remora-Snapshot"); !strings.HasPrefix(got, "seq=1, age=") {
			t.Errorf("Remora-Snapshot: %q", got)
		}
		if tag := w.Header().Get("Etag"); !strings.HasPrefix(tag, `"`) || len(tag) < 10 {
			t.Errorf("ETag %s is not strong", tag)
		}
	}
}

// offered reads an update document as the client does (jarabe.model.update.aslo): nothing without
// a Description, else the first version, link and size. It fails the test where the client hangs.
func offered(t testing.TB, body []byte) (version, link string, size int64) {
	t.Helper()
	if !strings.HasPrefix(string(body), "<?xml") {
		t.Fatalf("the document does not begin with the XML declaration:\n%s", body)
	}
	const rdf, em = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.mozilla.org/2004/em-rdf#"
	first := map[xml.Name]string{}
	description := false
	d := xml.NewDecoder(strings.NewReader(string(body)))
	var open xml.Name
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the document is not well-formed: %v\n%s", err, body)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = e.Name
			description = description || e.Name == xml.Name{Space: rdf, Local: "Description"}
		case xml.CharData:
			if _, have := first[open]; !have {
				first[open] = string(e)
			}
		case xml.EndElement:
			open = xml.Name{}
		}
	}
	if !description {
		return "", "", 0
	}
	version = first[xml.Name{Space: em, Local: "version"}]
	link = first[xml.Name{Space: em, Local: "updateLink"}]
	n, err := strconv.ParseInt(first[xml.Name{Space: em, Local: "updateSize"}], 10, 64)
	if err != nil || n < 1 || version == "" || !strings.HasSuffix(link, ".xo") && !strings.HasSuffix(link, ".xol") {
		t.Fatalf("the client cannot use this document:\n%s", body)
	}
	return version, link, n * 1024
}

func TestUpdateChoice(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, test := range []struct{ query, want string }{
		{"id=org.laptop.Log&appVersion=0.120", "41.1"},
		{"id=org.laptop.Log", "41.1"},
		{"id=org.laptop.Log&appVersion=", "41.1"},
		{"id=ORG.LAPTOP.log&appVersion=0.114", "41.1"},
		{"id=org.laptop.Log&appVersion=0.98", "9"},
		{"id=org.laptop.Log&appVersion=0.82", "9"},
		{"id=org.laptop.Log&appVersion=0.97", "9"},
		{"id=org.laptop.Log&appVersion=0.100", "10"},
		{"id=org.laptop.Log&appVersion=0.99", "10"}, // a development release of 0.100
		{"id=org.laptop.Log&appVersion=0.112", "10"},
		{"id=org.laptop.Log&appVersion=0.113", "41.1"},
		{"id=org.laptop.Log&appVersion=0.80", ""},
		{"id=org.laptop.Log&appVersion=nonsense", ""},
		{"id=org.laptop.Log&appVersion=0.120&experimental=1", "43"},
		{"id=org.laptop.Log&appVersion=0.120&experimental=yes", "43"},
		{"id=org.laptop.Log&appVersion=0.120&experimental=0", "41.1"},
		{"id=org.laptop.Log&appVersion=0.120&experimental=", "41.1"},
		{"id=org.laptop.Log&id=bounce", "41.1"},
		{"id=bounce&id=org.laptop.Log", "7"},
		{"id=%62ounce", "7"},
		{"%69d=bounce", "7"},
		{"id=bounce&broken=%zz;;&&", "7"},
		{"id=org.example.Hidden", "1"}, // unlisted ones are updated where they are installed
		{"id=", ""}, {"", ""}, {"appVersion=0.120", ""},
		{"id=org.example.None&appVersion=0.120", ""},
		{"id=%zz", ""}, {"id=a+b", ""}, {"id=ñandú", ""}, {"id=\xff\xfe", ""}, {"id=a%20b", ""},
		{"id=" + strings.Repeat("x", 100_000), ""},
	} {
		q := httptest.NewRequest("GET", "http://127.0.0.1:8080/services/update-aslo.php", nil)
		q.URL.RawQuery = test.query
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if w.Code != 200 {
			t.Errorf("%.80s: status %d", test.query, w.Code)
			continue
		}
		got, link, size := offered(t, w.Body.Bytes())
		if got != test.want {
			t.Errorf("%.80s: offered %q, want %q", test.query, got, test.want)
		}
		if got == "" {
			if diff := cmp.Diff(string(rdfNone), w.Body.String()); diff != "" {
				t.Errorf("%.80s (-want +got):\n%s", test.query, diff)
			}
			continue
		}
		file := r.do("HEAD", strings.TrimPrefix(link, "http://127.0.0.1:8080"))
		if file.Code != 200 {
			t.Errorf("%s: the link %s answers %d", test.query, link, file.Code)
		}
		n, err := strconv.ParseInt(file.Header().Get("Content-Length"), 10, 64)
		if err != nil || size < n || size-n >= 1024 {
			t.Errorf("%s: size %d for a file of %d bytes (%v)", test.query, size, n, err)
		}
	}
}

func TestUpdateSizes(t *testing.T) {
	for _, test := range []struct{ bytes, want int64 }{
		{0, 1}, {1, 1}, {1023, 1}, {1024, 1}, {1025, 2}, {2048, 2}, {35 << 20, 35 << 10}, {35<<20 + 1, 35<<10 + 1}, {1<<63 - 1, 1 << 53},
	} {
		if got := kibibytes(test.bytes); got != test.want {
			t.Errorf("%d bytes: %d KiB, want %d", test.bytes, got, test.want)
		}
	}
}

func TestWrittenRange(t *testing.T) {
	for _, test := range []struct {
		r    remora.Range
		want string
	}{
		{remora.Range{}, "0.82 0.122"},
		{sugarRange("0.100-0.116"), "0.100 0.116"},
		{sugarRange("0.114-"), "0.114 0.122"},
		{sugarRange("-0.116"), "0.82 0.116"},
		{sugarRange("0.200-"), "0.200 0.200"},
	} {
		oldest, newest := writtenRange(test.r)
		if got := oldest.String() + " " + newest.String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.r, got, test.want)
		}
	}
}

func TestUpdateConditional(t *testing.T) {
	r := newRig(t, rigOptions{})
	const target = "/services/update-aslo.php?id=org.laptop.Log"
	etag := r.do("GET", target).Header().Get("Etag")
	for _, test := range []struct {
		header []string
		status int
	}{
		{[]string{"If-None-Match", etag}, 304},
		{[]string{"If-None-Match", `"other", ` + etag}, 304},
		{[]string{"If-None-Match", "W/" + etag}, 304},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-None-Match", `"other"`}, 200},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", "Sat, 02 Mar 2024 12:00:00 GMT"}, 200},
		{[]string{"If-Modified-Since", "Sat, 02 Mar 2024 12:00:00 GMT"}, 304},
		{[]string{"If-Modified-Since", "Sat, 02 Mar 2024 11:59:59 GMT"}, 200},
		{[]string{"If-Modified-Since", "nonsense"}, 200},
	} {
		w := r.do("GET", target, test.header...)
		if w.Code != test.status {
			t.Errorf("%v: status %d, want %d", test.header, w.Code, test.status)
		}
		if w.Header().Get("Etag") != etag {
			t.Errorf("%v: ETag %s", test.header, w.Header().Get("Etag"))
		}
		if w.Code == 304 && w.Body.Len() != 0 {
			t.Errorf("%v: 304 with a body", test.header)
		}
	}
	head := r.do("HEAD", target)
	if head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" || head.Header().Get("Etag") != etag {
		t.Errorf("HEAD: %v, %d bytes", head.Header(), head.Body.Len())
	}
	if none := r.do("GET", "/services/update-aslo.php?id=org.example.None"); none.Header().Get("Last-Modified") != "" {
		t.Error("an unknown id has a Last-Modified")
	}

	// A change of what is offered changes the tag at once.
	log := sample()[0]
	log.Versions = append(log.Versions, version(7, "log-44.xo", "44", nil))
	r.feed.put(log)
	if err := r.library.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := r.do("GET", target, "If-None-Match", etag); w.Code != 200 || w.Header().Get("Etag") == etag {
		t.Errorf("after a change: status %d, ETag %s", w.Code, w.Header().Get("Etag"))
	}
}

// Links keep the scheme that the client came by, also where a document is kept.
func TestUpdateScheme(t *testing.T) {
	r := newRig(t, rigOptions{})
	for range 2 {
		for proto, want := range map[string]string{"": "http://", "https": "https://", "http": "http://"} {
			for _, path := range []string{"/services/update-aslo.php?id=bounce", "/services/micro-format.php?collection_nickname=school", "/api/v1/activities.json"} {
				q := httptest.NewRequest("GET", "http://activities.example.org"+path, nil)
				q.RemoteAddr = "127.0.0.1:1234" // a balancer on this machine
				if proto != "" {
					q.Header.Set("X-Forwarded-Proto", proto)
				}
				w := httptest.NewRecorder()
				r.ServeHTTP(w, q)
				if !strings.Contains(w.Body.String(), want+"activities.example.org/activities/4055/bounce-7.xo") {
					t.Errorf("%s by %q: %s", path, proto, w.Body)
				}
			}
		}
	}
}

// Trouble of ours must be a 5xx: on a 200 that is not its XML the client hangs for ever.
func TestUpdateNotReady(t *testing.T) {
	r := newRig(t, rigOptions{cold: true})
	for _, target := range []string{
		"/services/update-aslo.php?id=org.laptop.Log", "/update/VersionCheck.php?id=x", "/services/micro-format.php?collection_nickname=school",
		"/activities/4024/log-41.xo", "/api/v1/activities.json", "/en-US/sugar/downloads/file/1003/log-41.xo",
	} {
		w := r.do("GET", target)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %v", target, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "<") {
			t.Errorf("%s: markup in %q", target, w.Body)
		}
	}
}

func TestMethods(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, test := range []struct{ method, target, allow string }{
		{"POST", "/services/update-aslo.php?id=x", "GET, HEAD"},
		{"PUT", "/update/VersionCheck.php", "GET, HEAD"},
		{"DELETE", "/activities/4024/log-41.xo", "GET, HEAD"},
		{"POST", "/services/micro-format.php", "GET, HEAD"},
		{"GET", "/api/v1/updates", "POST"},
		{"POST", "/api/v1/activities.json", "GET, HEAD"},
		{"OPTIONS", "/en-US/sugar/addon/4024", "GET, HEAD"},
	} {
		w := r.do(test.method, test.target)
		if w.Code != 405 || w.Header().Get("Allow") != test.allow || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: status %d, %v", test.method, test.target, w.Code, w.Header())
		}
	}
}

// A whole school asks from one address at once, each laptop on its own keep-alive connection.
func TestUpdateSchool(t *testing.T) {
	r := newRig(t, rigOptions{})
	server := httptest.NewServer(r)
	defer server.Close()
	const laptops, each = 1000, 3
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConns: laptops, MaxIdleConnsPerHost: laptops, MaxConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	failures := make(chan string, laptops)
	for range laptops {
		wg.Go(func() {
			for range each {
				answer, err := client.Get(server.URL + "/services/update-aslo.php?id=org.laptop.Log&appVersion=0.120")
				if err != nil {
					failures <- err.Error()
					return
				}
				body, err := io.ReadAll(answer.Body)
				if err := answer.Body.Close(); err != nil {
					failures <- err.Error()
					return
				}
				if err != nil || answer.StatusCode != 200 || !strings.Contains(string(body), "<em:version>41.1</em:version>") {
					failures <- answer.Status
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for f := range failures {
		t.Fatalf("at least one of %d laptops failed: %s", laptops, f)
	}
}

// What distribution scripts do: grep for a line, cut the value out with sed.
func TestUpdateGrep(t *testing.T) {
	r := newRig(t, rigOptions{})
	body := r.do("GET", "/services/update-aslo.php?id=bounce").Body.String()
	for _, test := range []struct{ word, open, shut, want string }{
		{"updateLink", "<em:updateLink>", "</em:updateLink>", "http://127.0.0.1:8080/activities/4055/bounce-7.xo"},
		{"updateHash", "sha256:", "</em:updateHash>", sample()[1].Versions[0].SHA256.String()},
		{"updateSize", "<em:updateSize>", "</em:updateSize>", "6"},
		{"em:version", "<em:version>", "</em:version>", "7"},
	} {
		if got := grep(body, test.word, test.open, test.shut); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %q, want one %q", test.word, got, test.want)
		}
	}
	for line := range strings.Lines(body) {
		if strings.Count(line, "<em:") > 1 {
			t.Errorf("two elements on one line: %s", line)
		}
	}
}

// grep returns what stands between open and shut on each line with word.
func grep(text, word, open, shut string) (found []string) {
	for line := range strings.Lines(text) {
		if !strings.Contains(line, word) {
			continue
		}
		_, rest, _ := strings.Cut(line, open)
		value, _, _ := strings.Cut(rest, shut)
		found = append(found, value)
	}
	return found
}

func FuzzUpdateDocument(f *testing.F) {
	f.Add("org.laptop.Log", "log-41.xo", "127.0.0.1", int64(1))
	f.Add("ñandú & <b> \"'\x00\x1f\ufffe", "a b&c.xo", "[::1]:80", int64(0))
	f.Add("\xff\n\r\t", "%zz?#.xo", "x\"y", int64(1<<40))
	f.Fuzz(func(t *testing.T, id, filename, host string, size int64) {
		if size < 0 {
			return
		}
		v := version(1, filename+".xo", "1", func(v *remora.Version) { v.Size = size; v.Notes = remora.PlainText("en", "x") })
		a := remora.Activity{ID: 1, BundleID: id}
		body := appendUpdate(nil, &a, &v, "http://"+host)
		got, _, kib := offered(t, body)
		if got != "1" || kib < size {
			t.Errorf("version %q, size %d of %d", got, kib, size)
		}
		if n := strings.Count(string(body), "\n"); n != 24 {
			t.Errorf("%d lines:\n%s", n, body)
		}
	})
}

func FuzzParameter(f *testing.F) {
	f.Add("id=org.laptop.Log&appVersion=0.120", "id")
	f.Add("id=%zz&%69d=2&id", "id")
	f.Add("a+b=c+d&&=;%", "a b")
	f.Fuzz(func(t *testing.T, raw, name string) {
		value, found := parameter(raw, name, false)
		if !found && value != "" {
			t.Errorf("a value %q that was not found", value)
		}
		if len(value) > maxQuery {
			t.Errorf("a value of %d bytes", len(value))
		}
		// What was found is found again behind any other parameter.
		if name != "other" && !strings.ContainsAny(name, "&=%+") {
			again, foundAgain := parameter("other=%&"+raw, name, false)
			if len(raw) < maxQuery-8 && (again != value || foundAgain != found) {
				t.Errorf("%q %v, then %q %v", value, found, again, foundAgain)
			}
		}
	})
}
