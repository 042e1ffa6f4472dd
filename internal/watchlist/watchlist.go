// Package watchlist is what the monitor and the command status look at, of one library.
package watchlist

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/cluster"
	"github.com/sugarlabs/beamrider/internal/filestore"
	"github.com/sugarlabs/beamrider/internal/keeper"
	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/internal/settings"
)

// filesWait is how long files may take to answer when it is asked whether they are gone.
const filesWait = 2 * time.Second

// Config is what there is to look at.
type Config struct {
	Targets   []settings.Named // pages of other machines
	MaxLag    time.Duration    // of a replica
	DataDir   string
	Place     string           // where files are kept
	CopyDir   string           // "": no copy
	Second    string           // where everything is once more; "": nowhere
	KeepsCopy bool             // this process keeps it
	Cluster   *cluster.Cluster // nil: a single database
	Mode      string           // of the database servers: available, strict
	Keeper    *keeper.Keeper   // nil: nobody watches over them here
	WriteMode func(ctx context.Context) (string, error)
	Files     *filestore.Files
}

// LocalBalancer is where a balancer that listens at an address says, to its own machine, that it is
// alive.
func LocalBalancer(at string) string {
	host, port, err := net.SplitHostPort(at)
	if ip, perr := netip.ParseAddr(host); err == nil && (host == "" || perr == nil && ip.IsUnspecified()) {
		at = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + at + "/internal/balancer/live"
}

// Checks returns them.
func (c Config) Checks() []monitor.Check {
	beats := monitor.NewBeats()
	var list []monitor.Check
	for _, t := range c.Targets {
		list = append(list, monitor.HTTP(monitor.Target{Name: t.Name, URL: t.URL, Remote: true}, beats))
	}
	if len(c.Targets) > 0 {
		list = append(list, monitor.Clocks("clocks", beats, 0), monitor.FeedBehind("change feed", beats, 0))
	}
	promote := "remora-server db promote"
	if c.Cluster != nil {
		nodes := monitor.Nodes(monitor.NodesConfig{Name: "database servers", Mode: c.Mode, MaxLag: c.MaxLag, Promote: promote, Ask: c.cluster})
		nodes.Timeout = 2 * filesWait
		judge := nodes.Run
		nodes.Run = func(ctx context.Context) monitor.Finding {
			f := judge(ctx)
			soon, cancel := context.WithTimeout(ctx, filesWait)
			defer cancel()
			if strings.HasPrefix(f.Next, promote) && (c.Files.Copied() || c.Files.Twofold()) && c.Files.Try(soon) != nil {
				f.Next += " --take-files" // they are as gone as the primary
			}
			return f
		}
		list = append(list, nodes)
	}
	if c.Keeper != nil {
		list = append(list, c.Keeper.Check("failover"))
	}
	list = append(list,
		monitor.WriteMode("writing", func(ctx context.Context) (string, time.Time, error) {
			mode, err := c.WriteMode(ctx)
			return mode, time.Time{}, err
		}, "remora-server db write-mode normal, unless a copy is at work", ""),
		monitor.Canary("files", "Storing and reading a file in "+c.Place, c.Files.Try, c.filesNext()),
		monitor.Disk("data folder", c.DataDir, monitor.FolderSpace, monitor.Limits{}),
	)
	if c.Files.Twofold() {
		list = append(list, monitor.Canary("second copy", "Storing and reading a file in "+c.Second, c.Files.TrySecond,
			"Start the server, or the disk, behind "+c.Second+" again, or make room there if it is full. Until then nothing can be stored; downloads go on. With files.copies = \"1\" it need not answer."))
	}
	if c.apart() {
		list = append(list, room(c.Place, c.Files.Health))
	}
	if c.Files.Copied() && c.KeepsCopy {
		list = append(list,
			monitor.Disk("copy", c.CopyDir, monitor.FolderSpace, monitor.Limits{}),
			lag("copy of the files", c.Files.Behind))
	}
	if c.Files.Twofold() && c.KeepsCopy {
		list = append(list, lag("what the second copy lacks", c.Files.SecondBehind))
	}
	return list
}

// lag watches how far a copy is behind that this process keeps.
func lag(name string, behind func() (files int, oldest time.Time)) monitor.Check {
	return monitor.CopyBehind(name, func(context.Context) (monitor.Copy, error) {
		missing, oldest := behind()
		return monitor.Copy{Missing: missing, Oldest: oldest}, nil
	}, 0, "Look at the log of the process with the role files.")
}

// cluster is what the servers say, and since when writes are in one copy.
func (c Config) cluster(ctx context.Context) (monitor.Cluster, error) {
	s, err := c.Cluster.State(ctx)
	if err == nil && s.SemiSync != nil && c.Keeper != nil {
		s.SemiSync.Since = c.Keeper.OneCopy()
	}
	return s, err
}

func (c Config) filesNext() string {
	next := "Start the NFS server, or the disk, behind " + c.Place + " again."
	switch {
	case c.Second != "":
		next += " If it is gone for good, take the second copy in its place, by the flag --take-files of db promote."
	case c.CopyDir != "" && c.CopyDir != c.Place:
		next += " If it is gone for good, take the copy of this machine in its place, by the flag --take-files of db promote."
	}
	return next
}
