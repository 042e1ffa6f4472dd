package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
)

// The cores: the proxy has one of its own, so that its cost is its own too.
const (
	loadCore  = 0
	proxyCore = 1
)

// nobody is who servers run as when this program runs as root.
const nobody = 65534

// command returns one that is bound to a core and has no privileges.
func command(core int, name string, args ...string) *exec.Cmd {
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(core), name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours alone; we end them
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return cmd
}

// folder makes a folder that servers may write to. Its name has no spaces, which settings would not like.
func folder(parent, name string) (string, error) {
	dir := filepath.Join(parent, strings.NewReplacer(" ", "-", ",", "").Replace(name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		return dir, os.Chown(dir, nobody, nobody)
	}
	return dir, nil
}

// freePort returns one that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitPort returns when something listens at address.
func awaitPort(ctx context.Context, address string, p *child.Process) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.Exited():
			return p.Ended()
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w\n%s", address, context.Cause(ctx), p.Log())
		case <-tick.C:
		}
	}
}

// stop ends a server with all its processes: kindly, and after three seconds for good.
func stop(p *child.Process) error {
	all := tree(p.Pid())
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return p.Kill() // it has ended
	}
	late := time.NewTimer(3 * time.Second)
	defer late.Stop()
	select {
	case <-p.Exited():
	case <-late.C:
	}
	for _, pid := range all[1:] {
		// Most have gone with their parent; a number is not given anew so soon.
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return p.Kill()
}

// A stat is what /proc/PID/stat says.
type stat struct {
	parent int
	ticks  int64 // of processor time, its own and that of children it has waited for
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux there is.
const ticksPerSecond = 100

func parseStat(line []byte) (stat, error) {
	// The name, in parentheses, may hold anything.
	at := bytes.LastIndexByte(line, ')')
	f := strings.Fields(string(line[at+1:]))
	if at < 0 || len(f) < 15 {
		return stat{}, fmt.Errorf("a stat line of /proc cannot be read: %q", line)
	}
	var s stat
	var err error
	if s.parent, err = strconv.Atoi(f[1]); err != nil {
		return stat{}, err
	}
	for _, v := range f[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.ticks += n
	}
	return s, nil
}

func stats() map[int]stat {
	all := make(map[int]stat)
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		if s, err := parseStat(line); err == nil {
			all[pid] = s
		}
	}
	return all
}

// tree returns the process and all that come from it.
func tree(root int) []int {
	all := stats()
	list := []int{root}
	for i := 0; i < len(list); i++ {
		for pid, s := range all {
			if s.parent == list[i] {
				list = append(list, pid)
			}
		}
	}
	return list
}

// cpu returns the processor time the processes have used, with all that come from them.
func cpu(processes ...*child.Process) time.Duration {
	var ticks int64
	for _, p := range processes {
		all := stats()
		for _, pid := range tree(p.Pid()) {
			ticks += all[pid].ticks
		}
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}
