package promote

import (
	"context"
	"fmt"
	"time"
)

// Plan asks all servers and returns what [Promoter.Promote] would do with the node called to, and
// why it would refuse. It changes nothing.
func (p *Promoter) Plan(ctx context.Context, to string) (*Plan, error) {
	o, err := p.open(ctx, false)
	if err != nil {
		return nil, err
	}
	defer o.close()
	x, err := o.target(to)
	if err != nil {
		return nil, err
	}
	return o.plan(x), nil
}

// Promote makes the node called to the primary, and points all others that answer to it. If it is
// the primary already, only the second is done. A nil error means that it takes writes; what could
// not be done with others is in [Report].Left. The error wraps [ErrRefused] when it would not be
// safe. The report is not nil once the servers were asked.
func (p *Promoter) Promote(ctx context.Context, to string, options *Options) (*Report, error) {
	if options == nil {
		options = &Options{}
	}
	if _, err := parsePosition(options.LastKnown); err != nil {
		return nil, fmt.Errorf("promote: Options.LastKnown: %w", err)
	}
	o, err := p.open(ctx, true)
	if err != nil {
		return nil, err
	}
	defer o.close()
	x, err := o.target(to)
	if err != nil {
		return nil, err
	}
	err = o.promote(ctx, x, *options)
	return o.finish(), err
}

func (o *operation) promote(ctx context.Context, x *server, options Options) error {
	o.armed, o.armedStart = options.Armed, options.ArmedStart
	plan := o.plan(x)
	o.report.Plan, o.report.Acknowledged = plan, plan.Acknowledged
	o.report.MayLose = append(o.report.MayLose, plan.MayLose...)
	overridden := make(map[string]bool)
	var stop []Refusal
	for _, r := range plan.Refusals {
		if !options.Force || r.Loss == "" {
			stop = append(stop, r)
			continue
		}
		overridden[r.Code] = true
		o.report.MayLose = append(o.report.MayLose, r.Loss)
		o.did("Overridden: %s", r.Text)
	}
	if options.Automatic && !plan.Already {
		stop = append(stop, o.automatic(plan)...)
	}
	if len(stop) > 0 {
		return o.refuse(stop...)
	}
	if !plan.Already {
		// What was done before the new primary takes writes is undone when that fails.
		var undo []func(context.Context)
		if err := o.change(ctx, x, plan, options, overridden, &undo); err != nil {
			if len(undo) > 0 {
				late, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.config.Wait)
				defer cancel()
				for i := len(undo) - 1; i >= 0; i-- {
					undo[i](late)
				}
			}
			return err
		}
	}
	o.report.Primary = x.Name
	o.rest(ctx, x)
	return nil
}

// change makes x the primary.
func (o *operation) change(ctx context.Context, x *server, plan *Plan, options Options, overridden map[string]bool, undo *[]func(context.Context)) error {
	from := o.find(plan.From)
	semi := o.semiSync() || o.config.Mode == Strict
	var since time.Time
	var ready func(context.Context) error
	err := o.endCatchUp(ctx, x) // of a call that was interrupted
	switch {
	case err != nil:
	case from == nil: // x is alone, and all it has is applied
	case plan.Planned && !o.behind(from):
		since, err = o.takeOver(ctx, x, from, undo)
	default:
		err = o.drain(ctx, x, from, overridden, undo)
		ready = func(ctx context.Context) error { return o.stillStopped(ctx, x, from, overridden) }
	}
	if err != nil {
		return err
	}
	if from != nil {
		if plan.Planned {
			*undo = append(*undo, func(ctx context.Context) { o.receiveAgain(ctx, x) })
		}
		if err := x.exec(ctx, "STOP SLAVE "+x.facts.sources[0].name()); err != nil {
			return err
		}
		if x.ask(ctx); x.err != nil {
			return fmt.Errorf("promote: node %s: %w", x.Name, x.err)
		}
	}
	if semi && (o.another(x) || options.Automatic) {
		if !x.facts.waitsSemi {
			// As a replica it would wait for replicas of its own with each transaction it applies.
			*undo = append(*undo, func(ctx context.Context) {
				if err := x.exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled = 0"); err != nil {
					o.left("Run SET GLOBAL rpl_semi_sync_master_enabled = 0 on %s: %s", x.Name, err)
				}
			})
		}
		// From its first write on.
		if err := x.exec(ctx, o.mode().settings(o.mode().wait()), "SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
			return err
		}
		o.did("%s waits for a replica's acknowledgement of each write (semi-sync, %s).", x.Name, o.mode())
	}
	o.report.Position = x.facts.holds().String()
	o.cut(x, from, options)
	// Only when it replicates from nobody programs take it for the primary, so the last statement
	// decides. In this order an interrupted promotion leaves a state that tells how far it came.
	statements := []string{"SET GLOBAL read_only = 0"}
	if from != nil {
		statements = append(statements, "RESET SLAVE "+x.facts.sources[0].name()+" ALL")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("promote: interrupted before %s takes writes: %w", x.Name, err)
	}
	sent, err := o.lease.decide(ctx, x, options.Automatic, ready, statements...)
	if sent {
		*undo = nil // whether a statement that fails had an effect is not known
	}
	if err != nil && !sent {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w (%s may take writes or not: repeat the call)", err, x.Name)
	}
	if !since.IsZero() {
		o.report.NoWrites = time.Since(since)
	}
	o.did("%s takes writes, from %s on.", x.Name, x.facts.holds().words())
	if from != nil && plan.Planned {
		o.late(ctx, x, from)
	}
	return nil
}

// another reports whether somebody who answers may follow x.
func (o *operation) another(x *server) bool {
	for _, s := range o.servers {
		if s != x && s.err == nil {
			return true
		}
	}
	return false
}

// takeOver has x get everything that from, which answers, has written, and nobody write more.
func (o *operation) takeOver(ctx context.Context, x, from *server, undo *[]func(context.Context)) (since time.Time, err error) {
	c := &x.facts.sources[0]
	if !c.applying || c.receiving == "No" {
		// from has all that a relay log may lose by this.
		if err := x.exec(ctx, "START SLAVE "+c.name()); err != nil {
			return since, err
		}
	}
	since = time.Now()
	if !from.facts.readOnly {
		*undo = append(*undo, func(ctx context.Context) {
			if err := from.exec(ctx, "SET GLOBAL read_only = 0"); err != nil {
				o.left("%s was made read-only, and making it writable again failed: %s. Repeat the call, or run SET GLOBAL read_only = 0 on it.", from.Name, err)
				return
			}
			o.did("%s takes writes again.", from.Name)
		})
		if err := from.fence(ctx, nil); err != nil {
			return since, o.refuse(Refusal{Code: "not_fenced", Text: fmt.Sprintf(
				"%s answers, but cannot be made read-only (%s). End what is at work there, or stop that server; then repeat the call.", from.Name, err)})
		}
		o.did("%s is read-only.", from.Name)
	}
	end := time.Now().Add(o.config.Wait)
	for {
		if from.ask(ctx); from.err != nil {
			return since, fmt.Errorf("promote: node %s was lost after it became read-only: %w; repeat the call", from.Name, from.err)
		}
		if !from.facts.readOnly {
			return since, fmt.Errorf("promote: %s takes writes again; somebody else changes it; repeat the call", from.Name)
		}
		want := from.facts.holds()
		left := time.Until(end)
		if left <= 0 {
			return since, fmt.Errorf("promote: %s went on to write for %s while it was read-only, now at %s: an account with READ_ONLY ADMIN is at work there; end it and repeat the call", from.Name, o.config.Wait, want.words())
		}
		err := o.until(ctx, left, x, fmt.Sprintf("%s has applied everything up to %s", x.Name, want.words()), func(f *facts) (bool, error) {
			if len(f.sources) != 1 {
				return false, fmt.Errorf("promote: %s does not replicate any more; somebody else changes it", x.Name)
			}
			if c := &f.sources[0]; !c.applying && c.sqlError != "" {
				return false, fmt.Errorf("promote: %s has stopped applying: %s", x.Name, c.sqlError)
			}
			return len(f.applied.beyond(want)) == 0 && len(f.lacks(want)) == 0, nil
		})
		if err != nil {
			return since, err
		}
		// Who has READ_ONLY ADMIN may go on.
		if from.ask(ctx); from.err == nil && len(want.beyond(from.facts.holds())) == 0 {
			o.did("%s has applied everything that %s wrote, up to %s.", x.Name, from.Name, want.words())
			return since, nil
		}
	}
}

// late looks whether the old primary has got writes after it was read-only.
func (o *operation) late(ctx context.Context, x, from *server) {
	from.ask(ctx)
	if from.err != nil {
		o.left("%s does not answer any more (%s). Bring it back with Rejoin.", from.Name, from.err)
		return
	}
	if more := x.facts.lacks(from.facts.holds()); len(more) > 0 {
		o.report.Acknowledged = fmt.Sprintf("Everything that %s wrote up to %s is there; what was written there later is not.", from.Name, o.report.Position)
		o.report.MayLose = append(o.report.MayLose, fmt.Sprintf(
			"Transactions up to %s that an account with READ_ONLY ADMIN made on %s while it was read-only.", more, from.Name))
	}
}

// drain has x apply all that it received from a primary that is lost.
func (o *operation) drain(ctx context.Context, x, from *server, overridden map[string]bool, undo *[]func(context.Context)) error {
	skip := overridden["applying_broken"] || overridden["both_stopped"] || overridden["delayed"] || overridden["position_unknown"]
	if !skip {
		// Before receiving is stopped.
		if err := x.startApplying(ctx); err != nil {
			return err
		}
		if giver := o.compare(x, from, func(_, _, _ string, _ ...any) {}); giver != nil {
			if err := giver.startApplying(ctx); err != nil {
				return err
			}
		}
	}
	// If the old primary is there after all, it gets no acknowledgement any more, and no replica gets
	// ahead of x.
	for _, s := range o.servers {
		if s.err != nil || len(s.facts.sources) != 1 || o.source(s) != from || s.facts.sources[0].receiving == "No" {
			continue
		}
		*undo = append(*undo, func(ctx context.Context) { o.receiveAgain(ctx, s) })
		if err := s.stopReceiving(ctx); err != nil {
			return err
		}
	}
	o.each(func(_ int, s *server) {
		if s.err == nil {
			s.ask(ctx)
		}
	})
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("promote: interrupted: %w", err)
	}
	if x.err != nil {
		return fmt.Errorf("promote: node %s: %w", x.Name, x.err)
	}
	var more []Refusal
	refuse := func(code, loss, format string, args ...any) {
		if !overridden[code] {
			more = append(more, Refusal{Code: code, Text: fmt.Sprintf(format, args...), Loss: loss})
		}
	}
	giver := o.compare(x, from, refuse)
	o.silent(x, from, refuse)
	if len(more) > 0 {
		return o.refuse(more...)
	}
	o.did("The replicas of %s have stopped to receive; %s has received up to %s.", from.Name, x.Name, x.facts.sources[0].received.words())
	if skip && giver == nil {
		return nil
	}
	if err := o.applyAll(ctx, x); err != nil {
		return err
	}
	o.did("%s has applied everything it received, up to %s.", x.Name, x.facts.holds().words())
	if giver != nil {
		if err := o.catchUp(ctx, x, giver, undo); err != nil {
			return err
		}
	}
	return o.parted(ctx, x, from)
}

func sentence(format, name, why string) string {
	text := fmt.Sprintf(format, name)
	if why != "" {
		text += ": " + why
	}
	return text
}

// receiveAgain undoes stopReceiving.
func (o *operation) receiveAgain(ctx context.Context, s *server) {
	if s.ask(ctx); s.err == nil && len(s.facts.sources) == 1 {
		c := &s.facts.sources[0]
		what := "IO_THREAD"
		if s.facts.drained() {
			what = "" // nothing can be thrown away
		} else if !c.applying {
			o.left("%s does not receive any more. Its relay log has transactions that are not applied, and starting replication would throw them away: save them with mariadb-binlog first.", s.Name)
			return
		}
		s.err = s.exec(ctx, "START SLAVE "+c.name()+" "+what)
	}
	if s.err != nil {
		o.left("%s was stopped from receiving, and starting that again failed: %s. Repeat the call, or run START SLAVE IO_THREAD on it.", s.Name, s.err)
		return
	}
	o.did("%s tries to receive again.", s.Name)
}

// rest points all others to x. What fails is left to do, as x takes writes already.
func (o *operation) rest(ctx context.Context, x *server) {
	semi := o.semiSync()
	if x.ask(ctx); x.err != nil {
		o.left("%s does not answer any more (%s). Repeat the call when it does.", x.Name, x.err)
		return
	}
	for _, s := range o.servers {
		if s == x {
			continue
		}
		if s.err != nil {
			o.left("%s does not answer. When it is back, keep it read-only and bring it back with Rejoin.", s.Name)
			continue
		}
		if s.ask(ctx); s.err == nil && o.follows(s, x) {
			continue
		}
		if err := o.join(ctx, s, x, semi); err != nil {
			o.left("%s does not follow %s: %s", s.Name, x.Name, err)
		}
	}
	o.semiPrimary(ctx, x, semi)
}

// semiPrimary has a primary wait for acknowledgements if somebody follows it.
func (o *operation) semiPrimary(ctx context.Context, x *server, semi bool) {
	if !semi {
		return
	}
	some := false
	for _, s := range o.servers {
		some = some || s != x && s.err == nil && o.follows(s, x)
	}
	switch {
	case !some:
		o.left("Nobody follows %s: what is written now is in one copy only.", x.Name)
	case !x.facts.waitsSemi:
		if err := x.exec(ctx, o.mode().settings(o.mode().wait()), "SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
			o.left("%s does not wait for acknowledgements (semi-sync): %s", x.Name, err)
			return
		}
		o.did("%s waits for a replica's acknowledgement of each write (semi-sync).", x.Name)
	}
}
