//go:build linux

package nfsjudge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

// serveEnv has the test binary be our server; it holds a serving.
const serveEnv = "BEAMRIDER_NFSJUDGE_SERVE"

// A serving is what a child needs to know. It makes a file system in memory at Room and locks itself into
// it: what hostile clients may make of the machine must not depend on what is being tested.
type serving struct {
	Room   string
	Limits nfsd.Limits
}

// What there is in the room of a server.
const (
	roomExport, roomOther, roomState = "/export", "/other", "/state"
	// roomCanary is outside of all exports.
	roomCanary = "/canary/bird"
	canarySays = "I live"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(serveEnv); text != "" {
		fmt.Fprintln(os.Stderr, serve(text))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func serve(text string) error {
	var s serving
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	if err := syscall.Mount("room", s.Room, "tmpfs", 0, "size=512m,mode=0755"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	for dir, mode := range map[string]os.FileMode{
		roomExport: 0o777, roomOther: 0o777, roomState: 0o700, filepath.Dir(roomCanary): 0o777, "/proc": 0o755,
	} {
		if err := os.Mkdir(filepath.Join(s.Room, dir), 0o700); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(s.Room, dir), mode); err != nil {
			return err
		}
	}
	if err := syscall.Mount("proc", filepath.Join(s.Room, "proc"), "proc", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := syscall.Chroot(s.Room); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := os.WriteFile(roomCanary, []byte(canarySays), 0o666); err != nil {
		return err
	}
	all := nfsd.Client{Net: netip.MustParsePrefix("127.0.0.0/8"), Squash: nfsd.SquashNone}
	server, err := nfsd.New(nfsd.Config{
		Exports: []nfsd.Export{
			{Name: "/srv/judged", Dir: roomExport, Clients: []nfsd.Client{all}},
			{Name: "/srv/other", Dir: roomOther, Clients: []nfsd.Client{
				{Net: netip.MustParsePrefix("127.0.7.0/24"), ReadOnly: true, Squash: nfsd.SquashAll},
			}},
		},
		StateDir: roomState, Limits: s.Limits,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listening at", l.Addr())
	return server.Serve(context.Background(), l)
}

// ours starts our server as a process of its own.
func ours(t testing.TB, limits nfsd.Limits) (server, *child.Process) {
	t.Helper()
	if os.Getuid() != 0 {
		require.Skip(t, "a server that hostile clients may try can be had by root only, who may lock it in")
	}
	room := t.TempDir()
	text, err := json.Marshal(serving{room, limits})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	p, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.Log())
		}
	})
	const says = "listening at "
	if err := p.Says(says, patience); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(p.Log(), says)
	address, _, _ := strings.Cut(rest, "\n")
	root := fmt.Sprintf("/proc/%d/root", p.Pid())
	return server{nfs: address, mount: address, export: "/srv/judged", dir: root + roomExport, room: root}, p
}

func init() {
	servers["ours"] = func(t *testing.T) server { s, _ := ours(t, nfsd.Limits{}); return s }
}

// peakMemory returns how much memory a process has had at most, in bytes.
func peakMemory(t testing.TB, p *child.Process) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the kernel does not tell the peak memory")
	return 0
}
