package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

// How many requests come in a second: to prove, and to watch.
var (
	proofRates = load.Rates{Page: 20, Search: 10, Update: 20, Batch: 5, Download: 10, Import: 2}
	lightRates = load.Rates{Page: 5, Search: 2, Update: 5, Batch: 1, Download: 2, Import: 0.5}
)

// seed makes every run import and ask for the same.
const seed = 2009

// traffic is the load from visitors' machine to the service address.
type traffic struct {
	load   *load.Load
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of the load, once ended
	shown  map[load.Kind]load.Count
}

// startLoad starts visitors and waits until the first activities are in the library.
func startLoad(ctx context.Context, p *plan, rates load.Rates) (*traffic, error) {
	l, err := load.New(load.Config{Target: target, Dial: p.machine(visitors).Dial, Rates: rates, ImportToken: world.ImportToken, Seed: seed})
	if err != nil {
		return nil, err
	}
	// It goes on until it is told to stop, so that its report is whole however the rest ends.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &traffic{load: l, cancel: cancel, ended: make(chan struct{}), shown: map[load.Kind]load.Count{}}
	go func() {
		defer close(t.ended)
		t.err = l.Run(ctx)
	}()
	select {
	case <-l.Ready():
		return t, nil
	case <-t.ended:
		cancel()
		return nil, fmt.Errorf("no visitors can be sent: %w", t.err)
	}
}

// mark begins a new step of the report.
func (t *traffic) mark(step string) { t.load.Mark(step) }

// stop ends the load and waits for the answers that are under way.
func (t *traffic) stop() error {
	t.cancel()
	<-t.ended
	return t.err
}

// failed returns why the load ended by itself, or nil.
func (t *traffic) failed() error {
	select {
	case <-t.ended:
		return fmt.Errorf("the visitors went home: %w", t.err)
	default:
		return nil
	}
}

var kindsShown = []load.Kind{load.KindPage, load.KindSearch, load.KindUpdate, load.KindBatch, load.KindDownload, load.KindImport}

// line says what has happened since the last line.
func (t *traffic) line() string {
	report := t.load.Report()
	var parts []string
	for _, k := range kindsShown {
		now, before := report.Total(k), t.shown[k]
		t.shown[k] = now
		part := fmt.Sprintf("%v %d", k, now.OK-before.OK)
		for _, bad := range []struct {
			n    int64
			what string
		}{{now.Refused - before.Refused, "told to come back"}, {now.Unknown - before.Unknown, "unknown"}, {now.Failed - before.Failed, "FAILED"}, {now.Wrong - before.Wrong, "WRONG"}} {
			if bad.n > 0 {
				part += fmt.Sprintf(" (%d %s)", bad.n, bad.what)
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "  ")
}

// report returns all that happened, for JSON.
func (t *traffic) report() load.Report { return t.load.Report() }

// acked returns how many imports were acknowledged.
func (t *traffic) acked() int { return t.load.Report().Acked }

// broken returns the promises that were broken as visitors see them: no answer may ever be wrong, and
// while the library grows, no read may fail.
func (t *traffic) broken() []string { return brokenIn(t.load.Report()) }

func brokenIn(r load.Report) (broken []string) {
	for _, s := range r.Steps {
		for _, c := range s.Kinds {
			if c.Wrong > 0 {
				broken = append(broken, fmt.Sprintf("%s: %d answers to %v requests were wrong", s.Name, c.Wrong, c.Kind))
			}
			// While something is broken imports may be told to come back, but not at the end.
			if c.OK == 0 && c.Sent > 0 && (c.Kind != load.KindImport || s.Name == lastStep) {
				broken = append(broken, fmt.Sprintf("%s: not one %v request was answered well", s.Name, c.Kind))
			}
			if !growing(s.Name) || c.Failed == 0 {
				continue
			}
			if c.Kind == load.KindImport {
				broken = append(broken, fmt.Sprintf("%s: %d imports failed other than by being told to come back", s.Name, c.Failed))
			} else {
				broken = append(broken, fmt.Sprintf("%s: %d %v requests failed", s.Name, c.Failed, c.Kind))
			}
		}
	}
	return broken
}

// lastStep is the name of the step after the last fault.
const lastStep = "after"

// growing says whether the step is one in which nothing breaks: a stage, not a fault.
func growing(step string) bool {
	return strings.HasPrefix(step, "stage ") || step == readbackStep
}

// verify looks for every import that was acknowledged, row and file.
func (t *traffic) verify(ctx context.Context) error { return t.load.VerifyAll(ctx, target) }

// table writes the report for people.
func (t *traffic) table(w io.Writer) error {
	_, err := fmt.Fprint(w, t.load.Report().String())
	return err
}
