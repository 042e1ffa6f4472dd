package watchlist

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/nfsstore"
)

func TestRoom(t *testing.T) {
	for name, c := range map[string]struct {
		health nfsstore.Health
		err    error
		level  monitor.Level
		next   string
	}{
		"enough":       {nfsstore.Health{Free: 50, Total: 100, FreeFiles: 50, TotalFiles: 100, Busy: 3, Slots: 64}, nil, monitor.OK, ""},
		"not counted":  {nfsstore.Health{Slots: 64}, nil, monitor.OK, ""},
		"little":       {nfsstore.Health{Free: 9, Total: 100}, nil, monitor.Warn, "files sweep"},
		"none":         {nfsstore.Health{Free: 1, Total: 100}, nil, monitor.Bad, "files sweep"},
		"no inodes":    {nfsstore.Health{Free: 50, Total: 100, FreeFiles: 1, TotalFiles: 100}, nil, monitor.Bad, "files sweep"},
		"all at work":  {nfsstore.Health{Free: 50, Total: 100, Busy: 64, Slots: 64}, nil, monitor.Warn, "files probe"},
		"no answer":    {nfsstore.Health{Busy: 64, Slots: 64}, errors.New("it hangs"), monitor.Unknown, "files probe"},
		"what is lied": {nfsstore.Health{Free: -1, Total: -1}, nil, monitor.OK, ""},
	} {
		f := room("/srv/remora", func(context.Context) (nfsstore.Health, error) { return c.health, c.err }).Run(t.Context())
		if f.Level != c.level || !strings.Contains(f.Next, c.next) || c.next == "" && f.Next != "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestApart(t *testing.T) {
	for _, c := range []struct {
		data, place string
		want        bool
	}{
		{"/var/lib/remora", "/var/lib/remora/files", false},
		{"/var/lib/remora", "/var/lib/remora-files", true},
		{"/var/lib/remora", "/srv/remora", true},
		{"/var/lib/remora", "nfs://10.0.0.11/srv/remora", true},
		{"./remora-data", "remora-data/files", false},
		{"./remora-data", "/srv/remora", true},
		{"/var/lib/remora", "", false},
	} {
		if got := (Config{DataDir: c.data, Place: c.place}).apart(); got != c.want {
			t.Errorf("%s and %s: %v", c.data, c.place, got)
		}
	}
}
