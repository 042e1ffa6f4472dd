package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/beamrider/internal/require"
)

// toolsEnv names, in the program that runs in the namespaces, the folder of what was built outside,
// where there is a network.
const toolsEnv = "NFSBENCH_TOOLS"

// errInside says that the program inside has failed, and told why.
var errInside = errors.New("it failed inside its namespaces")

// enter runs the program once more, in namespaces of its own, and returns true; inside it returns
// false. All servers are started in there, so that nothing but the loopback interface is between them
// and those who ask them.
func enter(ctx context.Context, args []string) (entered bool, err error) {
	if os.Getenv(toolsEnv) != "" {
		return false, furnish(ctx)
	}
	if os.Getuid() != 0 {
		return true, errors.New("root must start it: NFS-Ganesha needs a namespace of its own, with the usual ports")
	}
	tools, err := os.MkdirTemp("", "nfsbench-tools-")
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tools)) }()
	if err := buildPeers(ctx, tools); err != nil {
		say("What others wrote is left out: %v", err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), toolsEnv+"="+tools)
	// What is in a process namespace dies with its first process, and that with us.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	// The death signal is tied to the thread that starts the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if _, is := errors.AsType[*exec.ExitError](err); is {
			return true, errInside
		}
		return true, err
	}
	return true, nil
}

// furnish makes the namespaces habitable. Below /var/lib/nfs NFS-Ganesha keeps who was there before a
// restart.
func furnish(ctx context.Context) error {
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	for _, m := range []mount{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{"proc", "/proc", "proc", 0},
		{"tmpfs", "/run", "tmpfs", 0},
		{"tmpfs", "/var/lib/nfs", "tmpfs", 0},
	} {
		err := unix.Mount(m.source, m.target, m.kind, m.flags, "")
		if errors.Is(err, unix.ENOENT) {
			continue // what is not installed needs no place
		}
		if err != nil {
			return fmt.Errorf("%s cannot be mounted: %w", m.target, err)
		}
	}
	for _, dir := range []string{"/run/ganesha", "/run/rpcbind", "/var/lib/nfs/ganesha/v4recov", "/var/lib/nfs/ganesha/v4old"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	ip, err := require.Find("ip")
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, ip, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("the loopback interface cannot be used: %w\n%s", err, out)
	}
	return nil
}
