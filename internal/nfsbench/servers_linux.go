package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/require"
)

// A server runs, and exports a folder of the disk.
type server struct {
	name string
	dir  string
	nfs  string // host:port
	mnt  string
	pid  int
}

// url returns the address of its export, as a store takes it.
func (s *server) url() string {
	_, mountPort, _ := strings.Cut(s.mnt, ":")
	return fmt.Sprintf("nfs://%s%s?mountport=%s&uid=0&gid=0", s.nfs, exported, mountPort)
}

// exported is the path of all exports.
const exported = "/export"

// servers are those that run; they are started when they are first wanted.
type servers struct {
	running   []*server
	processes []*child.Process
}

// Ports of NFS-Ganesha, which are the usual ones, and of others.
const (
	ganeshaPort, mountPort = 2049, 20048
	nfsdPort               = 2050
	nfsdLaterPort          = 2052
	gonfsdPort             = 2051
)

// conf is of a server whose export is writable by all.
const conf = `
NFS_CORE_PARAM { NFS_Port = %d; MNT_Port = %d; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; Plugins_Dir = %q; }
NFSV4 { Grace_Period = 1; Lease_Lifetime = 1; Graceless = true; }
EXPORT {
	Export_Id = 1; Path = %q; Pseudo = %s; Tag = export;
	Protocols = 3; Transports = TCP; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
	FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`

// ganesha returns NFS-Ganesha, or nil where it is not installed.
func (b *bench) ganesha(ctx context.Context) (*server, error) {
	const name = "NFS-Ganesha"
	if s := b.servers.find(name); s != nil {
		return s, nil
	}
	if slices.Contains(b.missing, name) {
		return nil, nil
	}
	program, err := require.Find("ganesha.nfsd")
	rpcbind, rerr := require.Find("rpcbind")
	if errors.Join(err, rerr) != nil {
		b.lacks(name)
		return nil, nil
	}
	dir := filepath.Join(b.dir, "ganesha")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	settings := filepath.Join(b.dir, "ganesha.conf")
	plugins := "/usr/lib/ganesha"
	if found, err := filepath.Glob("/usr/lib/*/ganesha/libfsalvfs.so"); err == nil && len(found) > 0 {
		plugins = filepath.Dir(found[0])
	}
	if err := os.WriteFile(settings, fmt.Appendf(nil, conf, ganeshaPort, mountPort, plugins, dir, exported), 0o600); err != nil {
		return nil, err
	}
	// Version 3 is not started without a portmapper.
	if _, err := b.servers.start(ctx, exec.Command(rpcbind, "-f", "-w"), 111); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-F", "-L", "STDERR", "-f", settings, "-p", "/run/ganesha.pid")
	p, err := b.servers.start(ctx, cmd, ganeshaPort, mountPort)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s does not tell its version: %w", name, err)
	}
	b.version(name + " " + version.FindString(string(out)))
	return b.servers.add(name, dir, p, ganeshaPort, mountPort), nil
}

var version = regexp.MustCompile(`\d+\.\d+[\w.]*`)

// add notes a server that runs.
func (s *servers) add(name, dir string, p *child.Process, port, mountPort int) *server {
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	x := &server{name: name, dir: dir, nfs: at(port), mnt: at(mountPort), pid: p.Pid()}
	s.running = append(s.running, x)
	return x
}

func (s *servers) find(name string) *server {
	if i := slices.IndexFunc(s.running, func(x *server) bool { return x.name == name }); i >= 0 {
		return s.running[i]
	}
	return nil
}

// start starts a program and returns when it takes connections.
func (s *servers) start(ctx context.Context, cmd *exec.Cmd, ports ...int) (*child.Process, error) {
	p, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	for _, port := range ports {
		if err := listens(ctx, p, port); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// listens returns nil as soon as a port takes connections.
func listens(ctx context.Context, p *child.Process, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return nc.Close()
		}
		select {
		case <-p.Exited():
			return p.Ended()
		case <-ctx.Done():
			return fmt.Errorf("nobody takes connections at port %d: %w\n%s", port, err, p.Log())
		case <-tick.C:
		}
	}
}

// stop ends all.
func (s *servers) stop() error {
	var errs []error
	for _, p := range slices.Backward(s.processes) {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// lacks notes what is not installed.
func (b *bench) lacks(name string) {
	if !slices.Contains(b.missing, name) {
		b.missing = append(b.missing, name)
	}
}

// version notes what is compared with.
func (b *bench) version(text string) {
	if !slices.Contains(b.versions, text) {
		b.versions = append(b.versions, text)
	}
}
