package filehttp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/require"
)

// nginx starts a real nginx, without privileges of its own, before a handler: as the documentation of this package
// says. It returns a client for it.
func nginx(t *testing.T, folder, handler string) *http.Client {
	t.Helper()
	program := require.Tool(t, "nginx")
	dir, err := os.MkdirTemp("", "nginx") // sockets have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "  %s_temp_path %s/%s;\n", kind, dir, kind)
	}
	socket, settings := filepath.Join(dir, "socket"), filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(settings, []byte(`master_process off;
daemon off;
pid `+dir+`/pid;
error_log `+dir+`/error.log warn;
events {}
http {
`+temporary.String()+`  access_log off;
  server {
    listen unix:`+socket+`;
    location / {
      proxy_pass `+handler+`;
      proxy_set_header Host $host;
    }
    location /accel/ {
      internal;
      alias `+folder+`/;
      etag off;
      add_header ETag $upstream_http_etag;
    }
  }
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := child.Start(exec.Command(program, "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", settings))
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	transport := &http.Transport{DialContext: dial, DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			text, err := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx says %s %s %v", p.Log(), text, err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if c, err := dial(ctx, "", ""); err == nil {
			c.Close()
			return &http.Client{Transport: transport}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nginx does not answer: %s", p.Log())
		case <-p.Exited():
			t.Fatalf("nginx has ended: %v %s", p.Ended(), p.Log())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestNginxSends what the handler has decided on, with the handler's fields.
func TestNginxSends(t *testing.T) {
	data, rotten := random(300_000), random(2000)
	name, odd, damaged := named(data), "public/files/7/a+b~1.2!.xo", named(rotten)
	s, dir := store(t, map[string][]byte{name: data, odd: data, damaged: rotten})
	flip(t, filepath.Join(dir, filepath.FromSlash(damaged)), true)
	var sent atomic.Int64 // by the handler
	h := handler(t, Options{
		Store: s, Accel: "/accel/", Verifier: verifier(t, nil),
		ContentType: func(string) string { return "application/vnd.olpc-sugar" },
		Disposition: func(string) string { return "attachment" },
	})
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(countingWriter{w, &sent}, r)
	}))
	defer back.Close()
	client := nginx(t, dir, back.URL)
	tag := `"` + filepath.Base(name) + `"`
	for _, tt := range []struct {
		what, method, name string
		header             []string
		status             int
		body               []byte
		want               map[string]string
	}{
		{"whole", "GET", name, nil, 200, data, map[string]string{"Etag": tag, "Cache-Control": cacheForever, "Content-Type": "application/vnd.olpc-sugar",
			"Content-Disposition": "attachment", "Content-Length": "300000", "X-Accel-Redirect": "", "Accept-Ranges": "bytes"}},
		{"an odd name", "GET", odd, nil, 200, data, map[string]string{"Cache-Control": cacheAsk, "Etag": ""}},
		{"head", "HEAD", name, nil, 200, nil, map[string]string{"Etag": tag, "Content-Length": "300000"}},
		{"range", "GET", name, []string{"Range", "bytes=10-19"}, 206, data[10:20], map[string]string{"Content-Range": "bytes 10-19/300000"}},
		{"same", "GET", name, []string{"Range", "bytes=10-19", "If-Range", tag}, 206, data[10:20], nil},
		{"other", "GET", name, []string{"Range", "bytes=10-19", "If-Range", `"x"`}, 200, data, nil},
		{"known", "GET", name, []string{"If-None-Match", tag}, 304, nil, map[string]string{"Etag": tag}},
		{"mismatch", "GET", name, []string{"If-Match", `"x"`}, 412, nil, nil},
		{"absent", "GET", "public/none", nil, 404, nil, nil},
		{"damaged", "GET", damaged, nil, 503, nil, map[string]string{"Retry-After": retryAfter}},
		{"past the handler", "GET", "accel/" + name, nil, 404, nil, nil},
	} {
		q, err := http.NewRequestWithContext(t.Context(), tt.method, "http://library/"+tt.name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(tt.header); i += 2 {
			q.Header.Set(tt.header[i], tt.header[i+1])
		}
		sent.Store(0)
		resp, err := client.Do(q)
		if err != nil {
			t.Fatalf("%s: %v", tt.what, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || tt.status < 300 && !bytes.Equal(body, tt.body) {
			t.Errorf("%s: status %d, want %d, %d bytes, %v", tt.what, resp.StatusCode, tt.status, len(body), err)
		}
		for field, want := range tt.want {
			if got := resp.Header.Get(field); got != want {
				t.Errorf("%s: %s %q, want %q", tt.what, field, got, want)
			}
		}
		if n := sent.Load(); tt.status < 300 && n != 0 {
			t.Errorf("%s: the handler sent %d bytes by itself", tt.what, n)
		}
	}
}

// A countingWriter counts what a handler writes.
type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c countingWriter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}
