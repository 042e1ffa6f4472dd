package promote

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/replica"
)

// Rejoin makes the node called name a replica of the one primary there is, such as an old primary
// that is back. A node that takes writes itself is made read-only first. It is refused when the node has
// transactions that the primary has not, as "diverged": only rebuilding it from a copy of the primary
// helps then. It is refused as "unacknowledged", and nothing is changed, while commits wait there for an
// acknowledgement: that server is to be killed and started again, and drops them. In mode Strict a client
// whose commit waits there is told by no step that its write is kept; in mode Available the server would
// tell it so after 10 s by itself. What a replica has received and not applied, and the primary has
// not, is not thrown away: that is refused as "received_more". A nil error means that the node
// replicates. The report is not nil once the servers were asked.
func (p *Promoter) Rejoin(ctx context.Context, name string) (*Report, error) {
	o, err := p.open(ctx, true)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s, err := o.target(name)
	if err != nil {
		return nil, err
	}
	err = o.rejoin(ctx, s)
	return o.finish(), err
}

func (o *operation) rejoin(ctx context.Context, s *server) error {
	if s.err != nil {
		return o.refuse(Refusal{Code: "target_silent", Text: fmt.Sprintf("%s does not answer (%s). Start it first.", s.Name, s.err)})
	}
	if list := o.unusable(); len(list) > 0 {
		return o.refuse(list...)
	}
	// Whoever is to become a replica is not the primary, even if it takes writes.
	var primary *server
	for _, w := range o.primaries() {
		if w == s {
			continue
		}
		if primary != nil {
			return o.refuse(o.twoWriters()...)
		}
		primary = w
	}
	if primary == nil {
		return o.refuse(Refusal{Code: "no_primary", Text: fmt.Sprintf(
			"No other node takes writes, so there is nobody for %s to follow. Promote one first.", s.Name)})
	}
	o.report.Primary = primary.Name
	if o.follows(s, primary) {
		o.did("%s replicates from %s already.", s.Name, primary.Name)
	} else if err := o.join(ctx, s, primary, o.semiSync()); err != nil {
		return err
	}
	o.semiPrimary(ctx, primary, o.semiSync())
	return nil
}

// join makes s a replica of primary and waits until it is connected.
func (o *operation) join(ctx context.Context, s, primary *server, semi bool) error {
	if s.facts.role() != replica.Unknown || !s.facts.readOnly {
		if err := o.fenceOld(ctx, s, primary); err != nil {
			return err
		}
	}
	// After that nothing is added, so that the comparison holds. The primary is asked last.
	if s.ask(ctx); s.err != nil {
		return fmt.Errorf("promote: node %s: %w", s.Name, s.err)
	}
	if primary.ask(ctx); primary.err != nil {
		return fmt.Errorf("promote: node %s: %w", primary.Name, primary.err)
	}
	if len(primary.facts.lacks(s.facts.holds())) > 0 {
		return o.refuse(o.diverged(s, primary))
	}
	for i := range s.facts.sources {
		c := &s.facts.sources[i]
		if more := primary.facts.history().since(c.received); len(more) > 0 {
			return o.refuse(Refusal{Code: "received_more", Text: fmt.Sprintf(
				"%s has received %s, which is not applied there and which %s has not. Pointed to %s it would throw that away, and it may be the only copy. Save it from the relay logs of %s with mariadb-binlog, run STOP ALL SLAVES; RESET SLAVE %s ALL there, and repeat the call.",
				s.Name, inWords(more), primary.Name, primary.Name, s.Name, c.name())})
		}
	}
	if err := s.follow(ctx, primary, semi); err != nil {
		return err
	}
	err := o.until(ctx, min(o.config.Wait, connectWait), s, fmt.Sprintf("%s has connected to %s", s.Name, primary.Name), func(f *facts) (bool, error) {
		if o.follows(s, primary) {
			return true, nil
		}
		if len(f.sources) == 1 && f.sources[0].sqlError != "" {
			return false, fmt.Errorf("promote: %s cannot apply what %s sends: %s", s.Name, primary.Name, f.sources[0].sqlError)
		}
		if len(f.sources) == 1 && f.sources[0].receiving == "No" && f.sources[0].ioError != "" {
			return false, fmt.Errorf("promote: %s cannot receive from %s: %s", s.Name, primary.Name, f.sources[0].ioError)
		}
		return false, nil
	})
	if err != nil {
		if len(s.facts.sources) == 1 && s.facts.sources[0].ioError != "" {
			err = fmt.Errorf("%w; the server says: %s", err, s.facts.sources[0].ioError)
		}
		return err
	}
	o.did("%s replicates from %s.", s.Name, primary.Name)
	return nil
}

// diverged refuses a server that has what the primary has not.
func (o *operation) diverged(s, primary *server) Refusal {
	o.report.Lost = s.facts.errant(primary)
	return Refusal{Code: "diverged", Text: fmt.Sprintf(
		"%s has what %s has not: %s. Their histories have parted, and %s (at %s) cannot send on from there. mariadb-binlog on %s shows what it is; add by hand what is worth keeping, then rebuild %s from a copy of %s (mariadb-backup), and repeat the call.",
		s.Name, primary.Name, inWords(o.report.Lost), primary.Name, primary.facts.holds().words(), s.Name, s.Name, primary.Name)}
}
