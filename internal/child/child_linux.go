// Package child runs the programs that tests need as children which die with the test binary, however
// that ends.
package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Process is one run of a program.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait, once exited
	log    tail
}

// Start starts cmd, whose output goes to [Process.Log].
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &Process{cmd: cmd, exited: make(chan struct{}), log: tail{news: make(chan struct{})}}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	started := make(chan error, 1)
	go func() {
		defer close(p.exited)
		// The death signal is tied to the thread that starts the child, not to the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	return p, <-started
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log returns the last lines that it printed.
func (p *Process) Log() string { return p.log.String() }

// Exited is closed when it has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Ended says how it ended, with the last lines it printed. It is to be called once it has.
func (p *Process) Ended() error {
	return fmt.Errorf("%v ended: %w\n%s", p.cmd.Args, p.err, p.log.String())
}

// Says waits until one of the last lines it printed holds text.
func (p *Process) Says(text string, patience time.Duration) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		lines, news := p.log.look()
		if strings.Contains(lines, text) {
			return nil
		}
		select {
		case <-news:
		case <-p.exited:
			return p.Ended()
		case <-deadline.C:
			return fmt.Errorf("%v has not said %q in %v\n%s", p.cmd.Args, text, patience, lines)
		}
	}
}

// Signal sends it a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends it at once, and returns when it has gone. One that has ended is no error.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}

// Freeze stops it from doing anything, and returns when it stands still. SIGCONT lets it go on.
func (p *Process) Freeze() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	// The signal only asks for it. WNOWAIT leaves an exit for who waits for the process to find.
	for {
		err := unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// A tail keeps the last lines of a log.
type tail struct {
	mu   sync.Mutex
	text []byte
	news chan struct{} // closed at the next line
}

const tailMost = 8 << 10

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if more := len(l.text) - tailMost; more > 0 {
		l.text = append(l.text[:0], l.text[more:]...)
	}
	close(l.news)
	l.news = make(chan struct{})
	return len(p), nil
}

// look returns what there is, and what tells of more.
func (l *tail) look() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.TrimSpace(l.text)), l.news
}

func (l *tail) String() string {
	text, _ := l.look()
	return text
}
