package watchlist

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// apart reports whether files are elsewhere than in the data folder, whose disk is watched anyway.
func (c Config) apart() bool {
	if c.Place == "" || strings.Contains(c.Place, "://") {
		return c.Place != ""
	}
	rel, err := filepath.Rel(c.DataDir, c.Place)
	return err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// room watches the space where the files are, as their disk or server tells it, and how many calls
// wait for it.
func room(place string, ask func(context.Context) (nfsstore.Health, error)) monitor.Check {
	return monitor.Check{Name: "space for files", Every: 30 * time.Second, Fall: 1, Timeout: 2 * filesWait, Run: func(ctx context.Context) monitor.Finding {
		h, err := ask(ctx)
		f := monitor.Disk("", place, func(string) (monitor.Space, error) {
			return monitor.Space{
				FreeBytes: uint64(max(h.Free, 0)), TotalBytes: uint64(max(h.Total, 0)),
				FreeFiles: uint64(max(h.FreeFiles, 0)), TotalFiles: uint64(max(h.TotalFiles, 0)),
			}, err
		}, monitor.Limits{}).Run(ctx)
		f.Detail = append(f.Detail, monitor.Pair{Key: "calls under way", Value: fmt.Sprintf("%d of %d", h.Busy, h.Slots)})
		switch {
		case err != nil:
			f.Next = "remora-server files probe"
		case f.Level != monitor.OK:
			f.Next = "remora-server files sweep; if it stays so, give the files more room, or move them: remora-server files move"
		case h.Slots > 0 && h.Busy >= h.Slots:
			f.Level, f.Summary = monitor.Warn, "All calls that may be at work in "+place+" are: others wait for its disk or its server."
			f.Next = "remora-server files probe"
		}
		return f
	}}
}
