package world

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The names the program calls itself by when it starts itself again.
const (
	argInit    = "growth-init"    // the first process of the new namespaces
	argWorld   = "growth-world"   // the program proper, inside
	argMachine = "growth-machine" // on its way to become a machine's process
)

// On is the program by which a visitor runs something on a machine of a world that they have
// entered: /run/growth/bin/on beamrider ps.
const On = base + "/bin/on"

// Names in the environment of the program inside.
const (
	envOuter = "BEAMRIDER_GROWTH_PID" // process id of growth-init as the visitor sees it
	envOut   = "BEAMRIDER_GROWTH_OUT" // set when Enter was given a file
)

// base is where the data of a world lives: on a tmpfs that only the world sees.
const base = "/run/growth"

// size bounds all data of a world, and with it the memory it may take.
const size = "3g"

// Binary is where the remora-server of the world is, inside.
const Binary = base + "/bin/remora-server"

// Outer returns the process id by which other programs on this computer reach into the world
// (nsenter -t PID -m -n -p), or 0 outside of one.
func Outer() int {
	pid, err := strconv.Atoi(os.Getenv(envOuter))
	if err != nil {
		return 0
	}
	return pid
}

// Out returns the file that Enter was given, to write to and close once, or nil.
func Out() *os.File {
	if Outer() == 0 || os.Getenv(envOut) == "" {
		return nil
	}
	return os.NewFile(3, "out")
}

// Role says as what this program was started.
type Role int

// The roles.
const (
	Outside Role = iota // by a visitor: call [Enter]
	Inside              // by Enter, in namespaces of its own: build the world
)

// Start is to be called first in main. When the program was started by itself to be the first
// process of the new namespaces or to turn into a machine's process, it does that and does not
// return; otherwise it says where the program is.
func Start() Role {
	switch os.Args[0] {
	case argInit:
		code, err := initProcess(os.Args[1:])
		if err != nil {
			fmt.Fprintln(os.Stderr, "growth:", err)
			code = 1
		}
		os.Exit(code)
	case argMachine, On:
		err := becomeMachineProcess(os.Args[1:])
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(127)
	case argWorld:
		if os.Getenv(envOut) != "" {
			syscall.CloseOnExec(3) // not for the processes of machines
		}
		return Inside
	}
	return Outside
}

// Enter runs the program again with args inside new namespaces, with the given remora-server, and
// returns its exit status when it ends. SIGINT, SIGTERM and SIGHUP end it in order. The file out may
// be nil; inside it is what [Out] returns. Enter must be called from the main goroutine: the kernel
// ends the world when the thread that made it ends.
func Enter(server string, args []string, out *os.File) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("this makes network namespaces and mounts, for which it must be root: run it with sudo")
	}
	binary, err := os.Open(server)
	if err != nil {
		return 0, fmt.Errorf("the remora-server to run cannot be read: %w; build it with \"go build ./cmd/remora-server\" and name it with --server", err)
	}
	defer binary.Close()
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{argInit}, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{binary} // descriptor 3
	cmd.Env = os.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		// A group of its own: Ctrl-C reaches the outside alone, which passes it on.
		Setpgid: true,
	}
	// The world cannot see its own process id out here, so it is told, by a pipe.
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	defer w.Close()
	cmd.ExtraFiles = append(cmd.ExtraFiles, r) // descriptor 4
	if out != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, out) // descriptor 5
		cmd.Env = append(cmd.Env, envOut+"=1")
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("no namespaces can be made here: %w", err)
	}
	_, err = fmt.Fprintln(w, cmd.Process.Pid)
	if err = errors.Join(err, w.Close()); err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case <-signals:
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return 0, err
			}
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				if code := exit.ExitCode(); code >= 0 {
					return code, nil
				}
				return 1, fmt.Errorf("the world was ended: %w", err)
			}
			return 0, err
		}
	}
}

// initProcess makes the mount namespace private, starts the program proper and buries whoever dies
// as an orphan. When it returns, everything in the namespaces is killed.
func initProcess(args []string) (int, error) {
	var pid int
	told := os.NewFile(4, "pid")
	if _, err := fmt.Fscanln(told, &pid); err != nil {
		return 0, fmt.Errorf("was not told the process id: %w", err)
	}
	if err := told.Close(); err != nil {
		return 0, err
	}
	server := os.NewFile(3, "remora-server")
	if err := prepareMounts(server); err != nil {
		return 0, err
	}
	if err := server.Close(); err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	for name, value := range map[string]string{envOuter: strconv.Itoa(pid), "TMPDIR": base + "/tmp", "HOME": base + "/tmp"} {
		if err := os.Setenv(name, value); err != nil { // adding to os.Environ() would leave an older value in front
			return 0, err
		}
	}
	files := []uintptr{0, 1, 2}
	if os.Getenv(envOut) != "" {
		files = append(files, 5) // which is 3 there
		syscall.CloseOnExec(5)
	}
	child, err := syscall.ForkExec("/proc/self/exe", append([]string{argWorld}, args...), &syscall.ProcAttr{
		Env: os.Environ(), Files: files,
	})
	if err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(child, s.(syscall.Signal)) // it may be gone, and then so are we
		}
	}()
	// os/exec would wait for one process; here everybody's orphans are ours.
	for {
		var status syscall.WaitStatus
		who, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case who == child && status.Exited():
			return status.ExitStatus(), nil
		case who == child:
			return 1, fmt.Errorf("the world ended by signal %v", status.Signal())
		}
	}
}

func prepareMounts(server io.Reader) error {
	for _, dir := range []string{"/run", "/srv", "/proc"} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("there is no folder %s, over which each machine gets its own", dir)
		}
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts cannot be made private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size="+size); err != nil {
		return fmt.Errorf("/run: %w", err)
	}
	for _, dir := range []string{"/run/netns", base + "/bin", base + "/tmp"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(base+"/tmp", 0o1777); err != nil {
		return err
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	return errors.Join(install(Binary, server), install(On, self))
}

// install makes a program of what r holds.
func install(path string, r io.Reader) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, r)
	return errors.Join(err, to.Close())
}

// becomeMachineProcess moves into a machine and becomes the process it is to run. Arguments: the
// machine's name, then the path of the program and its arguments.
func becomeMachineProcess(args []string) error {
	if len(args) < 2 {
		return errors.New("say which machine, and what to run there: on beamrider ps")
	}
	if err := os.Setenv("PATH", searchPath); err != nil {
		return err
	}
	// Namespaces belong to threads; exec keeps those of the thread that calls it.
	runtime.LockOSThread()
	name, program := args[0], args[1:]
	if err := joinNetwork(name); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace for %s: %w", name, err)
	}
	root := filepath.Join(base, name)
	for _, f := range ownFolders {
		from, over := f[0], f[1]
		if _, err := os.Stat(over); err != nil {
			continue // of a server that is not installed
		}
		if err := unix.Mount(filepath.Join(root, from), over, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s for %s: %w", over, name, err)
		}
	}
	path, err := exec.LookPath(program[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, program, os.Environ()))
}

// searchPath is where machines look for programs: their own remora-server first.
const searchPath = "/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ownFolders are the folders each machine has its own of: the name in its folder under base, and
// where the machine sees it. /run is last, as it covers base.
var ownFolders = [][2]string{{"srv", "/srv"}, {"nfs", "/var/lib/nfs"}, {"run", "/run"}}

// Missing returns what of the given programs is not installed, as the Debian packages to install.
func Missing(programs ...string) (packages []string) {
	for _, p := range programs {
		if _, err := program(p); err != nil {
			pkg := debian[p]
			if pkg == "" {
				pkg = p
			}
			packages = append(packages, pkg)
		}
	}
	return packages
}

var debian = map[string]string{
	"ip": "iproute2", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server", "mariadb-dump": "mariadb-client", "mariadb": "mariadb-client",
	"ganesha.nfsd": "nfs-ganesha nfs-ganesha-vfs", "nsenter": "util-linux",
}

// program finds a program in PATH or where Debian keeps servers.
func program(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}
