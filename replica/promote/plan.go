package promote

import (
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// A survey is what all servers said at one time. Decisions are made of it alone.
type survey struct {
	servers []*server
	wait    time.Duration
	armed   time.Time // when the old primary was last seen to wait as in mode Strict
	// armedStart is when its server had been started then.
	armedStart time.Time
}

func (v *survey) find(name string) *server {
	for _, s := range v.servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// primaries are those that take writes.
func (v *survey) primaries() (list []*server) {
	for _, s := range v.servers {
		if s.err == nil && s.facts.role() == replica.Primary {
			list = append(list, s)
		}
	}
	return list
}

// source finds the node that a server replicates from; nil when it is none of ours.
func (v *survey) source(of *server) *server {
	if len(of.facts.sources) != 1 {
		return nil
	}
	from := &of.facts.sources[0]
	for _, s := range v.servers {
		if s != of && s.err == nil && from.id != 0 && s.facts.id == from.id {
			return s
		}
	}
	var silent []*server
	for _, s := range v.servers {
		if s == of {
			continue
		}
		if s.address() == from.address() {
			return s
		}
		if s.err != nil {
			silent = append(silent, s)
		}
	}
	// It may be known there by another address. If only one is silent, it is that one.
	if len(silent) == 1 && from.id != 0 {
		return silent[0]
	}
	return nil
}

// follows reports whether a server replicates from primary as it should.
func (v *survey) follows(s, primary *server) bool {
	if s.facts.role() != replica.Replica || v.source(s) != primary {
		return false
	}
	c := &s.facts.sources[0]
	return c.usesGTID && c.applying && c.receiving == "Yes" && s.facts.readOnly
}

func (v *survey) states() (list []NodeState) {
	for _, s := range v.servers {
		n := NodeState{Name: s.Name, Role: replica.Unknown}
		if s.err != nil {
			n.Problem = "It does not answer: " + s.err.Error()
			list = append(list, n)
			continue
		}
		f := &s.facts
		n.Role, n.ReadOnly, n.Position = f.role(), f.readOnly, f.holds().String()
		n.SemiSync = f.sendsNow || f.waitsNow && n.Role == replica.Primary
		var problems []string
		for i := range f.sources {
			c := &f.sources[i]
			n.Received, n.Source = c.received.String(), c.address()
			if from := v.source(s); from != nil {
				n.Source = from.Name
			}
			for _, text := range []string{c.ioError, c.sqlError} {
				if text != "" {
					problems = append(problems, text)
				}
			}
		}
		n.Problem = strings.Join(problems, "; ")
		list = append(list, n)
	}
	return list
}

// semiSync reports whether the cluster is set up for semi-sync.
func (v *survey) semiSync() bool {
	for _, s := range v.servers {
		if s.err == nil && (s.facts.sendsSemi || s.facts.waitsSemi) {
			return true
		}
	}
	return false
}

// twoWriters refuses to act while more servers than one take writes.
func (v *survey) twoWriters() []Refusal {
	list := v.primaries()
	if len(list) < 2 {
		return nil
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return []Refusal{{Code: "two_writers", Text: fmt.Sprintf(
		"%s all take writes. Decide which one is the primary, and bring every other back with Rejoin, which makes it read-only. Of more than two, run SET GLOBAL read_only = 1 on all but two first.", strings.Join(names, " and "))}}
}

// unusable refuses nodes that are one server by two names, or where a later step would fail.
func (v *survey) unusable() (list []Refusal) {
	for i, a := range v.servers {
		if a.err == nil && len(a.facts.missing) > 0 {
			list = append(list, Refusal{Code: "privileges", Text: fmt.Sprintf(
				"On %s the account of the DSN lacks privileges. Run GRANT %s ON *.* TO it.", a.Name, strings.Join(a.facts.missing, ", "))})
		}
		for _, b := range v.servers[:i] {
			if a.err == nil && b.err == nil && a.facts.id == b.facts.id {
				list = append(list, Refusal{Code: "same_server", Text: fmt.Sprintf(
					"%s and %s both say that their server_id is %d. Correct the address of one, or give each server an id of its own.", b.Name, a.Name, a.facts.id)})
			}
		}
	}
	return list
}

// plan decides what a promotion of x would be.
func (v *survey) plan(x *server) *Plan {
	p := &Plan{To: x.Name, Steps: []string{}, MayLose: []string{}, Refusals: []Refusal{}, Nodes: v.states()}
	refuse := func(code, loss, format string, args ...any) {
		p.Refusals = append(p.Refusals, Refusal{Code: code, Text: fmt.Sprintf(format, args...), Loss: loss})
	}
	if x.err != nil {
		refuse("target_silent", "", "%s does not answer (%s), so it cannot become the primary.", x.Name, x.err)
		return p
	}
	if p.Refusals = append(p.Refusals, append(v.unusable(), v.twoWriters()...)...); len(p.Refusals) > 0 {
		return p
	}
	if x.facts.role() == replica.Primary {
		p.Already, p.Acknowledged = true, "The primary stays the same; nothing is lost."
		v.planRest(p, x, nil)
		return p
	}
	if x.NoPrimary {
		refuse("never_primary", "", "%s is configured never to become the primary. Promote another node: it gets from %s what it lacks.", x.Name, x.Name)
		return p
	}
	if !x.facts.logs || !x.facts.logsUpdates {
		refuse("no_log", "", "%s runs without log_bin or log_slave_updates, so that nobody could replicate from it. Set both and restart it.", x.Name)
	}
	if !x.facts.strict {
		refuse("not_strict", fmt.Sprintf("Transactions that %s seems to have, as their number is lower than its last.", x.Name),
			"%s runs with gtid_strict_mode=OFF, so that its position does not tell what it has. Run SET GLOBAL gtid_strict_mode = 1 on all servers.", x.Name)
	}
	var from *server
	switch len(x.facts.sources) {
	case 0:
		v.planAlone(p, x, refuse)
	case 1:
		if from = v.source(x); from == nil {
			refuse("unknown_source", "", "%s replicates from %s, which is none of the nodes. Add it to the configuration: it may have what %s has not.", x.Name, x.facts.sources[0].address(), x.Name)
			return p
		}
		p.From = from.Name
		if !x.facts.sources[0].usesGTID {
			refuse("no_gtid", "", "%s replicates without GTID. Run STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID = slave_pos; START SLAVE on it.", x.Name)
		}
		for _, w := range v.primaries() {
			if w != from {
				refuse("follows_other", "", "%s takes writes, but %s replicates from %s. Point %s to %s with Rejoin first.", w.Name, x.Name, from.Name, x.Name, w.Name)
				return p
			}
		}
		if from.err == nil {
			v.planSwitch(p, x, from, refuse)
		} else {
			v.planLoss(p, x, from, refuse)
		}
	default:
		refuse("several_sources", "", "%s replicates from %d servers at once; such a server is promoted by hand.", x.Name, len(x.facts.sources))
		return p
	}
	v.planRest(p, x, from)
	return p
}

type refuser func(code, loss, format string, args ...any)

// planAlone is for a server that is read-only and replicates from nobody: the old primary after all
// servers were restarted, or one on which a promotion was interrupted.
func (v *survey) planAlone(p *Plan, x *server, refuse refuser) {
	for _, w := range v.primaries() {
		refuse("not_a_replica", "", "%s takes writes, and %s replicates from nobody. Make it a replica with Rejoin first.", w.Name, x.Name)
		return
	}
	p.Planned = true
	p.Acknowledged = fmt.Sprintf("All servers that answer are read-only, and %s has all that they have.", x.Name)
	v.compare(x, nil, refuse)
	v.silent(x, nil, refuse)
	p.Steps = append(p.Steps, x.Name+" takes writes.")
}

// silent refuses while a server that may have more does not answer. The old primary is known to.
func (v *survey) silent(x, from *server, refuse refuser) {
	for _, o := range v.servers {
		if o != x && o != from && o.err != nil {
			refuse("other_silent", fmt.Sprintf("Transactions that %s has and %s has not; a primary waits for one replica only.", o.Name, x.Name),
				"%s does not answer (%s), and it may have acknowledged transactions that %s has not. Start it, or take it out of the configuration if it is gone for ever.", o.Name, o.err, x.Name)
		}
	}
}

// planSwitch is for an old primary that answers.
func (v *survey) planSwitch(p *Plan, x, from *server, refuse refuser) {
	p.Planned = true
	if v.behind(from) {
		v.planBehind(p, x, from, refuse)
		return
	}
	p.Acknowledged = "The old primary answers: everything it wrote will be there."
	c := &x.facts.sources[0]
	switch {
	case len(from.facts.sources) > 0:
		refuse("chained", "", "%s replicates from %s, which is a replica itself. Promote %s, or point %s to its primary first.", x.Name, from.Name, from.Name, x.Name)
		return
	case c.sqlError != "" && !c.applying:
		refuse("applying_broken", "", "%s has stopped applying: %s. Repair that, or promote another replica.", x.Name, c.sqlError)
	case c.ioError != "" && c.receiving != "Yes" && !(from.facts.readOnly && len(x.facts.lacks(from.facts.holds())) == 0):
		refuse("receiving_broken", "", "%s cannot receive from %s: %s. Repair that, or promote another replica.", x.Name, from.Name, c.ioError)
	case c.delay >= v.wait:
		refuse("delayed", "", "%s applies everything %s late, and a wait ends after %s. Set its MASTER_DELAY to 0 first, or wait longer.", x.Name, c.delay, v.wait)
	}
	if extra := from.facts.lacks(x.facts.has()); len(extra) > 0 && from.facts.readOnly {
		refuse("target_has_more", "", "%s has transactions up to %s that %s, its source, has not: their histories have parted. Find out which is right; the other is to be rebuilt from a copy of it.", x.Name, extra, from.Name)
	}
	if !from.facts.readOnly {
		p.Steps = append(p.Steps, fmt.Sprintf("%s becomes read-only; transactions that are open there are ended.", from.Name))
	}
	p.Steps = append(p.Steps, fmt.Sprintf("%s applies everything that %s wrote, then stops to replicate.", x.Name, from.Name), x.Name+" takes writes.")
}

// planLoss is for an old primary that does not answer.
func (v *survey) planLoss(p *Plan, x, from *server, refuse refuser) {
	c := &x.facts.sources[0]
	v.planReceived(x, refuse)
	for _, o := range v.servers {
		if o.err == nil && len(o.facts.sources) == 1 && v.source(o) == from && o.facts.sources[0].receiving == "Yes" {
			refuse("primary_alive", fmt.Sprintf("What clients that still reach %s go on to write there.", from.Name),
				"%s does not answer here (%s), but %s is still connected to it. If it was lost just now, %s will notice after slave_net_timeout; else cut %s off from its clients first.", from.Name, from.err, o.Name, o.Name, from.Name)
			break
		}
	}
	giver := v.compare(x, from, refuse)
	v.silent(x, from, refuse)
	switch {
	case v.waited(x):
		p.Acknowledged = fmt.Sprintf("%s waited for a replica's acknowledgement of each write, without giving up, when it was last seen (%s): every write that it confirmed to a client is on one of its replicas, and %s has what they have.", from.Name, v.armed.UTC().Format(time.RFC3339), x.Name)
	case x.facts.sendsNow:
		p.Acknowledged = fmt.Sprintf("%s acknowledged what it received (semi-sync) when %s was lost: every write that %s confirmed to a client is there, unless %s had given up waiting for replicas before, which only its own Rpl_semi_sync_master_status told.", x.Name, from.Name, from.Name, from.Name)
	case c.receiving == "No" && x.facts.sendsSemi:
		p.Acknowledged = fmt.Sprintf("Receiving was stopped on %s before it was asked, so it is not known any more whether it acknowledged what it received (semi-sync).", x.Name)
		p.MayLose = append(p.MayLose, fmt.Sprintf("Writes that %s confirmed to clients after %s, if semi-sync was off when %s was lost.", from.Name, x.Name+"'s last, "+c.received.words(), from.Name))
	default:
		p.Acknowledged = fmt.Sprintf("Semi-sync was off on %s when %s was lost: what %s confirmed to clients and had not sent yet is not there.", x.Name, from.Name, from.Name)
		p.MayLose = append(p.MayLose, fmt.Sprintf("Writes that %s confirmed to clients after %s, the last that %s received.", from.Name, c.received.words(), x.Name))
	}
	p.Steps = append(p.Steps, "The replicas of "+from.Name+" stop receiving.",
		fmt.Sprintf("%s applies everything it received, up to %s.", x.Name, c.received.words()))
	v.planCatchUp(p, x, giver)
	p.Steps = append(p.Steps, x.Name+" stops to replicate and takes writes.")
}

// planReceived refuses x while it cannot apply what it received.
func (v *survey) planReceived(x *server, refuse refuser) {
	c := &x.facts.sources[0]
	behind := x.facts.applied.beyond(c.received)
	unapplied := fmt.Sprintf("Transactions up to %s, which %s has received and not applied.", c.received.words(), x.Name)
	switch {
	case len(c.received) == 0 && len(x.facts.applied) > 0:
		refuse("position_unknown", "Whatever was received and not applied before replication was started last: its relay log is not known to be whole.",
			"%s does not know what it has received (its Gtid_IO_Pos is empty), as after a restart without its primary.", x.Name)
	case c.sqlError != "" && !c.applying:
		refuse("applying_broken", unapplied, "%s has stopped applying: %s. Repair that, but do not start replication while it does not receive either, or promote another replica.", x.Name, c.sqlError)
	case !c.applying && c.receiving == "No" && len(behind) > 0:
		refuse("both_stopped", unapplied, "Replication on %s is stopped, receiving and applying, with transactions up to %s received and not applied. MariaDB would throw them away if it were started now. Save them from the relay log with mariadb-binlog, or promote another replica.", x.Name, behind)
	case c.delay >= v.wait && len(behind) > 0:
		refuse("delayed", unapplied, "%s applies everything %s late, and a wait ends after %s. Wait longer, or promote another replica.", x.Name, c.delay, v.wait)
	}
}

// planRest is about all others, once x takes writes.
func (v *survey) planRest(p *Plan, x, from *server) {
	if v.semiSync() && !x.facts.waitsSemi {
		p.Steps = append(p.Steps, x.Name+" waits for a replica's acknowledgement of each write (semi-sync), if one follows it.")
	}
	for _, o := range v.servers {
		switch {
		case o == x:
		case o.err != nil:
			p.Steps = append(p.Steps, o.Name+" is left alone, as it does not answer; Rejoin brings it back.")
		case o == from, !v.follows(o, x):
			p.Steps = append(p.Steps, fmt.Sprintf("%s becomes a replica of %s, if it has nothing that %s has not.", o.Name, x.Name, x.Name))
		}
	}
}
