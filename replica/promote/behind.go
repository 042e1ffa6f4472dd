package promote

import (
	"context"
	"fmt"
)

// An old primary that was killed and started again as a replica drops what was not committed when it
// ended, although a replica may have acknowledged it. It answers, it is read-only, and it has less
// than its replicas: they are refused by it, and one of them has to take over.

// behind reports whether from, an old primary that is read-only, has not what a replica of its has.
func (v *survey) behind(from *server) bool {
	if from.err != nil || !from.facts.readOnly || len(from.facts.sources) > 0 {
		return false
	}
	for _, s := range v.servers {
		if s == from || s.err != nil || v.source(s) != from || s.facts.sources[0].receiving == "Yes" {
			continue // who receives may have got it after from was asked
		}
		if len(from.facts.lacks(s.facts.has())) > 0 {
			return true
		}
	}
	return false
}

// planBehind is for such an old primary.
func (v *survey) planBehind(p *Plan, x, from *server, refuse refuser) {
	v.planReceived(x, refuse)
	giver := v.compare(x, from, refuse)
	v.silent(x, from, refuse)
	p.Acknowledged = fmt.Sprintf("%s is back without what its replicas have: everything that one of them acknowledged will be there. What %s confirmed to clients while it waited for no replica, and dropped when it started, is not.", from.Name, from.Name)
	p.Steps = append(p.Steps, "The replicas of "+from.Name+" stop receiving.",
		fmt.Sprintf("%s applies everything it received, up to %s.", x.Name, x.facts.sources[0].received.words()))
	v.planCatchUp(p, x, giver)
	p.Steps = append(p.Steps, x.Name+" stops to replicate and takes writes.")
}

// parted refuses x when the old primary, which answers, takes writes by now or has something else.
func (o *operation) parted(ctx context.Context, x, from *server) error {
	if from.err != nil {
		return nil // it was lost
	}
	if from.ask(ctx); from.err != nil {
		return nil // x has what it had
	}
	if !from.facts.readOnly {
		return o.refuse(Refusal{Code: "two_writers", Text: fmt.Sprintf("%s takes writes again; somebody else changes it. Repeat the call.", from.Name)})
	}
	extra := x.facts.history().since(from.facts.holds())
	if len(extra) == 0 {
		return nil
	}
	return o.refuse(Refusal{Code: "target_has_more", Text: fmt.Sprintf(
		"%s has what %s, its source, has not, which has %s in its place: their histories have parted. Find out which is right; the other is to be rebuilt from a copy of it.", x.Name, from.Name, inWords(extra))})
}
