// Package bundlecheck says what the catalog would say of a bundle, in words and values.
package bundlecheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// A Report is the answer to a check.
type Report struct {
	OK       bool
	Problems []xo.Problem
	Warnings []xo.Problem
	Bundle   *Bundle `json:",omitempty"`
}

// A Bundle is what a bundle that would be taken says of itself.
type Bundle struct {
	BundleID, Name, Number, Interpreter, Sugar, License string
	SHA256                                              remora.Digest
	Size                                                int64
	Inventory                                           xo.Inventory
}

// Path checks a file or an unpacked folder. What is wrong with the bundle is in the report.
func Path(ctx context.Context, path string, o *xo.Options) (*Report, error) {
	report := &Report{Problems: []xo.Problem{}, Warnings: []xo.Problem{}}
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
	report.Bundle = &Bundle{
		BundleID: m.BundleID, Name: m.Name, Number: m.Number.String(), Interpreter: m.Interpreter.String(),
		Sugar: remora.InferRange(m.Interpreter).String() + " (inferred)", License: m.SPDX,
		SHA256: bundle.SHA256, Size: bundle.Size, Inventory: bundle.Inventory,
	}
	if m.SPDX == "" {
		report.Bundle.License = m.License
	}
	return report, nil
}

func readBundle(ctx context.Context, path string, o *xo.Options, report *Report) (_ *xo.Bundle, err error) {
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

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "refused  %s\n", Line(p))
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(&b, "warning  %s\n", Line(p))
	}
	if c := r.Bundle; c != nil {
		fmt.Fprintf(&b, "ok       %s, version %s, %s\n", c.Name, c.Number, c.BundleID)
		fmt.Fprintf(&b, "         %s, for Sugar %s; %d files, %d bytes packed\n", c.Interpreter, c.Sugar, len(c.Inventory.Files), c.Size)
		fmt.Fprintf(&b, "         sha256 %s\n", c.SHA256)
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// Line says a problem in one line.
func Line(p xo.Problem) string {
	where := ""
	if p.Where != "" {
		where = p.Where + ": "
	}
	return fmt.Sprintf("%s%s [%s]", where, p.Message, p.Code)
}
