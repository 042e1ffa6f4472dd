package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

// A fault is something that breaks on stage 3.
type fault struct {
	name string
	what string // for people
	// do breaks it, waits while visitors go on, and heals it if it is to be healed.
	do func(ctx context.Context, p *plan, t *timer) error
	// laptop: a laptop updates itself afterwards.
	laptop bool
}

// held is how long the broken state is watched.
const held = 4 * time.Second

var faults = []fault{
	{name: "front end", what: "kill -9 of the front end on beamrider", do: killFrontend},
	{name: "balancer", what: "kill -9 of the balancer on beamrider; the address moves", do: killBalancer, laptop: true},
	{name: "address back", what: "the address is moved back by hand", do: addressBack},
	{name: "replica", what: "kill -9 of the replica; writes wait once, then go on", do: killReplica},
	{name: "nfs", what: "kill -9 of the NFS server; downloads come from the copies", do: killNFS},
	{name: "primary", what: "kill -9 of the primary; one command makes the replica primary", do: killPrimary},
	{name: "primary back", what: "beamrider's database is rebuilt as a replica, then made primary again", do: primaryBack},
	{name: "beamrider off", what: "beamrider loses its power for good; the second machine goes on", do: powerOff},
}

// hold lets visitors live with it for a while.
func hold(ctx context.Context) error {
	select {
	case <-time.After(held):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func killFrontend(ctx context.Context, p *plan, t *timer) error {
	f := p.fronts[beamrider]
	f.process.Kill9()
	if err := hold(ctx); err != nil {
		return err
	}
	return t.measure("a front end starts again", 2*time.Second, func() error { return p.front(ctx, f.machine, f.port) })
}

func killBalancer(ctx context.Context, p *plan, t *timer) error {
	// The name of who has the address comes first: what is killed must be the one in use.
	who, err := p.holder(ctx)
	if err != nil {
		return err
	}
	other := second
	if who == second {
		other = beamrider
	}
	p.balancers[who].Kill9()
	if err := t.measure("the address moves", time.Second, func() error { return p.addresses[other].Holds(ctx, 30*time.Second) }); err != nil {
		return err
	}
	if err := hold(ctx); err != nil {
		return err
	}
	return p.balance(ctx, p.machine(who))
}

func addressBack(ctx context.Context, p *plan, t *timer) error {
	who, err := p.holder(ctx)
	if err != nil || who == beamrider {
		return err
	}
	if err := p.well(ctx, beamrider); err != nil {
		return err
	}
	k := p.addresses[who]
	if err := t.measure("the address moves when asked to", time.Second, func() error {
		if err := k.Process().Stop(10 * time.Second); err != nil {
			return err
		}
		return p.addresses[beamrider].Holds(ctx, 30*time.Second)
	}); err != nil {
		return err
	}
	if err := k.Start(); err != nil {
		return err
	}
	return hold(ctx)
}

// well waits until the machine's monitor finds its balancer well, so that the address may go there.
func (p *plan) well(ctx context.Context, name string) error {
	m := p.machine(name)
	return p.monitors[name].Within(ctx, 20*time.Second, "finds the balancer well", func() error {
		out, err := m.Run(ctx, nil, "cat", world.TrackFile)
		if err == nil && strings.TrimSpace(out) != "0" {
			err = fmt.Errorf("%s says %q", world.TrackFile, out)
		}
		return err
	})
}

func killReplica(ctx context.Context, p *plan, t *timer) error {
	p.replica.Kill9()
	if err := hold(ctx); err != nil {
		return err
	}
	return t.measure("the replica is there again and has everything", 5*time.Second, func() error {
		if err := p.replica.Start(ctx); err != nil {
			return err
		}
		if err := p.primary.SemiSynced(ctx, time.Minute); err != nil {
			return err
		}
		return p.replica.CatchUp(ctx, p.primary, time.Minute)
	})
}

func killNFS(ctx context.Context, p *plan, t *timer) error {
	p.nfs.Kill9()
	if err := hold(ctx); err != nil {
		return err
	}
	if err := t.measure("the NFS server starts again", 2*time.Second, func() error { return p.nfs.Start(ctx) }); err != nil {
		return err
	}
	return hold(ctx)
}

func killPrimary(ctx context.Context, p *plan, t *timer) error {
	p.primary.Kill9()
	if err := hold(ctx); err != nil {
		return err
	}
	if err := p.promote(ctx, t, "db promote "+second); err != nil {
		return err
	}
	return hold(ctx)
}

// promoteCommand is how status names what to do about a lost primary.
var promoteCommand = regexp.MustCompile(`\bremora-server(?: --config \S+)? (db promote \w[\w.-]*(?: --take-files)?)`)

// promote asks status on the second machine what to do, sees that it is what is wanted,
// and does it.
func (p *plan) promote(ctx context.Context, t *timer, want string) error {
	m := p.machine(second)
	var command string
	err := t.measure("status names the command", 5*time.Second, func() error {
		return world.Until(ctx, 30*time.Second, "status names the command to promote", func() error {
			// It exits with a status that says that something is wrong, which it is.
			out, err := m.Command(ctx, "monitor", "status")
			found := promoteCommand.FindStringSubmatch(out)
			if found == nil {
				return fmt.Errorf("it printed:\n%s\nand ended with: %w", out, err)
			}
			command = found[1]
			return nil
		})
	})
	if err != nil {
		return err
	}
	p.say("  status says: remora-server %s", command)
	if command != want {
		return fmt.Errorf("status names %q, but what is to be done is %q", command, want)
	}
	return t.measure("one command makes it writable", 5*time.Second, func() error {
		out, err := m.Command(ctx, "monitor", strings.Fields(command)...)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return p.takesWrites(ctx, p.replica)
	})
}

func (p *plan) takesWrites(ctx context.Context, d *world.MariaDB) error {
	v, err := d.Value(ctx, "SELECT @@global.read_only")
	if err == nil && v != "0" {
		err = fmt.Errorf("the database on %s is still read-only", d.Machine.Name)
	}
	return err
}

func primaryBack(ctx context.Context, p *plan, t *timer) error {
	if err := t.measure("the old primary is rebuilt as a replica", 10*time.Second, func() error {
		// What it had that nobody else has must not come back, so its data is not reused.
		if err := p.primary.Rebuild(ctx, p.replica); err != nil {
			return err
		}
		if err := p.primary.CatchUp(ctx, p.replica, time.Minute); err != nil {
			return err
		}
		return p.replica.SemiSync(ctx)
	}); err != nil {
		return err
	}
	if err := hold(ctx); err != nil {
		return err
	}
	// Both servers are there, so this is a planned switch: the one waits for the other.
	if err := t.measure("a planned switch back", 5*time.Second, func() error {
		out, err := p.machine(second).Command(ctx, "monitor", "db", "promote", beamrider)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return p.takesWrites(ctx, p.primary)
	}); err != nil {
		return err
	}
	if err := p.replica.CatchUp(ctx, p.primary, time.Minute); err != nil {
		return err
	}
	if err := p.primary.SemiSync(ctx); err != nil {
		return err
	}
	return hold(ctx)
}

func powerOff(ctx context.Context, p *plan, t *timer) error {
	p.lost = time.Now()
	if err := p.machine(beamrider).PowerOff(ctx); err != nil {
		return err
	}
	if err := t.measure("the address moves", time.Second, func() error { return p.addresses[second].Holds(ctx, 30*time.Second) }); err != nil {
		return err
	}
	if err := t.measure("visitors get pages", 2*time.Second, func() error { return p.reachable(ctx, time.Minute) }); err != nil {
		return err
	}
	if err := hold(ctx); err != nil {
		return err
	}
	if err := p.promote(ctx, t, "db promote "+second+" --take-files"); err != nil {
		return err
	}
	return hold(ctx)
}
