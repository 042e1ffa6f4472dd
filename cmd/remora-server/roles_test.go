package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// startRole starts a process with a configuration of its own, which the returned function replaces.
func startRole(t *testing.T, config string) (*served, func(config string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.toml")
	write := func(config string) {
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config)
	return startServer(t, nil, "--config", path), write
}

// TestFrontEndsComeAndGo: while front ends behind a balancer are added, told to stop and killed, no
// reader notices.
func TestFrontEndsComeAndGo(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mustRun(t, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Dance", "3", ""))
	frontend := func() *served {
		s, _ := startRole(t, fmt.Sprintf("[server]\nroles = [\"frontend\"]\n[data]\ndir = %q\n", data))
		s.ready()
		return s
	}
	one, two := frontend(), frontend()
	backends := func(urls ...string) string {
		var list []string
		for i, u := range urls {
			list = append(list, fmt.Sprintf("%q", fmt.Sprintf("f%d=%s", i, u)))
		}
		return "[server]\nroles = [\"balancer\"]\n[balancer]\nbackends = [" + strings.Join(list, ", ") + "]\n"
	}
	balancer, write := startRole(t, backends(one.url))

	stop := make(chan struct{})
	var readers sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				code, body := balancer.get("/search?q=dance")
				if asked.Add(1); code != http.StatusOK {
					t.Errorf("a reader got %d: %s", code, body)
					return
				}
			}
		})
	}
	defer readers.Wait()
	defer close(stop)
	// More is asked from now on, whatever happens.
	more := func(n int64) {
		t.Helper()
		was := asked.Load()
		eventually(t, "more requests are answered", func() bool { return t.Failed() || asked.Load() > was+n })
	}
	use := func(urls ...string) {
		t.Helper()
		write(backends(urls...))
		if err := balancer.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all are healthy", func() bool {
			_, page := balancer.get("/internal/balancer")
			return strings.Count(page, " healthy ") == len(urls)
		})
		more(100)
	}
	more(100)
	use(one.url, two.url)
	one.stop()
	more(100)
	three := frontend()
	use(three.url, two.url)
	two.kill()
	more(200)
}

// TestAReloadThatIsWrongChangesNothing: and says what is wrong.
func TestAReloadThatIsWrongChangesNothing(t *testing.T) {
	t.Parallel()
	config := fmt.Sprintf("[data]\ndir = %q\n[log]\nlevel = \"info\"\n", t.TempDir())
	s, write := startRole(t, config)
	s.ready()
	for _, c := range []struct{ config, says string }{
		{config + "[balancer]\nbackends = [\"nowhere\"]\n", "does not look like"},
		{config + "[http]\ndrain = \"9s\"\n", "http.drain"},
		{config + "[files]\nurl = \"/dev/null/x\"\n", "cannot be used"},
	} {
		write(c.config)
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the log says "+c.says, func() bool { return strings.Contains(s.logged(), c.says) })
	}
	if code, _ := s.get("/readyz"); code != http.StatusOK {
		t.Errorf("the server answers %d", code)
	}
}
