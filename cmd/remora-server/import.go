package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sugarlabs/beamrider/internal/bundlecheck"
	"github.com/sugarlabs/beamrider/internal/datalock"
	"github.com/sugarlabs/beamrider/internal/progress"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/intake"
)

type importCmd struct {
	Paths   []string `arg:"" name:"path" help:".xo files, unpacked *.activity folders, or folders of either." type:"path"`
	Index   string   `help:"CSV file with old ids, categories, featured ranks, Sugar ranges and what is hidden." placeholder:"FILE.csv" type:"existingfile"`
	Sugar   string   `help:"Sugar releases all of these are for, such as 0.100-0.116; unset: inferred from each." placeholder:"MIN-MAX"`
	History bool     `help:"Take old bundles as they are: what was once accepted is a warning now, not a refusal."`
	JSON    bool     `help:"Write JSON."`
}

func (c *importCmd) Help() string {
	return `Checks each bundle and publishes it. A bundle that is refused is listed and the rest goes on; one
that is there already is left as it is, so an import that was interrupted is simply run again. It
may run while the server serves: pages show the new activities within a second.

  remora-server import ~/bundles
  remora-server import old-site/files --index old-site/index.csv --history

The index has a header line with any of these columns: bundle_id, number, addon_id, file_id,
category, featured, sugar_min, sugar_max, hidden. A line without a number speaks of all versions.

Exit status: 0 all taken, 3 some refused, 4 the catalog cannot be written to.`
}

func (c *importCmd) Run(ctx context.Context, a *app) error {
	index, err := readIndex(c.Index)
	if err != nil {
		return err
	}
	if c.Sugar != "" {
		r, err := remora.ParseRange(c.Sugar)
		if err != nil {
			return err
		}
		index.Range = &r
	}
	h, err := openReady(ctx, a.config, datalock.Shared, newLog(a.config, a.stderr))
	if err != nil {
		return err
	}
	im, err := h.importer(c.History)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	// What an earlier command left when it was killed would be in the way.
	shelf, err := h.shelf()
	if err == nil {
		err = shelf.Settle(ctx, remora.TimeOf(time.Now().Add(-orphanGrace)))
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	bar := progress.New(a.stderr, "bundles")
	report, err := im.Batch(ctx, remora.Actor{UserID: remora.SystemUser, Reason: "import"}, c.Paths, index.Facts, bar)
	bar.Done()
	err = errors.Join(err, h.Close())
	if printErr := printReport(a, report, c.JSON); printErr != nil || err != nil {
		return errors.Join(err, printErr)
	}
	if len(report.Refused) > 0 {
		return &exitError{remora.KindInvalid.Info().ExitCode}
	}
	return nil
}

// readIndex reads the index in a file; "" is an index that knows nothing.
func readIndex(path string) (*intake.Index, error) {
	if path == "" {
		return &intake.Index{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindOf(err), Message: "The index cannot be read.", Err: err}
	}
	x, err := intake.ReadIndex(f)
	return x, errors.Join(err, f.Close())
}

func printReport(a *app, r *intake.Report, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, r)
	}
	for _, f := range r.Refused {
		fmt.Fprintf(a.stdout, "refused  %s\n", f.Path)
		if len(f.Problems) == 0 {
			fmt.Fprintf(a.stdout, "         %s\n", f.Message)
		}
		for _, p := range f.Problems {
			fmt.Fprintf(a.stdout, "         %s\n", bundlecheck.Line(p))
		}
	}
	_, err := fmt.Fprintf(a.stdout, "%d taken, %d there already, %d refused, %d warnings\n", r.New, r.Existing, len(r.Refused), r.Warnings)
	return err
}
