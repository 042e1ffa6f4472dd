package replicatest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// program opens a group, prints the addresses of its servers, and waits to be killed.
func program() int {
	g, err := replicatest.Open(context.Background(), replicatest.Topology{Servers: 2})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, s := range g.Servers {
		fmt.Println(s.DSN())
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	fmt.Println(err)
	return 1
}

func TestServersDieWithTheProgram(t *testing.T) {
	for _, tool := range []string{"mariadbd", "mariadb-install-db"} {
		require.Tool(t, tool)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Data folders that nobody is left to remove go with the test. The servers' account needs a way in.
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), isProgram+"=1", "TMPDIR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		said = append(said, lines.Text())
	}
	if len(said) != 2 {
		t.Fatalf("the program said %q", said)
	}
	for _, dsn := range said {
		answers(t, open(t, dsn))
	}
	err = cmd.Process.Kill()
	// Its end by a signal is what Wait tells.
	if exit := (*exec.ExitError)(nil); err != nil || !errors.As(cmd.Wait(), &exit) {
		t.Fatalf("%v, and not killed", err)
	}
	for _, dsn := range said {
		db := open(t, dsn)
		poll(t, dsn+" is gone", func() bool { return ask(t, db, patience) != nil })
	}
}

func TestProgram(t *testing.T) {
	require.Tool(t, "mariadbd")
	g, err := replicatest.Open(t.Context(), replicatest.Topology{Servers: 2})
	if err != nil {
		t.Fatal(err)
	}
	a := g.Servers[0]
	dsn := a.DSN()
	if a.Text("SELECT 1"); g.Err() != nil {
		t.Error(g.Err())
	}
	a.From(nil).Cut()
	first := g.Err()
	if first == nil || !strings.Contains(first.Error(), "server a") || !strings.Contains(first.Error(), "Partitionable") {
		t.Errorf("error %v of a fault without a relay", first)
	}
	// Nothing more is done, and nothing hides what was first.
	a.Kill()
	answers(t, open(t, dsn))
	if a.Text("SELECT 1") != "" || !errors.Is(g.Err(), first) {
		t.Errorf("error %v after %v", g.Err(), first)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := ask(t, open(t, dsn), patience); err == nil {
		t.Error("a server of a closed group answers")
	}
}

func TestMistakes(t *testing.T) {
	_, err := replicatest.Open(t.Context(), replicatest.Topology{Servers: 1, ApplyThreads: 65, SemiSync: true})
	if err == nil || strings.Count(err.Error(), "replicatest: ") != 2 {
		t.Errorf("error %v, want two", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replicatest.Open(ctx, replicatest.Topology{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an opening that was given up", err)
	}
}
