package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/require"
)

// A real keepalived gives the address away and takes it as the file says. It runs in a network
// namespace of its own: the test runs itself there.
func TestKeepalivedFollows(t *testing.T) {
	if os.Getenv("MONITOR_TEST_INSIDE") == "1" {
		keepalivedFollows(t)
		return
	}
	require.Tool(t, "keepalived")
	unshare := require.Tool(t, "unshare")
	if os.Geteuid() != 0 {
		require.Skip(t, "a network namespace needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, unshare, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		self, "-test.run=^TestKeepalivedFollows$", "-test.v")
	cmd.Env = append(os.Environ(), "MONITOR_TEST_INSIDE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestKeepalivedFollows") {
		t.Errorf("inside: %v\n%s", err, out)
	}
}

func keepalivedFollows(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "track")
	for _, args := range []string{"link add mon0 type veth peer name mon1", "link set mon0 up", "link set mon1 up", "addr add 10.66.0.1/24 dev mon0"} {
		if out, err := exec.Command(require.Tool(t, "ip"), strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v %s", args, err, out)
		}
	}
	text := fmt.Sprintf(keepalivedText, path)
	for _, r := range (Keepalived{Text: text, TrackFile: path, Address: "10.66.0.100"}).Results() {
		if r.Level != OK {
			t.Errorf("the doctor about a file that works: %+v", r)
		}
	}
	conf := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &balancer{}
	m, stop := start(t, Config{Track: &Track{Path: path, Local: b.ask}})
	within(t, "the file to be written", func() bool { _, err := os.Stat(path); return err == nil })

	var log strings.Builder
	cmd := exec.Command(require.Tool(t, "keepalived"), "--dont-fork", "--log-console", "--vrrp", "-f", conf,
		"-p", filepath.Join(dir, "pid"), "-r", filepath.Join(dir, "vrrp.pid"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	holds := func() bool {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if strings.HasPrefix(a.String(), "10.66.0.100/") {
				return true
			}
		}
		return false
	}
	loses := func() bool { return !holds() }
	within(t, "the address to come", holds)
	b.set(errors.New("dead"))
	within(t, "the address to go with the balancer", loses)
	b.set(nil)
	within(t, "the address to come back", holds)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	within(t, "a deleted file to be written again", func() bool { _, err := os.Stat(path); return err == nil })
	b.set(errors.New("dead"))
	within(t, "the address to go after the file was deleted", loses)
	b.set(nil)
	within(t, "the address to come back again", holds)
	if err := m.Leave(); err != nil {
		t.Error(err)
	}
	within(t, "the address to go before a drain", loses)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// within polls until something is so, for up to 20 s, five times what keepalived needs at most.
func within(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
