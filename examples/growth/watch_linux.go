package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/world"
)

// watched is how long visitors come without --keep.
const watched = 30 * time.Second

// watch sets up stages, says what is where, and shows visitors until it is told to stop.
func watch(ctx context.Context, p *plan, o *order) error {
	for n := 0; n <= o.stage; n++ {
		p.say("stage %d", n)
		if err := p.stage(ctx, n); err != nil {
			return err
		}
	}
	p.guide(o)
	load, err := startLoad(ctx, p, lightRates)
	if err != nil {
		return err
	}
	load.mark("watched")
	end := make(<-chan time.Time)
	if !o.keep {
		end = time.After(watched)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return load.stop()
		case <-end:
			return load.stop()
		case <-tick.C:
			p.say("%s", load.line())
			if err := load.failed(); err != nil {
				return err
			}
		}
	}
}

// guide prints what runs where and what a visitor may try.
func (p *plan) guide(o *order) {
	enter := fmt.Sprintf("nsenter -t %d -m -n -p %s", world.Outer(), world.On)
	fmt.Printf("\nStage %d stands. The library is at %s/, on a network that only these machines see.\n\n", o.stage, target)
	for _, m := range p.world.Machines() {
		for _, process := range m.Processes() {
			if !process.Ended() {
				fmt.Printf("  %-10s %-12s %-14s process %d, log %s\n", m.Name, m.IP, process.Name, process.PID(), m.LogOf(process.Name))
			}
		}
	}
	fmt.Printf("\nIn another terminal, as root:\n\n")
	try := func(what, machine, command string) { fmt.Printf("  # %s\n  %s %s %s\n", what, enter, machine, command) }
	try("a page, as a laptop gets it", visitors, "curl -s "+target+"/")
	try("what the updater of a laptop asks", visitors, `curl -s "`+target+`/services/update-aslo.php?id=org.sugarlabs.samples.EchoDrum&appVersion=0.116"`)
	try("who has the address, what runs here", beamrider, "ip -brief address")
	try("a shell on a machine", beamrider, "bash")
	if o.stage >= 1 {
		try("front ends, as the balancer sees them", beamrider, "curl -s http://10.66.0.11/internal/balancer")
	}
	if o.stage >= 3 {
		try("how everything is, and what to do", second, "remora-server --config "+world.ConfigOf("monitor")+" status")
		try("break something: kill what has the address (its process is in the list above)", beamrider, "kill -9 PROCESS")
		try("after the primary is dead: make the replica primary", second, "remora-server --config "+world.ConfigOf("monitor")+" db promote second")
		fmt.Printf("  # beamrider loses its cable\n  nsenter -t %d -m -n -p ip link set to-beamrider down\n", world.Outer())
	}
	fmt.Printf("\nCtrl-C ends it all and leaves nothing behind; so does kill -9 %d.\n\n", world.Outer())
}
