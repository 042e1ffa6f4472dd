// Package doctor looks at how a library is set up, on this machine and at its database servers.
package doctor

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/sugarlabs/beamrider/internal/mariaurl"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/replica/diagnose"
)

// Config is what is looked at.
type Config struct {
	Listen     []string // addresses and ports
	SiteURL    string
	DataDir    string
	Files      string   // a folder or a URL
	Second     string   // the second place of the files; "": none
	Secrets    []string // files that hold secrets; those that are absent do not count
	TrackFile  string   // "": none
	Keepalived string   // its configuration file; looked at where there is a track file
	Servers    []mariaurl.Server
	Strict     bool // the servers are to be in mode strict

	Promoter, Replication mariaurl.Account // zero: none
}

// Look looks at everything. It changes nothing, but for small files that it makes and removes where
// files are kept.
func Look(ctx context.Context, c Config) (all []monitor.Result, err error) {
	listening := monitor.Listening{Listen: c.Listen, SiteURL: c.SiteURL}
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
	folder := monitor.Folder{Path: c.DataDir, SQLite: len(c.Servers) == 0}
	if folder.Filesystem, err = monitor.FilesystemOf(c.DataDir); err != nil {
		folder.Filesystem = "" // not there yet
	}
	all = append(all, folder.Results()...)
	all = append(all, files(ctx, c.Files)...)
	if c.Second != "" {
		all = append(all, files(ctx, c.Second)...)
	}
	var secrets []string
	for _, path := range c.Secrets {
		if _, err := os.Stat(path); err == nil {
			secrets = append(secrets, path)
		}
	}
	all = append(all, monitor.Secrets(secrets...)...)
	if len(c.Servers) > 0 {
		report, err := diagnose.Diagnose(ctx, Cluster(c))
		if err != nil {
			return nil, err
		}
		all = append(all, Results(report)...)
	}
	if text, err := os.ReadFile(c.Keepalived); err == nil && c.TrackFile != "" {
		all = append(all, monitor.Keepalived{Text: string(text), TrackFile: c.TrackFile}.Results()...)
	}
	return all, nil
}
