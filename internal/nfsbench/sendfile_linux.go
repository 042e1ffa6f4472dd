package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/httpserver"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/filehttp"
)

// The workload of downloads, and its subjects.
const (
	download10m = "download 10 MB"

	nginxFiles   = "nginx"
	filesHandler = "filehttp"
	copiedFiles  = "filehttp, copied by the process"
	wholeServer  = "remora-server"
)

// bundle is the size of a large activity.
const bundle = 10_000_000

// Ports of those who serve files.
const (
	nginxPort    = 8101
	filehttpPort = 8102
	copiedPort   = 8103
	remoraPort   = 8104
)

// serveFiles serves the store of a folder until it is told to stop, as the server of the library does:
// with its limits, its record of requests, and files that are verified. How is "copied" where the kernel must not
// copy files to sockets.
func serveFiles(ctx context.Context, how string, l net.Listener, dir string) (err error) {
	s, err := nfsstore.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	v, err := filehttp.NewVerifier(nil)
	if err != nil {
		return err
	}
	files, err := filehttp.New(filehttp.Options{Store: s, Verifier: v})
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	var h http.Handler = files
	if how == "copied" {
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { files.ServeHTTP(struct{ http.ResponseWriter }{w}, r) })
	}
	return httpserver.Serve(ctx, l, httpserver.Observe(h, func(*http.Request, int, int64, time.Duration) {}, log), time.Second, log)
}

// download compares how a large file comes from nginx, which has the kernel copy it, and from here.
func download(ctx context.Context, b *bench) (err error) {
	dir, err := os.MkdirTemp(b.dir, "download-")
	if err != nil {
		return err
	}
	data := content(bundle)
	sum := sha256.Sum256(data)
	name := fmt.Sprintf("uploads/sha256/%x/%x", sum[:1], sum)
	s, err := nfsstore.Open(ctx, filepath.Join(dir, "files"), nil)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Put(ctx, name, bytes.NewReader(data), bundle, sum[:]), s.Close()); err != nil {
		return err
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var subjects []subject
	add := func(name string, pid, port int, path string) {
		at := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port), Path: path}
		subjects = append(subjects, subject{name: name, server: pid, do: func(ctx context.Context, _ int) error {
			return fetch(ctx, client, at.String(), bundle)
		}})
	}
	switch pid, err := b.nginx(ctx, dir); {
	case err != nil:
		return err
	case pid != 0:
		add(nginxFiles, pid, nginxPort, name)
	}
	for _, x := range []struct {
		name, how string
		port      int
	}{{filesHandler, "sendfile", filehttpPort}, {copiedFiles, "copied", copiedPort}} {
		p, err := b.servers.serving(ctx, x.how, x.port, filepath.Join(dir, "files"))
		if err != nil {
			return err
		}
		add(x.name, p.Pid(), x.port, name)
	}
	pid, path, err := b.remora(ctx, dir, data)
	if err != nil {
		return err
	}
	// The bundle is a little larger than the noise in it.
	at := fmt.Sprintf("http://127.0.0.1:%d%s", remoraPort, path)
	subjects = append(subjects, subject{name: wholeServer, server: pid, do: func(ctx context.Context, _ int) error {
		return fetch(ctx, client, at, bundle)
	}})
	return b.turns(ctx, download10m, subjects, work{n: 10, turns: 4, workers: 2, rate: "MB/s", units: bundle / 1e6})
}

// fetch downloads a file of at least that size.
func fetch(ctx context.Context, client *http.Client, url string, least int64) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
	if err = errors.Join(err, resp.Body.Close()); err == nil && (resp.StatusCode != http.StatusOK || n < least) {
		err = fmt.Errorf("%s: %s, %d bytes", url, resp.Status, n)
	}
	return err
}

// nginx serves the files of a folder; 0 where it is not installed.
func (b *bench) nginx(ctx context.Context, dir string) (pid int, err error) {
	program, err := require.Find("nginx")
	if err != nil {
		b.lacks("nginx")
		return 0, nil
	}
	place := filepath.Join(dir, "nginx")
	if err := os.Mkdir(place, 0o755); err != nil {
		return 0, err
	}
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "  %s_temp_path %s/%s;\n", kind, place, kind)
	}
	settings := filepath.Join(place, "nginx.conf")
	if err := os.WriteFile(settings, []byte(`master_process off;
daemon off;
pid `+place+`/pid;
error_log `+place+`/error.log warn;
events { worker_connections 100; }
http {
`+temporary.String()+`  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  server {
    listen 127.0.0.1:`+fmt.Sprint(nginxPort)+`;
    root `+dir+`/files;
  }
}
`), 0o600); err != nil {
		return 0, err
	}
	p, err := b.servers.start(ctx, exec.Command(program, "-e", filepath.Join(place, "error.log"), "-p", place, "-c", settings), nginxPort)
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("nginx does not tell its version: %w", err)
	}
	b.version("nginx " + version.FindString(string(out)))
	return p.Pid(), nil
}

// remora starts the whole server with a bundle in its library, and returns where that is.
func (b *bench) remora(ctx context.Context, dir string, noise []byte) (pid int, path string, err error) {
	program, data, xo := filepath.Join(dir, "remora-server"), filepath.Join(dir, "data"), filepath.Join(dir, "Noise-1.xo")
	if err := writeBundle(xo, noise); err != nil {
		return 0, "", err
	}
	for _, args := range [][]string{{"go", "build", "-o", program, "./cmd/remora-server"}, {program, "import", "--data", data, xo}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return 0, "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	cmd := exec.Command(program, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", remoraPort), "--data", data, "--log-level", "error")
	p, err := b.servers.start(ctx, cmd, remoraPort)
	if err != nil {
		return 0, "", err
	}
	const first = "/activities/100001/noise-1.xo"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := fetch(ctx, http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d%s", remoraPort, first), int64(len(noise)))
		if err == nil {
			return p.Pid(), first, nil
		}
		select {
		case <-ctx.Done():
			return 0, "", fmt.Errorf("the bundle is not offered: %w\n%s", err, p.Log())
		case <-p.Exited():
			return 0, "", p.Ended()
		case <-tick.C:
		}
	}
}

// writeBundle writes a bundle of an activity that is mostly noise.
func writeBundle(path string, noise []byte) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"activity/activity.info", []byte("[Activity]\nname = Noise\nbundle_id = org.example.Noise\nactivity_version = 1\nexec = sugar-activity3 main.Main\nicon = activity-icon\nlicense = GPLv3+\n")},
		{"activity/activity-icon.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"><circle cx="27" cy="27" r="20"/></svg>`)},
		{"main.py", []byte("# noise\n")},
		{"setup.py", []byte("#!/usr/bin/env python3\nfrom sugar3.activity import bundlebuilder\nbundlebuilder.start()\n")},
		{"noise.bin", noise},
	} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "Noise.activity/" + f.name, Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
