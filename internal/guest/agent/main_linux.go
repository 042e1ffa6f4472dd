// Command agent is the first process of a guest: it makes the place habitable and starts what it is
// asked for. See package guest.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/guest"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "agent: it is the first process of a guest, and nothing else")
		os.Exit(2)
	}
	err := run()
	fmt.Println("agent: it ends:", err)
	// A kernel whose first process ends panics; this one is switched off.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("agent: switching off:", err)
	}
}

func run() error {
	os.Clearenv()
	for _, kv := range [][2]string{{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", "/mnt"}, {"TMPDIR", "/mnt/tmp"}} {
		if err := os.Setenv(kv[0], kv[1]); err != nil {
			return err
		}
	}
	for _, m := range []struct{ kind, at, options string }{{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"tmpfs", "/run", ""}, {"tmpfs", "/mnt", "size=80%"}} {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mounting %s: %w", m.at, err)
		}
	}
	for _, dir := range []string{"/mnt/tmp", "/run/lock", "/run/rpcbind", "/run/ganesha"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	address := ""
	for _, word := range strings.Fields(string(line)) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "beamrider.address":
			address = value
		case "beamrider.modules":
			if err := load(strings.Split(value, ",")); err != nil {
				return err
			}
		}
	}
	for _, args := range [][]string{{"link", "set", "lo", "up"}, {"addr", "add", address + "/24", "dev", "vec0"}, {"link", "set", "vec0", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, guest.AgentPort))
	if err != nil {
		return err
	}
	fmt.Println("agent: ready")
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(nc)
	}
}

// load puts modules into the kernel, after those they need.
func load(names []string) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	dir := filepath.Join("/usr/lib/uml/modules", unix.ByteSliceToString(u.Release[:]))
	f, err := os.Open(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return err
	}
	needs := make(map[string][]string) // files, by the name of a module; the last is to be loaded first
	for lines := bufio.NewScanner(f); lines.Scan(); {
		file, rest, _ := strings.Cut(lines.Text(), ":")
		needs[strings.TrimSuffix(filepath.Base(file), ".ko")] = append([]string{file}, strings.Fields(rest)...)
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, name := range names {
		files := needs[name]
		if files == nil {
			return fmt.Errorf("the kernel of guests has no module %s", name)
		}
		for _, file := range slices.Backward(files) {
			m, err := os.Open(filepath.Join(dir, file))
			if err != nil {
				return err
			}
			err = unix.FinitModule(int(m.Fd()), "", 0)
			if cerr := m.Close(); err == nil {
				err = cerr
			}
			if err != nil && !errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("loading %s: %w", file, err)
			}
		}
	}
	return nil
}

// serve starts what one connection asks for and ends it with the connection.
func serve(nc net.Conn) {
	defer func() {
		if err := nc.Close(); err != nil {
			fmt.Println("agent: closing a connection:", err)
		}
	}()
	r, err := guest.ReadRequest(nc)
	if err == nil && len(r.Args) == 0 {
		err = errors.New("there is no program to start")
	}
	w := &frames{nc: nc}
	if err == nil {
		err = start(nc, w, r)
	}
	end := ""
	if err != nil {
		end = err.Error()
	}
	w.write(guest.FrameExit, []byte(end))
}

func start(nc net.Conn, w *frames, r guest.Request) error {
	cmd := exec.Command(r.Args[0], r.Args[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), r.Env...), r.Dir
	cmd.Stdout, cmd.Stderr = stream{w, guest.FrameOut}, stream{w, guest.FrameErr}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		// Nothing more is sent by who asked: a read ends when the connection does.
		var b [1]byte
		_, _ = nc.Read(b[:]) // whatever it says, the time of the program is over
		select {
		case <-ended:
		default:
			if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				fmt.Println("agent: ending a program:", err)
			}
		}
	}()
	return cmd.Wait()
}

// frames writes whole frames of several streams to one connection.
type frames struct {
	mu sync.Mutex
	nc net.Conn
}

func (f *frames) write(kind byte, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return guest.WriteFrame(f.nc, kind, p)
}

type stream struct {
	w    *frames
	kind byte
}

func (s stream) Write(p []byte) (int, error) {
	if err := s.w.write(s.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
