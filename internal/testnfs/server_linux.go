package testnfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/netns"
	"github.com/sugarlabs/beamrider/internal/require"
)

// A machine is what the server runs on: namespaces, held by a shell with an rpcbind, without which
// NFS-Ganesha does not start version 3.
type machine struct {
	rpcbind, ganesha *child.Process
	netns            *os.File
	doors            []*door
	epoch            int64 // of the server's life, in seconds
}

const (
	innerNFS, innerMount = "127.0.0.1:2049", "127.0.0.1:20048"
	patience             = 30 * time.Second
)

// room makes the namespaces habitable. /var/lib/nfs is where NFS-Ganesha keeps who was there before
// a restart.
const room = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/ganesha /run/rpcbind /run/nfs /run/export
mkdir -p /run/nfs/ganesha/v4recov /run/nfs/ganesha/v4old
mount --bind /run/nfs /var/lib/nfs
mount -t tmpfs -o size="$1",mode=0777 tmpfs /run/export
ip link set lo up
"$2" -f -w
exit`

// conf is of a server whose export is writable by all, which after a restart waits a second only
// for those that were there before.
const conf = `
NFS_CORE_PARAM { NFS_Port = 2049; MNT_Port = 20048; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; Plugins_Dir = %q; }
NFSV4 { Grace_Period = 1; Lease_Lifetime = 1; Graceless = true; }
EXPORT {
	Export_Id = 1; Path = /run/export; Pseudo = %s; Tag = export;
	Protocols = 3; Transports = TCP; Access_Type = RW; Squash = %s; SecType = sys;
	FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`

func (s *Server) boot() {
	t := s.tb
	t.Helper()
	require.Tool(t, "ganesha.nfsd")
	rpcbind := require.Tool(t, "rpcbind")
	require.Tool(t, "ip")
	require.Tool(t, "nsenter")
	if os.Getuid() != 0 {
		require.Skip(t, "an NFS server of its own can be had by root only, who may make namespaces")
	}
	s.dir = t.TempDir()
	err := os.WriteFile(filepath.Join(s.dir, "ganesha.conf"), fmt.Appendf(nil, conf, plugins(), export, s.squash), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	m := &s.machine
	// rpcbind changes its user, by which the kernel forgets that it is to die with us; what is in a
	// process namespace dies with its first process, the shell.
	shell := exec.Command("sh", "-c", room, "sh", strconv.Itoa(s.size), rpcbind)
	shell.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Cloneflags: syscall.CLONE_NEWPID}
	if m.rpcbind, err = child.Start(shell); err != nil {
		t.Fatal(err)
	}
	ns := fmt.Sprintf("/proc/%d/ns/net", m.rpcbind.Pid())
	if m.netns, err = os.Open(ns); err != nil {
		t.Fatal(err)
	}
	if err := listens(m.rpcbind, m.netns, "127.0.0.1:111"); err != nil {
		t.Fatal(err)
	}
	s.Start()
	for _, d := range []struct {
		inner string
		port  *int
	}{{innerNFS, &s.nfsPort}, {innerMount, &s.mntPort}} {
		door, err := openDoor(m.netns, d.inner)
		if err != nil {
			t.Fatal(err)
		}
		m.doors = append(m.doors, door)
		*d.port = door.port()
	}
}

// plugins returns the folder of NFS-Ganesha's file systems.
func plugins() string {
	found, err := filepath.Glob("/usr/lib/*/ganesha/libfsalvfs.so")
	if err != nil || len(found) == 0 {
		return "/usr/lib/ganesha"
	}
	return filepath.Dir(found[0])
}

// listens returns nil as soon as the process takes connections there.
func listens(p *child.Process, ns *os.File, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		nc, err := netns.Dial(ctx, ns, address)
		if err == nil {
			return nc.Close()
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-p.Exited():
			return p.Ended()
		case <-ctx.Done():
			return fmt.Errorf("nobody takes connections at %s: %w\n%s", address, last, p.Log())
		case <-tick.C:
		}
	}
}

// A door leads from a port of the loopback interface into the namespace.
type door struct {
	l     net.Listener
	netns *os.File
	inner string
	wg    sync.WaitGroup
	ctx   context.Context
	close context.CancelFunc
}

func openDoor(ns *os.File, inner string) (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{l: l, netns: ns, inner: inner}
	d.ctx, d.close = context.WithCancel(context.Background())
	d.wg.Go(func() {
		for {
			outer, err := l.Accept()
			if err != nil {
				return // closed
			}
			d.wg.Go(func() { d.pass(outer) })
		}
	})
	return d, nil
}

func (d *door) port() int { return d.l.Addr().(*net.TCPAddr).Port }

// pass connects two ends until one closes.
func (d *door) pass(outer net.Conn) {
	defer outer.Close()
	inner, err := netns.Dial(d.ctx, d.netns, d.inner)
	if err != nil {
		return // nobody is at home, and closing says so
	}
	defer inner.Close()
	shut := func() { outer.Close(); inner.Close() }
	defer context.AfterFunc(d.ctx, shut)()
	var wg sync.WaitGroup
	copyTo := func(to, from net.Conn) {
		defer shut()
		io.Copy(to, from) // ends when one of both closes
	}
	wg.Go(func() { copyTo(inner, outer) })
	wg.Go(func() { copyTo(outer, inner) })
	wg.Wait()
}

func (d *door) shut() error {
	err := d.l.Close()
	d.close()
	d.wg.Wait()
	return err
}

// Dir returns the exported directory as the server sees it.
func (s *Server) Dir() string {
	return fmt.Sprintf("/proc/%d/root/run/export", s.machine.rpcbind.Pid())
}

// Command returns a program that, when started, runs in the server's network, where the server has
// the usual ports (2049, and 111 for its portmapper) of 127.0.0.1, and the path of its export.
func (s *Server) Command(name string, args ...string) (cmd *exec.Cmd, path string) {
	ns := fmt.Sprintf("--net=/proc/%d/ns/net", s.machine.rpcbind.Pid())
	return exec.Command("nsenter", append([]string{ns, "--", name}, args...)...), export
}

// ganesha returns the running server.
func (s *Server) ganesha() *child.Process {
	s.tb.Helper()
	if s.machine.ganesha == nil {
		s.tb.Fatal("testnfs: the server does not run")
	}
	return s.machine.ganesha
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("testnfs: %v", err)
	}
}

// Kill kills the server, and returns when it is gone. What it had in memory only is lost; the
// exported files stay, also those that nobody had synced.
func (s *Server) Kill() {
	s.tb.Helper()
	s.must(s.ganesha().Kill())
	s.machine.ganesha = nil
}

// Stop freezes the server, and returns when it is frozen: the kernel still accepts connections,
// nobody answers.
func (s *Server) Stop() { s.tb.Helper(); s.must(s.ganesha().Freeze()) }

// Cont lets a frozen server go on.
func (s *Server) Cont() { s.tb.Helper(); s.must(s.ganesha().Signal(syscall.SIGCONT)) }

// Start starts a killed server again, with the same ports and files, and returns when it takes
// connections.
func (s *Server) Start() {
	s.tb.Helper()
	m := &s.machine
	if m.ganesha != nil {
		s.tb.Fatal("testnfs: the server runs already")
	}
	// The write verifier is made of the time of the start in whole seconds; two lives within one
	// would look like one.
	m.epoch = max(m.epoch+1, time.Now().Unix())
	pid := m.rpcbind.Pid()
	p, err := child.Start(exec.Command("nsenter",
		fmt.Sprintf("--mount=/proc/%d/ns/mnt", pid), fmt.Sprintf("--net=/proc/%d/ns/net", pid), "--",
		require.Tool(s.tb, "ganesha.nfsd"), "-F", "-L", "STDERR", "-f", filepath.Join(s.dir, "ganesha.conf"), "-p", "/run/ganesha.pid",
		"-E", strconv.FormatInt(m.epoch, 10)))
	if err != nil {
		s.tb.Fatal(err)
	}
	m.ganesha = p
	for _, address := range []string{innerMount, innerNFS} {
		if err := listens(p, m.netns, address); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// end ends everything.
func (s *Server) end() error {
	m := &s.machine
	var errs []error
	for _, d := range m.doors {
		errs = append(errs, d.shut())
	}
	for _, p := range []*child.Process{m.ganesha, m.rpcbind} {
		if p != nil {
			errs = append(errs, p.Kill())
		}
	}
	if m.netns != nil {
		errs = append(errs, m.netns.Close())
	}
	return errors.Join(errs...)
}
