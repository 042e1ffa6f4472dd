package replica

import "time"

// unit is the weight of a reader of Node.Weight 1: shares of a replica that starts slowly are parts
// of it.
const unit = 10_000

// ramp is the part of its share that a replica gets which has come back age ago: a tenth in the
// first third of window, then more and more. Its caches are cold.
func ramp(age, window time.Duration) float64 {
	const first = 0.1
	third := window / 3
	switch {
	case age >= window:
		return 1
	case age < third:
		return first
	default:
		return first + (1-first)*float64(age-third)/float64(window-third)
	}
}

// serve notes whether the replica may be read, as of now, and starts its ramp when it comes back.
// Replicas that are found when the router starts do not ramp: none of them has the others' work to
// take over. r.mu is held.
func (n *node) serve(may bool, now time.Time) {
	r := n.router
	if !may || n.serving {
		n.serving = may
		return
	}
	if r.serving.IsZero() {
		r.serving = now
	}
	if n.served || now.Sub(r.serving) > r.config.SlowStart {
		n.ramping = now
	}
	n.serving, n.served = true, true
}

// part is the part of its share that the replica gets now. r.mu is held.
func (n *node) part(now time.Time) float64 {
	if n.ramping.IsZero() {
		return 1
	}
	f := ramp(now.Sub(n.ramping), n.router.config.SlowStart)
	if f == 1 {
		n.ramping = time.Time{}
	}
	return f
}

// fill makes readers of the nodes that may be read. Plain reads go to the near ones, unless there is
// none, or none that has started up. r.mu is held.
func (v *view) fill(near, far []*node, now time.Time) {
	parts := make(map[*node]float64, len(near)+len(far))
	started := false
	for _, n := range near {
		parts[n] = n.part(now)
		started = started || parts[n] == 1
	}
	for _, n := range far {
		parts[n] = n.part(now)
	}
	tier := near
	if !started {
		tier = append(near[:len(near):len(near)], far...)
	}
	// A replica that starts slowly gets a part of the share it will have, the others all the rest.
	var all, settled, slow float64
	for _, n := range tier {
		all += float64(n.Weight)
		if parts[n] == 1 {
			settled += float64(n.Weight)
		}
	}
	for _, n := range tier {
		if parts[n] < 1 {
			slow += parts[n] * float64(n.Weight) / all
		}
	}
	for _, n := range tier {
		w := float64(n.Weight) * unit
		if p := parts[n]; p < 1 && settled > 0 {
			w = p * float64(n.Weight) / all / (1 - slow) * settled * unit
		} else if p < 1 { // nobody else is there to take the rest
			w *= p
		}
		v.put(n.reader(max(1, uint32(w))), true)
	}
	if started {
		for _, n := range far {
			v.put(n.reader(uint32(n.Weight)*unit), false)
		}
	}
}
