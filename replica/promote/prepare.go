package promote

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

const (
	// connectWait is how long a replica may take to connect.
	connectWait = 15 * time.Second
	// connectRetry is after how many seconds it tries again. The server's own minute would outlast that;
	// after 100,000 attempts a replica gives up for ever, which is after eleven days.
	connectRetry = 10
)

// Prepare switches semi-sync on, in the [Config].Mode: the primary confirms a write when a replica has
// it too. All nodes get the settings, so that they hold after a promotion as well; replicas connect
// anew. It needs one primary. That it works is tried, with a transaction that changes nothing, before
// the waiting becomes endless in mode [Strict]. The settings last until a server is restarted, which the
// report repeats with what to write into the settings file. The report is not nil once the servers
// were asked.
func (p *Promoter) Prepare(ctx context.Context) (*Report, error) {
	o, err := p.open(ctx, true)
	if err != nil {
		return nil, err
	}
	defer o.close()
	err = o.prepare(ctx)
	return o.finish(), err
}

func (o *operation) prepare(ctx context.Context) error {
	if list := append(o.unusable(), o.twoWriters()...); len(list) > 0 {
		return o.refuse(list...)
	}
	list := o.primaries()
	if len(list) == 0 {
		return o.refuse(Refusal{Code: "no_primary", Text: "No node takes writes. Promote one first."})
	}
	primary := list[0]
	o.report.Primary = primary.Name
	mode := o.config.Mode
	following := 0
	for _, s := range o.servers {
		if s.err != nil {
			o.left("%s does not answer (%s). Repeat the call when it does.", s.Name, s.err)
			continue
		}
		// Until somebody has acknowledged something, a primary must not wait for ever. One that does so
		// already goes on, or what waits there now would be acknowledged in one copy.
		wait := mode.wait()
		if s == primary && mode == Strict && !(s.facts.waitsSemi && s.facts.patience >= strictLeast) {
			wait = degradeAfter
		}
		if err := s.exec(ctx, mode.settings(wait), "SET GLOBAL rpl_semi_sync_slave_enabled = 1"); err != nil {
			return err
		}
		if s == primary {
			continue
		}
		if s.facts.role() != replica.Replica || !o.follows(s, primary) {
			o.left("%s does not follow %s. Bring it back with Rejoin.", s.Name, primary.Name)
			continue
		}
		again, err := o.listen(ctx, s, mode)
		if err != nil {
			return err
		}
		if again {
			err := o.until(ctx, min(o.config.Wait, connectWait), s, s.Name+" acknowledges what it receives", func(f *facts) (bool, error) { return f.sendsNow, nil })
			if err != nil {
				return err
			}
		}
		following++
		o.did("%s acknowledges what it receives.", s.Name)
	}
	if following == 0 {
		// The first write would wait in vain.
		o.left("Nobody follows %s, so it does not wait for acknowledgements. Repeat the call when somebody does.", primary.Name)
		return nil
	}
	if !primary.facts.waitsSemi {
		if err := primary.exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled = 1"); err != nil {
			return err
		}
	}
	if err := o.prove(ctx, primary); err != nil {
		return err
	}
	if mode == Strict {
		if err := primary.exec(ctx, mode.settings(mode.wait())); err != nil {
			return err
		}
		if primary.ask(ctx); primary.err != nil {
			return fmt.Errorf("promote: node %s: %w", primary.Name, primary.err)
		}
		if why := primary.facts.notStrict(); why != "" {
			return fmt.Errorf("promote: %s does not keep to mode strict after all: %s; repeat the call", primary.Name, why)
		}
		o.did("%s waits for a replica's acknowledgement of each write, however long that takes.", primary.Name)
		if all, _ := o.votes(); all < 3 || following < 2 {
			o.left("With %d replica of %s, the loss of one server stops all writes. Mode strict takes two.", following, primary.Name)
		}
	} else {
		o.did("%s waits up to %s for a replica's acknowledgement of each write.", primary.Name, degradeAfter)
	}
	o.left("To keep this over restarts, write into the settings file of every server: %s.", mode.file())
	return nil
}

// probe is a transaction that changes nothing: it goes to the replicas like any other.
const probe = "FLUSH USER_RESOURCES"

// prove makes sure that a replica acknowledges what primary writes.
func (o *operation) prove(ctx context.Context, primary *server) error {
	wait := min(o.config.Wait, connectWait)
	// A replica that has just connected is counted when it has got something.
	if primary.ask(ctx); primary.err != nil {
		return fmt.Errorf("promote: node %s: %w", primary.Name, primary.err)
	}
	before := primary.facts.acknowledged
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := primary.exec(limit, probe); err != nil {
		return fmt.Errorf("%w (nobody acknowledged it)", err)
	}
	err := o.until(ctx, wait, primary, primary.Name+" has a replica that acknowledges", func(f *facts) (bool, error) {
		return f.waitsNow && f.clients > 0 && f.acknowledged > before, nil
	})
	if err != nil {
		return err
	}
	o.did("A replica of %s acknowledged a transaction that was written to try it.", primary.Name)
	return nil
}
