package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/promote"
)

// A node is what a guard knows of one server.
type node struct {
	name   string
	never  bool // it is never promoted
	sight  promote.Sight
	fails  int           // questions in a row without an answer
	silent time.Time     // since when
	alive  promote.Sight // the last sight with an answer
	beside int           // sights in a row that it takes writes, while another was known to as well
	aside  time.Time     // since when it is a replica of somebody else than the primary, and receives nothing
}

func (n *node) answers() bool { return !n.sight.At.IsZero() && n.sight.Err == nil }

// knowledge is all that decisions are made of.
type knowledge struct {
	nodes     []*node
	primary   *node     // the last one that was seen alone to take writes; nil: none yet
	armed     time.Time // when it was last seen to wait as mode Strict demands
	started   time.Time // when its server had been started then
	waited    time.Time // when it was last seen to wait in any mode
	oneCopy   time.Time // since about when it does not
	waitsFrom time.Time // mode Strict: since when no replica acknowledges
	waiting   bool      // that has gone on for waitFor
	split     bool      // several nodes take writes
	fall      int
	calm      time.Duration
	last      time.Time // the last failover
	promoting *node     // whom this guard makes the primary now
	stopped   string    // why automation is stopped by a person; "": it is not
}

// writable are the nodes that take writes, as far as is known now.
func (k *knowledge) writable() (list []*node) {
	for _, n := range k.nodes {
		if n.answers() && n.sight.Role == replica.Primary {
			list = append(list, n)
		}
	}
	return list
}

// lost reports whether the primary counts as gone.
func (k *knowledge) lost() bool {
	return k.primary != nil && (k.primary.fails >= k.fall || k.restarted())
}

// restarted reports whether the primary was back so soon that it hardly was missed: it takes no writes
// any more, and nobody else does.
func (k *knowledge) restarted() bool { return k.primary != nil && k.primary.sight.Restarted(k.started) }

// candidate is the replica that has most, among those that may be promoted.
func (k *knowledge) candidate() (best *node) {
	for _, n := range k.nodes {
		if n == k.primary || n.never || !n.answers() || n.sight.Role != replica.Replica {
			continue
		}
		if best == nil || promote.Further(n.sight, best.sight) {
			best = n
		}
	}
	return best
}

// held says why the primary, if it is lost, is not replaced; "": it can be.
func (k *knowledge) held(now time.Time) string {
	if k.stopped != "" {
		return k.stopped
	}
	if k.primary == nil {
		return "This guard has not seen yet which server is the primary."
	}
	if list := k.writable(); len(list) > 0 && list[0] != k.primary || len(list) > 1 {
		return "Another server takes writes."
	}
	if k.primary.answers() && k.primary.sight.Role != replica.Primary && !k.restarted() {
		return fmt.Sprintf("%s answers, and it takes no writes, nor does anybody else: a person decides who is to.", k.primary.name)
	}
	// Reasons name times, not ages: one that is the same is told once.
	switch age := now.Sub(k.last); {
	case k.last.IsZero() || age >= k.calm:
	case age < 0:
		return fmt.Sprintf("The last failover was at %s, which is still to come: a clock was wrong. Set it right; if it was wrong then, remove %s.", moment(k.last), recordName)
	default:
		return fmt.Sprintf("The last failover was at %s; until %s the next one is for a person to decide.", moment(k.last), moment(k.last.Add(k.calm)))
	}
	if k.armed.IsZero() {
		why := k.primary.alive.Strict
		if why == "" {
			why = "it was not seen yet"
		}
		return fmt.Sprintf("%s does not keep to mode strict: %s. Prepare the cluster.", k.primary.name, why)
	}
	if age := now.Sub(k.armed); age > armedFor {
		return fmt.Sprintf("%s was last seen to wait for its replicas at %s; since then it may have given up.", k.primary.name, moment(k.armed))
	}
	if k.candidate() == nil {
		return "No replica answers that may be promoted."
	}
	for _, n := range k.nodes {
		switch {
		case n == k.primary:
		case !n.answers():
			return fmt.Sprintf("%s does not answer either, and it may have acknowledged what the others do not have.", n.name)
		case k.lost() && !k.restarted() && n.sight.Role == replica.Replica && n.sight.Source == k.primary.alive.ID && n.sight.Receives:
			return fmt.Sprintf("%s is still connected to %s.", n.name, k.primary.name)
		}
	}
	return ""
}

// moment is a time in a sentence.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// armedFor is for how long the sight of an armed primary counts: its time-out is at least an hour.
const armedFor = time.Hour

// take notes what a node said, or that it did not. It returns what became different.
func (k *knowledge) take(n *node, s promote.Sight) (events []Event) {
	tell := func(kind Kind, node *node, format string, args ...any) {
		events = append(events, Event{At: s.At, Kind: kind, Node: node.name, Text: fmt.Sprintf(format, args...)})
	}
	wasLost := k.lost()
	n.sight = s
	if s.Err != nil {
		if n.fails++; n.fails == 1 {
			n.silent = s.At
		}
		if n == k.primary && !wasLost && k.lost() {
			tell(Lost, n, "%s, the primary, does not answer since %s: %s", n.name, n.silent.UTC().Format(time.RFC3339Nano), s.Err)
		}
	} else {
		n.fails, n.silent = 0, time.Time{}
		switch {
		case n != k.primary || !k.restarted():
			if n.alive = s; n == k.primary && wasLost {
				tell(Back, n, "%s, the primary, answers again.", n.name)
			}
		case !wasLost: // alive stays what it was while it took writes
			tell(Lost, n, "%s, the primary, was started anew at about %s and takes no writes.", n.name, moment(s.Started))
		}
	}
	list := k.writable()
	if split := k.besides(n, list); split != k.split {
		if k.split = split; split {
			tell(SplitBrain, n, "%s", splitText(list))
		} else {
			tell(Whole, n, "%s alone takes writes again.", names(list))
		}
	}
	if len(list) == 1 && list[0] != k.primary {
		if k.primary != nil && list[0] != k.promoting {
			tell(Changed, list[0], "%s is the primary now; it was %s.", list[0].name, k.primary.name)
			if !k.primary.answers() {
				k.last = s.At // somebody else's failover
			}
		}
		k.follow(list[0])
	}
	if n == k.primary && s.Err == nil && s.Role == replica.Primary {
		k.copies(s, tell)
	}
	switch left := n.answers() && s.Role == replica.Replica && !s.Receives && k.primary != nil && s.Source != 0 && s.Source != k.primary.alive.ID; {
	case !left:
		n.aside = time.Time{}
	case n.aside.IsZero():
		n.aside = s.At
	}
	return events
}

// besides reports whether several nodes take writes at the same time. What the others said was before n
// was asked: in a planned switch both may have said so, one after the other. Only a second sight of each
// began after a sight of the other.
func (k *knowledge) besides(n *node, list []*node) bool {
	switch {
	case len(list) < 2:
		for _, n := range k.nodes {
			n.beside = 0
		}
	case slices.Contains(list, n):
		n.beside++
	default:
		n.beside = 0
	}
	several := 0
	for _, n := range list {
		if n.beside > 1 {
			several++
		}
	}
	return several > 1
}

// strayFor is for how long a replica is left to whoever may be at work on it.
const strayFor = 5 * time.Second

// strays reports whether a node is to be brought back to the primary. An empty one is being filled.
func (k *knowledge) strays(n *node) bool {
	if !n.answers() {
		return false
	}
	if n.sight.Alone && n.sight.Role == replica.Unknown {
		return n.sight.Position != ""
	}
	return !n.aside.IsZero() && n.sight.At.Sub(n.aside) >= strayFor
}

// follow makes a node the primary that is watched; nothing is known of it yet.
func (k *knowledge) follow(primary *node) {
	k.primary, k.waitsFrom, k.waiting = primary, time.Time{}, false
	k.armed, k.started, k.waited, k.oneCopy = time.Time{}, time.Time{}, time.Time{}, time.Time{}
}

// waitFor is how long a primary may be without replicas before it is told: a new one is until they follow.
const waitFor = time.Second

// copies notes whether what the primary acknowledges is in one copy.
func (k *knowledge) copies(s promote.Sight, tell func(Kind, *node, string, ...any)) {
	n := k.primary
	// Once a replica has acknowledged, a primary that goes on to wait without one is as good: it
	// acknowledges nothing.
	if s.Strict == "" || s.Endless && !k.armed.IsZero() {
		k.armed, k.started = s.At, s.Started
	} else {
		k.armed, k.started = time.Time{}, time.Time{}
	}
	switch waits := s.Endless && !s.Waits; {
	case !waits:
		k.waitsFrom, k.waiting = time.Time{}, false
	case k.waitsFrom.IsZero():
		k.waitsFrom = s.At
	case !k.waiting && s.At.Sub(k.waitsFrom) >= waitFor:
		k.waiting = true
		tell(Waiting, n, "%s", k.waitingText())
	}
	switch {
	case s.Waits || s.Endless:
		if !k.oneCopy.IsZero() {
			tell(TwoCopies, n, "What %s acknowledges is in two copies again; from %s on it was in one.", n.name, moment(k.oneCopy))
		}
		k.waited, k.oneCopy = s.At, time.Time{}
	case k.oneCopy.IsZero():
		// It stopped to wait some time after it was last seen to.
		if k.oneCopy = k.waited; k.oneCopy.IsZero() {
			k.oneCopy = s.At
		}
		tell(OneCopy, n, "%s", k.oneCopyText())
	}
}

// The sentences below are told when something happens, and shown as long as it goes on.

func names(list []*node) string {
	var all []string
	for _, n := range list {
		all = append(all, n.name)
	}
	return strings.Join(all, " and ")
}

func splitText(list []*node) string {
	return names(list) + " take writes at the same time. Decide which one is the primary, and bring the other back with Rejoin, which makes it read-only."
}

func (k *knowledge) waitingText() string {
	return fmt.Sprintf("No replica acknowledges what is written to %s: writes wait until one does.", k.primary.name)
}

func (k *knowledge) oneCopyText() string {
	return fmt.Sprintf("%s does not wait for a replica: what it acknowledges since %s is in one copy, and lost with that server.", k.primary.name, moment(k.oneCopy))
}
