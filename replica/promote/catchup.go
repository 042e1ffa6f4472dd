package promote

import (
	"context"
	"fmt"
	"strings"
)

// A primary waits for one replica, so the one that is to be promoted need not have everything that was
// acknowledged. It gets the rest from the replica that has it, over a connection of its own with a
// name that tells it from others when the work was interrupted.

const (
	catchUpName = "beamrider_catch_up"
	dropCatchUp = "RESET SLAVE '" + catchUpName + "' ALL"
	stopCatchUp = "STOP SLAVE '" + catchUpName + "'"
)

// compare looks for servers that answer and have more than x. It returns the one that x can get it
// from, nil if there is none; then it refuses, if somebody has more.
func (v *survey) compare(x, from *server, refuse refuser) (giver *server) {
	var ahead []*server
	more := make(map[*server]position)
	for _, o := range v.servers {
		if o == x || o.err != nil {
			continue
		}
		m := x.facts.has().beyond(o.facts.has())
		if len(x.facts.sources) == 0 || len(o.facts.sources) == 0 {
			// They need not have the same history.
			m = x.facts.lacks(o.facts.has())
			if len(x.facts.sources) == 1 {
				m = x.facts.has().beyond(m)
			}
		}
		if len(m) > 0 {
			ahead, more[o] = append(ahead, o), m
		}
	}
	if len(ahead) == 0 {
		return nil
	}
	giver, why := v.giver(x, from, ahead)
	if giver != nil {
		return giver
	}
	for _, o := range ahead {
		text := fmt.Sprintf("%s has transactions up to %s that %s has not", o.Name, more[o], x.Name)
		if why != "" {
			text += fmt.Sprintf(", and %s cannot get them from there: %s", x.Name, why)
		}
		if o.NoPrimary {
			text += fmt.Sprintf(". Repair that, or let %s be promoted.", o.Name)
		} else {
			text += fmt.Sprintf(". Promote %s instead.", o.Name)
		}
		refuse("other_has_more", fmt.Sprintf("Transactions up to %s, which %s has and %s has not.", more[o], o.Name, x.Name), "%s", text)
	}
	return nil
}

// giver is who has all that any of ahead has, if x can get it from there. Else it says why not; "" is
// when nothing of the kind was to be expected.
func (v *survey) giver(x, from *server, ahead []*server) (giver *server, why string) {
	if from == nil {
		return nil, ""
	}
	most := ahead[0]
	for _, o := range ahead[1:] {
		if len(most.facts.has().beyond(o.facts.has())) > 0 {
			most = o
		}
	}
	for _, o := range append(ahead, x) {
		if len(most.facts.has().beyond(o.facts.has())) > 0 {
			return nil, fmt.Sprintf("%s has something that %s has not", o.Name, most.Name)
		}
	}
	for _, s := range []*server{most, x} {
		if v.source(s) != from {
			return nil, "" // an old primary, or a replica of somebody else
		}
		if why := v.cannotHandOn(s); why != "" {
			return nil, fmt.Sprintf("%s %s", s.Name, why)
		}
	}
	if own := most.facts.sources[0].received.beyond(most.facts.holds()); len(own) > 0 {
		return nil, fmt.Sprintf("%s has %s, which it did not receive from %s: it was written there", most.Name, own, from.Name)
	}
	return most, ""
}

// cannotHandOn says why what a replica has received does not reach whoever replicates from it; "": it does.
func (v *survey) cannotHandOn(s *server) string {
	f, c := &s.facts, &s.facts.sources[0]
	switch {
	case !f.logs || !f.logsUpdates:
		return "runs without log_bin or log_slave_updates"
	case !f.strict:
		return "runs with gtid_strict_mode=OFF"
	case !c.usesGTID:
		return "replicates without GTID"
	case c.filtered:
		return "applies a part only (replication filters)"
	case len(c.received) == 0 && len(f.applied) > 0:
		return "does not know what it has received"
	case f.drained():
		return ""
	case !c.applying && c.sqlError != "":
		return "has stopped applying: " + c.sqlError
	case !c.applying && c.receiving == "No":
		return "is stopped and would throw away what it has not applied"
	case c.delay >= v.wait:
		return fmt.Sprintf("applies everything %s late", c.delay)
	}
	return ""
}

// startApplying has s apply what it received, if it does not, while that loses nothing.
func (s *server) startApplying(ctx context.Context) error {
	c := &s.facts.sources[0]
	if c.applying || c.receiving == "No" {
		// With both stopped this would throw the relay log away.
		return nil
	}
	return s.exec(ctx, "START SLAVE "+c.name()+" SQL_THREAD")
}

// applyAll waits until s has applied everything that it received.
func (o *operation) applyAll(ctx context.Context, s *server) error {
	return o.until(ctx, o.config.Wait, s, fmt.Sprintf("%s has applied everything it received", s.Name), func(f *facts) (bool, error) {
		if len(f.sources) != 1 {
			return false, fmt.Errorf("promote: %s does not replicate any more; somebody else changes it", s.Name)
		}
		if f.drained() {
			return true, nil
		}
		if c := &f.sources[0]; !c.applying {
			return false, fmt.Errorf("%s", sentence("promote: %s has stopped applying before all it received was applied", s.Name, c.sqlError))
		}
		return false, nil
	})
}

// catchUp has x, which has applied all it received, get what giver has received. Both receive nothing
// from elsewhere any more.
func (o *operation) catchUp(ctx context.Context, x, giver *server, undo *[]func(context.Context)) error {
	if err := o.applyAll(ctx, giver); err != nil {
		return err
	}
	want := giver.facts.holds()
	if extra := giver.facts.lacks(x.facts.holds()); len(extra) > 0 {
		return o.refuse(Refusal{Code: "other_has_more", Text: fmt.Sprintf(
			"%s has transactions up to %s that %s has not, and %s has %s that %s has not: their histories have parted. Find out which is right; the other is to be rebuilt from a copy of it.",
			giver.Name, want.words(), x.Name, x.Name, extra, giver.Name)})
	}
	*undo = append(*undo, func(ctx context.Context) {
		if err := o.endCatchUp(ctx, x); err != nil {
			o.left("%s was to get from %s what it lacks, and ending that failed: %s. Repeat the call, or run %s; %s on it.", x.Name, giver.Name, err, stopCatchUp, dropCatchUp)
		}
	})
	err := x.exec(ctx, "CHANGE MASTER '"+catchUpName+"' TO "+o.link(giver, 1),
		"START SLAVE '"+catchUpName+"'")
	if err != nil {
		return err
	}
	err = o.until(ctx, o.config.Wait, x, fmt.Sprintf("%s has got everything up to %s from %s", x.Name, want.words(), giver.Name), func(f *facts) (bool, error) {
		c := f.catchUp
		switch {
		case len(f.applied.beyond(want)) == 0 && len(f.lacks(want)) == 0:
			return true, nil
		case c == nil:
			return false, fmt.Errorf("promote: %s does not replicate from %s any more; somebody else changes it", x.Name, giver.Name)
		case c.receiving == "No" && c.ioError != "":
			return false, fmt.Errorf("promote: %s cannot get from %s what it lacks: %s", x.Name, giver.Name, c.ioError)
		case !c.applying && c.sqlError != "":
			return false, fmt.Errorf("promote: %s cannot apply what %s has: %s", x.Name, giver.Name, c.sqlError)
		}
		return false, nil
	})
	if err != nil {
		if c := x.facts.catchUp; c != nil && c.ioError != "" && !strings.Contains(err.Error(), c.ioError) {
			err = fmt.Errorf("%w; the server says: %s", err, c.ioError)
		}
		return err
	}
	if err := o.endCatchUp(ctx, x); err != nil {
		return err
	}
	o.did("%s has got from %s what it lacked, up to %s.", x.Name, giver.Name, want.words())
	return nil
}

// endCatchUp removes the connection that catchUp made, also of a call that was interrupted.
func (o *operation) endCatchUp(ctx context.Context, x *server) error {
	if x.ask(ctx); x.err != nil {
		return fmt.Errorf("promote: node %s: %w", x.Name, x.err)
	}
	if x.facts.catchUp == nil {
		return nil
	}
	if err := x.exec(ctx, stopCatchUp, dropCatchUp); err != nil {
		return err
	}
	if x.ask(ctx); x.err != nil {
		return fmt.Errorf("promote: node %s: %w", x.Name, x.err)
	}
	return nil
}

// planCatchUp is the step of [operation.catchUp].
func (v *survey) planCatchUp(p *Plan, x, giver *server) {
	if giver != nil {
		p.Steps = append(p.Steps, fmt.Sprintf("%s gets from %s what it lacks, up to %s.", x.Name, giver.Name, giver.facts.has().words()))
	}
}
