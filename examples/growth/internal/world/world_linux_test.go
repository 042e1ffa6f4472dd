package world_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
	"github.com/sugarlabs/beamrider/internal/require"
)

// The tests of this package run in a world of their own: the test program enters it first, so that
// what it leaves behind when it fails or is killed goes with it.
func TestMain(m *testing.M) {
	if world.Start() == world.Inside {
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 || len(world.Missing("ip", "mariadbd", "mariadb-install-db", "mariadb-dump", "ganesha.nfsd", "rpcbind", "keepalived")) > 0 {
		os.Exit(m.Run()) // each test says why it does nothing
	}
	self, err := os.Executable()
	if err == nil {
		var code int
		if code, err = world.Enter(self, os.Args[1:], nil); err == nil {
			os.Exit(code)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func needs(t *testing.T, programs ...string) context.Context {
	t.Helper()
	if os.Geteuid() != 0 {
		require.Skip(t, "only root may make network namespaces")
	}
	for _, p := range programs {
		require.Tool(t, p)
	}
	if world.Outer() == 0 {
		t.Fatal("not inside a world")
	}
	return t.Context()
}

var sites = []world.Site{{"beamrider", "10.66.0.11"}, {"sunjammer", "10.66.0.12"}, {"second", "10.66.0.13"}, {"visitors", "10.66.0.100"}}

func TestWorld(t *testing.T) {
	ctx := needs(t, "ip", "mariadbd", "mariadb-install-db", "mariadb-dump", "ganesha.nfsd", "rpcbind", "keepalived")
	w, err := world.New(ctx, sites)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	t.Run("processes", func(t *testing.T) { testProcesses(t, w) })
	t.Run("mariadb", func(t *testing.T) { testMariaDB(t, w) })
	t.Run("nfs", func(t *testing.T) { testNFS(t, w) })
	t.Run("keepalived", func(t *testing.T) { testKeepalived(t, w) })
	t.Run("power", func(t *testing.T) { testPower(t, w) })
}

func testProcesses(t *testing.T, w *world.World) {
	ctx := t.Context()
	b := w.Machine("beamrider")
	out, err := b.Run(ctx, strings.NewReader("hello"), "/bin/sh", "-c", "cat; echo for you >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "for you") || out != "hello" {
		t.Errorf("a command that fails: %q, %v", out, err)
	}
	if err := b.Write("/srv/name", "beamrider", 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = b.Run(ctx, strings.NewReader("hello "), "/bin/sh", "-ec", "cat; cat /srv/name; test ! -e /run/netns")
	if err != nil || out != "hello beamrider" {
		t.Fatalf("%q, %v", out, err)
	}
	p, err := b.Start("sleeper", "/bin/sh", "-c", "echo starting; sleep 1000 & sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start("sleeper", "/bin/true"); err == nil {
		t.Error("two of one name")
	}
	if err := world.Until(ctx, 10*time.Second, "log", func() error {
		if !strings.Contains(p.Tail(), "starting") {
			return fmt.Errorf("%q", p.Tail())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	p.Kill9()
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "starting") {
		t.Error(err)
	}
	// A shell that ignores being asked is killed, and that is said.
	p, err = b.Start("stubborn", "/bin/sh", "-c", `trap "" TERM; echo deaf; while :; do sleep 1000; done`)
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Until(ctx, 10*time.Second, "log", func() error {
		if !strings.Contains(p.Tail(), "deaf") {
			return fmt.Errorf("%q", p.Tail())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(100 * time.Millisecond); err == nil {
		t.Error("no word about it")
	}
	if _, err := w.Machine("visitors").Dial(ctx, "tcp", "localhost:80"); err == nil {
		t.Error("names are not to be looked up")
	}
}

func testMariaDB(t *testing.T, w *world.World) {
	ctx := t.Context()
	p, err := w.MariaDB(ctx, w.Machine("beamrider"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Primary(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Exec(ctx, "CREATE TABLE remora.t (a INT PRIMARY KEY)", "INSERT INTO remora.t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	r, err := w.MariaDB(ctx, w.Machine("second"), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Rebuild(ctx, p); err != nil {
		t.Fatal(err)
	}
	if err := p.SemiSync(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Exec(ctx, "INSERT INTO remora.t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	if err := r.CatchUp(ctx, p, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Value(ctx, "SELECT COUNT(*) FROM remora.t"); n != "2" || err != nil {
		t.Fatalf("%s rows on the replica, %v", n, err)
	}
	// The replica dies: after the time-out the primary goes on alone, and waits again when it is back.
	r.Kill9()
	if err := p.Exec(ctx, "INSERT INTO remora.t VALUES (3)"); err != nil {
		t.Fatal(err)
	}
	if v, err := p.Status(ctx, "Rpl_semi_sync_master_status"); v != "OFF" || err != nil {
		t.Errorf("semi-sync is %s, %v", v, err)
	}
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.SemiSynced(ctx, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := r.CatchUp(ctx, p, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	// The roles change, with a rebuild of what was the primary.
	p.Kill9()
	if err := r.Exec(ctx, "STOP SLAVE", "RESET SLAVE ALL"); err != nil {
		t.Fatal(err)
	}
	if err := r.Primary(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Exec(ctx, "INSERT INTO remora.t VALUES (4)"); err != nil {
		t.Fatal(err)
	}
	if err := p.Rebuild(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := p.CatchUp(ctx, r, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Value(ctx, "SELECT COUNT(*) FROM remora.t"); n != "4" || err != nil {
		t.Fatalf("%s rows on the rebuilt one, %v", n, err)
	}
}

func testNFS(t *testing.T, w *world.World) {
	ctx := t.Context()
	m := w.Machine("beamrider")
	if err := m.Write("/srv/remora/public/hello", "from the export", 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := w.NFS(ctx, m, "/srv/remora")
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		ls := require.Tool(t, "nfs-ls")
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if out, err := w.Machine("sunjammer").Run(ctx, nil, ls, "nfs://"+n.Machine.IP+n.Folder+"/public"); err != nil || !strings.Contains(out, "hello") {
			t.Fatalf("%q, %v", out, err)
		}
	}
	look()
	n.Kill9()
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	look()
}

func testKeepalived(t *testing.T, w *world.World) {
	ctx := t.Context()
	const address = "10.66.0.10"
	a, b := w.Machine("beamrider"), w.Machine("second")
	for _, m := range []*world.Machine{a, b} {
		if err := m.Write(world.TrackFile, "0", 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ka, err := w.Keepalived(a, b, address, 254)
	if err != nil {
		t.Fatal(err)
	}
	if err := ka.Holds(ctx, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	kb, err := w.Keepalived(b, a, address, 250)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*world.Machine{a, b} {
		serveName(t, m)
	}
	who := func(want string) {
		t.Helper()
		if err := world.Until(ctx, 10*time.Second, want+" answers", func() error {
			got, err := ask(ctx, w.Machine("visitors"), address+":7")
			if err == nil && got != want {
				err = fmt.Errorf("%q", got)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	who("beamrider")
	if err := a.Write(world.TrackFile, "1", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := kb.Holds(ctx, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	who("second")
	if err := a.Write(world.TrackFile, "0", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(world.TrackFile, "1", 0o644); err != nil {
		t.Fatal(err)
	}
	who("beamrider")
	if err := b.Write(world.TrackFile, "0", 0o644); err != nil {
		t.Fatal(err)
	}
}

// serveName answers connections to port 7 of the machine with its name, until the test ends.
func serveName(t *testing.T, m *world.Machine) {
	t.Helper()
	l, err := m.Listen("tcp", "0.0.0.0:7")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := c.Write([]byte(m.Name)); err != nil {
				t.Log(err)
			}
			if err := c.Close(); err != nil {
				t.Log(err)
			}
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

func ask(ctx context.Context, from *world.Machine, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func testPower(t *testing.T, w *world.World) {
	ctx := t.Context()
	m := w.Machine("beamrider")
	if err := m.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Processes() {
		if !p.Ended() {
			t.Errorf("%s still runs", p.Name)
		}
	}
	if _, err := m.Start("late", "/bin/true"); err == nil {
		t.Error("a process without power")
	}
	if c, err := w.Machine("visitors").Dial(timeout(t, 500*time.Millisecond), "tcp", m.IP+":22"); err == nil {
		t.Errorf("%v answers", c.RemoteAddr())
	}
	// The other one has taken the address, as in any building whose fuse blows.
	if err := world.Until(ctx, 10*time.Second, "second has the address", func() error {
		has, err := w.Machine("second").HasAddress("10.66.0.10")
		if err == nil && !has {
			err = fmt.Errorf("it has not")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
