package promote

import (
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A Mode says what happens to a write when no replica acknowledges it. In both a primary waits for
// one replica before it tells the client (semi-sync), and before others can read what is written.
type Mode string

const (
	// Available goes on after 10 s without an acknowledgement. What is acknowledged from then on is in
	// one copy, until a replica has caught up, and the loss of the primary loses it.
	Available Mode = "available"
	// Strict goes on waiting. While no replica acknowledges, nothing can be written, and nothing that
	// was acknowledged is lost with one server. It takes three servers, or the loss of one stops all writes.
	Strict Mode = "strict"
)

const (
	// degradeAfter is how long a write waits in mode Available.
	degradeAfter = 10 * time.Second
	// endless is how long it waits in mode Strict: 30 days, which no client does.
	endless = 30 * 24 * time.Hour
	// strictLeast is the wait from which on a server cannot have given up since it was asked.
	strictLeast = time.Hour
)

// settings are those of semi-sync for any server of the cluster, as it may become the primary. The
// primary waits before its own commit is visible (AFTER_SYNC), so that nobody has read what is lost,
// and also while nobody is connected, or the first moment without a replica would end the waiting.
func (m Mode) settings(wait time.Duration) string {
	return fmt.Sprintf("SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_master_wait_no_slave = 1, GLOBAL rpl_semi_sync_master_timeout = %d, GLOBAL slave_net_timeout = %d",
		wait/time.Millisecond, m.silence()/time.Second)
}

// wait is how long a write waits for an acknowledgement.
func (m Mode) wait() time.Duration {
	if m == Strict {
		return endless
	}
	return degradeAfter
}

// silence is after how long a replica notices that its primary is cut off without a word; the
// server's own minute would be the minute in which nobody can be promoted.
func (m Mode) silence() time.Duration {
	if m == Strict {
		return 4 * time.Second
	}
	return 10 * time.Second
}

// file is what keeps the settings over a restart.
func (m Mode) file() string {
	return fmt.Sprintf("read_only=1, rpl_semi_sync_slave_enabled=1, init_rpl_role=SLAVE, rpl_semi_sync_master_wait_point=AFTER_SYNC, rpl_semi_sync_master_wait_no_slave=1, rpl_semi_sync_master_timeout=%d, slave_net_timeout=%d",
		m.wait()/time.Millisecond, m.silence()/time.Second)
}

// endless reports whether a primary acknowledges nothing that no replica has, for the next hour.
func (f *facts) endless() bool {
	return f.waitsSemi && f.waitsNow && f.patience >= strictLeast && f.waitsForNobody && f.afterSync
}

// notStrict says why a primary might acknowledge a write that no replica has; "": it cannot. A status
// of ON alone says nothing: it is ON before the first replica connects, and until the first time-out.
func (f *facts) notStrict() string {
	var why []string
	add := func(wrong bool, text string) {
		if wrong {
			why = append(why, text)
		}
	}
	add(!f.waitsSemi, "rpl_semi_sync_master_enabled is off")
	add(f.waitsSemi && !f.waitsNow, "it has given up waiting (Rpl_semi_sync_master_status is OFF)")
	add(f.waitsSemi && f.clients == 0, "no replica is connected that acknowledges (Rpl_semi_sync_master_clients is 0)")
	add(f.patience < strictLeast, fmt.Sprintf("it gives up after %s (rpl_semi_sync_master_timeout; at least %s is needed)", f.patience, strictLeast))
	add(!f.waitsForNobody, "it does not wait while no replica is connected (rpl_semi_sync_master_wait_no_slave is off)")
	add(!f.afterSync, "others can read what no replica has yet (rpl_semi_sync_master_wait_point is not AFTER_SYNC)")
	return strings.Join(why, "; ")
}

// mode is that of the cluster: one that was made strict stays so, whoever promotes.
func (o *operation) mode() Mode {
	for _, s := range o.servers {
		if s.err == nil && (s.facts.waitsSemi || s.facts.sendsSemi) && s.facts.patience >= strictLeast {
			return Strict
		}
	}
	return o.config.Mode
}

// automatic refuses what a program must not decide by itself.
func (o *operation) automatic(plan *Plan) (list []Refusal) {
	from := o.find(plan.From)
	// Of one that was restarted after a crash, and takes no writes, nothing else is to be expected.
	restarted := plan.Planned && from != nil && from.facts.role() == replica.Unknown && anew(from.facts.started, o.armedStart)
	if from == nil || plan.Planned && !restarted {
		list = append(list, Refusal{Code: "not_lost", Text: "The old primary answers, or there is none that was lost: a person decides whether it is to be replaced."})
	}
	switch {
	case o.armed.IsZero():
		list = append(list, Refusal{Code: "not_armed", Text: fmt.Sprintf(
			"Nobody saw that %s waited for its replicas before it was lost (mode strict), so what it acknowledged last may be on no other server. Ask for the plan, which says what is known, and promote by hand.", plan.From)})
	case time.Since(o.armed) > strictLeast:
		list = append(list, Refusal{Code: "not_armed", Text: fmt.Sprintf(
			"%s was last seen to wait for its replicas %s ago; since then it may have given up. Promote by hand.", plan.From, time.Since(o.armed).Round(time.Second))})
	}
	have := len(o.lease.voters)
	for _, s := range o.servers {
		if s.lock != nil {
			have++
		}
	}
	return append(list, o.lease.missing(have)...)
}
