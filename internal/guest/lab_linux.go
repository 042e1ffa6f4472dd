package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/netns"
	"github.com/sugarlabs/beamrider/internal/require"
)

// patience is how long a lab or a guest may take to come up on a machine that is busy.
const patience = 2 * time.Minute

// MaxGuests is how many guests a lab has room for.
const MaxGuests = 4

// HostAddress is this machine's address in a lab.
const HostAddress = "10.77.0.1"

// Missing says why there can be no guests here; nil: there can.
func Missing() error {
	var errs []error
	if os.Getuid() != 0 {
		errs = append(errs, errors.New("guests can be had by root only, who may make namespaces"))
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		errs = append(errs, fmt.Errorf("guests need a network device: %w", err))
	}
	for _, program := range []string{"linux.uml", "ip", "nsenter", "mke2fs"} {
		if _, err := require.Find(program); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A Lab is a private network with guests. Its methods may be called concurrently.
type Lab struct {
	dir   string
	agent string
	room  *child.Process
	net   *os.File

	mu     sync.Mutex
	guests map[int]*Guest
}

// room makes a network of its own: a bridge with a device for each guest.
const room = `set -e
ip link set lo up
ip link add br0 type bridge
ip addr add "$1/24" dev br0
ip link set br0 up
for i in $(seq 0 "$2"); do
	ip tuntap add "tap$i" mode tap
	ip link set "tap$i" master br0 up
done
echo ready
exec sleep infinity`

// Open makes a lab, which keeps its files in dir. The caller closes it; else it ends with this process.
func Open(ctx context.Context, dir string) (_ *Lab, err error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, agent: filepath.Join(dir, "agent"), guests: make(map[int]*Guest)}
	if err := Build(ctx, l.agent, "github.com/sugarlabs/beamrider/internal/guest/agent"); err != nil {
		return nil, err
	}
	shell := exec.Command("sh", "-c", room, "sh", HostAddress, strconv.Itoa(MaxGuests-1))
	shell.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET, Cloneflags: syscall.CLONE_NEWPID}
	if l.room, err = child.Start(shell); err != nil {
		return nil, err
	}
	if err := l.room.Says("ready", patience); err != nil {
		return nil, errors.Join(err, l.room.Kill())
	}
	if l.net, err = os.Open(l.namespace()); err != nil {
		return nil, errors.Join(err, l.room.Kill())
	}
	return l, nil
}

// Build builds a program of this module that runs in guests: one that needs no library.
func Build(ctx context.Context, to, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

func (l *Lab) namespace() string { return fmt.Sprintf("/proc/%d/ns/net", l.room.Pid()) }

// Dial connects to an address in the lab.
func (l *Lab) Dial(ctx context.Context, address string) (net.Conn, error) {
	return netns.Dial(ctx, l.net, address)
}

// HostCommand is [exec.CommandContext] for a program of this machine that stands in the lab's network.
func (l *Lab) HostCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + l.namespace(), "--"}, args...)...)
}

// Close ends all guests, and the network with them.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, g := range l.guests {
		errs = append(errs, g.process.Kill())
	}
	clear(l.guests)
	return errors.Join(append(errs, l.net.Close(), l.room.Kill())...)
}

// A Disk is the disk of a guest, in the memory of this process: what was written to it survives the guests.
type Disk struct{ f *os.File }

// NewDisk returns a disk of that size with an empty ext4 file system; options are mke2fs's. The caller
// closes it.
func NewDisk(ctx context.Context, size int64, options ...string) (*Disk, error) {
	fd, err := unix.MemfdCreate("disk", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for a disk: %w", err)
	}
	d := &Disk{os.NewFile(uintptr(fd), "disk")}
	mke2fs, err := require.Find("mke2fs")
	if err == nil {
		err = d.f.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if out, err := exec.CommandContext(ctx, mke2fs, append(append([]string{"-q", "-F", "-t", "ext4"}, options...), d.path())...).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a file system: %w: %s", err, out), d.Close())
	}
	return d, nil
}

func (d *Disk) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), d.f.Fd()) }

// Close gives the memory back. Guests that use the disk must have ended.
func (d *Disk) Close() error { return d.f.Close() }
