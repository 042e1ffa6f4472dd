package main

import (
	"context"
	"fmt"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// write has programs write for a while.
func (d *drill) write(ctx context.Context) error {
	if _, err := d.router.Write(ctx).ExecContext(ctx, "CREATE TABLE notes (i INT PRIMARY KEY)"); err != nil {
		return err
	}
	d.load = &load{router: d.router}
	d.endLoad = d.background(d.load.run)
	if err := d.await(ctx, "rows are written", func() bool { return d.load.count() >= 500 }); err != nil {
		return err
	}
	d.say("Eight programs write. %d rows are acknowledged so far.", d.load.count())
	return nil
}

// lose kills the primary and waits until the programs write again.
func (d *drill) lose(ctx context.Context) error {
	d.group.Servers[0].Kill()
	d.say("Now a is killed, as by a power cut, in the middle of its work.")
	if err := d.await(ctx, "another server takes writes", func() bool { p := d.router.Status().Primary; return p != "" && p != "a" }); err != nil {
		return err
	}
	before := d.load.count()
	if err := d.await(ctx, "the programs write again", func() bool { return d.load.count() > before }); err != nil {
		return err
	}
	d.say("The programs write again, to %s. Nobody told them: the router found out.", d.router.Status().Primary)
	return d.await(ctx, "they go on", func() bool { return d.load.count() >= before+500 })
}

// server is the one of a name.
func (d *drill) server(name string) *replicatest.Server {
	for _, s := range d.group.Servers {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// repair brings the old primary back, while the programs go on.
func (d *drill) repair(ctx context.Context) error {
	a := d.server("a")
	// What the settings file of each server of a strict cluster says.
	a.Restart("--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=1", "--rpl-semi-sync-master-wait-point=AFTER_SYNC", "--rpl-semi-sync-master-timeout=2592000000")
	d.say("The power of a is back. It starts read-only, and throws away what nobody else had got from it.")
	primary := d.router.Status().Primary
	if err := d.await(ctx, "a copies from "+primary, func() bool {
		for _, n := range d.router.Status().Nodes {
			if n.Name == "a" {
				return n.Role == replica.Replica && n.Reads
			}
		}
		return false
	}); err != nil {
		return err
	}
	d.say("a copies from %s and answers reads again.", primary)
	return nil
}

// compare ends the programs and looks for everything that was acknowledged, on every server.
func (d *drill) compare(ctx context.Context) error {
	if err := d.endLoad(); err != nil {
		return err
	}
	primary := d.server(d.router.Status().Primary)
	if primary == nil {
		return fmt.Errorf("%w: nobody takes writes", errPromise)
	}
	have, err := d.rows(ctx)
	if err != nil {
		return err
	}
	there := func(rows []int) (n int) {
		for _, i := range rows {
			if have[i] {
				n++
			}
		}
		return n
	}
	l := d.load
	lost, wrong := len(l.acked)-there(l.acked), there(l.failed)
	d.say("The programs stop. %d rows were acknowledged; of those, %d are lost.", len(l.acked), lost)
	d.say("%d writes ended without an answer; %d of them had happened. %d were refused; %d of them had happened.", len(l.unknown), there(l.unknown), len(l.failed), wrong)
	d.say("For %.2f s nothing was acknowledged.", l.gap.Seconds())
	sum := primary.Checksum("app.notes")
	for _, s := range d.group.Servers {
		if s != primary {
			s.CatchUp(primary)
		}
		if got := s.Checksum("app.notes"); got != sum {
			return fmt.Errorf("%w: %s has other rows than %s", errPromise, s.Name(), primary.Name())
		}
	}
	if lost > 0 || wrong > 0 {
		return fmt.Errorf("%w: %d acknowledged rows are lost, and %d refused ones are there", errPromise, lost, wrong)
	}
	d.say("All three servers have the same rows.")
	return d.group.Err()
}

// rows are those that the primary has.
func (d *drill) rows(ctx context.Context) (map[int]bool, error) {
	have := make(map[int]bool)
	rows, err := d.router.Read(replica.WithPrimary(ctx)).QueryContext(ctx, "SELECT i FROM notes")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			return nil, err
		}
		have[i] = true
	}
	return have, rows.Err()
}
