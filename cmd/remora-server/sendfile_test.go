package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A meter counts what connections are given to copy from files, which the kernel does.
type meter struct {
	net.Listener
	n *atomic.Int64
}

func (m meter) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return metered{c.(*net.TCPConn), m.n}, nil
}

type metered struct {
	*net.TCPConn
	n *atomic.Int64
}

func (c metered) ReadFrom(r io.Reader) (int64, error) {
	src := r
	if limited, ok := r.(*io.LimitedReader); ok {
		src = limited.R
	}
	n, err := c.TCPConn.ReadFrom(r)
	if _, ok := src.(*os.File); ok {
		c.n.Add(n)
	}
	return n, err
}

// TestDownloadsAreCopiedByTheKernel, whatever stands between the connection and the file.
func TestDownloadsAreCopiedByTheKernel(t *testing.T) {
	t.Parallel()
	const size = 5 << 20 // more than the balancer keeps
	noise := make([]byte, size)
	rand.Read(noise)
	bundle := writeBundleWith(t, t.TempDir(), "org.example.Noise", "1", "", noise)
	want, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]map[string]string{
		"a front end":                {"REMORA_SERVER_ROLES": "frontend,files"},
		"behind the balancer":        {},
		"behind one that keeps":      {"REMORA_BALANCER_KEPT": "4MB"},
		"behind one that also logs":  {"REMORA_BALANCER_LOG": filepath.Join(t.TempDir(), "log"), "REMORA_BALANCER_IN_FLIGHT": "5"},
		"from the copy of the files": {"REMORA_FILES_COPY": t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			mustRun(t, "import", "--data", data, bundle)
			var n atomic.Int64
			url := serveInProcess(t, data, env, &n)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			path := fmt.Sprintf("/activities/%d/noise-1.xo", firstActivity)
			get := func(rng string) []byte {
				req, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if rng != "" {
					req.Header.Set("Range", rng)
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return body
			}
			eventually(t, "it is offered", func() bool { return bytes.Equal(get(""), want) })
			for _, tt := range []struct {
				rng  string
				want []byte
			}{{"", want}, {"bytes=1000-4000000", want[1000:4000001]}} {
				n.Store(0)
				if got := get(tt.rng); !bytes.Equal(got, tt.want) {
					t.Errorf("%q: %d bytes", tt.rng, len(got))
				}
				if got, least := n.Load(), int64(len(tt.want)-1024); got < least {
					t.Errorf("%q: the kernel copied %d bytes of %d", tt.rng, got, len(tt.want))
				}
			}
		})
	}
}

// serveInProcess serves in this process until the test ends, and counts in n what its connections copy
// from files. It returns the address.
func serveInProcess(t *testing.T, data string, env map[string]string, n *atomic.Int64) string {
	t.Helper()
	c, err := loadConfig("", func(key string) (string, bool) { v, found := env[key]; return v, found }, map[string]string{"data.dir": data, "http.listen": "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := slog.New(slog.DiscardHandler)
	s, err := newServer(ctx, c, log)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s.level = new(slog.LevelVar)
	for i := range s.doors {
		s.doors[i].Listener = meter{s.doors[i].Listener, n}
	}
	address := s.doors[0].Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !strings.Contains(err.Error(), "context canceled") {
			t.Error(err)
		}
	})
	return "http://" + address
}
