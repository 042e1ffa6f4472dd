package filescmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

type probeCmd struct {
	URL  string `arg:"" optional:"" help:"A folder, a mount perhaps, or nfs://host/export; unset: where the files are."`
	JSON bool   `help:"Write JSON."`
}

func (c *probeCmd) Help() string {
	return `Tries out what a place for files can do, with some small files that it removes again, and says which options of
its mount are wrong and what to write in their place. The folder has to be there.

  remora-server files probe
  remora-server files probe /mnt/remora
  remora-server files probe nfs://10.0.0.11/srv/remora

Exit status: 0 files may be kept there, 1 they must not, 4 it does not answer.`
}

// A probed is what a probe has found, as programs read it.
type probed struct {
	Where      string   `json:"where"`
	Kind       string   `json:"kind"`
	Names      string   `json:"names"` // how names are made safe from a power cut
	Links      bool     `json:"links"`
	Free       int64    `json:"free_bytes"`
	Total      int64    `json:"total_bytes"`
	FreeFiles  int64    `json:"free_files"`
	TotalFiles int64    `json:"total_files"`
	Mount      *mount   `json:"mount,omitempty"`
	Trials     []trial  `json:"trials"`
	Advice     []advice `json:"advice"`
	Good       bool     `json:"good"`
}

type mount struct {
	Type    string `json:"type"`
	Point   string `json:"point"`
	Source  string `json:"source"`
	Options string `json:"options,omitempty"` // of NFS, those that matter to a store
}

type trial struct {
	What string  `json:"what"`
	MS   float64 `json:"ms"`
	Err  string  `json:"error,omitempty"`
}

type advice struct {
	Level string `json:"level"` // info, warning, error
	Text  string `json:"text"`
}

func (c *probeCmd) Run(ctx context.Context, e *Env) error {
	at := cmp.Or(c.URL, e.Place)
	r, err := nfsstore.Probe(ctx, at)
	if err != nil {
		return trouble(err, "The place "+at+" cannot be looked at.")
	}
	p := probed{
		Where: r.Where, Kind: r.Kind, Names: r.Caps.Names.String(), Links: r.Caps.Link, Good: r.OK(),
		Free: r.Space.Free, Total: r.Space.Total, FreeFiles: r.Space.FreeFiles, TotalFiles: r.Space.TotalFiles,
		Trials: []trial{}, Advice: []advice{},
	}
	if m := r.Mount; m != nil {
		p.Mount = &mount{Type: m.Type, Point: m.Point, Source: m.Source}
		if m.NFS() {
			p.Mount.Options = mountText(m)
		}
	}
	for _, t := range r.Trials {
		n := trial{What: t.What, MS: float64(t.Took.Microseconds()) / 1000}
		if t.Err != nil {
			n.Err = t.Err.Error()
		}
		p.Trials = append(p.Trials, n)
	}
	for _, a := range r.Advice {
		p.Advice = append(p.Advice, advice{a.Level.String(), a.Text})
	}
	if c.JSON {
		err = e.showJSON(p)
	} else {
		err = p.text(e.Stdout)
	}
	if err == nil && !p.Good {
		return e.Exit(1)
	}
	return err
}

func (p *probed) text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "place\t%s (%s)\n", p.Where, p.Kind)
	if p.Total > 0 {
		fmt.Fprintf(tw, "space\t%s of %s free", bytesText(p.Free), bytesText(p.Total))
		if p.TotalFiles > 0 {
			fmt.Fprintf(tw, ", room for %d of %d files", p.FreeFiles, p.TotalFiles)
		}
		fmt.Fprintln(tw)
	}
	if how := namesText[p.Names]; how != "" {
		fmt.Fprintf(tw, "names\tmade safe from a power cut by %s\n", how)
	}
	if m := p.Mount; m != nil {
		fmt.Fprintf(tw, "mount\t%s at %s, from %s\n", m.Type, m.Point, m.Source)
		if m.Options != "" {
			fmt.Fprintf(tw, "options\t%s\n", m.Options)
		}
	}
	for _, t := range p.Trials {
		result := fmt.Sprintf("%.2f ms", t.MS)
		if t.Err != "" {
			result = "does not work: " + plain(t.Err)
		}
		fmt.Fprintf(tw, "trial\t%s\t%s\n", t.What, result)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, a := range p.Advice {
		if _, err := fmt.Fprintf(w, "%-7s  %s\n", a.Level, plain(a.Text)); err != nil {
			return err
		}
	}
	end := "Files may be kept there."
	if !p.Good {
		end = "Files must not be kept there like that."
	}
	_, err := fmt.Fprintln(w, end)
	return err
}

var namesText = map[string]string{
	vol.NamesBySync.String(): "a sync of the folder", vol.NamesByServer.String(): "the file server",
	vol.NamesByFence.String(): "a file that is written and synced after each change",
}

// mountText is the options of a mount that matter to a store.
func mountText(m *nfsstore.Mount) string {
	list := []string{"vers=" + m.Version, m.Recovery}
	add := func(option, value string) {
		if value != "" {
			list = append(list, option+"="+value)
		}
	}
	add("proto", m.Proto)
	add("lookupcache", m.LookupCache)
	add("sec", m.Security)
	if m.Timeout > 0 {
		add("timeo", fmt.Sprint(int(m.Timeout/(100*time.Millisecond))))
	}
	add("retrans", fmt.Sprint(m.Retries))
	return strings.Join(list, ",")
}
