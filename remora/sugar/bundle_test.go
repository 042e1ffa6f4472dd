package sugar

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func TestBundleAddresses(t *testing.T) {
	r := newRig(t, rigOptions{})
	log := sample()[0]
	sum := func(i int) string { return log.Versions[i].SHA256.String() }
	for _, test := range []struct {
		target   string
		status   int
		filename string // whose bytes are served
		cache    string
	}{
		{"/activities/4024/log-41.xo", 200, "log-41.xo", cacheDay},
		{"/activities/4024/log-42.xo", 200, "log-42.xo", cacheDay}, // awaiting: the updater offers it to who asks
		{"/activities/4024/log-43.xo", 200, "log-43.xo", cacheDay},
		{"/activities/4100/hidden-1.xo", 200, "hidden-1.xo", cacheDay},
		{"/activities/4024/log-99.xo", 404, "", ""},
		{"/activities/4055/log-41.xo", 404, "", ""},
		{"/activities/9/log-41.xo", 404, "", ""},
		{"/activities/4024/..%2f4024%2flog-41.xo", 404, "", ""},
		{"/activities/4024/LOG-41.xo", 404, "", ""},
		{"/activities/x/log-41.xo", 404, "", ""},
		{"/b/a/b/c.xo", 404, "", ""},
		{"/b/" + sum(2) + "/log-41.xo", 200, "log-41.xo", cacheForever},
		{"/b/" + strings.ToUpper(sum(2)) + "/log-41.xo", 404, "", ""},
		{"/b/" + sum(2) + "/log-9.xo", 404, "", ""},
		{"/b/" + strings.Repeat("0", 64) + "/log-41.xo", 404, "", ""},
		{"/b/zz/log-41.xo", 404, "", ""},
		{"/en-US/sugar/downloads/file/1003/log-41.xo", 200, "log-41.xo", cacheDay},
		{"/en-US/sugar/downloads/file/1003", 200, "log-41.xo", cacheDay},
		{"/en-US/sugar/downloads/file/1003/", 200, "log-41.xo", cacheDay},
		{"/es-ES/sugar/downloads/file/1003/type:attachment/log-41.xo?confirmed", 200, "log-41.xo", cacheDay},
		{"/downloads/file/1003/whatever.xo?src=api", 200, "log-41.xo", cacheDay},
		{"/en-US/firefox/downloads/file/1003/x.xo", 200, "log-41.xo", cacheDay},
		{"/sugar/downloads/file/1003/x.xo", 200, "log-41.xo", cacheDay},
		{"/downloads/file/99/x.xo", 404, "", ""},
		{"/downloads/file/x/x.xo", 404, "", ""},
		{"/downloads/file/99999999999999999999/x.xo", 404, "", ""},
		{"/downloads/latest/9/addon-9-latest.xo", 404, "", ""},
		{"/downloads/latest/x", 404, "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := r.do(method, test.target)
			if w.Code != test.status {
				t.Errorf("%s %s: status %d, want %d", method, test.target, w.Code, test.status)
				continue
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Remora-Snapshot") == "" {
				t.Errorf("%s %s: %v", method, test.target, w.Header())
			}
			if test.status != 200 {
				if strings.Contains(w.Body.String(), "<") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
					t.Errorf("%s: a page in place of a bundle", test.target)
				}
				continue
			}
			want := bundleBytes(test.filename)
			if method == "HEAD" {
				want = nil
			}
			if !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("%s %s: %d bytes that are not those of %s", method, test.target, w.Body.Len(), test.filename)
			}
			header := w.Header()
			for name, want := range map[string]string{
				"Content-Type":     "application/vnd.olpc-sugar",
				"Content-Length":   string(appendJSON(nil, len(bundleBytes(test.filename)))),
				"Accept-Ranges":    "bytes",
				"Cache-Control":    test.cache,
				"Content-Encoding": "",
				"Set-Cookie":       "",
				"Last-Modified":    "Sat, 02 Mar 2024 12:00:00 GMT",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s %s: %s %q, want %q", method, test.target, name, got, want)
				}
			}
			if tag := header.Get("Etag"); len(tag) != 66 || tag[0] != '"' {
				t.Errorf("%s: ETag %s", test.target, tag)
			}
		}
	}
	wiki := r.do("GET", "/activities/4101/wiki-1.xol", "Accept-Encoding", "gzip")
	if wiki.Header().Get("Content-Type") != typeContent || wiki.Header().Get("Content-Encoding") != "" {
		t.Errorf("content bundle: %v", wiki.Header())
	}
	for target, want := range map[string]string{
		"/downloads/file/1003":           `attachment; filename="log-41.xo"`,
		"/downloads/file/1003/log-41.xo": "",
	} {
		if got := r.do("GET", target).Header().Get("Content-Disposition"); got != want {
			t.Errorf("%s: Content-Disposition %q, want %q", target, got, want)
		}
	}
}

func TestLatest(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, test := range []struct{ target, agent, want string }{
		{"/en-US/sugar/downloads/latest/4024/addon-4024-latest.xo", "curl/8", "/activities/4024/log-41.1.xo"},
		{"/downloads/latest/4024", "curl/8", "/activities/4024/log-41.1.xo"},
		{"/en-US/sugar/downloads/latest/4024/type:1/platform:2/addon-4024-latest.xo?src=a", "", "/activities/4024/log-41.1.xo?src=a"},
		{"/downloads/latest/4024", "Mozilla/5.0 … SugarLabs/0.98", "/activities/4024/log-9.xo"},
		{"/downloads/latest/4024?sugar=0.100", "Mozilla/5.0 … SugarLabs/0.98", "/activities/4024/log-10.xo?sugar=0.100"},
		{"/downloads/latest/4024?sugar=x", "", "/activities/4024/log-41.1.xo?sugar=x"},
		{"/downloads/latest/4024", "Sugar/0.80", "/activities/4024/log-41.1.xo"}, // none fits: the newest
	} {
		w := r.do("GET", test.target, "User-Agent", test.agent)
		if w.Code != 302 || w.Header().Get("Location") != test.want || w.Header().Get("Vary") != "User-Agent" {
			t.Errorf("%s for %q: status %d, %v", test.target, test.agent, w.Code, w.Header())
		}
		if next := r.do("GET", w.Header().Get("Location")); next.Code != 200 {
			t.Errorf("%s leads to %s: status %d", test.target, test.want, next.Code)
		}
	}
}

func TestRanges(t *testing.T) {
	r := newRig(t, rigOptions{})
	const target = "/activities/4024/log-41.xo"
	data := bundleBytes("log-41.xo") // 5,000 bytes
	etag := r.do("GET", target).Header().Get("Etag")
	for _, test := range []struct {
		name   string
		header []string
		status int
		want   []byte
		rng    string
	}{
		{"first", []string{"Range", "bytes=0-99"}, 206, data[:100], "bytes 0-99/5000"},
		{"middle", []string{"Range", "bytes=100-199"}, 206, data[100:200], "bytes 100-199/5000"},
		{"open", []string{"Range", "bytes=4990-"}, 206, data[4990:], "bytes 4990-4999/5000"},
		{"last", []string{"Range", "bytes=-22"}, 206, data[len(data)-22:], "bytes 4978-4999/5000"},
		{"beyond", []string{"Range", "bytes=4990-9999"}, 206, data[4990:], "bytes 4990-4999/5000"},
		{"outside", []string{"Range", "bytes=5000-"}, 416, nil, "bytes */5000"},
		{"other unit", []string{"Range", "lines=1-2"}, 200, data, ""},
		{"same tag", []string{"Range", "bytes=0-9", "If-Range", etag}, 206, data[:10], "bytes 0-9/5000"},
		{"other tag", []string{"Range", "bytes=0-9", "If-Range", `"other"`}, 200, data, ""},
		{"weak tag", []string{"Range", "bytes=0-9", "If-Range", "W/" + etag}, 200, data, ""},
		{"same date", []string{"Range", "bytes=0-9", "If-Range", "Sat, 02 Mar 2024 12:00:00 GMT"}, 206, data[:10], "bytes 0-9/5000"},
		{"other date", []string{"Range", "bytes=0-9", "If-Range", "Sat, 02 Mar 2024 12:00:01 GMT"}, 200, data, ""},
		{"known", []string{"If-None-Match", etag}, 304, nil, ""},
		{"known and range", []string{"If-None-Match", etag, "Range", "bytes=0-9"}, 304, nil, ""},
		{"since", []string{"If-Modified-Since", "Sat, 02 Mar 2024 12:00:00 GMT"}, 304, nil, ""},
		{"match", []string{"If-Match", `"other"`}, 412, nil, ""},
	} {
		w := r.do("GET", target, test.header...)
		if w.Code != test.status || test.rng != "" && w.Header().Get("Content-Range") != test.rng {
			t.Errorf("%s: status %d, %v", test.name, w.Code, w.Header())
		}
		if test.want != nil && !bytes.Equal(w.Body.Bytes(), test.want) {
			t.Errorf("%s: %d bytes, want %d", test.name, w.Body.Len(), len(test.want))
		}
		if strings.Contains(w.Header().Get("Content-Type"), "html") {
			t.Errorf("%s: a page", test.name)
		}
	}
	w := r.do("GET", target, "Range", "bytes=0-9,100-109")
	_, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil || w.Code != 206 {
		t.Fatalf("several ranges: status %d, %v, %v", w.Code, w.Header(), err)
	}
	parts := multipart.NewReader(w.Body, params["boundary"])
	for _, want := range [][]byte{data[:10], data[100:110]} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(part)
		if err != nil || !bytes.Equal(got, want) || part.Header.Get("Content-Type") != typeActivity {
			t.Errorf("a part of several ranges: %q, %v, %v", got, part.Header, err)
		}
	}
}

func TestDownloadsCounted(t *testing.T) {
	r := newRig(t, rigOptions{})
	sum := sample()[0].Versions[2].SHA256.String()
	etag := r.do("HEAD", "/activities/4024/log-41.xo").Header().Get("Etag")
	for _, test := range []struct {
		method, target string
		header         []string
		want           []string
	}{
		{"GET", "/activities/4024/log-41.xo", nil, []string{"other 192.0.2.1 3"}},
		{"GET", "/activities/4024/log-41.xo", []string{"User-Agent", "Sugar/0.120"}, []string{"updater 192.0.2.1 3"}},
		{"GET", "/activities/4024/log-41.xo", []string{"Referer", "http://127.0.0.1:8080/en/activity/4024"}, []string{"page 192.0.2.1 3"}},
		{"GET", "/activities/4024/log-41.xo", []string{"Referer", "http://elsewhere.example/"}, []string{"other 192.0.2.1 3"}},
		{"GET", "/b/" + sum + "/log-41.xo", nil, []string{"page 192.0.2.1 3"}},
		{"GET", "/downloads/file/1003/x.xo", []string{"Range", "bytes=0-"}, []string{"other 192.0.2.1 3"}},
		{"GET", "/activities/4024/log-41.xo", []string{"Range", "bytes=0-9"}, []string{"other 192.0.2.1 3"}},
		{"GET", "/activities/4024/log-41.xo", []string{"Range", "bytes=1-"}, nil},
		{"GET", "/activities/4024/log-41.xo", []string{"Range", "bytes=-10"}, nil},
		{"GET", "/activities/4024/log-41.xo", []string{"If-None-Match", etag}, nil},
		{"GET", "/activities/4024/log-41.xo", []string{"Range", "bytes=9000-"}, nil},
		{"HEAD", "/activities/4024/log-41.xo", nil, nil},
		{"HEAD", "/activities/4024/log-41.xo", []string{"Range", "bytes=0-9"}, nil},
		{"GET", "/activities/4024/log-99.xo", nil, nil},
		{"GET", "/downloads/latest/4024", nil, nil}, // the redirect's end counts
	} {
		r.counts.take()
		r.do(test.method, test.target, test.header...)
		if diff := cmp.Diff(test.want, r.counts.take()); diff != "" {
			t.Errorf("%s %s %v (-want +got):\n%s", test.method, test.target, test.header, diff)
		}
	}
}

// faultyFiles fails in one of the ways in which storage does.
type faultyFiles struct {
	remora.Files
	open   error
	size   int64 // of every file, as Stat says
	goodTo int64 // bytes that can be read
	fault  error // what reading behind them gives
	plain  bool  // files that cannot be read at an offset
}

func (f faultyFiles) Open(context.Context, string) (fs.File, error) {
	if f.open != nil {
		return nil, f.open
	}
	if f.plain {
		return struct{ fs.File }{faultyFile{f}}, nil
	}
	return faultyFile{f}, nil
}

type faultyFile struct{ of faultyFiles }

func (f faultyFile) Stat() (fs.FileInfo, error) { return fakeInfo{size: f.of.size}, nil }
func (f faultyFile) Read([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (f faultyFile) Close() error               { return nil }

func (f faultyFile) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, f.of.goodTo-off)))
	for i := range p[:n] {
		p[i] = 'x'
	}
	if n < len(p) {
		return n, f.of.fault
	}
	return n, nil
}

type fakeInfo struct {
	fs.FileInfo
	size int64
}

func (i fakeInfo) Size() int64  { return i.size }
func (i fakeInfo) Name() string { return "fake" }

// Before anything is sent, trouble of storage is a 503: never a page, never a 404, which a client
// would take for an answer.
func TestStorageTrouble(t *testing.T) {
	for _, test := range []struct {
		name  string
		files faultyFiles
	}{
		{"absent", faultyFiles{open: &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}}},
		{"away", faultyFiles{open: errors.New("stale file handle")}},
		{"short", faultyFiles{size: 4999, goodTo: 4999}},
		{"long", faultyFiles{size: 5001, goodTo: 5001}},
		{"unreadable", faultyFiles{size: 5000, fault: errors.New("input/output error")}},
		{"no offset", faultyFiles{size: 5000, goodTo: 5000, plain: true}},
	} {
		r := newRig(t, rigOptions{change: func(c *Config) { c.Files = test.files }})
		for _, method := range []string{"GET", "HEAD"} {
			w := r.do(method, "/downloads/file/1003")
			if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Disposition") != "" ||
				w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || w.Header().Get("Etag") != "" {
				t.Errorf("%s %s: status %d, %v", test.name, method, w.Code, w.Header())
			}
		}
		if got := r.counts.take(); got != nil {
			t.Errorf("%s: counted %q", test.name, got)
		}
	}
}

// After that, a bundle cut short must not look complete.
func TestShortRead(t *testing.T) {
	for _, test := range []struct {
		name  string
		files faultyFiles
		rng   string
	}{
		{"error late", faultyFiles{size: 5000, goodTo: 4000, fault: errors.New("input/output error")}, ""},
		{"error early", faultyFiles{size: 5000, goodTo: 10, fault: errors.New("input/output error")}, ""},
		{"end too early", faultyFiles{size: 5000, goodTo: 4999, fault: io.EOF}, ""},
		{"in a range", faultyFiles{size: 5000, goodTo: 4000, fault: io.EOF}, "bytes=3000-4500"},
		{"in several ranges", faultyFiles{size: 5000, goodTo: 4000, fault: io.EOF}, "bytes=0-9,3990-4010"},
	} {
		r := newRig(t, rigOptions{change: func(c *Config) { c.Files = test.files }})
		server := httptest.NewServer(r)
		q, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/activities/4024/log-41.xo", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.rng != "" {
			q.Header.Set("Range", test.rng)
		}
		answer, err := server.Client().Do(q)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(answer.Body)
			if err == nil {
				t.Errorf("%s: %s with %d bytes looks complete", test.name, answer.Status, len(body))
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", test.name, err)
		}
		server.Close()
	}
}

// A file that is taken away while it is served is served to its end.
func TestServedWhileRemoved(t *testing.T) {
	r := newRig(t, rigOptions{})
	path := filepath.Join(string(r.files), "public/files/4024/log-41.xo")
	f, content, err := r.open(httptest.NewRequest("GET", "/", nil), "public/files/4024/log-41.xo", 5000, remora.Digest{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(content)
	if err != nil || !bytes.Equal(got, bundleBytes("log-41.xo")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What is opened is told by its sum; only of a bundle does the catalog know that it is there.
func TestOpenSum(t *testing.T) {
	type asked struct {
		Name string
		Size int64
		Sum  string
	}
	var got []asked
	var files folder
	r := newRig(t, rigOptions{change: func(c *Config) {
		c.OpenSum = func(ctx context.Context, name string, size int64, sum remora.Digest) (fs.File, error) {
			got = append(got, asked{name, size, sum.String()})
			return files.Open(ctx, name)
		}
	}})
	files = r.files
	sum := strings.Repeat("ab", 32)
	bundle := sample()[0].Versions[2].SHA256.String()
	for target, want := range map[string]asked{
		"/b/" + bundle + "/log-41.xo":         {"public/files/4024/log-41.xo", 5000, bundle},
		"/icon/" + sum + "/000000-ffffff.svg": {"icons/sha256/ab/" + sum + ".svg", -1, sum},
		"/preview/" + sum + ".png":            {"previews/sha256/ab/" + sum, -1, sum},
	} {
		got = nil
		r.do("GET", target)
		if diff := cmp.Diff([]asked{want}, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", target, diff)
		}
	}
}

func TestPublishedDate(t *testing.T) {
	v := version(1, "a-1.xo", "1", func(v *remora.Version) { v.Published = 0 })
	if got := published(&v); !got.Equal(time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("an awaiting version's date is %v", got)
	}
}
