//go:build linux

package nfsd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"

	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
)

// serveEnv makes the test program a server: directory, state and address, one a line.
const serveEnv = "NFSD_TEST_SERVE"

// serveForever is the other process of a test. It ends when it is killed.
func serveForever(what string) {
	parts := strings.Split(what, "\n")
	err := func() error {
		server, err := New(Config{
			Exports:  []Export{{Name: exportName, Dir: parts[0], Clients: []Client{{Net: loopback, Squash: SquashNone}}}},
			StateDir: parts[1],
		})
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", parts[2])
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		return server.Serve(context.Background(), l)
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// process starts a server as another process and returns how to kill it, which happens at the end of
// the test otherwise.
func (s *site) process() (kill func()) {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serveEnv+"="+strings.Join([]string{s.dir, s.cfg.StateDir, s.addr}, "\n"))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	dead := false
	kill = func() {
		if dead {
			return
		}
		dead = true
		if err := cmd.Process.Kill(); err != nil {
			s.t.Error(err)
		}
		if err := cmd.Wait(); err == nil {
			s.t.Error("the server ended by itself")
		}
	}
	s.t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatalf("the server did not start: %v\n%s", err, errs.String())
	}
	s.addr = strings.TrimSpace(line)
	return kill
}

// TestKilled kills the server between WRITE and COMMIT: the client must learn that it has to write
// again.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s := &site{t: t, dir: dir, cfg: config(t, dir), addr: "127.0.0.1:0"}
	kill := s.process()
	c := s.client(0, 0)
	ctx := t.Context()
	b := content(4, 3<<20)
	f, err := c.Create(ctx, "f", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(ctx, b, 0); err != nil {
		t.Fatal(err)
	}
	kill()
	kill = s.process()
	if err := f.Sync(ctx); !errors.Is(err, nfs3.ErrRewrite) {
		t.Fatalf("the first sync after a crash: %v", err)
	}
	if _, err := f.WriteAt(ctx, b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	kill()
	s.process()
	if got := get(t, c, "f"); !bytes.Equal(got, b) {
		t.Errorf("the file came back with %d other bytes", len(got))
	}
}

// TestHiddenLater counts the same for hidden names, where that is asked for.
func TestHiddenLater(t *testing.T) {
	for _, tt := range []struct {
		later bool
		name  string
		want  int64 // a creation, a write, a link or rename, and a removal
	}{
		{false, ".f", 5},
		{true, ".f", 2},
		{true, "f", 5},
	} {
		s := start(t, func(c *Config) { c.Exports[0].HiddenLater = tt.later }, nil)
		c := s.raw(root)
		dir := c.root()
		must := func(stat nfsv3.Nfsstat3) {
			t.Helper()
			if stat != 0 {
				t.Fatal(name(stat))
			}
		}
		must(first(c.nfs(8, dir, text(tt.name), guarded(0o644))))
		f := c.lookup(dir, tt.name)
		must(first(c.nfs(7, f, long(0), number(1), number(2), text("x"))))
		must(first(c.nfs(15, f, dir, text("g"))))
		must(first(c.nfs(12, dir, text(tt.name))))
		if n := s.server.Stats().Syncs; n != tt.want {
			t.Errorf("later %t, %s: %d syncs, want %d", tt.later, tt.name, n, tt.want)
		}
	}
}

// TestFlushed counts what each operation brings to disk before its reply.
func TestFlushed(t *testing.T) {
	s := start(t, nil, nil)
	c := s.raw(root)
	dir := c.root()
	if err := os.Mkdir(filepath.Join(s.dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	sub := c.lookup(dir, "d")
	var f text
	for _, tt := range []struct {
		what string
		want int64
		do   func() uint32
	}{
		{"create: the directory and the file", 2, func() uint32 { return uint32(first(c.nfs(8, dir, text("f"), guarded(0o644)))) }},
		{"lookup", 0, func() uint32 { f = c.lookup(dir, "f"); return 0 }},
		{"write, unstable", 0, func() uint32 { return uint32(first(c.nfs(7, f, long(0), number(1), number(0), text("x")))) }},
		{"commit", 1, func() uint32 { return uint32(first(c.nfs(21, f, long(0), number(0)))) }},
		{"write, data", 1, func() uint32 { return uint32(first(c.nfs(7, f, long(0), number(1), number(1), text("x")))) }},
		{"write, all", 1, func() uint32 { return uint32(first(c.nfs(7, f, long(0), number(1), number(2), text("x")))) }},
		{"setattr", 1, func() uint32 { return uint32(first(c.nfs(2, f, noAttrs(), number(0)))) }},
		{"link", 1, func() uint32 { return uint32(first(c.nfs(15, f, dir, text("g")))) }},
		{"rename in a directory", 1, func() uint32 { return uint32(first(c.nfs(14, dir, text("g"), dir, text("h")))) }},
		{"rename to another: both", 2, func() uint32 { return uint32(first(c.nfs(14, dir, text("h"), sub, text("h")))) }},
		{"remove", 1, func() uint32 { return uint32(first(c.nfs(12, sub, text("h")))) }},
		{"mkdir: both", 2, func() uint32 { return uint32(first(c.nfs(9, dir, text("e"), noAttrs()))) }},
		{"rmdir", 1, func() uint32 { return uint32(first(c.nfs(13, dir, text("e")))) }},
		{"read", 0, func() uint32 { return uint32(first(c.nfs(6, f, long(0), number(1)))) }},
	} {
		before := s.server.Stats().Syncs
		if stat := tt.do(); stat != 0 {
			t.Errorf("%s: status %d", tt.what, stat)
		}
		if n := s.server.Stats().Syncs - before; n != tt.want {
			t.Errorf("%s: %d syncs, want %d", tt.what, n, tt.want)
		}
	}
}
