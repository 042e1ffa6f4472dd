package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// bridge is the switch all machines hang on, in the network namespace of the world itself.
const bridge = "br0"

// ip runs the program ip with the words of line.
func ip(ctx context.Context, line string) error {
	path, err := program("ip")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, path, strings.Fields(line)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func ips(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := ip(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// joinNetwork moves the calling thread, which must be locked, into a machine's network namespace.
func joinNetwork(machine string) error {
	f, err := os.Open("/run/netns/" + machine)
	if err != nil {
		return fmt.Errorf("the network of %s: %w", machine, err)
	}
	err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
	return errors.Join(err, f.Close())
}

// in calls do in the network namespace of the machine. Sockets made and files of /proc/sys/net
// opened by do, in its own goroutine, belong there.
func (m *Machine) in(do func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			failed <- err
			return
		}
		defer home.Close()
		err = joinNetwork(m.Name)
		if err == nil {
			err = do()
		}
		// A thread that cannot go back must not serve other goroutines: left locked, it ends.
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, back)
		} else {
			runtime.UnlockOSThread()
		}
		failed <- err
	}()
	return <-failed
}

// Dial connects from this machine to an address, whose host must be an IP address: name look-ups
// would leave the thread that stands in the machine's network.
func (m *Machine) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("%s is not an IP address", host)
	}
	var conn net.Conn
	err = m.in(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	if err != nil {
		if conn != nil {
			err = errors.Join(err, conn.Close())
		}
		return nil, err
	}
	return conn, nil
}

// Listen listens on an address of this machine. The listener may be used from anywhere.
func (m *Machine) Listen(network, addr string) (net.Listener, error) {
	var l net.Listener
	err := m.in(func() (err error) {
		l, err = net.Listen(network, addr)
		return err
	})
	return l, err
}

// Sysctl sets a switch of the machine's network, such as net/ipv4/tcp_migrate_req.
func (m *Machine) Sysctl(name, value string) error {
	return m.in(func() error {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("%s on %s: %w", name, m.Name, err)
		}
		return nil
	})
}
