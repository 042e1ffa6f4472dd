package promote

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what is read of a server. gtid_binlog_state has an entry for each server that ever
// wrote in each domain.
const (
	maxTriples  = 4096
	maxPosition = 256 << 10 // bytes
)

// A triple names one transaction: the seq-th of its replication domain, written first by server.
type triple struct {
	domain, server uint32
	seq            uint64
}

func (t triple) String() string { return fmt.Sprintf("%d-%d-%d", t.domain, t.server, t.seq) }

// A position is a list of triples: the last of each domain, or of each domain and server. It is
// never changed once it is made.
type position []triple

// parsePosition parses what MariaDB calls a GTID list: domain-server-sequence, separated by commas.
func parsePosition(text string) (position, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxPosition {
		return nil, fmt.Errorf("a position of %d bytes is longer than %d", len(text), maxPosition)
	}
	var p position
	for part := range strings.SplitSeq(text, ",") {
		if len(p) == maxTriples {
			return nil, fmt.Errorf("a position has more than %d parts", maxTriples)
		}
		d, rest, ok1 := strings.Cut(strings.TrimSpace(part), "-")
		s, n, ok2 := strings.Cut(rest, "-")
		domain, err1 := strconv.ParseUint(d, 10, 32)
		server, err2 := strconv.ParseUint(s, 10, 32)
		seq, err3 := strconv.ParseUint(n, 10, 64)
		if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("%.80q is not domain-server-sequence", part)
		}
		p = append(p, triple{uint32(domain), uint32(server), seq})
	}
	return p, nil
}

// String writes the position as MariaDB does.
func (p position) String() string {
	parts := make([]string, len(p))
	for i, t := range p {
		parts[i] = t.String()
	}
	return strings.Join(parts, ",")
}

// words is String for sentences.
func (p position) words() string {
	if len(p) == 0 {
		return "the beginning"
	}
	return p.String()
}

// beyond returns what of q is later than p by its number. Numbers tell that only among servers that
// have replicated from the same one, in strict mode.
func (p position) beyond(q position) (more position) {
next:
	for _, t := range q {
		for _, have := range p {
			if have.domain == t.domain && have.seq >= t.seq {
				continue next
			}
		}
		more = append(more, t)
	}
	return more
}

// lacks returns which transactions of q are not in a history with p as its last entry of each domain
// and server. A number alone would not do: two servers that parted use the same ones.
func (p position) lacks(q position) (missing position) {
next:
	for _, t := range q {
		for _, have := range p {
			if have.domain == t.domain && have.server == t.server && have.seq >= t.seq {
				continue next
			}
		}
		missing = append(missing, t)
	}
	return missing
}

// latest returns the last triple of each domain in p and q.
func (p position) latest(q position) (last position) {
	for _, list := range []position{p, q} {
	next:
		for _, t := range list {
			for i, have := range last {
				if have.domain == t.domain {
					if t.seq > have.seq {
						last[i] = t
					}
					continue next
				}
			}
			last = append(last, t)
		}
	}
	return last
}
