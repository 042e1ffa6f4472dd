package balance

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// cpu is what this process has used, which other work on the machine changes less than the clock.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ask measures requests to h, together with their clients and backends, which are in this process.
func ask(b *testing.B, h http.Handler, body []byte, size int64) {
	front := httptest.NewServer(h)
	defer front.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, ReadBufferSize: bufferSize}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	start := cpu(b)
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, bufferSize)
		for pb.Next() {
			method := "GET"
			var reader io.Reader
			if body != nil {
				method, reader = "POST", bytes.NewReader(body)
			}
			r, err := http.NewRequest(method, front.URL+"/file", reader)
			if err != nil {
				b.Error(err)
				return
			}
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, p)
			res.Body.Close()
			if err != nil || n != size {
				b.Error(n, err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
}

// BenchmarkBodies compares the balancer with a bare ReverseProxy.
func BenchmarkBodies(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		page := noise(size)
		back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				io.Copy(io.Discard, r.Body)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(size))
			w.Write(page)
		}))
		defer back.Close()
		target, err := url.Parse(back.URL)
		if err != nil {
			b.Fatal(err)
		}
		transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
		defer transport.CloseIdleConnections()
		list := []Backend{{Name: "a", URL: back.URL}}
		for _, h := range []struct {
			name string
			http.Handler
		}{
			{"bare", &httputil.ReverseProxy{Transport: transport, BufferPool: new(bufferPool), Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(target) }}},
			{"off", mustNew(b, list, &Options{Bodies: BodyOptions{Memory: -1}})},
			{"on", mustNew(b, list, nil)},
		} {
			b.Run("answer/"+strconv.Itoa(size)+"/"+h.name, func(b *testing.B) { ask(b, h, nil, int64(size)) })
			b.Run("upload/"+strconv.Itoa(size)+"/"+h.name, func(b *testing.B) { ask(b, h, page, 0) })
		}
	}
}

// BenchmarkHandoff compares a file that a backend hands off with one that a server has itself.
func BenchmarkHandoff(b *testing.B) {
	const size = 10_000_000
	root := sharedFolder(b)
	if err := root.WriteFile("file", noise(size), 0o644); err != nil {
		b.Fatal(err)
	}
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set(sendfile, "file") }))
	defer back.Close()
	for _, h := range []struct {
		name string
		http.Handler
	}{
		{"ServeFile", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join(root.Name(), "file"))
		})},
		{"handoff", mustNew(b, []Backend{{Name: "a", URL: back.URL}}, &Options{Handoff: HandoffOptions{Root: root}})},
	} {
		b.Run(h.name, func(b *testing.B) { ask(b, h, nil, size) })
	}
}
