package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A fleet is servers that come and go.
type fleet struct {
	t       *testing.T
	dir     string
	h       http.Handler
	started int
	servers map[string]*httptest.Server // by name
}

// start starts one more, every other one on a Unix socket.
func (f *fleet) start() Backend {
	f.started++
	b := Backend{Name: fmt.Sprintf("app-%d", f.started), Weight: 1 + f.started%3}
	if f.started%2 == 0 {
		b.URL = socketScheme + filepath.Join(f.dir, b.Name)
	}
	return f.serve(b)
}

// serve starts the server of a backend, on its socket or at any address that is free.
func (f *fleet) serve(b Backend) Backend {
	s := httptest.NewUnstartedServer(f.h)
	s.Config.ErrorLog = discardLog
	if path, ok := strings.CutPrefix(b.URL, socketScheme); ok {
		l, err := net.Listen("unix", path)
		if err != nil {
			f.t.Fatal(err)
		}
		s.Listener.Close()
		s.Listener = l
	}
	s.Start()
	if !strings.HasPrefix(b.URL, socketScheme) {
		b.URL = s.URL
	}
	f.servers[b.Name] = s
	return b
}

// stop stops one as a process ends that is told to: at once, since it was drained.
func (f *fleet) stop(name string) {
	f.servers[name].Listener.Close()
	f.servers[name].CloseClientConnections()
	f.servers[name].Close()
	delete(f.servers, name)
}

// TestReloadsAndDrains: a hundred times the pool is replaced, each time by another server for one of those
// that there were, and a hundred times a server is drained, ended, and started anew, at the same socket or another address; all
// while clients send what must not be sent twice. Not one request fails, and no POST is
// seen twice.
func TestReloadsAndDrains(t *testing.T) {
	const rounds, clients, between = 100, 6, 4
	dir, err := os.MkdirTemp("", "fleet") // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var seen sync.Map
	f := &fleet{t: t, dir: dir, servers: map[string]*httptest.Server{}, h: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has been told
		}
		if _, again := seen.LoadOrStore(r.URL.Path, true); again && r.Method == http.MethodPost {
			t.Errorf("%s %s came twice", r.Method, r.URL.Path)
		}
		fmt.Fprint(w, r.Method, " ", r.URL.Path, " ")
		if len(body) > 0 { // in pieces, so that answers are under way while the pool changes
			w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			w.Write(body[len(body)/2:])
		}
	})}
	list := []Backend{f.start(), f.start(), f.start()}
	b := mustNew(t, list, nil)
	front := serve(t, b)
	stop := run(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := make(chan struct{})
	large := strings.Repeat("0123456789abcdef", 4<<10)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				method, body := "GET", ""
				if n%2 == 0 {
					method, body = "POST", large[:1+n*997%len(large)]
				}
				path := fmt.Sprintf("/%d/%d", i, n)
				got, _ := do(t, front.Client(), request(t, method, front.URL+path, strings.NewReader(body)))
				if want := method + " " + path + " " + body; got.Status != 200 || got.Body != want || got.Err != "" {
					t.Errorf("%s %s: %d %q, %d bytes", method, path, got.Status, got.Err, len(got.Body))
					cancel()
					return
				}
				select {
				case progress <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	answered := func() {
		for range between {
			select {
			case <-progress:
			case <-ctx.Done():
			}
		}
	}
	do := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
			cancel()
		}
	}
	for n := range rounds {
		if ctx.Err() != nil {
			break
		}
		// Another one takes the place of the oldest.
		old, next := list[0].Name, append(list[1:len(list):len(list)], f.start())
		do("reload", b.Set(append([]Backend{list[0]}, next...)))
		answered()
		do("drain", b.Drain(ctx, old))
		list = next
		do("reload", b.Set(list))
		f.stop(old)
		answered()
		// One is started anew, and keeps its name.
		at := n % len(list)
		name := list[at].Name
		do("drain", b.Drain(ctx, name))
		answered()
		f.stop(name)
		list[at] = f.serve(list[at])
		do("reload", b.Set(list))
		do("undrain", b.Undrain(name)) // at another address it is a new one, which nobody has drained
	}
	cancel()
	all.Wait()
	stop()
	front.Close()
	for _, s := range f.servers {
		s.Close()
	}
	if st := b.Stats(); st.Requests < rounds*between || st.Refused+st.Failed+st.Cut > 0 {
		t.Errorf("%+v", st)
	}
}

// TestNewConnections: whoever was away for a while may be another process at the same address, and is not
// spoken to on a connection to the one before it.
func TestNewConnections(t *testing.T) {
	var made atomic.Int64
	server := httptest.NewUnstartedServer(says("here"))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	list := []Backend{{Name: "a", URL: server.URL}}
	b := mustNew(t, list, nil)
	ask := func() {
		w := httptest.NewRecorder()
		if b.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Body.String() != "here" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	for _, tt := range []struct {
		what string
		do   func() error
		more int64 // connections
	}{
		{"the first request", func() error { return nil }, 1},
		{"the next", func() error { return nil }, 0},
		{"the same again", func() error { return b.Set(list) }, 0},
		{"another weight", func() error { return b.SetWeight("a", 2) }, 0},
		{"drained", func() error { return errors.Join(b.Drain(t.Context(), "a"), b.Undrain("a")) }, 1},
		{"disabled", func() error { return errors.Join(b.Disable("a", ""), b.Enable("a")) }, 1},
		{"removed", func() error { return errors.Join(b.Remove("a"), b.Add(list[0])) }, 1},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		before := made.Load()
		ask()
		if more := made.Load() - before; more != tt.more {
			t.Errorf("%s: %d connections were made, want %d", tt.what, more, tt.more)
		}
	}
}
