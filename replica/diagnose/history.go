package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is read of a server: a history has an entry for each server that ever wrote in
// each domain.
const (
	maxStreams = 4096
	maxHistory = 256 << 10 // bytes
)

// A stream is what one server wrote first in one replication domain.
type stream struct{ domain, server uint32 }

// A history has the number of the last transaction of each stream.
type history map[stream]uint64

// parseHistory parses what MariaDB calls a GTID list: domain-server-sequence, separated by commas.
func parseHistory(text string) (history, error) {
	if len(text) > maxHistory {
		return nil, fmt.Errorf("a position of %d bytes is longer than %d", len(text), maxHistory)
	}
	h := history{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		var n [3]uint64
		fields := strings.Split(part, "-")
		for i := range n {
			if len(fields) != len(n) {
				return nil, fmt.Errorf("%.80q is not domain-server-sequence", part)
			}
			var err error
			if n[i], err = strconv.ParseUint(fields[i], 10, []int{32, 32, 64}[i]); err != nil {
				return nil, fmt.Errorf("%.80q is not domain-server-sequence", part)
			}
		}
		s := stream{uint32(n[0]), uint32(n[1])}
		if h[s] = max(h[s], n[2]); len(h) > maxStreams {
			return nil, fmt.Errorf("a position has more than %d parts", maxStreams)
		}
	}
	return h, nil
}

// last is the highest number of a domain.
func (h history) last(domain uint32) (n uint64) {
	for s, m := range h {
		if s.domain == domain {
			n = max(n, m)
		}
	}
	return n
}

// lacks returns what of o is not in h; ahead tells that some of it has a number h has not come to.
func (h history) lacks(o history) (missing []string, ahead bool) {
	var streams []stream
	for s, n := range o {
		if h[s] < n {
			streams = append(streams, s)
			ahead = ahead || n > h.last(s.domain)
		}
	}
	slices.SortFunc(streams, func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	for _, s := range streams {
		missing = append(missing, fmt.Sprintf("%d-%d-%d", s.domain, s.server, o[s]))
	}
	return missing, ahead
}

// behind is how many transactions of o come after h.
func (h history) behind(o history) (n uint64) {
	for s, m := range o {
		if have := h.last(s.domain); m > have {
			n += m - have
		}
	}
	return n
}
