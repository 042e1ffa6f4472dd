package filescmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
	"github.com/sugarlabs/beamrider/remora"
)

type nfsdCmd struct {
	Export      []export `required:"" help:"A folder, or the name that clients mount it by and the folder; may be given several times." placeholder:"/srv/remora=FOLDER" sep:"none"`
	Client      []client `required:"" help:"Machines that may use the exports, by their network; behind it ro, squash=root, squash=none or squash=all, and for whom users become uid=N and gid=N. May be given several times." placeholder:"NETWORK[,ro][,squash=all]" sep:"none"`
	Listen      string   `help:"Address, of a private network, and port." default:"127.0.0.1:2049" placeholder:"ADDRESS"`
	HiddenLater bool     `help:"Do not wait for the disk when a name that begins with a dot comes or goes: stores small files faster, and is safe for this program, not for any other."`
	JSON        bool     `help:"Write what is served as JSON, a line each."`
	State       string   `help:"Folder for the key of the handles; unset: nfsd in the data folder." placeholder:"FOLDER" type:"path"`
}

func (c *nfsdCmd) Help() string {
	return `Serves folders of this machine to others by NFS version 3, until it is told to stop by SIGTERM or Ctrl-C. It
is experimental, and for a small site: where the server of the Linux kernel or NFS-Ganesha can run, use
that. NFS believes whoever asks, so that only addresses of private networks are accepted.

  remora-server files nfsd --export /srv/remora --client 10.0.0.0/24 --listen 10.0.0.11:2049
  remora-server files nfsd --export /srv/remora=/var/lib/remora/files --client 10.0.0.12/32,ro \
    --client 10.0.0.13/32,squash=all,uid=110,gid=110 --listen 10.0.0.11:2049

As root it acts with the user of each caller; as another user it acts as that, whoever calls.`
}

// An export is a flag such as /srv/remora=/var/lib/remora/files.
type export struct{ name, dir string }

func (e *export) UnmarshalText(b []byte) error {
	name, dir, two := strings.Cut(string(b), "=")
	if !two {
		dir = name
	}
	if !strings.HasPrefix(name, "/") || dir == "" {
		return fmt.Errorf("%q does not look like /srv/remora, or /srv/remora=/var/lib/remora/files", b)
	}
	dir, err := filepath.Abs(dir)
	*e = export{name, dir}
	return err
}

// A client is a flag such as 10.0.0.0/24,ro,squash=all.
type client nfsd.Client

func (c *client) UnmarshalText(b []byte) (err error) {
	words := strings.Split(string(b), ",")
	if c.Net, err = netip.ParsePrefix(words[0]); err != nil {
		addr, aerr := netip.ParseAddr(words[0])
		if aerr != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/24", words[0])
		}
		c.Net, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		squash, known := map[string]nfsd.Squash{"root": nfsd.SquashRoot, "none": nfsd.SquashNone, "all": nfsd.SquashAll}[value]
		switch {
		case word == "ro":
			c.ReadOnly = true
		case key == "squash" && known:
			c.Squash = squash
		case key == "uid":
			c.UID, err = number(value)
		case key == "gid":
			c.GID, err = number(value)
		default:
			return fmt.Errorf("%q is none of ro, squash=root, squash=none, squash=all, uid=N and gid=N", word)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a user or a group", s)
	}
	return uint32(n), nil
}

func (c *nfsdCmd) Run(ctx context.Context, e *Env) (err error) {
	if err := checkPrivate(c.Listen); err != nil {
		return err
	}
	if err := obeyQuotas(); err != nil {
		e.Log.Warn("Quotas do not bind those who are served, and neither does space reserved for root.", "error", err)
	}
	state := c.State
	if state == "" {
		if state, err = filepath.Abs(filepath.Join(e.DataDir, "nfsd")); err != nil {
			return err
		}
	}
	if err := makeState(state); err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Op: "files", Message: "The folder " + state + " cannot be made. Choose another with --state.", Err: err}
	}
	conf := nfsd.Config{StateDir: state, Logger: e.Log}
	for _, x := range c.Export {
		n := nfsd.Export{Name: x.name, Dir: x.dir, HiddenLater: c.HiddenLater}
		for _, cl := range c.Client {
			n.Clients = append(n.Clients, nfsd.Client(cl))
		}
		conf.Exports = append(conf.Exports, n)
	}
	server, err := nfsd.New(conf)
	if err != nil {
		return &remora.Error{Kind: remora.KindInvalid, Op: "files", Code: "config.nfsd", Message: "Nothing can be exported so.", Err: err}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Op: "files", Message: "Cannot listen on " + c.Listen + ". If another NFS server is there, or the address is not this machine's, choose another with --listen.", Err: err}
	}
	for _, x := range c.Export {
		s, err := serving(ln.Addr(), x)
		if err == nil {
			err = c.show(e, s)
		}
		if err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	err = server.Serve(ctx, ln)
	if cerr := ln.Close(); !errors.Is(cerr, net.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // it was told to
	}
	return err
}

// makeState makes the folder of the key, which nobody else may enter; others may enter those above it, as a
// data folder.
func makeState(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o700)
}

// checkPrivate refuses an address that others than the own network may reach.
func checkPrivate(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err == nil {
		var ip netip.Addr
		if ip, err = netip.ParseAddr(host); err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()) {
			return nil
		}
	}
	return &remora.Error{Kind: remora.KindInvalid, Op: "files", Code: "config.listen", Err: err, Message: "The address " + listen + " is not one, with a port, of a private network, such as 10.0.0.11:2049. NFS believes everybody who can reach it."}
}

// A served is how other machines use an export.
type served struct {
	Folder string `json:"folder"`
	URL    string `json:"files_url"`
	Mount  string `json:"mount"`
}

// serving returns how other machines use an export at an address.
func serving(addr net.Addr, x export) (served, error) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return served{}, err
	}
	// Names are safe when this server acknowledges them.
	url := "nfs://" + net.JoinHostPort(host, port) + x.name + "?mountport=" + port + "&names=server"
	if os.Geteuid() == 0 {
		// A client that has no user of its own is root to the server, which becomes nobody.
		if uid, gid, ok := owner(x.dir); ok && uid != 0 {
			url += fmt.Sprintf("&uid=%d&gid=%d", uid, gid)
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return served{Folder: x.dir, URL: url, Mount: fmt.Sprintf(
		"mount -t nfs -o vers=3,proto=tcp,port=%s,mountport=%s,mountproto=tcp,nolock,hard,lookupcache=positive %s:%s /mnt", port, port, host, x.name)}, nil
}

func (c *nfsdCmd) show(e *Env, s served) error {
	if c.JSON {
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(s)
	}
	_, err := fmt.Fprintf(e.Stdout, "Exporting %s.\nfiles.url = %q\n%s\n", s.Folder, s.URL, s.Mount)
	return err
}
