package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/require"
)

// TestNothingIsLeft ends worlds in every way there is, and looks for what they leave behind.
func TestNothingIsLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		require.Skip(t, "only root may make network namespaces")
	}
	for _, p := range (&order{prove: true}).needed() {
		require.Tool(t, p)
	}
	bin := t.TempDir()
	for name, pkg := range map[string]string{"growth": ".", "remora-server": "../../cmd/remora-server"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, test := range []struct {
		name  string
		start string // "": the program built here, otherwise a script, which builds its own
		stage int
		end   func(t *testing.T, outer, inner int)
	}{
		{"kill -9 of the outermost process, one machine", "", 0, func(t *testing.T, outer, _ int) { kill(t, outer, syscall.SIGKILL) }},
		{"kill -9 of the first process inside", "", 0, func(t *testing.T, _, inner int) { kill(t, inner, syscall.SIGKILL) }},
		{"Ctrl-C", "", 0, func(t *testing.T, outer, _ int) { kill(t, outer, syscall.SIGINT) }},
		{"kill -9 of the script", "./stage-0.sh", 0, func(t *testing.T, outer, _ int) { kill(t, outer, syscall.SIGKILL) }},
		{"kill -9 of the outermost process, three machines", "", 3, func(t *testing.T, outer, _ int) { kill(t, outer, syscall.SIGKILL) }},
		{"a stop, three machines", "", 3, func(t *testing.T, outer, _ int) { kill(t, outer, syscall.SIGTERM) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			tmp := t.TempDir()
			before := seen(t, tmp)
			cmd := exec.Command(filepath.Join(bin, "growth"), "stage", fmt.Sprint(test.stage), "--keep")
			if test.start != "" {
				cmd = exec.Command(test.start)
			}
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			cmd.Stderr = os.Stderr
			cmd.WaitDelay = 30 * time.Second
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			inner := await(t, out)
			namespaces := namespacesOf(t, inner)
			if test.start != "" {
				namespaces = append(namespaces, namespacesOf(t, cmd.Process.Pid)[1]) // the mounts it builds in
			}
			if n := len(dwellers(t, namespaces)); n < 3 {
				t.Errorf("only %d processes were found inside: the test does not see them", n)
			}
			test.end(t, cmd.Process.Pid, inner)
			// How it ends is not what is asked here, only that it does.
			if err := cmd.Wait(); err != nil {
				t.Log(err)
			}
			eventually(t, func() error {
				if left := dwellers(t, namespaces); len(left) > 0 {
					return fmt.Errorf("processes are left: %v", left)
				}
				return nil
			})
			if diff := cmp.Diff(before, seen(t, tmp)); diff != "" {
				t.Errorf("something is left (-before +after):\n%s", diff)
			}
		})
	}
}

func kill(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// seen lists what a world could leave: mounts, named namespaces, interfaces, files.
func seen(t *testing.T, tmp string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		// The fifth field is where it is mounted (proc_pid_mountinfo(5)). Other tests mount in folders
		// of their own meanwhile; ours have tmp for that.
		if at := strings.Fields(line)[4]; strings.HasPrefix(at, tmp) || !strings.HasPrefix(at, os.TempDir()) {
			all["mounts"] = append(all["mounts"], line)
		}
	}
	for _, dir := range []string{"/run", "/run/netns", "/srv", "/var/lib/nfs", tmp} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			all[dir] = append(all[dir], e.Name())
		}
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Name(), "to-") || l.Name() == "br0" {
			all["interfaces"] = append(all["interfaces"], l.Name())
		}
	}
	return all
}

var entered = regexp.MustCompile(`so does kill -9 (\d+)`)

// await reads what the program prints until its world stands, and returns the process id of the first process
// inside. What follows is read and forgotten.
func await(t *testing.T, out io.Reader) (inner int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	found := make(chan int, 1)
	printed := make(chan string, 1)
	go func() {
		var all []string
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if len(all) < 200 {
				all = append(all, lines.Text())
			}
			if m := entered.FindStringSubmatch(lines.Text()); m != nil {
				pid, err := strconv.Atoi(m[1])
				if err == nil {
					found <- pid
				}
			}
		}
		printed <- strings.Join(all, "\n")
	}()
	select {
	case pid := <-found:
		return pid
	case all := <-printed:
		t.Fatalf("it ended before its world stood:\n%s", all)
	case <-ctx.Done():
		t.Fatal("its world does not stand after five minutes")
	}
	return 0
}

// namespacesOf returns the names of the process-id, mount and network namespaces of a process.
func namespacesOf(t *testing.T, pid int) (names []string) {
	t.Helper()
	for _, kind := range []string{"pid", "mnt", "net"} {
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// dwellers returns the processes that are in any of the namespaces.
func dwellers(t *testing.T, namespaces []string) (pids []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		for _, kind := range []string{"pid", "mnt", "net"} {
			name, err := os.Readlink("/proc/" + e.Name() + "/ns/" + kind)
			if err == nil && slices.Contains(namespaces, name) {
				pids = append(pids, e.Name())
				break
			}
		}
	}
	return pids
}

func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if err = try(); err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
	t.Error(err)
}
