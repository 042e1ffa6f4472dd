package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sugarlabs/beamrider/internal/backup"
	"github.com/sugarlabs/beamrider/internal/catalogedit"
	"github.com/sugarlabs/beamrider/internal/catalogtext"
	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/durable"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

type catalogCmd struct {
	List        catalogListCmd    `cmd:"" help:"List the activities."`
	Show        catalogShowCmd    `cmd:"" help:"Show one activity with all its versions."`
	Why         catalogWhyCmd     `cmd:"" help:"Say which version a laptop is offered, and why not the others."`
	Set         catalogSetCmd     `cmd:"" help:"Set a Sugar range, categories, tags, texts, authors, screenshots and more."`
	Hide        catalogHideCmd    `cmd:"" help:"Withdraw an activity or a version; it can come back."`
	Unhide      catalogUnhideCmd  `cmd:"" help:"Bring back what was hidden."`
	Remove      catalogRemoveCmd  `cmd:"" help:"Withdraw an activity or a version for good."`
	Feature     catalogFeatureCmd `cmd:"" help:"Put an activity on the first page."`
	ExportIndex catalogExportCmd  `cmd:"" name:"export-index" help:"Write an index that import --index reads."`
	Audit       catalogAuditCmd   `cmd:"" help:"Show who changed what, when and why."`
}

// A target names an activity, or with Only one version of it.
type target struct {
	Activity string `arg:"" help:"Id, bundle id or short name of the activity."`
	Only     string `name:"number" help:"One version of it, by number." placeholder:"NUMBER"`
}

// find returns the activity that the target names; v is nil when it names no version.
func (t *target) find(ctx context.Context, h *house) (a *remora.Activity, v *remora.Version, err error) {
	err = h.store.Activities(ctx, remora.ActivityQuery{Ref: t.Activity}, func(found remora.Activity) error {
		if a != nil {
			return remora.Errorf(remora.KindConflict, "activity.ambiguous", "More than one activity is called %s (%s and %s); name it by its id.", t.Activity, a.BundleID, found.BundleID)
		}
		a = &found
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if a == nil {
		return nil, nil, remora.Errorf(remora.KindNotFound, "activity.unknown", "There is no activity %s. \"remora-server catalog list\" shows all.", t.Activity)
	}
	if t.Only == "" {
		return a, nil, nil
	}
	n, err := remora.ParseNumber(t.Only)
	if err != nil {
		return nil, nil, err
	}
	for i := range a.Versions {
		if w := &a.Versions[i]; w.Number.String() == t.Only || v == nil && w.Number.Compare(n) == 0 {
			v = w
		}
	}
	if v == nil {
		return nil, nil, remora.Errorf(remora.KindNotFound, "version.unknown", "%s has no version %s. \"remora-server catalog show %s\" shows all.", a.BundleID, t.Only, t.Activity)
	}
	return a, v, nil
}

// A why is the reason that goes into the audit log.
type why struct {
	Reason string `help:"Why; it goes into the log of changes." placeholder:"TEXT"`
}

func (w *why) actor() remora.Actor {
	return remora.Actor{UserID: remora.SystemUser, Reason: w.Reason}
}

func (w *why) needed() error {
	if strings.TrimSpace(w.Reason) == "" {
		return remora.Errorf(remora.KindInvalid, "reason.missing", "Say why with --reason; whoever looks after the library next will want to know.")
	}
	return nil
}

// with opens the data folder around f. The library must be there: a mistyped --data must not make
// a new, empty one.
func with(ctx context.Context, a *app, f func(h *house) error) error {
	if len(a.config.nodes) == 0 {
		if _, err := os.Stat(filepath.Join(a.config.dataDir, backup.CatalogFile)); err != nil {
			return &remora.Error{Kind: remora.KindOf(err), Code: "data.none", Message: "There is no library in " + a.config.dataDir + ". Name its folder with --data; \"remora-server import\" or \"serve\" makes a new one.", Err: err}
		}
	}
	h, err := openReady(ctx, a.config, datalock.Shared, newLog(a.config, a.stderr))
	if err != nil {
		return err
	}
	return errors.Join(f(h), h.Close())
}

type catalogListCmd struct {
	State string `help:"Only those active, disabled or deleted." placeholder:"STATE"`
	JSON  bool   `help:"Write JSON, one activity a line."`
}

func (c *catalogListCmd) Run(ctx context.Context, a *app) error {
	var q remora.ActivityQuery
	if c.State != "" {
		s, err := remora.ParseActivityState(c.State)
		if err != nil {
			return err
		}
		q.State = &s
	}
	return with(ctx, a, func(h *house) error {
		counts, err := h.store.Downloads(ctx)
		if err != nil {
			return err
		}
		tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		n := 0
		err = h.store.Activities(ctx, q, func(x remora.Activity) error {
			n++
			v := catalogtext.Of(&x)
			v.Downloads = counts[x.ID]
			if c.JSON {
				return printLine(a.stdout, v)
			}
			_, err := fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.BundleID, v.Name, v.Newest, v.State, strings.Join(v.Categories, ","))
			return err
		})
		if err == nil && n == 0 && !c.JSON {
			fmt.Fprintln(a.stderr, "The catalog is empty; \"remora-server import FOLDER\" fills it.")
		}
		return errors.Join(err, tw.Flush())
	})
}

type catalogShowCmd struct {
	target
	JSON bool `help:"Write JSON."`
}

func (c *catalogShowCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error {
		x, only, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if only != nil {
			x.Versions = []remora.Version{*only}
		}
		counts, err := h.store.Downloads(ctx)
		if err != nil {
			return err
		}
		v := catalogtext.Of(x)
		v.Downloads = counts[x.ID]
		if c.JSON {
			return printJSON(a.stdout, v)
		}
		return v.Write(a.stdout)
	})
}

type catalogWhyCmd struct {
	target
	Sugar        string `help:"Sugar release of the laptop, such as 0.98; unset: unknown." placeholder:"X.Y"`
	Arch         string `help:"Its processor as \"uname -m\" says; unset: unknown."`
	Experimental bool   `help:"It asks for experimental versions too."`
	JSON         bool   `help:"Write JSON."`
}

func (c *catalogWhyCmd) Run(ctx context.Context, a *app) error {
	client := remora.Client{Arch: c.Arch, Experimental: c.Experimental}
	if c.Sugar != "" {
		n, err := remora.ParseSugar(c.Sugar)
		if err != nil {
			return err
		}
		client.Sugar = n
	}
	return with(ctx, a, func(h *house) error {
		x, only, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		type row struct {
			Number  string `json:"number"`
			Reason  string `json:"reason"`
			Because string `json:"because"`
		}
		rows := []row{}
		for _, v := range x.Explain(client) {
			if only == nil || v.Release.ID == only.ID {
				rows = append(rows, row{v.Release.Number.String(), v.Reason.String(), catalogtext.Because(v, x.State)})
			}
		}
		if c.JSON {
			return printJSON(a.stdout, rows)
		}
		tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		for _, r := range rows {
			fmt.Fprintf(tw, "%s\t%s\n", r.Number, r.Because)
		}
		return tw.Flush()
	})
}

type catalogSetCmd struct {
	target
	why
	catalogedit.Changes
}

func (c *catalogSetCmd) Help() string {
	return `Examples:

    remora-server catalog set Maze --category games --tag labyrinth --network offline
    remora-server catalog set org.example.Dance --author "Ana Quispe" --author "Luis Ñ." --screenshot one.png
    remora-server catalog set Dance --number 1.9 --sugar 0.82-0.116 --reason "crashes on 0.118"`
}

func (c *catalogSetCmd) Run(ctx context.Context, a *app) error {
	plan, err := c.Plan(c.Only != "")
	if err != nil {
		return err
	}
	return with(ctx, a, func(h *house) error {
		x, only, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		return plan.Apply(ctx, h.store, h.files, c.actor(), x, only)
	})
}

type catalogHideCmd struct {
	target
	why
}

func (c *catalogHideCmd) Run(ctx context.Context, a *app) error {
	return withdraw(ctx, a, &c.target, &c.why, false)
}

type catalogRemoveCmd struct {
	target
	why
}

func (c *catalogRemoveCmd) Help() string {
	return "What is removed does not come back, and its number stays taken. To take something away for a while, hide it."
}

func (c *catalogRemoveCmd) Run(ctx context.Context, a *app) error {
	return withdraw(ctx, a, &c.target, &c.why, true)
}

func withdraw(ctx context.Context, a *app, t *target, w *why, gone bool) error {
	if err := w.needed(); err != nil {
		return err
	}
	return onShelf(ctx, a, t, func(s *intake.Shelf, x *remora.Activity, v *remora.Version) error {
		if v != nil {
			return s.HideVersion(ctx, w.actor(), v.ID, gone)
		}
		return s.HideActivity(ctx, w.actor(), x.ID, gone)
	})
}

func onShelf(ctx context.Context, a *app, t *target, f func(s *intake.Shelf, x *remora.Activity, v *remora.Version) error) error {
	return with(ctx, a, func(h *house) error {
		x, v, err := t.find(ctx, h)
		if err != nil {
			return err
		}
		s, err := h.shelf()
		if err != nil {
			return err
		}
		return f(s, x, v)
	})
}

type catalogUnhideCmd struct {
	target
	why
}

func (c *catalogUnhideCmd) Run(ctx context.Context, a *app) error {
	return onShelf(ctx, a, &c.target, func(s *intake.Shelf, x *remora.Activity, v *remora.Version) error {
		if v != nil {
			return s.ShowVersion(ctx, c.actor(), x.ID, v)
		}
		return s.ShowActivity(ctx, c.actor(), x)
	})
}

type catalogFeatureCmd struct {
	Activity string `arg:"" help:"Id, bundle id or short name of the activity."`
	Rank     string `arg:"" help:"Its place, 1 being the first; \"none\" takes it off."`
	why
}

func (c *catalogFeatureCmd) Run(ctx context.Context, a *app) error {
	rank := 0
	if c.Rank != "none" {
		var err error
		if rank, err = strconv.Atoi(c.Rank); err != nil || rank < 1 {
			return remora.Errorf(remora.KindInvalid, "feature.rank", "The place %q is neither a number from 1 on nor \"none\".", c.Rank)
		}
	}
	return with(ctx, a, func(h *house) error {
		x, _, err := (&target{Activity: c.Activity}).find(ctx, h)
		if err != nil {
			return err
		}
		return h.store.EditActivity(ctx, c.actor(), x.ID, remora.ActivityEdit{FeaturedRank: &rank})
	})
}

type catalogExportCmd struct {
	File string `arg:"" optional:"" help:"File to write; unset: standard output." type:"path"`
}

func (c *catalogExportCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error {
		var list []remora.Activity
		err := h.store.Activities(ctx, remora.ActivityQuery{}, func(x remora.Activity) error {
			if x.State != remora.ActivityDeleted {
				list = append(list, x)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if c.File == "" {
			return intake.WriteIndex(a.stdout, list)
		}
		if err := durable.Replace(c.File, func(w io.Writer) error { return intake.WriteIndex(w, list) }); err != nil {
			return &remora.Error{Kind: remora.KindUnavailable, Message: "The index cannot be written to " + c.File + ".", Err: err}
		}
		return nil
	})
}

type catalogAuditCmd struct {
	JSON bool `help:"Write JSON, one entry a line."`
}

func (c *catalogAuditCmd) Run(ctx context.Context, a *app) error {
	return with(ctx, a, func(h *house) error {
		return h.store.Audit(ctx, func(e remora.AuditEntry) error {
			if c.JSON {
				return printLine(a.stdout, e)
			}
			_, err := fmt.Fprintf(a.stdout, "%s  user %d  %s  %s  %s\n", e.At.Time().Format("2006-01-02 15:04:05Z"), e.ActorID, e.Action, e.Target, e.Reason)
			return err
		})
	})
}
