package nfsproof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// A yard is a server with two clients in it, whose files several failures are tried on.
type yard struct {
	b       *Bench
	s       *Service
	clients [2]*guest.Guest
}

// squashed is a folder of the server that is exported as administrators are told to; exported is not.
const squashed = exported + "/squashed"

// owner owns the files in it.
const owner = "1000"

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{b: bench(t)}
	disk, err := guest.NewDisk(t.Context(), diskSize, "-O", "quota", "-E", "quotatype=usrquota")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Close(); err != nil {
			t.Error(err)
		}
	})
	if y.s, err = y.b.Serve(t.Context(), Knfsd, disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(t, y.s.Guest) })
	var boots errgroup.Group
	for i := range y.clients {
		boots.Go(func() (err error) {
			y.clients[i], err = y.s.Client(t.Context(), 1+i, MountOptions)
			return err
		})
	}
	err = boots.Wait()
	for _, g := range y.clients {
		if g != nil {
			t.Cleanup(func() { kill(t, g) })
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func shell(t *testing.T, g *guest.Guest, script string) string {
	t.Helper()
	out, err := g.Shell(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// url is a folder of the server for our own client.
func (y *yard) url(folder, user string, port, mountPort int) string {
	return fmt.Sprintf("nfs://%s:%d%s?mountport=%d&uid=%s&gid=%s", y.s.Guest.Address(), port, folder, mountPort, user, user)
}

// do has the worker make calls, with commas between them, in guest g as a user, or beside the guests when
// g is nil. It returns how they went, until one could not be made.
func (y *yard) do(t *testing.T, g *guest.Guest, user, url, calls string) (results []CallResult) {
	t.Helper()
	args := append([]string{y.b.Worker, "do", "-url", url}, strings.Fields(calls)...)
	var errs bytes.Buffer
	lines := &lineWriter{each: func(line []byte) error {
		var r CallResult
		err := json.Unmarshal(line, &r)
		results = append(results, r)
		return err
	}}
	var err error
	if g == nil {
		cmd := y.b.Lab.HostCommand(t.Context(), args...)
		cmd.Stdout, cmd.Stderr = lines, &errs
		err = cmd.Run()
	} else {
		if user != "0" {
			args = append([]string{"setpriv", "--reuid", user, "--regid", user, "--clear-groups"}, args...)
		}
		cmd := g.Command(t.Context(), args...)
		cmd.Stdout, cmd.Stderr = lines, &errs
		err = cmd.Run()
	}
	if err == nil && len(results) == 0 {
		err = errors.New("no call was made")
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", calls, err, errs.String())
	}
	return results
}

// well fails the test unless all calls went well. It returns how the last one went.
func (y *yard) well(t *testing.T, g *guest.Guest, user, url, calls string) CallResult {
	t.Helper()
	results := y.do(t, g, user, url, calls)
	for _, r := range results {
		if r.Error != "" {
			t.Fatalf("%s at %s: %s", calls, url, r.Error)
		}
	}
	return results[len(results)-1]
}

// What machines do to each other on one store, and what their server allows.
func TestOtherMachines(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	t.Run("quota", y.quota)
	t.Run("root squash", y.rootSquash)
	t.Run("removed while it is read", y.removed)
	t.Run("replaced while it is read", y.replaced)
	t.Run("a name that was removed", y.absent)
	t.Run("left behind", y.leftBehind) // the second client is gone afterwards
	t.Run("another clock", y.clocks)   // that of the server is wrong afterwards
}

// The quota of the user is told from a full disk, and nothing is left of what did not fit.
func (y *yard) quota(t *testing.T) {
	const folder = exported + "/quota"
	shell(t, y.s.Guest, fmt.Sprintf("mkdir %[1]s; chown %[2]s:%[2]s %[1]s; %[3]s quota -device /dev/ubda -uid %[2]s -bytes 1048576", folder, owner, y.b.Worker))
	const port = 2050
	ctx, stop := context.WithCancel(t.Context())
	out := &awaited{text: "mount -t nfs", there: make(chan struct{})}
	// A process that may exceed quotas has none, whoever it acts for; so the command gives that up.
	library := filepath.Join(t.TempDir(), "remora-server")
	if err := guest.Build(t.Context(), library, "github.com/sugarlabs/beamrider/cmd/remora-server"); err != nil {
		t.Fatal(err)
	}
	ours := y.s.Guest.Command(ctx, library, "files", "nfsd", "--export", folder, "--client", "10.77.0.0/24,squash=none", "--listen", fmt.Sprintf("%s:%d", y.s.Guest.Address(), port), "--data", "/mnt/data")
	ours.Stdout, ours.Stderr = out, out
	if err := ours.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = ours.Wait() // it is killed
		close(ended)
	}()
	defer func() { stop(); <-ended }()
	select {
	case <-out.there:
	case <-ended:
		t.Fatal(out)
	}
	for name, place := range map[string]struct {
		g   *guest.Guest
		url string
	}{
		"mount":        {y.clients[0], "/mnt/n/quota"},
		"nfs":          {nil, y.url(folder, owner, 2049, 20048)},
		"nfs and nfsd": {nil, y.url(folder, owner, port, port)},
	} {
		large, small := Name("large", 1, 3_000_000), Name("small", 1, 10_000)
		r := y.do(t, place.g, owner, place.url, "put "+large)[0]
		if r.Kind != "no space" || !strings.Contains(r.Error, "the disk quota of this user") {
			t.Errorf("%s: a file that is too large for the quota: %+v", name, r)
		}
		// Its room is free when the server is done with the requests that were on their way.
		err := eventually(t.Context(), func() error {
			for _, r := range y.do(t, place.g, owner, place.url, fmt.Sprintf("put %s , list , remove %[1]s", small)) {
				if r.Error != "" || r.Names != nil && !slices.Equal(r.Names, []string{small}) {
					return fmt.Errorf("a small file, and a list of all: %+v", r)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left := shell(t, y.s.Guest, fmt.Sprintf("rm -rf %s/.trash; find %[1]s -type f -size +1k", folder)); left != "" {
			t.Errorf("%s: %s is left", name, left)
		}
	}
}

// Root of another machine is nobody on the server; the user of the folder may do everything there.
func (y *yard) rootSquash(t *testing.T) {
	server := y.s.Guest
	shell(t, server, fmt.Sprintf("mkdir -p %[1]s/own %[1]s/open; chown %[2]s:%[2]s %[1]s/own; chmod 777 %[1]s/open\n", squashed, owner)+
		"exportfs -i -o rw,sync,no_subtree_check,root_squash,insecure,fsid=1 '10.77.0.0/24:"+squashed+"'")
	shell(t, y.clients[0], fmt.Sprintf("mkdir /mnt/s; mount.nfs -n %s:%s /mnt/s -o %s,port=2049,mountport=20048,retry=0", server.Address(), squashed, MountOptions))
	name := Name("root", 1, 20_000)
	for what, place := range map[string]struct {
		g   *guest.Guest
		url func(folder, user string) string
	}{
		"mount": {y.clients[0], func(folder, _ string) string { return "/mnt/s/" + folder }},
		"nfs":   {nil, func(folder, user string) string { return y.url(squashed+"/"+folder, user, 2049, 20048) }},
	} {
		if r := y.do(t, place.g, "0", place.url("own", "0"), "put "+name)[0]; r.Kind != "read-only" || !strings.Contains(r.Error, "may not write") {
			t.Errorf("%s: root in a folder of another user: %+v", what, r)
		}
		for folder, user := range map[string]string{"own": owner, "open": "0"} {
			y.well(t, place.g, user, place.url(folder, user), fmt.Sprintf("put %s , link %[1]s other , remove %[1]s , remove other", name))
			want := owner
			if user == "0" {
				want = "65534"
			}
			script := fmt.Sprintf("find %s/%s -type f -printf '%%U\\n' | sort -u; rm -rf %[1]s/%[2]s/.trash", squashed, folder)
			if got := shell(t, server, script); got != want {
				t.Errorf("%s: the files in %s are of the users %q, want %s", what, folder, got, want)
			}
		}
	}
}

// reading is a worker that has a file of a store open and has read its beginning.
type reading struct {
	g   *guest.Guest
	pid string
	out chan string
	err chan error
}

func (y *yard) open(t *testing.T, g *guest.Guest, url, name string) *reading {
	t.Helper()
	r := &reading{g: g, out: make(chan string, 2), err: make(chan error, 1)}
	cmd := g.Command(t.Context(), y.b.Worker, "read", "-url", url, "-name", name)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &lineWriter{each: func(line []byte) error { r.out <- string(line); return nil }}, &errs
	go func() {
		if err := cmd.Run(); err != nil {
			r.err <- fmt.Errorf("%w\n%s", err, errs.String())
		}
	}()
	r.pid = strings.TrimPrefix(r.line(t), "open ")
	return r
}

func (r *reading) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-r.out:
		return line
	case err := <-r.err:
		t.Fatal(err)
	}
	return ""
}

// goOn has the rest read.
func (r *reading) goOn(t *testing.T) (got CallResult) {
	t.Helper()
	shell(t, r.g, "kill -USR1 "+r.pid)
	if err := json.Unmarshal([]byte(r.line(t)), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Who reads a file on one machine goes on when another one removes it: it is in the trash. When it is
// taken from there too, the reader is told.
func (y *yard) removed(t *testing.T) {
	name := Name("removed", 1, 2_000_000)
	y.well(t, y.clients[1], "0", "/mnt/n/store", "put "+name)
	for _, purge := range []bool{false, true} {
		if purge {
			y.well(t, y.clients[1], "0", "/mnt/n/store", "put "+name)
		}
		r := y.open(t, y.clients[0], "/mnt/n/store", name)
		y.well(t, y.clients[1], "0", "/mnt/n/store", "remove "+name)
		want := ""
		if purge {
			shell(t, y.s.Guest, "rm -rf "+exported+"/store/.trash")
			want = "unavailable"
		}
		if got := r.goOn(t); got.Kind != want || purge && !strings.Contains(got.Error, "it was removed while it was in use") {
			t.Errorf("taken from the trash %v: reading on: %+v, want %q", purge, got, want)
		}
	}
}

// Nothing of the store replaces a file; when somebody does it on the server, readers elsewhere are told
// and do not get a file of two halves.
func (y *yard) replaced(t *testing.T) {
	name := Name("replaced", 1, 2_000_000)
	y.well(t, y.clients[1], "0", "/mnt/n/store", "put "+name)
	r := y.open(t, y.clients[0], "/mnt/n/store", name)
	shell(t, y.s.Guest, fmt.Sprintf("cd %s/store; head -c 2000000 /dev/urandom > new; mv -f new %s", exported, name))
	if got := r.goOn(t); got.Kind != "changed" {
		t.Errorf("reading on: %+v, want changed", got)
	}
}

// A name that was removed is gone on another machine when what its kernel knows of the folder is too old.
func (y *yard) absent(t *testing.T) {
	name := Name("absent", 1, 1000)
	client := y.clients[0]
	shell(t, client, fmt.Sprintf("mkdir /mnt/brief; mount.nfs -n %s:%s /mnt/brief -o %s,acdirmin=1,acdirmax=1,port=2049,mountport=20048,retry=0", y.s.Guest.Address(), exported, MountOptions))
	look := func() string {
		return shell(t, client, fmt.Sprintf("%s look -dir /mnt/brief/store -name %s", y.b.Worker, name))
	}
	y.well(t, y.clients[1], "0", "/mnt/n/store", "put "+name)
	if got := look(); got != "there" {
		t.Fatalf("%s is %s, want there", name, got)
	}
	y.well(t, y.clients[1], "0", "/mnt/n/store", "remove "+name)
	err := eventually(t.Context(), func() error {
		if got := look(); got != "absent" {
			return fmt.Errorf("%s is %s, want absent", name, got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A machine loses its power while it has a file open that it has removed: what its kernel has left on the
// server is not to be seen, and is swept a day later.
func (y *yard) leftBehind(t *testing.T) {
	const folder = exported + "/left"
	kept := Name("left", 1, 1000)
	y.well(t, y.clients[0], "0", "/mnt/n/left", "put "+kept)
	shell(t, y.clients[1], "cd /mnt/n/left; echo text > gone; exec 3<gone; rm gone")
	if left := shell(t, y.s.Guest, "ls -A "+folder); strings.Contains(left, ".nfs") {
		t.Fatalf("the file is closed, and there are %q", left)
	}
	holds := &awaited{text: "open", there: make(chan struct{})}
	holding := y.clients[1].Command(t.Context(), "bash", "-e", "-c", "cd /mnt/n/left; echo text > gone; exec 3<gone; rm gone; echo open; exec sleep infinity")
	holding.Stdout, holding.Stderr = holds, holds
	if err := holding.Start(); err != nil {
		t.Fatal(err)
	}
	<-holds.there
	kill(t, y.clients[1])
	_ = holding.Wait() // its machine has no power
	leftovers := func() string { return shell(t, y.s.Guest, "find "+folder+" -name '.nfs[0-9a-f]*'") }
	if leftovers() == "" {
		t.Fatal("nothing was left behind, so this shows nothing")
	}
	sweep := func() {
		t.Helper()
		if r := y.well(t, y.clients[0], "0", "/mnt/n/left", "sweep 0s , list"); !slices.Equal(r.Names, []string{kept}) {
			t.Errorf("List has %q, want %q", r.Names, kept)
		}
	}
	if sweep(); leftovers() == "" {
		t.Error("it was swept at once")
	}
	// Now a day goes by for the server, and none for who sweeps.
	shell(t, y.s.Guest, "date -s '25 hours' >/dev/null")
	if sweep(); leftovers() != "" {
		t.Error("after a day it is still there")
	}
}

// The clock of the server is days off. What others write is not swept under their hands, and what was
// just removed stays in the trash.
func (y *yard) clocks(t *testing.T) {
	for _, off := range []string{"10 days", "-20 days"} {
		shell(t, y.s.Guest, fmt.Sprintf("date -s '%s' >/dev/null; mkdir %s/clock", off, exported))
		acks, errs := NewAcks(), &bytes.Buffer{}
		cmd := y.clients[0].Command(t.Context(), y.b.Worker, "publish", "-url", "/mnt/n/clock", "-files", "40")
		cmd.Stdout, cmd.Stderr = acks, errs
		ended := make(chan error, 1)
		go func() { ended <- cmd.Run() }()
		for n, writing := 0, true; writing || n == 0; n++ {
			y.well(t, nil, "", y.url(exported+"/clock", "0", 2049, 20048), "sweep 1h")
			select {
			case err := <-ended:
				if err != nil {
					t.Fatalf("with the clock of the server off by %s: %v\n%s", off, err, errs)
				}
				writing = false
			default:
			}
		}
		f := filepath.Join(t.TempDir(), "acks")
		var lines bytes.Buffer
		if _, err := acks.WriteTo(&lines); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, lines.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		var found Finding
		if err := json.Unmarshal([]byte(shell(t, y.s.Guest, fmt.Sprintf("%s check -dir %s/clock -acks %s", y.b.Worker, exported, f))), &found); err != nil {
			t.Fatal(err)
		}
		if found.Broken() || found.Acked < 40 {
			t.Errorf("with the clock of the server off by %s: %v\n%v", off, &found, found.Examples)
		}
		if n := shell(t, y.s.Guest, fmt.Sprintf("find %s/clock/.trash -type f | wc -l; rm -rf %[1]s/clock", exported)); n == "0" {
			t.Errorf("with the clock of the server off by %s nothing that was removed is in the trash", off)
		}
	}
}
