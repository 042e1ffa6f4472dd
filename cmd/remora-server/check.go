package main

import (
	"context"

	"github.com/sugarlabs/beamrider/internal/bundlecheck"
	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

type checkCmd struct {
	File    string `arg:"" help:"A .xo file, or an unpacked *.activity folder." type:"path"`
	History bool   `help:"Judge it as an old bundle: what was once accepted is a warning."`
	JSON    bool   `help:"Write JSON."`
}

func (c *checkCmd) Help() string {
	return `Says what the catalog would say of a bundle, without a catalog.

  remora-server check Dance-3.xo
  remora-server check Dance-3.xo --json

Exit status: 0 it would be taken, 3 it would be refused.`
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	report, err := bundlecheck.Path(ctx, c.File, &xo.Options{History: c.History})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(a.stdout, report)
	} else {
		err = report.Print(a.stdout)
	}
	if err == nil && !report.OK {
		err = &exitError{remora.KindInvalid.Info().ExitCode}
	}
	return err
}
