package replica

import "time"

// compare finds how late the server is by what the primary has written. The server's own number is
// about what it received: behind a broken network it stays at zero. A target is kept until it is
// reached, so late is never more than the truth, and grows with it while nothing arrives.
func (n *node) compare(primary *node) {
	if primary == nil || n.facts.role() != Replica || !n.facts.strict || !primary.facts.strict {
		n.target, n.late = nil, 0
		return
	}
	if n.facts.applied.covers(n.target) {
		n.target, n.since = primary.facts.written, primary.facts.asked
	}
	n.late = 0
	if !n.facts.applied.covers(n.target) {
		n.late = max(0, n.facts.asked.Sub(n.since))
	}
}

// lag is how late the server is as a replica; negative, and not ok, when that is unknown.
func (n *node) lag() (lag time.Duration, ok bool) {
	if lag, ok = n.facts.lag(); !ok || n.apart {
		return -1, false
	}
	return max(lag, n.late, n.behind), true
}

// freshen decides whether the server may be read. Who has fallen behind has to catch up well
// before it is used again, so that it does not come and go.
func (n *node) freshen(limit time.Duration) {
	lag, ok := n.lag()
	if !n.fresh {
		limit /= 2
	}
	n.fresh = ok && lag <= limit
}
