package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

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

// A checkReport is the answer to a check.
type checkReport struct {
	OK       bool
	Problems []xo.Problem
	Warnings []xo.Problem
	Bundle   *checkedBundle `json:",omitempty"`
}

type checkedBundle struct {
	BundleID, Name, Number, Interpreter, Sugar, License string
	SHA256                                              remora.Digest
	Size                                                int64
	Inventory                                           xo.Inventory
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	report, err := checkPath(ctx, c.File, &xo.Options{History: c.History})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(a.stdout, report)
	} else {
		err = report.print(a)
	}
	if err == nil && !report.OK {
		err = &exitError{remora.KindInvalid.Info().ExitCode}
	}
	return err
}

func checkPath(ctx context.Context, path string, o *xo.Options) (*checkReport, error) {
	report := &checkReport{Problems: []xo.Problem{}, Warnings: []xo.Problem{}}
	bundle, err := readBundle(ctx, path, o, report)
	if refused, ok := errors.AsType[*xo.Refusal](err); ok {
		for _, p := range refused.Problems {
			if p.Warning {
				report.Warnings = append(report.Warnings, p)
			} else {
				report.Problems = append(report.Problems, p)
			}
		}
		return report, nil
	}
	if err != nil {
		return nil, err
	}
	report.OK = true
	report.Warnings = append(report.Warnings, bundle.Warnings...)
	m := &bundle.Manifest
	report.Bundle = &checkedBundle{
		BundleID: m.BundleID, Name: m.Name, Number: m.Number.String(), Interpreter: m.Interpreter.String(),
		Sugar: remora.InferRange(m.Interpreter).String() + " (inferred)", License: m.SPDX,
		SHA256: bundle.SHA256, Size: bundle.Size, Inventory: bundle.Inventory,
	}
	if m.SPDX == "" {
		report.Bundle.License = m.License
	}
	return report, nil
}

func readBundle(ctx context.Context, path string, o *xo.Options, report *checkReport) (_ *xo.Bundle, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindOf(err), Message: "The bundle cannot be read.", Err: err}
	}
	if !info.IsDir() {
		return xo.ReadFile(ctx, path, o)
	}
	packed, err := os.CreateTemp("", "beamrider-check-*.xo")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.Remove(packed.Name())) }()
	report.Warnings, err = xo.Pack(ctx, path, packed, o)
	if err = errors.Join(err, packed.Close()); err != nil {
		return nil, err
	}
	return xo.ReadFile(ctx, packed.Name(), o)
}

func (r *checkReport) print(a *app) error {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "refused  %s\n", problemLine(p))
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(&b, "warning  %s\n", problemLine(p))
	}
	if c := r.Bundle; c != nil {
		fmt.Fprintf(&b, "ok       %s, version %s, %s\n", c.Name, c.Number, c.BundleID)
		fmt.Fprintf(&b, "         %s, for Sugar %s; %d files, %d bytes packed\n", c.Interpreter, c.Sugar, len(c.Inventory.Files), c.Size)
		fmt.Fprintf(&b, "         sha256 %s\n", c.SHA256)
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}
