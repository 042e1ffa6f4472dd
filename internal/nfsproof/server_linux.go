package nfsproof

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/sugarlabs/beamrider/internal/guest"
)

// A Server is what makes the disk of guest 0 available to others.
type Server string

// The servers there are.
const (
	NoServer Server = ""        // the writers are on guest 0
	Knfsd    Server = "knfsd"   // of the Linux kernel, an export with sync
	Ganesha  Server = "ganesha" // NFS-Ganesha, as Debian has it
	Nfsd     Server = "nfsd"    // our own, package nfsd
	GoNFS    Server = "go-nfs"  // github.com/willscott/go-nfs
	// NfsdLater is our own, with hidden names that wait for the disk.
	NfsdLater Server = "nfsd-later"
)

// exported is the folder on the disk of guest 0 that the store is in.
const exported = "/mnt/x/e"

// mountDisk mounts the disk of guest 0, which has a journal to replay after a power cut.
const mountDisk = `mkdir -p /mnt/x
mount -t ext4 /dev/ubda /mnt/x
mkdir -p ` + exported + "\n"

// A recipe says how a server is run on guest 0, in scripts.
type recipe struct {
	modules   []string
	mountPort int
	prepare   string // once
	run       string // prints "ready" when clients may connect; its end is that of the server
	stop      string // what else ends the server, as if it were killed
}

var recipes = map[Server]recipe{
	NoServer: {prepare: mountDisk, run: "echo ready; exec sleep infinity"},
	Knfsd: {
		modules:   []string{"nfsd", "quota_v2"},
		mountPort: 20048,
		prepare: mountDisk + `mount -t tmpfs tmpfs /var/lib/nfs
mkdir -p /var/lib/nfs/{sm,sm.bak,v4recovery,rpc_pipefs,nfsdcltrack}
touch /var/lib/nfs/{etab,rmtab,state}
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind >/dev/null 2>&1
until (exec 3<>/dev/tcp/127.0.0.1/111) 2>/dev/null; do sleep 0.05; done
exportfs -i -o rw,sync,no_root_squash,insecure,no_subtree_check,fsid=0 '*:` + exported + `'
rpc.mountd -p 20048 >/dev/null 2>&1
`,
		run:  "rpc.nfsd -G 10 4; echo ready; exec sleep infinity",
		stop: "rpc.nfsd 0",
	},
	Nfsd: {
		mountPort: 2049,
		prepare:   mountDisk,
		run:       `exec "$WORKER" serve -listen "$ADDRESS:2049" -dir ` + exported + " -state /mnt/x",
	},
	NfsdLater: {
		mountPort: 2049,
		prepare:   mountDisk,
		run:       `exec "$WORKER" serve -later -listen "$ADDRESS:2049" -dir ` + exported + " -state /mnt/x",
	},
	GoNFS: {
		mountPort: 2049,
		prepare:   mountDisk,
		run: `"$GONFSD" -l "$ADDRESS:2049" -d ` + exported + ` &
until (exec 3<>"/dev/tcp/$ADDRESS/2049") 2>/dev/null; do kill -0 $!; sleep 0.05; done
echo ready
wait`,
	},
	Ganesha: {
		mountPort: 20048,
		prepare: mountDisk + `mkdir -p /mnt/nfs/ganesha/v4recov /mnt/nfs/ganesha/v4old
mount --bind /mnt/nfs /var/lib/nfs
rpcbind >/dev/null 2>&1
until (exec 3<>/dev/tcp/127.0.0.1/111) 2>/dev/null; do sleep 0.05; done
cat > /mnt/ganesha.conf <<END
NFS_CORE_PARAM { NFS_Port = 2049; MNT_Port = 20048; Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; mount_path_pseudo = true; Plugins_Dir = "$(dirname /usr/lib/*/ganesha/libfsalvfs.so)"; }
NFSV4 { Grace_Period = 1; Lease_Lifetime = 1; Graceless = true; }
EXPORT { Export_Id = 1; Path = ` + exported + `; Pseudo = ` + exported + `; Protocols = 3; Transports = TCP; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL { Name = VFS; } }
LOG { Default_Log_Level = EVENT; }
END
`,
		run: `ganesha.nfsd -F -f /mnt/ganesha.conf -L /mnt/ganesha.log -p /mnt/ganesha.pid &
until (exec 3<>/dev/tcp/127.0.0.1/2049) 2>/dev/null && (exec 3<>/dev/tcp/127.0.0.1/20048) 2>/dev/null; do
	kill -0 $! || { cat /mnt/ganesha.log; exit 1; }
	sleep 0.1
done
echo ready
wait`,
	},
}

// MountOptions are those that the documentation recommends, but for the ports.
const MountOptions = "vers=3,proto=tcp,mountproto=tcp,nolock,hard,lookupcache=positive"

// A Bench is a lab with what runs in its guests.
type Bench struct {
	Lab    *guest.Lab
	Worker string // the program of package worker
	GoNFS  string // gonfsd of module internal/peers; "": there is none
}

// A Service is a server that runs on guest 0.
type Service struct {
	Guest *guest.Guest

	bench *Bench
	kind  Server
	ctx   context.Context
	kill  context.CancelFunc // of the run
	ended chan error         // of the run
}

// Serve boots guest 0 with the disk and starts the server there, until ctx ends. It returns when clients
// may connect.
func (b *Bench) Serve(ctx context.Context, kind Server, disk *guest.Disk) (*Service, error) {
	r, ok := recipes[kind]
	if !ok {
		return nil, fmt.Errorf("there is no server %q", kind)
	}
	g, err := b.Lab.Boot(ctx, guest.Machine{Disk: disk, Modules: r.modules})
	if err != nil {
		return nil, err
	}
	s := &Service{Guest: g, bench: b, kind: kind, ctx: ctx}
	if _, err = g.Shell(ctx, r.prepare); err == nil {
		err = s.run()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the server %s: %w", kind, err), g.Kill())
	}
	return s, nil
}

func (s *Service) run() error {
	ctx, kill := context.WithCancel(s.ctx)
	cmd := s.Guest.Command(ctx, "bash", "-e", "-u", "-c", recipes[s.kind].run)
	cmd.Env = []string{"WORKER=" + s.bench.Worker, "GONFSD=" + s.bench.GoNFS, "ADDRESS=" + s.Guest.Address()}
	out := &awaited{text: "ready", there: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		kill()
		return err
	}
	s.kill, s.ended = kill, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	select {
	case <-out.there:
		return nil
	case err := <-s.ended:
		kill()
		return fmt.Errorf("the server %s: %w\n%s", s.kind, err, out)
	}
}

// URL is the export for our own client.
func (s *Service) URL(names string) string {
	export := exported
	if s.kind == GoNFS {
		export = "/" // it has one only
	}
	url := fmt.Sprintf("nfs://%s:2049%s?mountport=%d&uid=0&gid=0", s.Guest.Address(), export, recipes[s.kind].mountPort)
	if names != "" {
		url += "&names=" + names
	}
	return url
}

// mount is what a client guest runs.
func (s *Service) mount(options string) string {
	return fmt.Sprintf("mkdir -p /mnt/n\nmount.nfs -n %s:%s /mnt/n -o %s,port=2049,mountport=%d,retry=0\n", s.Guest.Address(), exported, options, recipes[s.kind].mountPort)
}

// Restart kills the server, and not its machine, and starts it again.
func (s *Service) Restart() error {
	if stop := recipes[s.kind].stop; stop != "" {
		if _, err := s.Guest.Shell(s.ctx, stop); err != nil {
			return err
		}
	}
	s.kill()
	<-s.ended // with the error of one that was killed
	return s.run()
}

// awaited is an output that tells when a text has come.
type awaited struct {
	text  string
	there chan struct{}

	mu   sync.Mutex
	got  strings.Builder
	done bool
}

func (a *awaited) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.got.Len() < 1<<20 {
		a.got.Write(p)
	}
	if !a.done && strings.Contains(a.got.String(), a.text) {
		a.done = true
		close(a.there)
	}
	return len(p), nil
}

func (a *awaited) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got.String()
}
