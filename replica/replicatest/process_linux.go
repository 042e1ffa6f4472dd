package replicatest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/require"
)

// A process is one run of mariadbd.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // of Wait, once exited
	log    []string      // its last lines, once exited
}

// small keeps a server to a few dozen megabytes.
var small = []string{
	"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--innodb-log-buffer-size=2M",
	"--innodb-data-file-path=ibdata1:4M:autoextend", "--performance-schema=OFF", "--key-buffer-size=1M",
	"--aria-pagecache-buffer-size=1M", "--max-connections=100", "--table-open-cache=200",
	"--character-set-server=utf8mb4",
}

func start(tb testing.TB, id int) *Server {
	tb.Helper()
	daemon := require.Tool(tb, "mariadbd")
	install := require.Tool(tb, "mariadb-install-db")
	cred, err := credential()
	if err != nil {
		require.Skip(tb, err.Error())
	}
	template, err := template(daemon, install, cred)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "beamrider-replica-*")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, id: id, dir: dir}
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Error(err)
		}
	})
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(template)); err != nil {
		tb.Fatal(err)
	}
	// Accounts are made on each server by itself and stay out of the stream of changes.
	accounts := fmt.Sprintf(`SET sql_log_bin = 0;
CREATE USER IF NOT EXISTS '%[1]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT ALL ON *.* TO '%[1]s'@'%%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS '%[2]s'@'%%' IDENTIFIED BY '%[3]s';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, SLAVE MONITOR ON *.* TO '%[2]s'@'%%';
`, admin, app, password)
	if err := os.WriteFile(filepath.Join(dir, "init.sql"), []byte(accounts), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := give(dir, cred); err != nil {
		tb.Fatal(err)
	}
	// A free port may be taken by another before the server has it.
	for attempt := 1; ; attempt++ {
		if s.port, err = freePort(); err == nil {
			err = s.run(daemon, cred)
		}
		if err == nil {
			err = s.open()
			break
		}
		if attempt == 3 {
			break
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s
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

// template returns a fresh data folder to copy, made once for each account and server version.
func template(daemon, install string, cred *syscall.Credential) (string, error) {
	info, err := os.Stat(daemon)
	if err != nil {
		return "", err
	}
	name := filepath.Join(os.TempDir(), fmt.Sprintf("beamrider-replica-template-%d-%d", os.Getuid(), info.ModTime().Unix()))
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
	dir, err := os.MkdirTemp("", "beamrider-replica-new-*")
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
	cmd := exec.Command(install, append([]string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"}, small...)...)
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

// run starts the server and returns when it takes connections.
func (s *Server) run(daemon string, cred *syscall.Credential) error {
	args := append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--tmpdir=" + s.dir,
		"--socket=" + filepath.Join(s.dir, "sock"), "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve",
		"--init-file=" + filepath.Join(s.dir, "init.sql"),
		"--server-id=" + strconv.Itoa(s.id), "--log-bin=bin", "--log-slave-updates", "--binlog-format=ROW",
		"--gtid-strict-mode=1", "--read-only=1", "--slave-net-timeout=4", "--slave-parallel-threads=2",
		"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
	}, small...)
	p := &process{cmd: exec.Command(daemon, args...), exited: make(chan struct{})}
	p.cmd.Dir = s.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return err
	}
	ready := make(chan struct{}, 1)
	go func() {
		defer close(p.exited)
		// The death signal is tied to the thread that starts the child, not to the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := p.cmd.Start(); err != nil {
			p.err = err
			return
		}
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			const most = 40
			if p.log = append(p.log, lines.Text()); len(p.log) > most {
				p.log = p.log[1:]
			}
			if bytes.Contains(lines.Bytes(), []byte("ready for connections")) {
				select {
				case ready <- struct{}{}:
				default:
				}
			}
		}
		p.err = errors.Join(lines.Err(), p.cmd.Wait())
	}()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	select {
	case <-ready:
		s.process = p
		return nil
	case <-p.exited:
		return fmt.Errorf("mariadbd ended at once: %w\n%s", p.err, strings.Join(p.log, "\n"))
	case <-deadline.C:
		err := p.cmd.Process.Kill()
		<-p.exited
		return errors.Join(fmt.Errorf("mariadbd did not get ready in two minutes\n%s", strings.Join(p.log, "\n")), err)
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.process == nil {
		s.tb.Fatalf("server %d does not run", s.id)
	}
	if err := s.process.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatal(err)
	}
}

// Kill kills the server as a power cut would, and returns when it is gone.
func (s *Server) Kill() {
	s.tb.Helper()
	s.signal(syscall.SIGKILL)
	<-s.process.exited
	s.process = nil
}

// Freeze stops the server from doing anything, and returns when it stands still: the kernel still
// accepts connections, nobody answers.
func (s *Server) Freeze() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	// The signal only asks for it. WNOWAIT leaves an exit for who waits for the process to find.
	for {
		err := unix.Waitid(unix.P_PID, s.process.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			s.tb.Fatal(err)
		}
	}
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

// Restart starts a killed server again, on the same port and data, and returns when it takes
// connections. It is read-only then.
func (s *Server) Restart() {
	s.tb.Helper()
	if s.process != nil {
		s.tb.Fatalf("server %d runs already", s.id)
	}
	cred, err := credential()
	if err == nil {
		err = s.run(require.Tool(s.tb, "mariadbd"), cred)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
}

// finish kills the server and removes its data.
func (s *Server) finish() error {
	if s.process != nil {
		if err := s.process.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-s.process.exited
		s.process = nil
	}
	return os.RemoveAll(s.dir)
}
