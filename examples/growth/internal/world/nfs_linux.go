package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// NFS is an NFS-Ganesha on a machine, which exports one folder of it to its network.
type NFS struct {
	Machine *Machine
	Folder  string // such as /srv/remora
	ganesha *Process
}

// ganeshaConf has a short grace time, as nobody wants to watch a long one, and no NFSv4: front ends
// speak version 3.
const ganeshaConf = `NFS_CORE_PARAM {
	Protocols = 3;
	NFS_Port = 2049;
	MNT_Port = 20048;
	Enable_NLM = false;
	Enable_RQUOTA = false;
	Bind_addr = 0.0.0.0;
	Plugins_Dir = "%s";
}
NFSv4 { Grace_Period = 2; Lease_Lifetime = 5; Graceless = true; }
EXPORT {
	Export_Id = 1;
	Path = "%s";
	Pseudo = "%s";
	Access_Type = RW;
	Squash = No_Root_Squash;
	SecType = sys;
	Protocols = 3;
	FSAL { Name = VFS; }
	CLIENT { Clients = %s; Access_Type = RW; Squash = No_Root_Squash; }
}
LOG { Default_Log_Level = EVENT; }
`

// NFS starts rpcbind and NFS-Ganesha on the machine and waits until they answer.
func (w *World) NFS(ctx context.Context, m *Machine, folder string) (*NFS, error) {
	conf := fmt.Sprintf(ganeshaConf, ganeshaPlugins(), folder, folder, m.IP[:strings.LastIndexByte(m.IP, '.')]+".0/24")
	conf = strings.ReplaceAll(conf, "\tPlugins_Dir = \"\";\n", "")
	if err := m.Write("/srv/etc/ganesha.conf", conf, 0o644); err != nil {
		return nil, err
	}
	rpcbind, err := m.Start("rpcbind", "rpcbind", "-f", "-w")
	if err != nil {
		return nil, err
	}
	n := &NFS{Machine: m, Folder: folder}
	if err := rpcbind.Within(ctx, 20*time.Second, "answers", func() error { return n.answers(ctx, "111") }); err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}

// ganeshaPlugins returns where Debian keeps the plug-ins, or "" for where the server itself looks.
func ganeshaPlugins() string {
	for _, dir := range []string{"/usr/lib/x86_64-linux-gnu/ganesha", "/usr/lib/aarch64-linux-gnu/ganesha", "/usr/lib/ganesha"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// Start starts the server, after a Kill9 too.
func (n *NFS) Start(ctx context.Context) (err error) {
	n.ganesha, err = n.Machine.Start("ganesha", "ganesha.nfsd", "-F", "-L", "/dev/stderr", "-f", "/srv/etc/ganesha.conf", "-p", "/run/ganesha.pid")
	if err != nil {
		return err
	}
	return n.ganesha.Within(ctx, 30*time.Second, "answers", func() error {
		return errors.Join(n.answers(ctx, "2049"), n.answers(ctx, "20048"))
	})
}

func (n *NFS) answers(ctx context.Context, port string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := n.Machine.Dial(ctx, "tcp", n.Machine.IP+":"+port)
	if err != nil {
		return err
	}
	return conn.Close()
}

// URL returns where front ends find the folder.
func (n *NFS) URL() string { return "nfs://" + n.Machine.IP + n.Folder + "?timeout=3s" }

// Kill9 kills the server without warning.
func (n *NFS) Kill9() { n.ganesha.Kill9() }
