package nfsstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashEnv makes the test program the victim: it stores in the directory that it names.
const crashEnv = "NFSSTORE_CRASH_DIR"

func crashFile(i int) (name string, b []byte) {
	return fmt.Sprintf("uploads/%02x/file-%d.xo", i%7, i), content(uint64(i), 1000+i*7919%400_000)
}

// putForever stores files, beginning after what is there, and says so line by line, until killed.
func putForever(dir string) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	s, err := Open(context.Background(), dir, nil)
	if err != nil {
		die(err)
	}
	ctx := context.Background()
	first, err := strconv.Atoi(os.Getenv(crashEnv + "_FIRST"))
	if err != nil {
		die(err)
	}
	work := make(chan int)
	for range 3 {
		go func() {
			for i := range work {
				name, b := crashFile(i)
				if err := put(ctx, s, name, b); err != nil {
					die(err)
				}
				if _, err := fmt.Println("put", i); err != nil {
					die(err)
				}
				if err := s.Link(ctx, name, "public/"+filepath.Base(name)); err != nil {
					die(err)
				}
				if _, err := fmt.Println("link", i); err != nil {
					die(err)
				}
			}
		}()
	}
	for i := first; ; i++ {
		work <- i
	}
}

// TestKilled kills a process in the middle of storing, again and again. What is visible must be
// whole, what it had said to be stored must be there, and temporary files must be swept away.
func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const kills = 60
	rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	first, leftovers := 0, 0
	for range kills {
		said := killed(t, self, dir, first, time.Duration(rnd.IntN(25_000))*time.Microsecond)
		s := openStore(t, dir, nil)
		for _, line := range said {
			what, number, _ := strings.Cut(line, " ")
			i, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("it said %q", line)
			}
			name, b := crashFile(i)
			if what == "link" {
				name = "public/" + filepath.Base(name)
			}
			mustHold(t, s, name, b)
			first = max(first, i+1)
		}
		_, temps := tree(t, dir)
		leftovers += len(temps)
		if n, err := s.Sweep(t.Context(), 0); err != nil || n != len(temps) {
			t.Fatalf("Sweep = %d, %v; there were %d temporary files", n, err, len(temps))
		}
		files, temps := tree(t, dir)
		if len(temps) > 0 {
			t.Fatalf("Sweep left %q", temps)
		}
		// Those that were under way are whole or absent, and can be stored now. There are more
		// workers than said, hence the margin.
		for i := max(0, first-8); i < first+8; i++ {
			name, b := crashFile(i)
			if got, err := read(t.Context(), s, name); err == nil && string(got) != string(b) {
				t.Fatalf("%s is visible with %d wrong bytes", name, len(got))
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			mustPut(t, s, name, b)
		}
		for _, name := range files {
			var i int
			if _, err := fmt.Sscanf(filepath.Base(name), "file-%d.xo", &i); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if i < first-8 {
				continue // looked at in an earlier round
			}
			_, b := crashFile(i)
			mustHold(t, s, name, b)
		}
		first += 8
	}
	if leftovers == 0 {
		t.Error("no process was killed in the middle of a Put; the test shows nothing")
	}
	t.Logf("%d processes were killed; they left %d temporary files; %d files were stored", kills, leftovers, first)
}

// killed runs the victim for some time after its first word and returns what it said to the end.
func killed(t *testing.T, self, dir string, first int, after time.Duration) (said []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), crashEnv+"="+dir, crashEnv+"_FIRST="+strconv.Itoa(first))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	var timer *time.Timer
	for {
		line, err := r.ReadString('\n')
		if timer == nil {
			timer = time.AfterFunc(after, func() {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			})
		}
		if err == nil {
			said = append(said, strings.TrimSuffix(line, "\n"))
			continue // a line that was cut is not counted
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		break
	}
	err = cmd.Wait()
	timer.Stop()
	if code := cmd.ProcessState.ExitCode(); code != -1 {
		t.Fatalf("it ended by itself with %d: %v %s", code, err, stderr.String())
	}
	return said
}

func command(t *testing.T, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	return string(out), err
}
