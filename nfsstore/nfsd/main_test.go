//go:build linux

package nfsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/nfsstore/internal/nfs3"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		serveForever(what)
	}
	goleak.VerifyTestMain(m)
}

const exportName = "/srv/remora"

// loopback is the only network of most tests.
var loopback = netip.MustParsePrefix("127.0.0.0/8")

// A site is a server in this process that can be ended and started again on the same port.
type site struct {
	t      testing.TB
	dir    string
	cfg    Config
	tune   func(*Server) // before it serves; may be nil
	server *Server
	addr   string
	cancel context.CancelFunc
	done   chan error
}

// config exports dir to this machine, whose root is root.
func config(t testing.TB, dir string) Config {
	t.Helper()
	state := t.TempDir()
	if err := os.Chmod(state, 0o700); err != nil {
		t.Fatal(err)
	}
	return Config{
		Exports:  []Export{{Name: exportName, Dir: dir, Clients: []Client{{Net: loopback, Squash: SquashNone}}}},
		StateDir: state,
		Logger:   slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// start serves a directory of the test.
func start(t testing.TB, change func(*Config), tune func(*Server)) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, dir: dir, cfg: config(t, dir), tune: tune, addr: "127.0.0.1:0"}
	if change != nil {
		change(&s.cfg)
	}
	s.dir = s.cfg.Exports[0].Dir
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *site) up() {
	s.t.Helper()
	server, err := New(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.tune != nil {
		s.tune(server)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s.server, s.cancel, s.done = server, cancel, make(chan error, 1)
	go func() { s.done <- server.Serve(ctx, l) }()
}

func (s *site) down() {
	s.t.Helper()
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Error(err)
		}
	case <-time.After(30 * time.Second):
		s.t.Error("the server does not end")
	}
}

func (s *site) port() int {
	_, p, err := net.SplitHostPort(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// client mounts the export, as a user.
func (s *site) client(uid, gid uint32) *nfs3.Client {
	s.t.Helper()
	c, err := s.dial(uid, gid)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) dial(uid, gid uint32) (*nfs3.Client, error) {
	c, err := nfs3.Dial(context.Background(), nfs3.Config{
		Host: "127.0.0.1", Export: exportName, UID: uid, GID: gid, NFSPort: s.port(), MountPort: s.port(),
	})
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, nfs3.ErrClosed) {
			s.t.Error(err)
		}
	})
	return c, nil
}

func (s *site) url() string {
	return fmt.Sprintf("nfs://127.0.0.1:%d%s?mountport=%d", s.port(), exportName, s.port())
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// needRoot skips tests of what only root may do, unless they must run.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		require.Skip(t, "this needs root")
	}
}

// mountBind shows what is at from also at to.
func mountBind(t testing.TB, from, to string) {
	t.Helper()
	needRoot(t)
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(to, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func mountTmpfs(t testing.TB, dir, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
