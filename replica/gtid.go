package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is parsed. Ten domains are already unusual.
const (
	maxDomains = 32
	maxToken   = 2048 // more than 32 longest triples and their separators
)

// ErrToken is wrapped by every error of [ParseToken] and [Sealer.Open].
var ErrToken = errors.New("replica: this is not a position token")

// A gtid names one transaction: the seq-th of its replication domain, written first by server.
type gtid struct {
	domain uint32
	server uint32
	seq    uint64
}

// gtids is a position: at most one gtid for each domain, in the order of domains. It is never
// changed once it is made.
type gtids []gtid

// A Token is a position in the stream of changes: "everything up to here". The zero Token is the
// beginning. Tokens are values and safe for concurrent use.
//
// A token grants nothing, but whoever makes one up can have his own reads answered by the primary.
// A [Sealer] signs what goes through foreign hands.
type Token struct{ at gtids }

// String returns the token as text that needs no quoting in a cookie, a header or a URL: at most
// 2048 of the characters 0-9, '-' and '.'. The zero token is "". [ParseToken] is the inverse.
func (t Token) String() string { return t.at.text('.') }

// ParseToken parses what [Token.String] returned, and only that: every token has one text. The
// error wraps [ErrToken].
func ParseToken(text string) (Token, error) {
	at, err := parseGTIDs(text, ".")
	if err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if (Token{at}).String() != text {
		return Token{}, fmt.Errorf("%w: domains are not in ascending order, or a number has leading zeros", ErrToken)
	}
	return Token{at}, nil
}

func (p gtids) text(separator byte) string {
	b := make([]byte, 0, 24*len(p))
	for i, g := range p {
		if i > 0 {
			b = append(b, separator)
		}
		b = strconv.AppendUint(b, uint64(g.domain), 10)
		b = strconv.AppendUint(append(b, '-'), uint64(g.server), 10)
		b = strconv.AppendUint(append(b, '-'), g.seq, 10)
	}
	return string(b)
}

// parseGTIDs parses domain-server-sequence triples, as MariaDB writes them (separated by commas,
// see "Global Transaction ID" in its documentation), in any order.
func parseGTIDs(text, separator string) (gtids, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxToken {
		return nil, fmt.Errorf("%d bytes are more than %d", len(text), maxToken)
	}
	var p gtids
	for part := range strings.SplitSeq(text, separator) {
		if len(p) == maxDomains {
			return nil, fmt.Errorf("more than %d replication domains", maxDomains)
		}
		g, err := parseGTID(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		p = append(p, g)
	}
	slices.SortFunc(p, func(a, b gtid) int { return cmp.Compare(a.domain, b.domain) })
	for i := 1; i < len(p); i++ {
		if p[i].domain == p[i-1].domain {
			return nil, fmt.Errorf("replication domain %d is there twice", p[i].domain)
		}
	}
	return p, nil
}

func parseGTID(text string) (gtid, error) {
	d, rest, ok1 := strings.Cut(text, "-")
	s, n, ok2 := strings.Cut(rest, "-")
	domain, err1 := strconv.ParseUint(d, 10, 32)
	server, err2 := strconv.ParseUint(s, 10, 32)
	seq, err3 := strconv.ParseUint(n, 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil {
		return gtid{}, fmt.Errorf("%.80q is not domain-server-sequence", text)
	}
	return gtid{uint32(domain), uint32(server), seq}, nil
}

// seq returns the number reached in a domain.
func (p gtids) seq(domain uint32) (n uint64, ok bool) {
	for _, g := range p {
		if g.domain == domain {
			return g.seq, true
		}
	}
	return 0, false
}

// covers reports whether a server at p holds everything up to q. That follows from the numbers
// alone only where gtid_strict_mode makes them ascend.
func (p gtids) covers(q gtids) bool {
	for _, g := range q {
		if n, ok := p.seq(g.domain); !ok || n < g.seq {
			return false
		}
	}
	return true
}

// merge returns the later of both in each domain. It may have more than maxDomains.
func (p gtids) merge(q gtids) gtids {
	if p.covers(q) {
		return p
	}
	m := make(gtids, 0, len(p)+len(q))
	for len(p) > 0 && len(q) > 0 {
		switch a, b := p[0], q[0]; {
		case a.domain < b.domain:
			m, p = append(m, a), p[1:]
		case a.domain > b.domain:
			m, q = append(m, b), q[1:]
		default:
			if b.seq > a.seq {
				a = b
			}
			m, p, q = append(m, a), p[1:], q[1:]
		}
	}
	return append(append(m, p...), q...)
}

// implausible is how far beyond the primary a position may be before it is taken for made up, or
// for one of another cluster: more than is written between two polls by far.
const implausible = 1_000_000

// beyond reports whether q is so far ahead of p that no server will get there soon.
func (p gtids) beyond(q gtids) bool {
	for _, g := range q {
		if n, ok := p.seq(g.domain); ok && g.seq > n && g.seq-n > implausible {
			return true
		}
	}
	return false
}

// parseLast parses what askLast gives: the last transaction of the connection, and where the server
// is.
func parseLast(text string) (last, all gtids, err error) {
	own, whole, _ := strings.Cut(text, ";")
	if last, err = parseGTIDs(own, ","); err != nil {
		return nil, nil, err
	}
	if all, err = parseGTIDs(whole, ","); err != nil {
		return nil, nil, err
	}
	return last, all, nil
}
