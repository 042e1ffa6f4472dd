package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/mariaadmin"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
	"github.com/sugarlabs/beamrider/replica"
)

// newMonitor returns what watches the machines and the parts of the library.
func newMonitor(c *config, h *house, log *slog.Logger) (*monitor.Monitor, error) {
	mc := monitor.Config{Checks: checks(c, h), Logger: log}
	if c.trackFile != "" {
		at := localBalancer(c)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		mc.Track = &monitor.Track{Path: c.trackFile, Local: func(ctx context.Context) error { return alive(ctx, client, at) }}
	}
	return monitor.New(mc)
}

// localBalancer is where the balancer of this machine says that it is alive.
func localBalancer(c *config) string {
	at := c.balancerListen
	if at == "" {
		at = c.listen
	}
	host, port, err := net.SplitHostPort(at)
	if ip, perr := netip.ParseAddr(host); err == nil && (host == "" || perr == nil && ip.IsUnspecified()) {
		at = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + at + "/internal/balancer/live"
}

func alive(ctx context.Context, client *http.Client, at string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the balancer answers %s", res.Status)
	}
	return nil
}

// checks are what the monitor and status look at.
func checks(c *config, h *house) []monitor.Check {
	beats := monitor.NewBeats()
	var list []monitor.Check
	for _, t := range c.targets {
		list = append(list, monitor.HTTP(monitor.Target{Name: t.name, URL: t.url, Remote: true}, beats))
	}
	if len(c.targets) > 0 {
		list = append(list, monitor.Clocks("clocks", beats, 0), monitor.FeedBehind("change feed", beats, 0))
	}
	promote := "remora-server db promote"
	if h.router != nil {
		nodes := monitor.Nodes(monitor.NodesConfig{Name: "database servers", Mode: "available", MaxLag: c.maxLag, Promote: promote, Ask: h.cluster})
		judge := nodes.Run
		nodes.Run = func(ctx context.Context) monitor.Finding {
			f := judge(ctx)
			if strings.HasPrefix(f.Next, promote) && h.files.copy != nil && h.canary(ctx) != nil {
				f.Next += " --take-files" // they are as gone as the primary
			}
			return f
		}
		list = append(list, nodes)
	}
	list = append(list,
		monitor.WriteMode("writing", func(ctx context.Context) (string, time.Time, error) {
			mode, err := h.store.WriteMode(ctx)
			return mode, time.Time{}, err
		}, "remora-server db write-mode normal, unless a copy is at work", ""),
		monitor.Canary("files", "Storing and reading a file in "+c.files(), h.canary, filesNext(c)),
		monitor.Disk("data folder", c.dataDir, monitor.FolderSpace, monitor.Limits{}),
	)
	if h.files.copy != nil && c.has(roleFiles) {
		list = append(list,
			monitor.Disk("copy", c.copyDir, monitor.FolderSpace, monitor.Limits{}),
			monitor.CopyBehind("copy of the files", h.copyState, 0, "Look at the log of the process with the role files."))
	}
	return list
}

func filesNext(c *config) string {
	next := "Start the NFS server, or the disk, behind " + c.files() + " again."
	if c.copyDir != "" && c.copyDir != c.files() {
		next += " If it is gone for good, take the copy of this machine in its place, by the flag --take-files of db promote."
	}
	return next
}

// asked waits a moment until every database server was asked once.
func (h *house) asked(ctx context.Context) {
	if h.router == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, clusterWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(h.router.Status().Nodes, func(n replica.NodeStatus) bool { return n.Asked.IsZero() }) {
		select {
		case <-ctx.Done():
			return // which the report then shows
		case <-tick.C:
		}
	}
}

// cluster is what the monitor asks of the router.
func (h *house) cluster(ctx context.Context) (monitor.Cluster, error) {
	var c monitor.Cluster
	status := h.router.Status()
	for _, n := range status.Nodes {
		node := monitor.Node{Name: n.Name, Role: string(n.Role), Lag: n.Lag, Position: n.Position, State: n.State}
		c.Nodes = append(c.Nodes, node)
	}
	if status.Primary == "" {
		return c, nil
	}
	if s, err := mariaadmin.AskSemiSync(ctx, h.router.Write(ctx)); err == nil && s.Enabled {
		c.SemiSync = &monitor.SemiSync{On: s.On, Replicas: s.Replicas}
	}
	return c, nil
}

// canary stores a small file, reads it, and takes it away.
func (h *house) canary(ctx context.Context) error {
	const name, text = "canary/monitor", "alive\n"
	sum := sha256.Sum256([]byte(text))
	if err := h.files.Put(ctx, name, strings.NewReader(text), int64(len(text)), sum[:]); err != nil {
		return err
	}
	f, err := h.files.main.Load().Open(ctx, name)
	if err != nil {
		return err
	}
	got := make([]byte, len(text)+1)
	n, err := f.Read(got)
	if err = errors.Join(err, f.Close()); err != nil || string(got[:n]) != text {
		return errors.Join(errors.New("what is read is not what was stored"), err)
	}
	return nil
}

func (h *house) copyState(context.Context) (monitor.Copy, error) {
	s := h.files.stats.Load()
	if s == nil {
		return monitor.Copy{}, nil
	}
	return monitor.Copy{Missing: s.Behind}, nil
}

type statusCmd struct {
	JSON bool `help:"Write JSON."`
}

func (c *statusCmd) Help() string {
	return `Looks at everything once: machines, database servers, files, space; the worst comes first, with the
next command. Exit status: 0 nothing to do, 1 something is wrong, 4 not everything could be found out.

  remora-server status
  remora-server status --json`
}

func (c *statusCmd) Run(ctx context.Context, a *app) error {
	h, err := openHouse(ctx, a.config, lockShared, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	h.asked(ctx)
	m, err := monitor.New(monitor.Config{Checks: checks(a.config, h)})
	if err != nil {
		return errors.Join(err, h.Close())
	}
	report := m.Round(ctx)
	return errors.Join(printFindings(a, report, c.JSON), h.Close())
}

func printFindings(a *app, r monitor.Report, asJSON bool) error {
	var err error
	if asJSON {
		err = printJSON(a.stdout, r)
	} else {
		err = r.Text(a.stdout, &monitor.TextOptions{Color: progress.Terminal(a.stdout) && os.Getenv("NO_COLOR") == "", Detail: true})
	}
	if err == nil && r.ExitCode() != 0 {
		return &exitError{r.ExitCode()}
	}
	return err
}

type doctorCmd struct {
	Keepalived string `help:"keepalived's configuration." placeholder:"FILE" default:"/etc/keepalived/keepalived.conf"`
	JSON       bool   `help:"Write JSON."`
}

func (c *doctorCmd) Help() string {
	return `Looks at how everything is set up: addresses, folders, database servers and their settings, the file
server, keepalived; the worst comes first, with what to do. Run it before the library is opened to
the public, and after each change. It changes nothing. With database.promote it sees more.

  remora-server doctor --config /etc/remora/remora.toml`
}

func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	results, err := c.look(ctx, a.config)
	if err != nil {
		return err
	}
	return printFindings(a, monitor.Ranked(time.Now(), results...), c.JSON)
}

func (c *doctorCmd) look(ctx context.Context, conf *config) (all []monitor.Result, err error) {
	listening := monitor.Listening{Listen: []string{conf.listen}, SiteURL: conf.siteURL}
	if conf.balancerListen != "" {
		listening.Listen = append(listening.Listen, conf.balancerListen)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			listening.Own = append(listening.Own, p.Addr())
		}
	}
	all = append(all, listening.Results()...)
	folder := monitor.Folder{Path: conf.dataDir, SQLite: len(conf.nodes) == 0}
	if folder.Filesystem, err = monitor.FilesystemOf(conf.dataDir); err != nil {
		folder.Filesystem = "" // not there yet
	}
	all = append(all, folder.Results()...)
	if u, err := url.Parse(conf.files()); err == nil && u.Scheme == "nfs" {
		export := monitor.Export{Host: u.Hostname()}
		if export.Addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname()); err != nil {
			export.Addrs = nil // which is what it then finds
		}
		all = append(all, export.Results()...)
	}
	var secrets []string
	if path, ok := os.LookupEnv("REMORA_CONFIG"); ok {
		secrets = append(secrets, path)
	}
	if path := filepath.Join(conf.dataDir, keyFile); exists(path) {
		secrets = append(secrets, path)
	}
	for _, s := range table {
		if path, ok := os.LookupEnv(s.Env + "_FILE"); ok && s.Secret {
			secrets = append(secrets, path)
		}
	}
	all = append(all, monitor.Secrets(secrets...)...)
	all = append(all, conf.servers(ctx).Results()...)
	if text, err := os.ReadFile(c.Keepalived); err == nil && conf.trackFile != "" {
		all = append(all, monitor.Keepalived{Text: string(text), TrackFile: conf.trackFile}.Results()...)
	}
	return all, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// servers asks every database server about its settings, as the account of the library.
func (c *config) servers(ctx context.Context) (s monitor.Servers) {
	if len(c.nodes) > 1 {
		s.Mode = "available"
	}
	for _, n := range c.nodes {
		one := monitor.Server{Name: n.Name}
		soon, cancel := context.WithTimeout(ctx, clusterWait)
		dsn, err := sqlstore.MariaDBDSN(n.DSN(), nil)
		if err == nil {
			var said mariaadmin.Server
			if said, err = mariaadmin.Ask(soon, dsn); err == nil {
				one.Variables, one.Grants = said.Variables, said.Grants
				one.Role = "primary"
				if on := said.Variables["read_only"]; on == "ON" || on == "1" {
					one.Role = "replica"
				}
			}
		}
		cancel()
		one.Err = err
		s.List = append(s.List, one)
	}
	return s
}
