//go:build linux

package nfsd

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestAddresses looks whether a server would be reached from outside.
func TestAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:2049": true, "10.1.2.3:2049": true, "192.168.0.1:1": true, "[::1]:2049": true, "[fd00::1]:1": true, "[fe80::1%eth0]:1": true,
		"0.0.0.0:2049": false, "[::]:2049": false, "192.0.2.1:2049": false, "[2001:db8::1]:1": false, "100.64.0.1:1": true, "100.128.0.1:1": false,
	} {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkAddr(a); (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := checkAddr(&net.UnixAddr{Name: "/x", Net: "unix"}); err == nil {
		t.Error("a socket that is not TCP was accepted")
	}
	server, err := New(config(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, "0.0.0.0:0")
	if err := server.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "private or loopback") {
		t.Errorf("a listener on all addresses: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the refused listener is not closed: %v", err)
	}
}

// TestServe begins, fails and ends.
func TestServe(t *testing.T) {
	s := start(t, nil, nil)
	s.raw(root).root() // it serves
	if err := s.server.Serve(t.Context(), listen(t, "127.0.0.1:0")); err == nil || !strings.Contains(err.Error(), "serves already") {
		t.Errorf("a second Serve: %v", err)
	}
	s.raw(root).root() // it still does
	s.down()

	short := &failing{Listener: listen(t, "127.0.0.1:0"), errs: []error{syscall.EMFILE, syscall.ECONNABORTED, errors.New("broken")}}
	if err := s.server.Serve(context.Background(), short); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a listener that breaks: %v", err)
	}
	if len(short.errs) != 0 {
		t.Errorf("%d errors are left: one that passes ended the server", len(short.errs))
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.server.Serve(ended, listen(t, "127.0.0.1:0")); err != nil {
		t.Errorf("with a context that has ended: %v", err)
	}
	fds := openFDs(t)
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Serve(context.Background(), listen(t, "127.0.0.1:0")); err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("without its directory: %v", err)
	}
	if now := openFDs(t); now != fds {
		t.Errorf("%d files are open, before there were %d", now, fds)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// failing is a listener with faults.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

// TestFlusher calls from many sides: each is answered by a flush that began after it, and many share
// one.
func TestFlusher(t *testing.T) {
	var g flusher
	var state, runs atomic.Int64
	flush := func() error {
		runs.Add(1)
		if state.Add(1)&1 != 1 {
			t.Error("two flushes at one time")
		}
		state.Add(1)
		return nil
	}
	began, hold := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := g.do(func() error { close(began); <-hold; return flush() }); err != nil {
			t.Error(err)
		}
	})
	<-began
	const n = 50
	failed := errors.New("failed")
	var shared atomic.Int64
	for range n {
		wg.Go(func() {
			// All of these came after the first began, so it is not theirs.
			if err := g.do(func() error { return errors.Join(flush(), failed) }); errors.Is(err, failed) {
				shared.Add(1)
			}
		})
	}
	wait(t, "that somebody waits", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.next != nil
	})
	close(hold)
	wg.Wait()
	if shared.Load() != n {
		t.Errorf("%d of %d were told of the fault", shared.Load(), n)
	}
	if r := runs.Load(); r < 2 || r > n {
		t.Errorf("%d flushes", r)
	}
}
