package promote

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxRanges bounds how many are put into a sentence.
const maxRanges = 8

// inWords puts ranges into a sentence.
func inWords(ranges []Range) string {
	var parts []string
	for i, r := range ranges {
		if i == maxRanges {
			parts = append(parts, fmt.Sprintf("and of %d other servers", len(ranges)-i))
			break
		}
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}

// ends returns the last triple of each domain and server, in order.
func (p position) ends() position {
	ends := slices.Clone(p)
	slices.SortFunc(ends, func(a, b triple) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server), cmp.Compare(b.seq, a.seq))
	})
	return slices.CompactFunc(ends, func(a, b triple) bool { return a.domain == b.domain && a.server == b.server })
}

// since returns what of q is not in a history with p as its last entries: by domain and server, from
// the number after the last that is there.
func (p position) since(q position) []Range {
	missing := p.lacks(q).ends()
	have := p.ends()
	ranges := make([]Range, 0, len(missing))
	for _, t := range missing {
		r := Range{Domain: t.domain, Server: t.server, Last: t.seq}
		for _, h := range have {
			if h.domain == t.domain && h.server == t.server {
				r.First = h.seq + 1
			}
		}
		ranges = append(ranges, r)
	}
	return ranges
}

// errant is what the server has and other has not.
func (f *facts) errant(other *server) []Range {
	have := other.facts.history()
	q := f.holds()
	for _, t := range f.state {
		// Of servers that other knows nothing of, it may have had all from the copy it was made from.
		if slices.ContainsFunc(have, func(h triple) bool { return h.domain == t.domain && h.server == t.server }) {
			q = append(q, t)
		}
	}
	return have.since(q)
}

// cut notes what x has before it takes writes, and what was seen on from and is not there.
func (o *operation) cut(x, from *server, options Options) {
	history := x.facts.history()
	o.report.Cut = history.ends().String()
	known, err := parsePosition(options.LastKnown)
	if err != nil || len(known) == 0 || from == nil {
		return // Promote has looked at it
	}
	when := "last"
	if !options.LastKnownAt.IsZero() {
		when = "at " + options.LastKnownAt.UTC().Format(time.RFC3339)
	}
	o.report.Lost = history.since(known)
	if len(o.report.Lost) == 0 {
		o.did("%s has everything that was seen on %s %s, up to %s.", x.Name, from.Name, when, known)
		return
	}
	text := fmt.Sprintf("Transactions %s, which were seen on %s %s and are not on %s.", inWords(o.report.Lost), from.Name, when, x.Name)
	if o.waited(x) {
		o.did("%s No replica had acknowledged them, so no client was told that they are kept.", text)
		return
	}
	o.report.MayLose = append(o.report.MayLose, text)
}

// waited reports whether it is known that the old primary confirmed nothing that no replica has.
func (v *survey) waited(x *server) bool {
	return !v.armed.IsZero() && time.Since(v.armed) <= strictLeast && x.facts.sendsSemi
}
