package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Process runs, or ran, on a machine, with whatever processes it started itself in its group.
type Process struct {
	Name    string
	machine *Machine
	cmd     *exec.Cmd
	log     *processLog
	notify  *net.UnixConn
	ready   chan struct{} // closed when it said so
	exited  chan struct{} // closed when it has ended
	err     error         // of its end, once exited
}

// Start starts a program on the machine under a name for its log; a name may be used again when its
// process has ended. A program without a slash is looked for in the machine's /srv/bin and where
// servers are; that there is none is seen in the process's end and log.
func (m *Machine) Start(name, prog string, args ...string) (_ *Process, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off {
		return nil, fmt.Errorf("%s has no power", m.Name)
	}
	if old := m.processes[name]; old != nil && !old.Ended() {
		return nil, fmt.Errorf("%s runs already on %s", name, m.Name)
	}
	p := &Process{Name: name, machine: m, ready: make(chan struct{}), exited: make(chan struct{})}
	if p.log, err = newLog(filepath.Join(base, m.Name, "log", name+".log")); err != nil {
		return nil, err
	}
	// Where a server says that it is ready, in the protocol of sd_notify(3).
	socket := filepath.Join(base, m.Name, "run/notify", name)
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, p.log.Close())
	}
	if p.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		return nil, errors.Join(err, p.log.Close())
	}
	p.cmd = exec.Command("/proc/self/exe")
	p.cmd.Args = append([]string{argMachine, m.Name, prog}, args...)
	p.cmd.Dir = "/"
	p.cmd.Env = []string{
		"PATH=" + searchPath, "HOME=/srv", "LANG=C.UTF-8", "NOTIFY_SOCKET=/run/notify/" + name,
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second // its children may hold the log open
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.notify.Close(), p.log.Close())
	}
	go p.listen()
	go func() {
		err := p.cmd.Wait()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		p.err = errors.Join(err, p.notify.Close(), p.log.Close())
		close(p.exited)
	}()
	if m.processes[name] == nil {
		m.order = append(m.order, name)
	}
	m.processes[name] = p
	return p, nil
}

// listen waits for READY=1. It ends when the socket is closed, at the end of the process.
func (p *Process) listen() {
	buf := make([]byte, 4096)
	for said := false; ; {
		n, err := p.notify.Read(buf)
		if err != nil {
			return
		}
		for line := range bytes.Lines(buf[:n]) {
			if !said && string(bytes.TrimSpace(line)) == "READY=1" {
				said = true
				close(p.ready)
			}
		}
	}
}

// Ready is closed when the process has said so by NOTIFY_SOCKET, as sd_notify(3) describes. Not
// every server does.
func (p *Process) Ready() <-chan struct{} { return p.ready }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Ended says whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// PID returns the process's id, as the world sees it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill9 kills the process and those it started, without warning, and returns when it is gone.
func (p *Process) Kill9() {
	p.kill()
	<-p.exited
}

func (p *Process) kill() {
	// The group may be gone already, which is what is wanted.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// Reload sends SIGHUP.
func (p *Process) Reload() error { return p.signal(unix.SIGHUP) }

// Freeze stops the process from doing anything while its sockets stay open; Thaw lets it go on.
func (p *Process) Freeze() error { return p.signal(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (p *Process) Thaw() error { return p.signal(unix.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to %s on %s: %w", s, p.Name, p.machine.Name, err)
	}
	return nil
}

// Stop asks the process to end and waits. One that has not ended within the given time is killed,
// which is an error.
func (p *Process) Stop(within time.Duration) error {
	if err := p.signal(unix.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(within):
		p.Kill9()
		return fmt.Errorf("%s on %s did not stop within %v\n%s", p.Name, p.machine.Name, within, p.Tail())
	}
}

// Tail returns the end of the log, for people.
func (p *Process) Tail() string {
	return fmt.Sprintf("--- the end of the log of %s on %s:\n%s", p.Name, p.machine.Name, p.log.tail())
}

// Check returns an error with the end of the log when the process has ended.
func (p *Process) Check() error {
	if p.Ended() {
		return fmt.Errorf("%s on %s has ended (%v)\n%s", p.Name, p.machine.Name, p.err, p.Tail())
	}
	return nil
}

// Within waits until try succeeds, and fails at once when the process ends before.
func (p *Process) Within(ctx context.Context, within time.Duration, what string, try func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-p.exited:
			cancel(errors.New("it has ended"))
		case <-done:
		}
	}()
	if err := Until(ctx, within, p.Name+" on "+p.machine.Name+" "+what, try); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Tail())
	}
	return nil
}

// Run runs a program on the machine to its end and returns what it printed on its standard output.
// The error holds the end of what it printed on the other.
func (m *Machine) Run(ctx context.Context, stdin io.Reader, prog string, args ...string) (string, error) {
	var out bytes.Buffer
	err := m.pipe(ctx, stdin, &out, prog, args...)
	return out.String(), err
}

func (m *Machine) pipe(ctx context.Context, stdin io.Reader, stdout io.Writer, prog string, args ...string) error {
	if !m.On() {
		return fmt.Errorf("%s has no power", m.Name)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{argMachine, m.Name, prog}, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + searchPath, "HOME=/srv", "LANG=C.UTF-8"}
	var errs bounded
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s on %s: %w\n%s", filepath.Base(prog), strings.Join(args, " "), m.Name, err, errs.String())
	}
	return nil
}

// bounded keeps the last 16 KiB written to it.
type bounded struct{ b []byte }

const boundedMost = 16 << 10

func (b *bounded) Write(p []byte) (int, error) {
	b.b = append(b.b, p...)
	if n := len(b.b) - boundedMost; n > 0 {
		b.b = append(b.b[:0], b.b[n:]...)
	}
	return len(p), nil
}

func (b *bounded) String() string { return strings.TrimSpace(string(b.b)) }

// A processLog keeps what a process prints: the end in memory, the first megabytes in a file.
type processLog struct {
	mu   sync.Mutex
	file *os.File
	left int
	end  bounded
}

// logMost bounds the file of one log.
const logMost = 16 << 20

func newLog(path string) (*processLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &processLog{file: f, left: logMost}, nil
}

func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if keep := min(len(p), l.left); keep > 0 {
		if _, err := l.file.Write(p[:keep]); err != nil {
			l.left = 0 // a full disk must not end the server: the end is still kept in memory
		} else {
			l.left -= keep
		}
	}
	return l.end.Write(p)
}

func (l *processLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(l.end.String(), "\n")
	if n := len(lines) - 30; n > 0 {
		lines = lines[n:]
	}
	return strings.Join(lines, "\n")
}

func (l *processLog) Close() error { return l.file.Close() }
