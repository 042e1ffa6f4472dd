package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// A probe asks one check, with at most one call under way.
type probe struct {
	check   Check
	log     *slog.Logger
	started time.Time
	answer  chan Finding // of the call under way; nil: there is none
}

func newProbe(c Check, log *slog.Logger) *probe { return &probe{check: c, log: log} }

// busy tells whether an earlier call has still not returned.
func (p *probe) busy() bool {
	if p.answer == nil {
		return false
	}
	select {
	case <-p.answer: // too late to mean anything
		p.answer = nil
		return false
	default:
		return true
	}
}

// ask calls the check and waits for its finding or its time-out. false: whole ended meanwhile, and the
// finding says nothing about the check.
func (p *probe) ask(whole context.Context) (Finding, bool) {
	if whole.Err() != nil {
		return Finding{Level: Unknown, Summary: "It was not asked: there was no time left."}, false
	}
	if p.busy() {
		return p.hanging(), true
	}
	ctx, cancel := context.WithTimeout(whole, p.check.Timeout)
	defer cancel()
	answer := make(chan Finding, 1)
	p.started, p.answer = time.Now(), answer
	go func() { answer <- p.call(ctx) }()
	select {
	case f := <-answer:
		p.answer = nil
		return f, true
	case <-ctx.Done():
	}
	// The answer and the time-out may have come together.
	select {
	case f := <-answer:
		p.answer = nil
		return f, true
	default:
	}
	return p.hanging(), whole.Err() == nil
}

// call runs the check; a panic of it is a finding, as a fault in one check must not end the watch
// over all others.
func (p *probe) call(ctx context.Context) (f Finding) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("a check panicked", "check", p.check.Name, "panic", clean(fmt.Sprint(r)), "stack", string(debug.Stack()))
			f = Finding{Level: Unknown, Summary: "The check itself failed by a fault of this program; the log has the place.", Next: "Report it to the developers with the lines of the log."}
		}
	}()
	return p.check.Run(ctx)
}

func (p *probe) hanging() Finding {
	return Finding{
		Level: Unknown, NoAnswer: true,
		Summary: fmt.Sprintf("There was no answer within %v.", p.check.Timeout),
		Detail:  []Pair{{"asked", p.started.UTC().Format(time.RFC3339)}},
	}
}

// join waits for a call that is still under way until the timer fires; false: it does not return.
func (p *probe) join(gone <-chan struct{}) bool {
	if p.answer == nil {
		return true
	}
	select {
	case <-p.answer:
		p.answer = nil
		return true
	case <-gone:
		return !p.busy()
	}
}
