package sqlstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/testdb"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

// eventually asks again until ok or the test's patience ends.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}

// TestMariaDBKilled kills the server again and again under writers. What they were told is saved
// must be there, and everything else must have been KindUnavailable.
func TestMariaDBKilled(t *testing.T) {
	server := testdb.Private(t)
	o := &sqlstore.Options{Wait: 2 * time.Second}
	d := openMariaDB(t, server.DSN(server.Database(t)), o).migrated(t, o)
	ctx := t.Context()
	for round := range 3 {
		var mu sync.Mutex
		saved := map[int64]remora.Digest{}
		var acks atomic.Int64
		enough := make(chan struct{})
		var once sync.Once
		down := make(chan struct{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					sub := bundle(fmt.Sprintf("org.laptop.R%dW%d", round, w), fmt.Sprint(i))
					st, err := publish(ctx, d.store, sub)
					if err != nil {
						if remora.KindOf(err) != remora.KindUnavailable {
							t.Errorf("with the server killed: %v", err)
						}
						return
					}
					mu.Lock()
					saved[st.VersionID] = sub.SHA256
					mu.Unlock()
					if acks.Add(1) >= 8 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		go func() { wg.Wait(); close(down) }()
		select {
		case <-enough:
		case <-down:
			t.Fatal("the writers gave up before the server was killed")
		}
		server.Kill()
		<-down
		if _, err := d.store.Position(ctx); err == nil || remora.KindOf(err) != remora.KindUnavailable {
			t.Errorf("reading from a killed server: %v", err)
		}
		server.Start()
		eventually(t, "the store heals", func() bool { _, err := d.store.Position(ctx); return err == nil })
		versions, _ := all(t, d.store)
		for id, sum := range saved {
			if versions[id].SHA256 != sum {
				t.Errorf("round %d: version %d was said to be saved, and is lost", round, id)
			}
		}
		if err := d.store.Verify(ctx); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		// What was refused can simply be done again.
		for w := range 4 {
			sub := bundle(fmt.Sprintf("org.laptop.R%dW%d", round, w), "0")
			if st, err := draft(ctx, d.store, sub); err != nil {
				t.Error(err)
			} else if st.State == remora.StateDraft {
				if err := d.store.Publish(ctx, by, st.VersionID, remora.StatePublished, sub); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestMariaDBFrozen freezes the server: connections open, nobody answers. Calls must end by
// themselves, with pooled connections and with new ones.
func TestMariaDBFrozen(t *testing.T) {
	server := testdb.Private(t)
	o := &sqlstore.Options{Wait: 2 * time.Second}
	d := openMariaDB(t, server.DSN(server.Database(t)), o).migrated(t, o)
	ctx := t.Context()
	st := mustPublish(t, d.store, "org.laptop.Log", "1")
	server.Stop()
	// The bound is the test's own patience; what is checked is that the calls end without it.
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = d.store.Since(bounded, remora.Position{})
			case 1:
				err = d.store.EditActivity(bounded, by, st.ActivityID, remora.ActivityEdit{FeaturedRank: new(7)})
			default:
				_, err = draft(bounded, d.store, bundle("org.laptop.Log", "2"))
			}
			if err == nil || remora.KindOf(err) != remora.KindUnavailable || remora.MessageOf(err) == "" {
				t.Errorf("call %d to a frozen server: %v", i, err)
			}
		})
	}
	wg.Wait()
	if bounded.Err() != nil {
		t.Error("calls to a frozen server end only by their context")
	}
	server.Cont()
	eventually(t, "the store heals", func() bool { _, err := publish(ctx, d.store, bundle("org.laptop.Log", "3")); return err == nil })
	if err := d.store.Verify(ctx); err != nil {
		t.Error(err)
	}
}

// childEnv tells the test binary to be the other process of a test.
const (
	childHold = "BEAMRIDER_SQLSTORE_HOLD"
	childLoad = "BEAMRIDER_SQLSTORE_LOAD"
)

// child starts this test binary again to run one test with an environment.
func child(t *testing.T, test, env string) (cmd *exec.Cmd, out *bufio.Scanner, in io.WriteCloser) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), exe, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(stdout), in
}

// TestChildHold is no test: it is another program that holds the database.
func TestChildHold(t *testing.T) {
	path := os.Getenv(childHold)
	if path == "" {
		t.Skip("only run by TestSQLiteHeld")
	}
	d := openSQLite(t, path, nil)
	conn, err := d.Write(t.Context()).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the parent lets go
		t.Error(err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Error(err)
	}
}

func TestSQLiteHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sqlite")
	o := &sqlstore.Options{Wait: 300 * time.Millisecond}
	d := openSQLite(t, path, o).migrated(t, o)
	st := mustPublish(t, d.store, "org.laptop.Log", "1")
	cmd, out, in := child(t, "TestChildHold", childHold+"="+path)
	for out.Scan() && out.Text() != "held" {
	}
	// Reads go on beside a writer.
	if versions, _ := all(t, d.store); len(versions) != 1 {
		t.Errorf("while another program writes, readers see %d versions", len(versions))
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			err := d.store.EditActivity(t.Context(), by, st.ActivityID, remora.ActivityEdit{FeaturedRank: new(1)})
			if err == nil || remora.KindOf(err) != remora.KindUnavailable || remora.MessageOf(err) == "" {
				t.Errorf("a write while another program holds the database: %v", err)
			}
		})
	}
	wg.Wait()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for out.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := d.store.EditActivity(t.Context(), by, st.ActivityID, remora.ActivityEdit{FeaturedRank: new(1)}); err != nil {
		t.Errorf("after the other program has let go: %v", err)
	}
}

// TestChildLoad is no test: it is the program that TestSQLiteKilled kills.
func TestChildLoad(t *testing.T) {
	path := os.Getenv(childLoad)
	if path == "" {
		t.Skip("only run by TestSQLiteKilled")
	}
	d := openSQLite(t, path, nil).migrated(t, nil)
	at, err := d.store.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		sub := bundle(fmt.Sprintf("org.laptop.K%d", i%5), fmt.Sprintf("%d.%d", at.Seq+1, i))
		st, err := publish(t.Context(), d.store, sub)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("saved", st.VersionID, sub.SHA256)
	}
}

// TestSQLiteKilled kills a writing program at many moments. What it has said to be saved must be
// there, and the file must be whole.
func TestSQLiteKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sqlite")
	saved := map[int64]string{}
	for round := range 24 {
		cmd, out, _ := child(t, "TestChildLoad", childLoad+"="+path)
		// Each round a different number of lines after the start, and from then on wherever the
		// program happens to be.
		for lines := 0; lines <= round*3 && out.Scan(); {
			var id int64
			var sum string
			if n, err := fmt.Sscanf(out.Text(), "saved %d %s", &id, &sum); err == nil && n == 2 {
				saved[id] = sum
				lines++
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() {
			var id int64
			var sum string
			if n, err := fmt.Sscanf(out.Text(), "saved %d %s", &id, &sum); err == nil && n == 2 && len(sum) == 64 {
				saved[id] = sum
			}
		}
		if _, exited := errors.AsType[*exec.ExitError](cmd.Wait()); !exited || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("round %d: the program ended by itself", round)
		}
	}
	d := openSQLite(t, path, nil).migrated(t, nil)
	if err := d.store.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	versions, _ := all(t, d.store)
	for id, sum := range saved {
		if versions[id].SHA256.String() != sum {
			t.Errorf("version %d was said to be saved, and is lost", id)
		}
	}
	if len(saved) < 24 {
		t.Errorf("only %d versions were saved in 24 rounds", len(saved))
	}
	// Drafts that a kill has left are finished by doing it again.
	err := d.store.Activities(t.Context(), remora.ActivityQuery{}, func(a remora.Activity) error {
		for _, v := range a.Versions {
			if v.State != remora.StateDraft {
				continue
			}
			sub := bundle(a.BundleID, v.Number.String())
			if _, err := publish(t.Context(), d.store, sub); err != nil {
				t.Errorf("finishing %s %s: %v", a.BundleID, v.Number, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
