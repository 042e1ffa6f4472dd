package guest

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
	"syscall"

	"github.com/sugarlabs/beamrider/internal/child"
)

// A Machine describes a guest to boot.
type Machine struct {
	Number  int      // 0 to MaxGuests-1; one at a time
	Modules []string // of its kernel, such as nfsv3 or nfsd
	Disk    *Disk    // /dev/ubda; nil: none
	Memory  int      // in MiB; 0: 192
}

// A Guest is a machine that was booted. Its methods may be called concurrently.
type Guest struct {
	lab     *Lab
	number  int
	process *child.Process
}

// Boot starts a machine and returns when its first process takes requests.
func (l *Lab) Boot(ctx context.Context, m Machine) (*Guest, error) {
	if m.Number < 0 || m.Number >= MaxGuests {
		return nil, fmt.Errorf("the number of a guest is %d; it must be from 0 to %d", m.Number, MaxGuests-1)
	}
	memory := m.Memory
	if memory == 0 {
		memory = 192
	}
	home := filepath.Join(l.dir, fmt.Sprintf("guest%d", m.Number))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	g := &Guest{lab: l, number: m.Number}
	args := []string{
		"--net=" + l.namespace(), "--", "linux.uml", fmt.Sprintf("umid=guest%d", m.Number), "uml_dir=" + home, fmt.Sprintf("mem=%dM", memory),
		"rootfstype=hostfs", "rootflags=/", "ro", "init=" + l.agent, "quiet", "panic=1", "con=null", "con0=null,fd:1", "ssl=null",
		fmt.Sprintf("vec0:transport=tap,ifname=tap%d,depth=64,gro=1,mac=02:77:00:00:00:%02x", m.Number, 16+m.Number), "beamrider.address=" + g.Address(),
	}
	if len(m.Modules) > 0 {
		args = append(args, "beamrider.modules="+strings.Join(m.Modules, ","))
	}
	if m.Disk != nil {
		args = append(args, "ubd0="+m.Disk.path())
	}
	cmd := exec.Command("nsenter", args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	// Whatever the kernel makes on this machine ends with its first process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.guests[m.Number] != nil {
		return nil, fmt.Errorf("guest %d is running already", m.Number)
	}
	var err error
	if g.process, err = child.Start(cmd); err != nil {
		return nil, err
	}
	ready := make(chan error, 1)
	go func() { ready <- g.process.Says("agent: ready", patience) }()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, g.process.Kill())
	}
	l.guests[m.Number] = g
	return g, nil
}

// Address is the guest's IP address in the lab.
func (g *Guest) Address() string { return fmt.Sprintf("10.77.0.%d", 10+g.number) }

// Log returns the last lines of the guest's console.
func (g *Guest) Log() string { return g.process.Log() }

// Kill cuts the power. The number and the disk are free for another boot when it has returned.
func (g *Guest) Kill() error {
	g.lab.mu.Lock()
	defer g.lab.mu.Unlock()
	if g.lab.guests[g.number] == g {
		delete(g.lab.guests, g.number)
	}
	return g.process.Kill()
}

// Freeze makes the guest stand still, with its network; Thaw lets it go on.
func (g *Guest) Freeze() error { return g.process.Freeze() }

// Thaw ends what Freeze began.
func (g *Guest) Thaw() error { return g.process.Signal(syscall.SIGCONT) }

// A Cmd is a program to run in a guest, as an [exec.Cmd] is one to run here.
type Cmd struct {
	Args []string
	Env  []string // besides PATH, HOME and TMPDIR
	Dir  string
	// Stdout and Stderr get what it prints; nil discards.
	Stdout, Stderr io.Writer

	g    *Guest
	ctx  context.Context
	nc   net.Conn
	done chan error
}

// Command returns a program to run; when ctx ends, it is killed.
func (g *Guest) Command(ctx context.Context, args ...string) *Cmd {
	return &Cmd{Args: args, g: g, ctx: ctx}
}

// Shell runs a bash script, which ends at its first failing command, and returns what it printed.
func (g *Guest) Shell(ctx context.Context, script string) (string, error) {
	return g.Command(ctx, "bash", "-e", "-u", "-o", "pipefail", "-c", script).Output()
}

// dialTries bounds how often a guest is called: on a busy machine its network answers late.
const dialTries = 5

// dial connects to the agent.
func (g *Guest) dial(ctx context.Context) (nc net.Conn, err error) {
	for range dialTries {
		nc, err = g.lab.Dial(ctx, fmt.Sprintf("%s:%d", g.Address(), AgentPort))
		// It comes after three seconds in which nobody said where the address is.
		if !errors.Is(err, syscall.EHOSTUNREACH) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("guest %d: %w\n%s", g.number, err, g.Log())
	}
	return nc, nil
}

// Start starts it. The caller must call Wait.
func (c *Cmd) Start() error {
	nc, err := c.g.dial(c.ctx)
	if err != nil {
		return err
	}
	if err := WriteRequest(nc, Request{Args: c.Args, Env: c.Env, Dir: c.Dir}); err != nil {
		return errors.Join(err, nc.Close())
	}
	c.nc, c.done = nc, make(chan error, 1)
	stop := context.AfterFunc(c.ctx, func() { _ = nc.Close() })
	// A guest without power sends nothing, not even the end of a connection.
	gone := make(chan struct{})
	go func() {
		select {
		case <-c.g.process.Exited():
			_ = nc.Close()
		case <-gone:
		}
	}()
	go func() {
		err := c.receive()
		close(gone)
		stop()
		c.done <- errors.Join(err, c.ctx.Err())
		_ = nc.Close() // closed already, perhaps
	}()
	return nil
}

func (c *Cmd) receive() error {
	for {
		kind, p, err := ReadFrame(c.nc)
		if err != nil {
			return fmt.Errorf("guest %d has not said how %v ended: %w", c.g.number, c.Args, err)
		}
		var w io.Writer
		switch kind {
		case FrameOut:
			w = c.Stdout
		case FrameErr:
			w = c.Stderr
		case FrameExit:
			if len(p) > 0 {
				return fmt.Errorf("guest %d: %v: %s", c.g.number, c.Args, p)
			}
			return nil
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
}

// Wait returns when it has ended, with an error when it did not end well, or its guest lost its power.
func (c *Cmd) Wait() error { return <-c.done }

// Run starts it and waits.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs it and returns what it printed on standard output; an error has the rest.
func (c *Cmd) Output() (string, error) {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%w\n%s%s", err, out.String(), errs.String())
	}
	return out.String(), nil
}
