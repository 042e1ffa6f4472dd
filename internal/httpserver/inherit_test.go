package httpserver_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/httpserver"
)

// TestSocketsOfTheManager: a socket that was open before the process is taken, with who has connected to it
// by then, and those that nothing is configured for are closed.
func TestSocketsOfTheManager(t *testing.T) {
	if at := os.Getenv("HTTPSERVER_TEST_LISTEN"); at != "" {
		child(t, at)
		return
	}
	used, spare := open(t), open(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	early, err := net.Dial("tcp", used.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	// The process must be who the variables are for, as after systemd's fork.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run '^TestSocketsOfTheManager$' -test.v`, self)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=http:spare", "HTTPSERVER_TEST_LISTEN="+used.Addr().String())
	for _, ln := range []*net.TCPListener{used, spare} {
		f, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(early).ReadString('\n'); line != "hello\n" {
		t.Errorf("%q %v", line, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "has opened "+spare.Addr().String()+", where nothing is to listen") {
		t.Error(out.String())
	}
}

func open(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

// child is the process with the sockets.
func child(t *testing.T, at string) {
	other, err := httpserver.Listen(t.Context(), "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ln, err := httpserver.Listen(t.Context(), at, false)
	if err != nil {
		t.Fatal(err) // in use, if it did not take the socket
	}
	defer ln.Close()
	fmt.Println(httpserver.CloseUnused())
	if v, ok := os.LookupEnv("LISTEN_FDS"); ok {
		t.Errorf("children would get LISTEN_FDS=%s", v)
	}
	if err := httpserver.CloseUnused(); err != nil {
		t.Error(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestSameAddress(t *testing.T) {
	for _, tt := range []struct {
		have, at string
		want     bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"[::]:80", ":80", true},
		{"0.0.0.0:80", ":80", true},
		{"[::]:80", "0.0.0.0:80", true},
		{"[::1]:80", "[::1]:80", true},
		{"127.0.0.1:80", ":80", false},
		{"[::]:80", "127.0.0.1:80", false},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "127.0.0.1:0", false},
		{"127.0.0.1:80", "nonsense", false},
	} {
		have, err := net.ResolveTCPAddr("tcp", tt.have)
		if err != nil {
			t.Fatal(err)
		}
		if got := httpserver.SameAddress(have, tt.at); got != tt.want {
			t.Errorf("%s for %s: %v", tt.have, tt.at, got)
		}
	}
	if httpserver.SameAddress(&net.UnixAddr{Name: "/x"}, ":80") {
		t.Error("a Unix socket is no TCP address")
	}
}
