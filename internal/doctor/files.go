package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"time"

	"github.com/sugarlabs/beamrider/internal/monitor"
	"github.com/sugarlabs/beamrider/nfsstore"
)

// filesWait is how long the place of the files may take for all that is tried there.
const filesWait = 15 * time.Second

// files looks at a place of the files: who can reach it, and what it can do.
func files(ctx context.Context, place string) (all []monitor.Result) {
	if u, err := url.Parse(place); err == nil && u.Scheme == "nfs" {
		export := monitor.Export{Host: u.Hostname()}
		if export.Addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname()); err != nil {
			export.Addrs = nil // which is what it then finds
		}
		all = export.Results()
	}
	return append(all, tryOut(ctx, place)...)
}

// tryOut tries out a place of the files, and judges how it is mounted. One that is not there yet is
// none of its business.
func tryOut(ctx context.Context, place string) []monitor.Result {
	ctx, cancel := context.WithTimeout(ctx, filesWait)
	defer cancel()
	r, err := nfsstore.Probe(ctx, place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	one := func(l monitor.Level, summary, next string) monitor.Result {
		return monitor.Result{Name: "files", Finding: monitor.Finding{Level: l, Summary: summary, Next: next}}
	}
	if err != nil {
		return []monitor.Result{one(monitor.Unknown, "What "+place+" can do is not known: "+err.Error(), "remora-server files probe "+place)}
	}
	return placeResults(place, &r)
}

// placeResults says what was found, as a doctor does.
func placeResults(place string, r *nfsstore.Report) (out []monitor.Result) {
	for _, a := range r.Advice {
		level := monitor.OK
		switch a.Level {
		case nfsstore.LevelError:
			level = monitor.Bad
		case nfsstore.LevelWarn:
			level = monitor.Warn
		}
		f := monitor.Finding{Level: level, Summary: a.Text}
		if level != monitor.OK {
			f.Next = "remora-server files probe " + place + " says more."
		}
		out = append(out, monitor.Result{Name: "files", Finding: f})
	}
	if len(out) == 0 {
		out = append(out, monitor.Result{Name: "files", Finding: monitor.Finding{Level: monitor.OK, Summary: "Files may be kept in " + place + "."}})
	}
	return out
}
