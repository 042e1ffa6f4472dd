package cache

import (
	"strconv"
	"strings"
	"time"
)

// An outcome is what Cache-Status tells (RFC 9211).
type outcome struct {
	hit       bool
	forward   string // why the request has gone on, "" if it has not
	status    int    // what came back, if that is not what the client gets; else 0
	ttl       time.Duration
	known     bool // ttl is
	stored    bool
	collapsed bool
}

// status returns the member for Cache-Status. Parameters stand in the order of RFC 9211, section 2.
func (c *Cache) status(o outcome, k *key) string {
	var room [96]byte
	b := append(room[:0], c.o.Name...)
	if o.hit {
		b = append(b, "; hit"...)
	}
	if o.forward != "" {
		b = append(append(b, "; fwd="...), o.forward...)
	}
	if o.status != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(o.status), 10)
	}
	if o.known {
		seconds := int64(o.ttl / time.Second)
		if o.ttl < 0 && o.ttl%time.Second != 0 {
			seconds-- // whatever is over is at least a second over
		}
		b = strconv.AppendInt(append(b, "; ttl="...), seconds, 10)
	}
	if o.stored {
		b = append(b, "; stored"...)
	}
	if o.collapsed {
		b = append(b, "; collapsed"...)
	}
	if c.o.ShowKey && k != nil {
		b = append(append(b, "; key="...), quoted(k.String())...)
	}
	return string(b)
}

// quoted returns s as a string of structured fields; what such strings cannot hold becomes a ?.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c > 0x7e:
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
