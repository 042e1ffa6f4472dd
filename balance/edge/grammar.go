package edge

import (
	"bytes"
	"net/http"
	"net/netip"
)

// A refusal is what a client is told whose request is not one by RFC 9112, or could be read in two ways.
type refusal struct {
	status   int
	sentence string
}

func (r *refusal) Error() string { return "balance/edge: " + r.sentence }

func bad(sentence string) *refusal { return &refusal{http.StatusBadRequest, sentence} }

var (
	badMethod    = bad("The request line does not begin with a method.")
	badTarget    = bad("The request line names no valid target: a path that begins with /, or a URL of this server, without spaces, controls, quotes, #, < and >, and bytes beyond ASCII, which are written as %XX.")
	badAsterisk  = bad("The target * is for OPTIONS alone.")
	badLine      = bad("The request line must end in HTTP/1.1 and a line break of CR and LF.")
	badVersion   = &refusal{http.StatusHTTPVersionNotSupported, "This server speaks HTTP/1.0, HTTP/1.1 and, where TLS has agreed on it, HTTP/2."}
	badTunnel    = &refusal{http.StatusNotImplemented, "This server is not a proxy for other hosts."}
	badFold      = bad("A header line begins with a space or a tab; lines must not be folded.")
	badName      = bad("A header line does not begin with a name of letters, digits and hyphens that is followed at once by a colon.")
	badValue     = bad("The value of a header field holds a control character.")
	badCR        = bad("A CR is not followed by LF; lines end in both.")
	badLF        = bad("A line ends in LF alone; lines end in CR and LF.")
	badHosts     = bad("The request has two Host fields; it must have one.")
	badNoHost    = bad("The request has no Host field.")
	badHost      = bad("The Host field must be the name or address of a server, and a port if need be.")
	badOtherHost = bad("The URL of the request line and the Host field name different servers.")
	badLengths   = bad("The request has two Content-Length fields; it must have one.")
	badLength    = bad("The Content-Length is not a plain decimal number.")
	badCodings   = bad("The request has two Transfer-Encoding fields; it must have one.")
	badCoding    = &refusal{http.StatusNotImplemented, "The only Transfer-Encoding of requests is chunked."}
	badOldCoding = bad("A request of HTTP/1.0 must not have a Transfer-Encoding.")
	badBoth      = bad("The request has both a Content-Length and a Transfer-Encoding; its end would be a matter of opinion.")
	badChunk     = bad("The size of a chunk must be a hexadecimal number of at most 15 digits and nothing else before the line ends or a ; follows.")
	badExtension = bad("The extension of a chunk is malformed or too long.")
	badChunkEnd  = bad("A chunk is not followed by CR and LF.")
	badTrailer   = bad("Content-Length, Transfer-Encoding and Host must not come after the body.")
	longTarget   = &refusal{http.StatusRequestURITooLong, "The target of the request is longer than this server takes."}
	longHeader   = &refusal{http.StatusRequestHeaderFieldsTooLarge, "The header of the request is larger than this server takes."}
	manyFields   = &refusal{http.StatusRequestHeaderFieldsTooLarge, "The request has more header fields than this server takes."}
	longTrailer  = &refusal{http.StatusRequestHeaderFieldsTooLarge, "The fields after the body are larger than this server takes."}
)

// Classes of bytes.
const (
	tokenByte  = 1 << iota // RFC 9110, section 5.6.2
	valueByte              // may stand in a field value: everything but controls, and the tab
	targetByte             // may stand in a request target
	hostByte               // may stand in a name of a host
	quotedByte             // may stand in a quoted string, besides \ and "
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		alnum := '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		visible := '!' <= b && b <= '~'
		if alnum || visible && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0 {
			t[c] |= tokenByte
		}
		if visible || b == ' ' || b == '\t' || b >= 0x80 {
			t[c] |= valueByte
			if b != '"' && b != '\\' {
				t[c] |= quotedByte
			}
		}
		// Browsers leave [ ] \ ^ ` { | } as they are in queries, though RFC 3986 has no place for them.
		if visible && bytes.IndexByte([]byte(`"#<>`), b) < 0 {
			t[c] |= targetByte
		}
		if alnum || b == '.' || b == '-' || b == '_' {
			t[c] |= hostByte
		}
	}
	return t
}()

// validHost: the names that RFC 3986 would have too, with percent signs and commas, no URL of the web
// has, and servers differ in what they make of them.
func validHost(h []byte) bool {
	host, port := h, []byte(nil)
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		if end < 0 {
			return false
		}
		a, err := netip.ParseAddr(string(h[1:end]))
		if err != nil || !a.Is6() || a.Zone() != "" {
			return false
		}
		if port = h[end+1:]; len(port) > 0 && port[0] != ':' {
			return false
		}
	} else {
		if at := bytes.IndexByte(h, ':'); at >= 0 {
			host, port = h[:at], h[at:]
		}
		if len(host) == 0 {
			return false
		}
		for _, c := range host {
			if classes[c]&hostByte == 0 {
				return false
			}
		}
	}
	if len(port) == 0 {
		return true
	}
	n := 0
	for _, c := range port[1:] {
		if c < '0' || c > '9' {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return len(port) > 1
}

// length reads a Content-Length: at most 18 digits, so that sums stay far from overflow.
func length(v []byte) (n int64, ok bool) {
	if len(v) == 0 || len(v) > 18 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}
