package accesslog

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/balance"
)

// maxField bounds what is written of anything that a client has sent, in bytes.
const maxField = 2048

const timeFormat = "2006-01-02T15:04:05.000000Z"

// encode appends the line for a Record: an object of JSON and a newline.
func encode(b []byte, r *balance.Record, query bool) []byte {
	b = append(b, `{"time":"`...)
	b = r.Time.UTC().AppendFormat(b, timeFormat)
	b = append(b, `","client":"`...)
	if r.Client.IsValid() {
		b = r.Client.WithZone("").AppendTo(b)
	}
	b = append(b, '"')
	b = text(b, `,"method":`, r.Method)
	b = text(b, `,"scheme":`, r.Scheme)
	b = text(b, `,"host":`, r.Host)
	target := r.Target
	if !query {
		target, _, _ = strings.Cut(target, "?")
	}
	b = text(b, `,"target":`, target)
	b = text(b, `,"proto":`, r.Proto)
	b = number(b, `,"status":`, int64(r.Status))
	b = number(b, `,"received":`, r.Received)
	b = number(b, `,"sent":`, r.Sent)
	b = text(b, `,"backend":`, r.Backend)
	b = number(b, `,"tries":`, int64(r.Tries))
	b = number(b, `,"queue_us":`, micros(r.Queue))
	b = number(b, `,"connect_us":`, micros(r.Connect))
	b = number(b, `,"first_us":`, micros(r.FirstByte))
	b = number(b, `,"total_us":`, micros(r.Total))
	if r.Cache != "" {
		b = text(b, `,"cache":`, r.Cache)
	}
	if r.Priority != 0 {
		b = number(b, `,"priority":`, int64(r.Priority))
	}
	if r.ID != "" {
		b = text(b, `,"id":`, r.ID)
	}
	b = text(b, `,"end":`, r.End.String())
	return append(b, '}', '\n')
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }

func number(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// text appends a string of JSON. What is longer than maxField ends in "…"; what is not UTF-8 becomes the
// replacement character. Besides what JSON demands, control characters and those that break lines for
// some readers are escaped, so that nobody can write lines of his own or to a terminal.
func text(b []byte, name, s string) []byte {
	b = append(append(b, name...), '"')
	cut := false
	if len(s) > maxField {
		s, cut = s[:maxField], true
	}
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = escape(b, rune(c))
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), "\ufffd"...)
			start = i + size
		case r < 0xa0 || r == '\u2028' || r == '\u2029' || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069:
			b = escape(append(b, s[start:i]...), r)
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}

// plain are the characters of ASCII that stand for themselves.
var plain = func() (p [utf8.RuneSelf]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

const hex = "0123456789abcdef"

func escape(b []byte, r rune) []byte {
	if r == '"' || r == '\\' {
		return append(b, '\\', byte(r))
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
