package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/doctor"
	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/internal/watchlist"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// newMonitor returns what watches the machines and the parts of the library; the keeper is nil where
// there is nobody to promote, or no account to do it with.
func newMonitor(c *config, h *house, log *slog.Logger) (m *monitor.Monitor, k *keeper.Keeper, err error) {
	if len(c.nodes) > 1 && c.promoter != (mariaurl.Account{}) {
		kc := c.keeper()
		kc.Log = log
		if k, err = keeper.Open(kc); err != nil {
			return nil, nil, &remora.Error{Kind: remora.KindInvalid, Code: "config.database", Message: "The section database of the configuration has mistakes.", Err: err}
		}
	}
	w := watched(c, h)
	w.Keeper = k
	mc := monitor.Config{Checks: w.Checks(), Logger: log}
	if c.trackFile != "" {
		at := cmp.Or(c.balancerListen, c.listen)
		mc.Track = &monitor.Track{Path: c.trackFile, Local: monitor.Alive(watchlist.LocalBalancer(at))}
	}
	m, err = monitor.New(mc)
	return m, k, err
}

// watched is what the monitor and status look at.
func watched(c *config, h *house) watchlist.Config {
	return watchlist.Config{
		Targets: c.targets, MaxLag: c.maxLag, DataDir: c.dataDir, Place: c.files(), CopyDir: c.copyDir, Second: c.second(), KeepsCopy: c.has(roleFiles),
		Cluster: h.cluster, Mode: c.mode, WriteMode: h.store.WriteMode, Files: h.files,
	}
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
	h, err := openHouse(ctx, a.config, datalock.Shared, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if h.cluster != nil {
		h.cluster.Asked(ctx, clusterWait)
	}
	m, err := monitor.New(monitor.Config{Checks: watched(a.config, h).Checks()})
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
the public, and after each change. It changes nothing, but for small files that it makes where files are
kept, and removes again.

  remora-server doctor --config /etc/remora/remora.toml`
}

func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	conf := a.config
	d := doctor.Config{
		Listen: []string{conf.listen}, SiteURL: conf.siteURL, DataDir: conf.dataDir, Files: conf.files(), Second: conf.second(),
		Secrets: []string{filepath.Join(conf.dataDir, keyFile)}, TrackFile: conf.trackFile, Keepalived: c.Keepalived,
		Servers: conf.nodes, Strict: conf.mode == string(promote.Strict), Promoter: conf.promoter, Replication: conf.replication,
	}
	if conf.balancerListen != "" {
		d.Listen = append(d.Listen, conf.balancerListen)
	}
	if path, ok := os.LookupEnv("REMORA_CONFIG"); ok {
		d.Secrets = append(d.Secrets, path)
	}
	for _, s := range table {
		if path, ok := os.LookupEnv(s.Env + "_FILE"); ok && s.Secret {
			d.Secrets = append(d.Secrets, path)
		}
	}
	results, err := doctor.Look(ctx, d)
	if err != nil {
		return err
	}
	return printFindings(a, monitor.Ranked(time.Now(), results...), c.JSON)
}
