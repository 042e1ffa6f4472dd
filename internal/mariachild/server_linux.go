// Package mariachild runs MariaDB servers for tests: unprivileged children on free ports of the
// loopback interface, with data folders of their own, which die with the test binary however that
// ends. Packages testdb and replicatest make of them what tests use.
package mariachild

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/require"
)

// small keeps a server to a few dozen megabytes.
var small = []string{
	"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-log-buffer-size=2M",
	"--innodb-data-file-path=ibdata1:4M:autoextend", "--performance-schema=OFF", "--key-buffer-size=1M",
	"--aria-pagecache-buffer-size=1M", "--max-connections=100", "--table-open-cache=200",
	"--character-set-server=utf8mb4",
}

// readyTime is how long a server may take to get ready on a busy machine.
const readyTime = 2 * time.Minute

// A Server is one server. Its methods but Pid are for one goroutine at a time.
type Server struct {
	dir     string
	port    int
	daemon  string
	cred    *syscall.Credential
	args    []string
	process *child.Process // nil: it does not run
	pid     atomic.Int64   // 0: it does not run; it is there before process is, while the server begins
}

// Start returns a server that takes connections. It runs the statements of accounts whenever it
// starts, and gets args besides what every server gets. The caller ends it. Where the machine has no
// MariaDB the test is skipped.
func Start(tb testing.TB, accounts string, args ...string) *Server {
	tb.Helper()
	s, err := Open(accounts, args...)
	if errors.Is(err, ErrAbsent) {
		require.Skip(tb, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// ErrAbsent says that this machine cannot run a server.
var ErrAbsent = errors.New("MariaDB cannot be run here")

// Open is [Start] for programs.
func Open(accounts string, args ...string) (*Server, error) {
	s := &Server{args: args}
	install, err := require.Find("mariadb-install-db")
	if err == nil {
		s.daemon, err = require.Find("mariadbd")
	}
	if err == nil {
		s.cred, err = credential()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if s.dir, err = os.MkdirTemp("", "beamrider-mariadb-*"); err != nil {
		return nil, err
	}
	if err := s.begin(install, accounts); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *Server) begin(install, accounts string) error {
	template, err := template(s.daemon, install, s.cred)
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(s.dir, "data"), os.DirFS(template)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "init.sql"), []byte(accounts), 0o600); err != nil {
		return err
	}
	if err := give(s.dir, s.cred); err != nil {
		return err
	}
	// A free port may be taken by another before the server has it.
	for attempt := 1; ; attempt++ {
		if s.port, err = freePort(); err == nil {
			err = s.run()
		}
		if err == nil || attempt == 3 {
			return err
		}
	}
}

// credential returns the unprivileged account the server runs as: nil is our own. The child takes
// it on before exec, as --user=mysql would make the kernel forget that it is to die with us.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"mysql", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if errU == nil && errG == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("mariadbd does not run as root, and there is neither an account mysql nor nobody")
}

// give makes everything under dir the server's.
func give(dir string, cred *syscall.Credential) error {
	if cred == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(cred.Uid), int(cred.Gid))
	})
}

// template returns a fresh data folder to copy, made once for each account and server version: making one
// takes longer than everything else.
func template(daemon, install string, cred *syscall.Credential) (string, error) {
	info, err := os.Stat(daemon)
	if err != nil {
		return "", err
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("beamrider-mariadb-template-%d-%d", os.Getuid(), info.ModTime().Unix()))
	lock, err := os.OpenFile(name+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if info, err := os.Lstat(name); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || stat.Uid != uint32(os.Getuid()) {
			return "", fmt.Errorf("%s is not ours; remove it", name)
		}
		return filepath.Join(name, "data"), nil
	}
	dir, err := os.MkdirTemp("", "beamrider-mariadb-new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) // gone already when all went well
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", err
	}
	if err := give(dir, cred); err != nil {
		return "", err
	}
	cmd := exec.Command(install, append([]string{
		"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--auth-root-authentication-method=normal",
		"--skip-test-db", "--skip-name-resolve", "--skip-log-bin",
	}, small...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	cmd.Dir = dir
	cmd.WaitDelay = time.Minute
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	if err := os.Chown(dir, os.Getuid(), os.Getgid()); err != nil {
		return "", err
	}
	return filepath.Join(name, "data"), os.Rename(dir, name)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// run starts the server, with more arguments for this run, and returns when it takes connections.
func (s *Server) run(more ...string) error {
	args := append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--tmpdir=" + s.dir,
		"--socket=" + filepath.Join(s.dir, "sock"), "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve",
		"--init-file=" + filepath.Join(s.dir, "init.sql"),
	}, small...)
	cmd := exec.Command(s.daemon, slices.Concat(args, s.args, more)...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	p, err := child.Start(cmd)
	if err != nil {
		return err
	}
	s.pid.Store(int64(p.Pid()))
	if err := p.Says("ready for connections", readyTime); err != nil {
		s.pid.Store(0)
		return errors.Join(err, p.Kill())
	}
	s.process = p
	return nil
}

// Port returns the port on 127.0.0.1 that it has, also after a restart.
func (s *Server) Port() int { return s.port }

var errDown = errors.New("the server does not run")

// Kill kills it as a power cut would, and returns when it is gone.
func (s *Server) Kill() error {
	if s.process == nil {
		return errDown
	}
	err := s.process.Kill()
	s.process = nil
	s.pid.Store(0)
	return err
}

// Freeze stops it from doing anything, and returns when it stands still: the kernel still accepts
// connections, nobody answers.
func (s *Server) Freeze() error {
	if s.process == nil {
		return errDown
	}
	return s.process.Freeze()
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error {
	if s.process == nil {
		return errDown
	}
	return s.process.Signal(syscall.SIGCONT)
}

// stopTime is how long a server may take to end by itself on a busy machine.
const stopTime = time.Minute

// Stop asks it to end as the system does at a shutdown, and returns when it has. One that does not
// end within a minute is killed, which is an error.
func (s *Server) Stop() error {
	if s.process == nil {
		return errDown
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timeout := time.NewTimer(stopTime)
	defer timeout.Stop()
	select {
	case <-s.process.Exited():
		s.process = nil
		s.pid.Store(0)
		return nil
	case <-timeout.C:
		return errors.Join(fmt.Errorf("the server has not ended in %v after it was asked to\n%s", stopTime, s.process.Log()), s.Kill())
	}
}

// Restart starts a server again that was killed or stopped, on the same port and data, and returns when
// it takes connections. More arguments are for this run alone.
func (s *Server) Restart(more ...string) error {
	if s.process != nil {
		return errors.New("the server runs already")
	}
	return s.run(more...)
}

// Pid returns its process id, also while it begins to run; 0: it does not run. It is safe for
// concurrent use.
func (s *Server) Pid() int { return int(s.pid.Load()) }

// End kills it, if it runs, and removes its data.
func (s *Server) End() error {
	if s.process != nil {
		if err := s.Kill(); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.dir)
}
