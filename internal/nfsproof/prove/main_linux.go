// Command prove cuts the power of file servers under writers, over and over, and prints what was lost: a
// line for each cut and a summary. It ends with 1 when something acknowledged was lost, when a control
// lost nothing, or when a cut could not be carried out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/nfsproof"
)

// A summary is what all cuts came to.
type summary struct {
	Date     time.Time         `json:"date"`
	Commit   string            `json:"commit"`
	Cuts     []*nfsproof.Round `json:"cuts"`
	Controls []*nfsproof.Round `json:"controls"`
	Undone   []string          `json:"undone,omitempty"` // cuts that could not be carried out, and why
}

func main() {
	rounds := flag.Int("rounds", 10, "how many `cuts` each place gets")
	only := flag.String("place", "", "only places whose name holds this `text`")
	controls := flag.Bool("controls", true, "cut the power of the controls too, which must lose something")
	file := flag.String("json", "", "write everything to this `file` too")
	commit := flag.String("commit", "unknown", "the `commit` that the summary names")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "prove: it takes flags only; see -help")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &summary{Date: time.Now(), Commit: *commit, Cuts: []*nfsproof.Round{}, Controls: []*nfsproof.Round{}}
	good, err := s.run(ctx, *rounds, *only, *controls)
	if *file != "" {
		b, jerr := json.MarshalIndent(s, "", "\t")
		if jerr == nil {
			jerr = os.WriteFile(*file, append(b, '\n'), 0o644)
		}
		err = errors.Join(err, jerr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1)
	}
}

// controlRounds bounds the cuts that a control gets to lose something in.
const controlRounds = 10

func (s *summary) run(ctx context.Context, rounds int, only string, controls bool) (good bool, err error) {
	dir, err := os.MkdirTemp("", "proof")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &nfsproof.Bench{Worker: filepath.Join(dir, "worker")}
	if b.Lab, err = guest.Open(ctx, dir); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, b.Lab.Close()) }()
	if err := guest.Build(ctx, b.Worker, "github.com/sugarlabs/beamrider/internal/nfsproof/worker"); err != nil {
		return false, err
	}
	if controls {
		b.GoNFS = filepath.Join(dir, "gonfsd")
		build := exec.CommandContext(ctx, "go", "build", "-C", "internal/peers", "-o", b.GoNFS, "./gonfsd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return false, fmt.Errorf("building go-nfs as a control, from the top of the module: %w\n%s", err, out)
		}
	}
	good = true
	cut := func(p nfsproof.Place) (*nfsproof.Round, error) {
		r, err := b.Cut(ctx, p, 100+rand.IntN(200))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			s.Undone = append(s.Undone, err.Error())
			fmt.Printf("%-50s  COULD NOT BE CARRIED OUT: %v\n", p.Name, err)
			good = false
			return nil, nil
		}
		fmt.Printf("%-50s  %v (%.1f s)\n", p.Name, r.Found, r.Took.Seconds())
		for _, e := range r.Found.Examples {
			fmt.Printf("    %s\n", e)
		}
		return r, nil
	}
	var totals []string
	for _, p := range append(nfsproof.Places, nfsproof.MorePlaces...) {
		if !strings.Contains(p.Name, only) {
			continue
		}
		acked, lost, n := 0, 0, 0
		for range rounds {
			r, err := cut(p)
			if err != nil {
				return false, err
			}
			if r == nil {
				continue
			}
			s.Cuts = append(s.Cuts, r)
			n++
			acked += r.Found.Acked
			lost += r.Found.Missing + r.Found.Damaged + r.Found.Returned
		}
		good = good && lost == 0
		totals = append(totals, fmt.Sprintf("| %s | %d | %d | %d |", p.Name, n, acked, lost))
	}
	for _, p := range nfsproof.Controls {
		if !controls || !strings.Contains(p.Name, only) {
			continue
		}
		lost, acked, n := 0, 0, 0
		for lost == 0 && n < controlRounds {
			r, err := cut(p)
			if err != nil {
				return false, err
			}
			n++
			if r == nil {
				continue
			}
			s.Controls = append(s.Controls, r)
			acked += r.Found.Acked
			lost += r.Found.Missing + r.Found.Damaged + r.Found.Returned
		}
		if lost == 0 {
			good = false
			fmt.Printf("%-50s  A CONTROL HAS LOST NOTHING\n", p.Name)
		}
		totals = append(totals, fmt.Sprintf("| control: %s | %d | %d | %d |", p.Name, n, acked, lost))
	}
	fmt.Printf("\n%s, commit %s\n\n| place | power cuts | acknowledged | lost, damaged or back |\n|---|---|---|---|\n%s\n", s.Date.Format("2006-01-02"), s.Commit, strings.Join(totals, "\n"))
	return good, nil
}
