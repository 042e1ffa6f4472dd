package promote

import (
	"context"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// connectWait is how long a replica may take to connect. It tries once a minute, unless told
// otherwise, when its first attempt fails.
const connectWait = 15 * time.Second

// Settings of the mode in which writes go on, in one copy, when no replica acknowledges in time. The
// primary waits before its own commit is visible (AFTER_SYNC), so that nobody has read what is lost.
const (
	semiSettings = "rpl_semi_sync_master_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_master_timeout = 10000"
	// A replica whose primary is cut off without a word notices after this long, not after a minute.
	silence = "slave_net_timeout = 10"
)

// Prepare switches semi-sync on: the primary confirms a write when a replica has it too, or after
// 10 s without one. All nodes get the settings, so that they hold after a promotion as well; replicas
// connect anew. It needs one primary. The settings last until a server is restarted, which the
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
	following := 0
	for _, s := range o.servers {
		if s.err != nil {
			o.left("%s does not answer (%s). Repeat the call when it does.", s.Name, s.err)
			continue
		}
		if err := s.exec(ctx, "SET GLOBAL "+semiSettings+", GLOBAL "+silence, "SET GLOBAL rpl_semi_sync_slave_enabled = 1"); err != nil {
			return err
		}
		if s == primary {
			continue
		}
		if s.facts.role() != replica.Replica || !o.follows(s, primary) {
			o.left("%s does not follow %s. Bring it back with Rejoin.", s.Name, primary.Name)
			continue
		}
		if !s.facts.sendsNow {
			name := s.facts.sources[0].name()
			if err := s.exec(ctx, "STOP SLAVE "+name+" IO_THREAD", "START SLAVE "+name+" IO_THREAD"); err != nil {
				return err
			}
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
	err := o.until(ctx, min(o.config.Wait, connectWait), primary, primary.Name+" has replicas that acknowledge", func(f *facts) (bool, error) { return f.waitsNow && f.clients > 0, nil })
	if err != nil {
		return err
	}
	o.did("%s waits up to 10 s for a replica's acknowledgement of each write.", primary.Name)
	o.left("To keep this over restarts, write into the settings file of every server: read_only=1, rpl_semi_sync_slave_enabled=1, init_rpl_role=SLAVE, rpl_semi_sync_master_wait_point=AFTER_SYNC, rpl_semi_sync_master_timeout=10000, slave_net_timeout=10.")
	return nil
}
