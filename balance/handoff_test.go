package balance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sharedFolder has files that may be sent, and things that may not.
func sharedFolder(t testing.TB) *os.Root {
	t.Helper()
	top := t.TempDir()
	inside := filepath.Join(top, "inside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(inside, "dir"), 0o755))
	must(os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644))
	must(os.WriteFile(filepath.Join(inside, "a.txt"), []byte("0123456789"), 0o644))
	must(os.WriteFile(filepath.Join(inside, "dir", "b c.txt"), []byte("spaced"), 0o644))
	must(os.WriteFile(filepath.Join(inside, "%2e.txt"), []byte("percent"), 0o644))
	must(os.Symlink("a.txt", filepath.Join(inside, "link")))
	must(os.Symlink("../secret", filepath.Join(inside, "out")))
	must(os.Symlink(filepath.Join(top, "secret"), filepath.Join(inside, "absolute")))
	must(os.Symlink("..", filepath.Join(inside, "up")))
	must(os.Symlink("/dev/zero", filepath.Join(inside, "zero")))
	must(syscall.Mkfifo(filepath.Join(inside, "pipe"), 0o644))
	l, err := net.Listen("unix", filepath.Join(inside, "socket"))
	must(err)
	t.Cleanup(func() { l.Close() })
	root, err := os.OpenRoot(inside)
	must(err)
	t.Cleanup(func() { root.Close() })
	return root
}

// hands is a backend that answers with the fields of a request's query, and with a status if there is one.
func hands(w http.ResponseWriter, r *http.Request) {
	status := 200
	for name, values := range r.URL.Query() {
		if name == "status" {
			fmt.Sscan(values[0], &status)
			continue
		}
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(status)
	io.WriteString(w, "placeholder")
}

func TestHandoffFile(t *testing.T) {
	root := sharedFolder(t)
	back := serve(t, http.HandlerFunc(hands))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{Root: root, Prefix: "/internal/"}})
	front := serve(t, b)
	const missing = "There is no such file.\n"
	for _, tt := range []struct {
		field, value string
		want         result
	}{
		{accelRedirect, "/internal/a.txt", result{200, "0123456789", ""}},
		{accelRedirect, "/internal//./a.txt?query", result{200, "0123456789", ""}},
		{accelRedirect, "/internal/dir/b%20c.txt", result{200, "spaced", ""}},
		{accelRedirect, "/internal/link", result{200, "0123456789", ""}},
		{accelRedirect, "/internal/%252e.txt", result{200, "percent", ""}},
		{sendfile, "dir/b c.txt", result{200, "spaced", ""}},
		{sendfile, root.Name() + "/a.txt", result{200, "0123456789", ""}},
		{reproxyFile, root.Name() + "/%2e.txt", result{200, "percent", ""}},
		{"X-REPROXY-FILE", "a.txt", result{200, "0123456789", ""}},
		// Ways out, and what is no file.
		{accelRedirect, "/internal/../secret", result{404, missing, ""}},
		{accelRedirect, "/internal/%2e%2e/secret", result{404, missing, ""}},
		{accelRedirect, "/internal/dir/..%2f..%2fsecret", result{404, missing, ""}},
		{accelRedirect, "/internal/dir/../a.txt", result{404, missing, ""}},
		{accelRedirect, "/internal/%00", result{404, missing, ""}},
		{accelRedirect, "/internal/a.txt%00.png", result{404, missing, ""}},
		{accelRedirect, "/internal/..%5csecret", result{404, missing, ""}},
		{accelRedirect, "/internal/%zz", result{404, missing, ""}},
		{accelRedirect, "/internal/", result{404, missing, ""}},
		{accelRedirect, "/other/a.txt", result{404, missing, ""}},
		{accelRedirect, "a.txt", result{404, missing, ""}},
		{accelRedirect, "http://127.0.0.1/a.txt", result{404, missing, ""}},
		{accelRedirect, "", result{404, missing, ""}},
		{sendfile, "../secret", result{404, missing, ""}},
		{sendfile, "/etc/passwd", result{404, missing, ""}},
		{sendfile, filepath.Dir(root.Name()) + "/secret", result{404, missing, ""}},
		{sendfile, root.Name() + "2/a.txt", result{404, missing, ""}},
		{sendfile, root.Name() + "/../secret", result{404, missing, ""}},
		{sendfile, `..\secret`, result{404, missing, ""}},
		{sendfile, "out", result{404, missing, ""}},
		{sendfile, "absolute", result{404, missing, ""}},
		{sendfile, "up/secret", result{404, missing, ""}},
		{sendfile, "up/inside/a.txt", result{404, missing, ""}},
		{sendfile, "zero", result{404, missing, ""}},
		{sendfile, "pipe", result{404, missing, ""}},
		{sendfile, "socket", result{404, missing, ""}},
		{sendfile, "dir", result{404, missing, ""}},
		{sendfile, ".", result{404, missing, ""}},
		{sendfile, "a.txt/", result{200, "0123456789", ""}},
		{sendfile, "a.txt/x", result{404, missing, ""}},
		{sendfile, "none", result{404, missing, ""}},
		{sendfile, strings.Repeat("x", 5000), result{404, missing, ""}},
	} {
		got, h := do(t, front.Client(), request(t, "GET", front.URL+"/?"+url.Values{tt.field: {tt.value}}.Encode(), nil))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s\n%s", tt.field, tt.value, diff)
		}
		for name := range h {
			if isHandoff(name) {
				t.Errorf("%s: %s\nthe client gets %s", tt.field, tt.value, name)
			}
		}
	}
	// The name can have become something else since it was looked at.
	for _, name := range []string{"dir", "pipe"} {
		if _, _, err := b.o.Handoff.openFile(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHandoffRequest: conditions, ranges and methods are those of the client, the fields of the content
// those of the backend.
func TestHandoffRequest(t *testing.T) {
	root := sharedFolder(t)
	back := serve(t, http.HandlerFunc(hands))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{Root: root}})
	front := serve(t, b)
	send := func(method, query string, fields ...string) (result, http.Header) {
		t.Helper()
		r := request(t, method, front.URL+"/?"+accelRedirect+"=/a.txt&"+query, nil)
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		return do(t, front.Client(), r)
	}
	all := result{200, "0123456789", ""}
	got, h := send("GET", "content-type=a/b&set-cookie=c&cache-control=private&x-secret=1&etag=w&content-disposition=attachment&x-accel-limit-rate=1&content-encoding=gzip")
	if got != all {
		t.Errorf("%+v", got)
	}
	etag := h.Get("ETag")
	for name, want := range map[string]string{"Content-Type": "a/b", "Set-Cookie": "c", "Cache-Control": "private", "X-Secret": "", "Accept-Ranges": "bytes",
		"Content-Disposition": "attachment", "X-Accel-Limit-Rate": "", "Content-Encoding": "", "Content-Length": "10"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, tt := range map[string]struct {
		method, query string
		fields        []string
		want          result
	}{
		"range":          {"GET", "", []string{"Range", "bytes=2-4"}, result{206, "234", ""}},
		"if range":       {"GET", "", []string{"Range", "bytes=2-4", "If-Range", etag}, result{206, "234", ""}},
		"range is stale": {"GET", "", []string{"Range", "bytes=2-4", "If-Range", `"x"`}, all},
		"no such range":  {"GET", "", []string{"Range", "bytes=20-"}, result{416, "invalid range: failed to overlap\n", ""}},
		"no ranges":      {"GET", "accept-ranges=none", []string{"Range", "bytes=2-4"}, all},
		"not modified":   {"GET", "", []string{"If-None-Match", etag}, result{304, "", ""}},
		"head":           {"HEAD", "", nil, result{200, "", ""}},
		"post":           {"POST", "", []string{"Range", "bytes=2-4", "If-None-Match", etag}, all},
		"size":           {"GET", "x-reproxy-expected-size=10", nil, all},
		"wrong size":     {"GET", "x-reproxy-expected-size=11", nil, result{502, "The server that has this file has not answered. Please try again.\n", ""}},
		"error":          {"GET", "status=403", nil, result{403, "placeholder", ""}},
		"both":           {"GET", "x-sendfile=none&x-reproxy-url=http://x/", nil, all},
	} {
		if got, _ := send(tt.method, tt.query, tt.fields...); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if s := b.Stats().Handoff; s.Failed != 1 || s.Files < 10 {
		t.Errorf("%+v", s)
	}
	// Without Options.Handoff nothing is sent, and nothing is told.
	plain := serve(t, mustNew(t, []Backend{{Name: "a", URL: back.URL}}, nil))
	got, h = do(t, plain.Client(), request(t, "GET", plain.URL+"/?"+accelRedirect+"=/a.txt", nil))
	if (got != result{200, "placeholder", ""}) || h.Get(accelRedirect) != "" {
		t.Errorf("%+v, %v", got, h)
	}
}

// TestHandoffFieldsOfClients: what clients say in the fields of this protocol no backend hears.
func TestHandoffFieldsOfClients(t *testing.T) {
	heard := make(chan http.Header, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { heard <- r.Header })
	for name, tt := range map[string]struct {
		backend Backend
		o       HandoffOptions
		want    string
	}{
		"address": {Backend{Name: "a", URL: serve(t, h).URL}, HandoffOptions{Root: sharedFolder(t)}, "reproxy-file"},
		"off":     {Backend{Name: "a", URL: serve(t, h).URL}, HandoffOptions{}, ""},
		"handler": {Backend{Name: "a", Handler: h}, HandoffOptions{Root: sharedFolder(t)}, ""},
	} {
		front := serve(t, mustNew(t, []Backend{tt.backend}, &Options{Handoff: tt.o}))
		r := request(t, "GET", front.URL, nil)
		for _, name := range []string{"X-Sendfile-Type", "X-Accel-Mapping", "X-Accel-Redirect", "X-Reproxy-URL", capabilities, "X-Accelerate"} {
			r.Header.Set(name, "bad")
		}
		do(t, front.Client(), r)
		got := <-heard
		if got.Get(capabilities) != tt.want || got.Get("X-Accelerate") != "bad" {
			t.Errorf("%s: %v", name, got)
		}
		got.Del(capabilities)
		for field := range got {
			if isHandoff(field) {
				t.Errorf("%s: the backend hears %s", name, field)
			}
		}
	}
}

func TestHandoffURL(t *testing.T) {
	const content = "content of a store"
	var asked atomic.Int64
	store := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/dev/file":
			w.Header().Set("X-Of-The-Store", "1")
			http.ServeContent(w, r, "file.txt", time.Unix(1e9, 0), strings.NewReader(content))
		case "/dev/redirect":
			http.Redirect(w, r, "/dev/file", http.StatusFound)
		case "/dev/short":
			w.Header().Set("Content-Length", "200000")
			w.Write(make([]byte, 100_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/secret":
			io.WriteString(w, "secret")
		default:
			http.NotFound(w, r)
		}
	}))
	dead := deadURL(t)
	back := serve(t, http.HandlerFunc(hands))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{URLs: []string{store.URL + "/dev/", dead + "/dev", "http://stores"}}})
	front := serve(t, b)
	host := strings.TrimPrefix(store.URL, "http://")
	failed := result{502, "The server that has this file has not answered. Please try again.\n", ""}
	whole := result{200, content, ""}
	for name, tt := range map[string]struct {
		urls, query, method, span string
		asked                     int64
		want                      result
	}{
		"one":            {store.URL + "/dev/file", "", "GET", "", 1, whole},
		"second":         {store.URL + "/dev/none " + dead + "/dev/x " + store.URL + "/dev/file " + store.URL + "/dev/short", "", "GET", "", 2, whole},
		"none has it":    {store.URL + "/dev/none " + store.URL + "/dev/other", "", "GET", "", 2, failed},
		"range":          {store.URL + "/dev/file", "", "GET", "bytes=0-6", 1, result{206, "content", ""}},
		"head":           {store.URL + "/dev/file", "", "HEAD", "", 1, result{200, "", ""}},
		"size":           {store.URL + "/dev/file", "&x-reproxy-expected-size=18", "GET", "", 1, whole},
		"size of all":    {store.URL + "/dev/file", "&x-reproxy-expected-size=18", "GET", "bytes=0-6", 1, result{206, "content", ""}},
		"wrong size":     {store.URL + "/dev/file", "&x-reproxy-expected-size=17", "GET", "", 1, failed},
		"redirect":       {store.URL + "/dev/redirect", "", "GET", "", 1, failed},
		"breaks off":     {store.URL + "/dev/short", "", "GET", "", 1, result{200, "", "unexpected EOF"}},
		"nothing":        {"", "", "GET", "", 0, failed},
		"outside":        {store.URL + "/secret", "", "GET", "", 0, failed},
		"dots":           {store.URL + "/dev/../secret", "", "GET", "", 0, failed},
		"escaped dots":   {store.URL + "/dev/%2e%2e/secret", "", "GET", "", 0, failed},
		"escaped slash":  {store.URL + "/dev/..%2fsecret", "", "GET", "", 0, failed},
		"backslash":      {store.URL + `/dev/..\secret`, "", "GET", "", 0, failed},
		"user":           {"http://stores@" + host + "/dev/file", "", "GET", "", 0, failed},
		"user and host":  {"http://" + host + "@evil.example/dev/file", "", "GET", "", 0, failed},
		"other port":     {"http://stores:22/", "", "GET", "", 0, failed},
		"other host":     {"http://stores.evil.example/", "", "GET", "", 0, failed},
		"other scheme":   {"https://" + host + "/dev/file", "", "GET", "", 0, failed},
		"file":           {"file:///etc/passwd", "", "GET", "", 0, failed},
		"opaque":         {"http:" + host + "/dev/file", "", "GET", "", 0, failed},
		"no scheme":      {"//" + host + "/dev/file", "", "GET", "", 0, failed},
		"half a segment": {dead + "/device", "", "GET", "", 0, failed},
		"fragment":       {store.URL + "/dev/file#x", "", "GET", "", 0, failed},
		"too many":       {strings.Repeat(store.URL+"/dev/none ", maxURLs+5), "", "GET", "", maxURLs, failed},
	} {
		asked.Store(0)
		r := request(t, tt.method, front.URL+"/?"+url.Values{reproxyURL: {tt.urls}}.Encode()+tt.query+"&content-type=x/y", nil)
		if tt.span != "" {
			r.Header.Set("Range", tt.span)
		}
		got, h := do(t, front.Client(), r)
		if got.Err != "" {
			got.Body = "" // how much arrives is a matter of buffers
		}
		if got != tt.want || asked.Load() != tt.asked {
			t.Errorf("%s: %+v after %d questions, want %+v after %d", name, got, asked.Load(), tt.want, tt.asked)
		}
		if got.Status == 200 && (h.Get("Content-Type") != "x/y" || h.Get("X-Of-The-Store") != "") {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// readFrom counts what a connection is given to read by itself, which for a file means sendfile.
type readFrom struct {
	*net.TCPConn
	n *atomic.Int64
}

func (c readFrom) ReadFrom(src io.Reader) (int64, error) {
	if l, ok := src.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			n, err := c.TCPConn.ReadFrom(src)
			c.n.Add(n)
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(src)
}

type readFromListener struct {
	net.Listener
	n atomic.Int64
}

func (l *readFromListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return readFrom{c.(*net.TCPConn), &l.n}, nil
}

// TestHandoffSendsFile: the file itself reaches the connection, while the backend is free already.
func TestHandoffSendsFile(t *testing.T) {
	root := sharedFolder(t)
	page := noise(8 << 20)
	if err := root.WriteFile("big", page, 0o644); err != nil {
		t.Fatal(err)
	}
	back := serve(t, http.HandlerFunc(hands))
	b := mustNew(t, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{Root: root}})
	front := httptest.NewUnstartedServer(b)
	l := &readFromListener{Listener: front.Listener}
	front.Listener = l
	front.Start()
	defer front.Close()
	c := lazy(t, front, "/?x-sendfile=big")
	until(t, "nothing is handed off", func() bool { return b.Stats().Handoff.Files == 1 })
	if err := b.Drain(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	got, err := read(c)
	if err != nil || !bytes.Equal(got, page) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	until(t, fmt.Sprintf("only %d bytes by sendfile", l.n.Load()), func() bool { return l.n.Load() >= int64(len(page))-512 })
}

// TestHandoffShrinks: a file that becomes shorter while it is sent never looks whole.
func TestHandoffShrinks(t *testing.T) {
	root := sharedFolder(t)
	if err := root.WriteFile("big", noise(8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	b := mustNew(t, []Backend{{Name: "a", URL: serve(t, http.HandlerFunc(hands)).URL}}, &Options{Handoff: HandoffOptions{Root: root}})
	c := lazy(t, narrow(t, b), "/?x-sendfile=big")
	if _, err := io.ReadFull(c, make([]byte, 10)); err != nil { // it has begun
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root.Name(), "big"), 1000); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, c); n >= 8<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	until(t, "it is not noticed", func() bool { return b.Stats().Handoff.Failed == 1 })
}

func TestHandoffOptions(t *testing.T) {
	_, err := New(nil, &Options{Handoff: HandoffOptions{Prefix: "internal", URLs: []string{"http://a/b", "ftp://a/", "http://secret@a/", "http://a/?q", "a"}}})
	want := `balance: Options.Handoff.Prefix is "internal"; it must begin and end with a slash
balance: Options.Handoff.URLs: entry 2 is not like http://192.0.2.1:7500/dev1/
balance: Options.Handoff.URLs: entry 3 is not like http://192.0.2.1:7500/dev1/
balance: Options.Handoff.URLs: entry 4 is not like http://192.0.2.1:7500/dev1/
balance: Options.Handoff.URLs: entry 5 is not like http://192.0.2.1:7500/dev1/`
	if diff := cmp.Diff(want, reason(err)); diff != "" {
		t.Error(diff)
	}
}
