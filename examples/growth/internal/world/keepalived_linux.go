package world

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// TrackFile is where each machine's monitor says whether its balancer is well: 0, or 1 when not.
const TrackFile = "/run/remora/track"

// Keepalived is one of two that move an address between two machines.
type Keepalived struct {
	Machine *Machine
	Address string
	process *Process
}

// keepalivedConf: heard from each other five times a second, a lost machine is noticed within about
// 0.6 s; with adjacent high priorities the wait for each other is short (RFC 9568, section 6.1: the skew).
// nopreempt: an address that has moved stays. The two sides of a healed cut must agree quickly and
// say so to the switch, which is what vrrp_higher_prio_send_advert is for.
const keepalivedConf = `global_defs {
	router_id %s
	vrrp_version 3
	vrrp_higher_prio_send_advert true
	vrrp_garp_master_delay 1
}
vrrp_track_file balancer {
	file "%s"
	weight 0
}
vrrp_instance library {
	state BACKUP
	nopreempt
	interface eth0
	virtual_router_id 66
	priority %d
	advert_int 0.2
	unicast_src_ip %s
	unicast_peer {
		%s
	}
	track_file {
		balancer
	}
	virtual_ipaddress {
		%s/32 dev eth0
	}
}
`

// Keepalived starts keepalived on a machine. The first of the pair is to have the higher priority and to be
// started first, as it then holds the address.
func (w *World) Keepalived(m, peer *Machine, address string, priority int) (*Keepalived, error) {
	conf := fmt.Sprintf(keepalivedConf, m.Name, TrackFile, priority, m.IP, peer.IP, address)
	if err := m.Write("/srv/etc/keepalived.conf", conf, 0o644); err != nil {
		return nil, err
	}
	k := &Keepalived{Machine: m, Address: address}
	return k, k.Start()
}

// Start starts it, also after the machine has had its power back.
func (k *Keepalived) Start() (err error) {
	k.process, err = k.Machine.Start("keepalived", "keepalived", "--dont-fork", "--log-console", "--no-syslog", "--use-file", "/srv/etc/keepalived.conf")
	return err
}

// Holds waits until the machine has the address.
func (k *Keepalived) Holds(ctx context.Context, within time.Duration) error {
	return k.process.Within(ctx, within, "has taken "+k.Address, func() error {
		has, err := k.Machine.HasAddress(k.Address)
		if err == nil && !has {
			err = errors.New("it has not")
		}
		return err
	})
}

// Leads waits until keepalived says that the address is its to keep, which holding it does not mean on a machine that
// had the address before keepalived was started.
func (k *Keepalived) Leads(ctx context.Context, within time.Duration) error {
	return k.process.Within(ctx, within, "leads", func() error {
		if !strings.Contains(k.process.log.tail(), "Entering MASTER STATE") {
			return errors.New("it has not said so")
		}
		return nil
	})
}

// Process returns keepalived's process.
func (k *Keepalived) Process() *Process { return k.process }
