package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

const token = "correct-horse-battery"

type importContext string

// A desk is an importer, a store and an issuer that remember what they were given.
type desk struct {
	err      error
	existing bool
	block    chan struct{} // if not nil, an import waits for it or for the end of its context
	entered  chan struct{}
	at       remora.Position
	posErr   error

	content []byte
	by      remora.Actor
	path    string
	session any // of the context that Position got
	issued  string
}

func (d *desk) Import(ctx context.Context, by remora.Actor, path string, _ func(string, remora.Number) intake.Facts) (*intake.Result, error) {
	if d.block != nil {
		d.entered <- struct{}{}
		select {
		case <-d.block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d.content, d.by, d.path = content, by, path
	if d.err != nil {
		return nil, d.err
	}
	return &intake.Result{Stored: remora.Stored{ActivityID: 100_001, VersionID: 1_000_001, Filename: "maze-7.xo", Existing: d.existing}}, nil
}

func (d *desk) Position(ctx context.Context) (remora.Position, error) {
	d.session = ctx.Value(importContext("session"))
	return d.at, d.posErr
}

func (d *desk) Issue(w http.ResponseWriter, r *http.Request, at remora.Position, replicaToken string) error {
	if at.Epoch == "" {
		return errors.New("no epoch")
	}
	d.issued = fmt.Sprint(at, " ", replicaToken)
	w.Header().Set("Remora-Seen", "token")
	return nil
}

func (d *desk) handler(t testing.TB, change func(*Import)) *Handler {
	i := Import{Token: token, Importer: d, Store: d, Issuer: d, TempDir: t.TempDir(), MaxBundle: 100}
	if change != nil {
		change(&i)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(i.TempDir)
		if err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	return newHandler(t, Config{Import: i})
}

func post(body io.Reader, length int64) *http.Request {
	r := httptest.NewRequest("POST", ImportPath, body)
	r.ContentLength = length
	r.RemoteAddr = "10.0.0.7:4711"
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestImport(t *testing.T) {
	at := remora.Position{Epoch: "e1", Seq: 9}
	for _, existing := range []bool{false, true} {
		d := &desk{existing: existing, at: at}
		h := d.handler(t, func(i *Import) {
			i.Session = func(ctx context.Context) (context.Context, func() string) {
				return context.WithValue(ctx, importContext("session"), "mine"), func() string { return "0-1-2" }
			}
		})
		w := send(h, post(strings.NewReader("bundle"), 6))
		want := Imported{ActivityID: 100_001, VersionID: 1_000_001, Filename: "maze-7.xo", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("bundle"))), Existing: existing, Epoch: "e1", Seq: 9}
		var got Imported
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if want := map[bool]int{false: 201, true: 200}[existing]; w.Code != want {
			t.Errorf("status %d, want %d", w.Code, want)
		}
		if string(d.content) != "bundle" || !strings.HasSuffix(d.path, ".xo") || d.by != (remora.Actor{UserID: remora.SystemUser, Reason: "sent from 10.0.0.7"}) {
			t.Errorf("the importer got %q at %s by %+v", d.content, d.path, d.by)
		}
		if d.session != "mine" || d.issued != "{e1 9} 0-1-2" || w.Header().Get("Remora-Seen") != "token" {
			t.Errorf("session %v, issued %q", d.session, d.issued)
		}
	}
}

// TestImportWithoutPosition: what is in is in, also when its position cannot be learnt.
func TestImportWithoutPosition(t *testing.T) {
	for name, d := range map[string]*desk{
		"no answer":     {posErr: &remora.Error{Kind: remora.KindUnavailable}},
		"not issued":    {at: remora.Position{}},
		"nobody issues": {at: remora.Position{Epoch: "e", Seq: 1}},
	} {
		w := send(d.handler(t, func(i *Import) {
			if name == "nobody issues" {
				i.Issuer = nil
			}
		}), post(strings.NewReader("bundle"), 6))
		if w.Code != http.StatusCreated || d.issued != "" {
			t.Errorf("%s: %d %s, issued %q", name, w.Code, w.Body, d.issued)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "peer.token"},
		{"another token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"x") }, 401, "peer.token"},
		{"an empty token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401, "peer.token"},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }, 401, "peer.token"},
		{"no token and no length", func(r *http.Request) { r.Header.Del("Authorization"); r.ContentLength = -1 }, 401, "peer.token"},
		{"no length", func(r *http.Request) { r.ContentLength = -1 }, 411, "peer.length"},
		{"nothing", func(r *http.Request) { r.ContentLength = 0 }, 400, "peer.empty"},
		{"too much", func(r *http.Request) { r.ContentLength = 101 }, 413, "peer.size"},
		{"ends early", func(r *http.Request) { r.ContentLength = 7 }, 400, "peer.body"},
		{"breaks off", func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(errors.New("cut"))) }, 400, "peer.body"},
		{"another method", func(r *http.Request) { r.Method = "PUT" }, 405, "peer.method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{}
			r := post(strings.NewReader("bundle"), 6)
			c.change(r)
			w := send(d.handler(t, nil), r)
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || p.Code != c.code || p.Status != c.status || !strings.HasSuffix(p.Detail, ".") || d.content != nil {
				t.Errorf("%d %+v, imported %q", w.Code, p, d.content)
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), token) {
				t.Errorf("head %v, body %s", w.Header(), w.Body)
			}
		})
	}
	// More than was announced does not get in.
	d := &desk{at: remora.Position{Epoch: "e", Seq: 1}}
	if w := send(d.handler(t, nil), post(strings.NewReader("bundle and more"), 6)); w.Code != http.StatusCreated || string(d.content) != "bundle" {
		t.Errorf("%d, imported %q", w.Code, d.content)
	}
	d = &desk{}
	if w := send(d.handler(t, func(i *Import) { i.TempDir += "/missing" }), post(strings.NewReader("bundle"), 6)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "peer.room") {
		t.Errorf("no room: %d %s", w.Code, w.Body)
	}
}

func TestImportErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		retry  string
		detail string
	}{
		{&remora.Error{Kind: remora.KindInvalid, Code: "info.missing", Message: "There is no activity.info."}, 400, "", "There is no activity.info."},
		{&remora.Error{Kind: remora.KindConflict, Code: "version.exists", Message: "It exists."}, 409, "", "It exists."},
		{&remora.Error{Kind: remora.KindReadOnly, Message: "Writes are frozen."}, 503, "60", "Writes are frozen."},
		{&remora.Error{Kind: remora.KindUnavailable, Message: "No database."}, 503, "10", "No database."},
		{&remora.Error{Kind: remora.KindTooLarge, Message: "Too large."}, 413, "", "Too large."},
		{errors.New("secret: the stack"), 500, "", "Something went wrong on our side."},
	} {
		d := &desk{err: c.err}
		w := send(d.handler(t, nil), post(strings.NewReader("bundle"), 6))
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if w.Code != c.status || w.Header().Get("Retry-After") != c.retry || p.Detail != c.detail || d.issued != "" {
			t.Errorf("%v: %d, Retry-After %q, %+v", c.err, w.Code, w.Header().Get("Retry-After"), p)
		}
	}
}

func TestImportsAtOnce(t *testing.T) {
	d := &desk{block: make(chan struct{}), entered: make(chan struct{})}
	h := d.handler(t, func(i *Import) { i.AtOnce = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- send(h, post(strings.NewReader("bundle"), 6).WithContext(ctx)) }()
	<-d.entered
	if w := send(h, post(strings.NewReader("bundle"), 6)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != retrySoon || !strings.Contains(w.Body.String(), "peer.busy") {
		t.Errorf("one too many: %d %s", w.Code, w.Body)
	}
	cancel()
	if w := <-first; w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "peer.time") {
		t.Errorf("the client has gone: %d %s", w.Code, w.Body)
	}
	d.block = nil
	if w := send(h, post(strings.NewReader("bundle"), 6)); w.Code != http.StatusCreated {
		t.Errorf("there is room again: %d %s", w.Code, w.Body)
	}
}

// TestImportOverAConnection: nothing is read from who is sent away, and a slow body may take longer
// than the server gives to others.
func TestImportOverAConnection(t *testing.T) {
	d := &desk{at: remora.Position{Epoch: "e", Seq: 1}}
	server := httptest.NewUnstartedServer(d.handler(t, nil))
	server.Config.ReadTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()
	do := func(authorization string, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+ImportPath, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 6
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Expect", "100-continue")
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
		answer, err := client.Do(r)
		if err == nil {
			err = answer.Body.Close()
		}
		return answer, err
	}
	read := false
	answer, err := do("Bearer wrong", readFunc(func(b []byte) (int, error) { read = true; return 0, io.EOF }))
	if err != nil || answer.StatusCode != http.StatusUnauthorized || read {
		t.Errorf("%v, %v, body asked for: %v", answer, err, read)
	}
	pieces := bytes.NewReader([]byte("bundle"))
	answer, err = do("bearer "+token, readFunc(func(b []byte) (int, error) {
		<-time.After(100 * time.Millisecond) // all of it takes longer than ReadTimeout
		return pieces.Read(b[:1])
	}))
	if err != nil || answer.StatusCode != http.StatusCreated || string(d.content) != "bundle" {
		t.Errorf("%v, %v, imported %q", answer, err, d.content)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestTokenIsNotKept(t *testing.T) {
	h := (&desk{}).handler(t, nil)
	if shown := fmt.Sprintf("%+v %#v", h.c, h.c); strings.Contains(shown, token) {
		t.Error("the handler keeps the token")
	}
	if strings.Contains(strconv.Quote(string(h.token[:])), token) {
		t.Error("the handler keeps the token as it is")
	}
}
