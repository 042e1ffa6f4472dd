package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Site is where and who a machine is.
type Site struct {
	Name string // at most 11 letters: its interface is named for it
	IP   string // its address; all are in one /24
}

// A World is the machines of one run. Its methods are for one goroutine at a time, those of
// machines and processes for any.
type World struct {
	machines []*Machine
	template string // a fresh MariaDB data folder, once made
}

// New makes the bridge and the machines, powered on and without processes. It needs the namespaces of [Enter].
func New(ctx context.Context, sites []Site) (*World, error) {
	if Outer() == 0 {
		return nil, errors.New("a world can only be made inside the namespaces of Enter")
	}
	w := &World{}
	if err := ips(ctx, "link set lo up", "link add "+bridge+" type bridge forward_delay 0 mcast_snooping 0", "link set "+bridge+" up"); err != nil {
		return nil, err
	}
	for _, s := range sites {
		m := &Machine{Name: s.Name, IP: s.IP, processes: map[string]*Process{}}
		if err := m.make(ctx); err != nil {
			return nil, fmt.Errorf("making the machine %s: %w", s.Name, err)
		}
		w.machines = append(w.machines, m)
	}
	return w, nil
}

// Machine returns the machine of that name. It panics when there is none: names are constants of the program.
func (w *World) Machine(name string) *Machine {
	for _, m := range w.machines {
		if m.Name == name {
			return m
		}
	}
	panic("there is no machine " + name)
}

// Machines returns all machines in the order they were made.
func (w *World) Machines() []*Machine { return slices.Clone(w.machines) }

// Close ends all processes on all machines: politely, then within ten seconds by force.
func (w *World) Close() error {
	var wg sync.WaitGroup
	errs := make([]error, len(w.machines))
	for i, m := range w.machines {
		wg.Go(func() { errs[i] = m.shutdown() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A Machine is a network namespace with an address, folders of its own, and what runs there.
type Machine struct {
	Name string
	IP   string

	mu        sync.Mutex
	off       bool
	processes map[string]*Process // by name; those that have ended too
	order     []string
}

func (m *Machine) make(ctx context.Context) error {
	for _, f := range ownFolders {
		if err := os.MkdirAll(filepath.Join(base, m.Name, f[0]), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"run/ganesha", "run/rpcbind", "run/remora", "run/notify", "srv/etc", "log"} {
		if err := os.MkdirAll(filepath.Join(base, m.Name, dir), 0o755); err != nil {
			return err
		}
	}
	// The visitor's programs and ours are the same file.
	if err := os.MkdirAll(filepath.Join(base, m.Name, "srv/bin"), 0o755); err != nil {
		return err
	}
	if err := os.Link(Binary, filepath.Join(base, m.Name, "srv/bin/remora-server")); err != nil {
		return err
	}
	port := "to-" + m.Name
	return ips(ctx,
		"netns add "+m.Name,
		"link add "+port+" type veth peer name eth0 netns "+m.Name,
		"link set "+port+" master "+bridge+" up",
		"-n "+m.Name+" link set lo up",
		"-n "+m.Name+" address add "+m.IP+"/24 dev eth0",
		"-n "+m.Name+" link set eth0 up",
	)
}

// Path returns where the world sees a file of this machine: of /run or /srv there.
func (m *Machine) Path(there string) string {
	return filepath.Join(base, m.Name, there)
}

// Write writes a file of this machine, /srv/etc/remora.toml or such, for its owner and group to read.
func (m *Machine) Write(there, text string, mode os.FileMode) error {
	path := m.Path(there)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // an older file keeps its mode otherwise
}

// AddAddress gives the machine a further address.
func (m *Machine) AddAddress(ctx context.Context, address string) error {
	return ip(ctx, "-n "+m.Name+" address add "+address+"/32 dev eth0")
}

// HasAddress says whether the machine has the address now.
func (m *Machine) HasAddress(address string) (bool, error) {
	has := false
	err := m.in(func() error {
		// One line for each address that is this machine's own, among others.
		b, err := os.ReadFile("/proc/thread-self/net/fib_trie")
		if err != nil {
			return err
		}
		lines := strings.Split(string(b), "\n")
		for i, line := range lines {
			if strings.TrimSpace(line) == "|-- "+address && i+1 < len(lines) && strings.Contains(lines[i+1], "host LOCAL") {
				has = true
			}
		}
		return nil
	})
	return has, err
}

// On says whether the machine has power.
func (m *Machine) On() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.off
}

// PowerOff takes the machine's power: its cable is dead at once, all its processes are killed
// without warning. Its /srv stays as it was at that moment; what a real machine had not yet written
// to its disk, this one has.
func (m *Machine) PowerOff(ctx context.Context) error {
	m.mu.Lock()
	m.off = true
	m.mu.Unlock()
	if err := ip(ctx, "link set to-"+m.Name+" down"); err != nil {
		return err
	}
	if err := m.killAll(ctx); err != nil {
		return err
	}
	return m.join(ctx)
}

// killAll kills everything that stands in the machine's network, whoever started it, until nothing does.
func (m *Machine) killAll(ctx context.Context) error {
	var ns unix.Stat_t
	if err := unix.Stat("/run/netns/"+m.Name, &ns); err != nil {
		return err
	}
	return Until(ctx, 10*time.Second, m.Name+" is without processes", func() error {
		left := 0
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			var its unix.Stat_t
			if err := unix.Stat("/proc/"+e.Name()+"/ns/net", &its); err != nil || its.Ino != ns.Ino || its.Dev != ns.Dev {
				continue // gone meanwhile, or elsewhere
			}
			left++
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if left > 0 {
			return fmt.Errorf("%d are left", left)
		}
		return nil
	})
}

// join waits for the ends of all processes.
func (m *Machine) join(ctx context.Context) error {
	for _, p := range m.Processes() {
		select {
		case <-p.exited:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			return fmt.Errorf("%s on %s does not end", p.Name, m.Name)
		}
	}
	return nil
}

// Processes returns what was started on the machine, in that order, the last of each name.
func (m *Machine) Processes() []*Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Process, 0, len(m.order))
	for _, name := range m.order {
		all = append(all, m.processes[name])
	}
	return all
}

// Process returns the last process of that name, or nil.
func (m *Machine) Process(name string) *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.processes[name]
}

// shutdown stops everything in the reverse order of its start.
func (m *Machine) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all := m.Processes()
	for _, p := range slices.Backward(all) {
		if err := p.signal(unix.SIGTERM); err != nil {
			return err
		}
	}
	for _, p := range all {
		select {
		case <-p.exited:
		case <-ctx.Done():
			p.kill()
			<-p.exited
		}
	}
	return nil
}

// Until calls try every 20 milliseconds until it returns nil, or a deadline, or ctx, has passed;
// then it fails with what was waited for and the last reason.
func Until(ctx context.Context, within time.Duration, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v until %s: %w", within, what, errors.Join(err, context.Cause(ctx)))
		case <-tick.C:
		}
	}
}
