package promote

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"
)

// An operation is one call at work.
type operation struct {
	*Promoter
	survey
	report  *Report
	started time.Time
	lease   *lease // nil: it changes nothing
}

// open connects to all servers and asks them. With change it also takes the advisory lock on those
// that answer, first, so that nobody else acts on what is asked. close is to be called always.
func (p *Promoter) open(ctx context.Context, change bool) (*operation, error) {
	o := &operation{Promoter: p, survey: survey{wait: p.config.Wait}, started: time.Now(),
		report: &Report{Steps: []string{}, MayLose: []string{}, Lost: []Range{}, Refusals: []Refusal{}, Left: []string{}}}
	for _, m := range p.members {
		s, err := p.server(m)
		if err != nil {
			o.close()
			return nil, err
		}
		o.servers = append(o.servers, s)
	}
	busy := make([]bool, len(o.servers))
	if change {
		o.lease = &lease{op: o, holder: holder()}
	}
	o.each(func(i int, s *server) {
		if change {
			taken, err := s.tryLock(ctx)
			if s.err = err; err != nil {
				return
			}
			busy[i] = !taken
		}
		s.ask(ctx)
	})
	var others []string
	if change {
		others = o.lease.ask(ctx)
	}
	if err := ctx.Err(); err != nil {
		o.close()
		return nil, fmt.Errorf("promote: the servers were not all asked: %w", err)
	}
	for i, s := range o.servers {
		if busy[i] {
			others = append(others, s.Name)
		}
	}
	if len(others) > 0 {
		o.close()
		return nil, refused([]Refusal{{Code: "busy", Text: fmt.Sprintf("Another promotion is at work on %s; try again when it has ended.", strings.Join(others, " and "))}})
	}
	if change {
		o.lease.hold(ctx)
	}
	return o, nil
}

// holder names this call to voters.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // the number below tells callers apart
	}
	return fmt.Sprintf("%.64s/%d/%016x", host, os.Getpid(), rand.Uint64())
}

// each calls do for all servers at once.
func (o *operation) each(do func(i int, s *server)) {
	var all sync.WaitGroup
	for i, s := range o.servers {
		all.Go(func() { do(i, s) })
	}
	all.Wait()
}

func (o *operation) close() {
	if o.lease != nil {
		o.lease.drop(context.Background())
	}
	for _, s := range o.servers {
		s.close()
	}
}

// finish completes the report.
func (o *operation) finish() *Report {
	o.report.Took = time.Since(o.started)
	return o.report
}

// did notes a step.
func (o *operation) did(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.report.Steps = append(o.report.Steps, text)
	o.log.Info("promote: " + text)
}

// left notes what somebody has to do.
func (o *operation) left(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.report.Left = append(o.report.Left, text)
	o.log.Warn("promote: " + text)
}

// refuse makes the error of refusals and notes them.
func (o *operation) refuse(list ...Refusal) error {
	o.report.Refusals = append(o.report.Refusals, list...)
	return refused(list)
}

// target finds a node by its name.
func (o *operation) target(name string) (*server, error) {
	if s := o.find(name); s != nil {
		return s, nil
	}
	return nil, o.unknown(name)
}

func (p *Promoter) unknown(name string) error {
	return fmt.Errorf("promote: there is no node called %q in the configuration", name)
}

// until asks a server again and again until ok; it fails when that fails, with the last answer when
// the wait is over, and with ctx.
func (o *operation) until(ctx context.Context, wait time.Duration, s *server, what string, ok func(*facts) (bool, error)) error {
	const pause = 50 * time.Millisecond
	end := time.NewTimer(wait)
	defer end.Stop()
	again := time.NewTicker(pause)
	defer again.Stop()
	for {
		s.ask(ctx)
		if s.err == nil {
			if done, err := ok(&s.facts); done || err != nil {
				return err
			}
		}
		select {
		case <-again.C:
		case <-end.C:
			return fmt.Errorf("promote: it did not come about in %s that %s", wait, what)
		case <-ctx.Done():
			return fmt.Errorf("promote: interrupted while waiting until %s: %w", what, ctx.Err())
		}
	}
}
