package edge

// Where in a request a reader is.
type place uint8

const (
	atStart   place = iota // before the first byte of a request
	atStartLF              // an empty line before it, which is dropped
	atMethod
	atTarget
	atScheme // of a target in absolute form
	atAuthority
	atVersion
	atField // before a field line, or the empty line
	atName
	atValue
	atValueLF
	atEndLF
	atBody // of known length
	atSize // of a chunk
	atSizeLF
	atExtName
	atExtValue
	atExtQuoted
	atExtEscaped
	atExtEnd
	atData // of a chunk
	atDataCR
	atDataLF
)

// The fields whose values matter.
type field uint8

const (
	otherField field = iota
	hostField
	lengthField
	codingField
)

const (
	maxMethod   = 32
	maxValue    = 262  // of a field that matters: a name of 255 bytes and a port
	maxChunkExt = 1024 // one line
	maxExcess   = 8 << 10
	maxTrailer  = 3 << 10 // net/http wants it in 4 KiB
)

// A reader follows the bytes of requests on one connection and says where they cease to be requests
// that everybody reads alike. It keeps nothing of them but the values of three fields.
type reader struct {
	maxHead   int
	maxFields int

	at       place
	trailer  bool // the fields are those after a body
	old      bool // HTTP/1.0
	options  bool // the method, as far as it has been read
	connect  bool
	asterisk bool
	emptied  bool // an empty line before the request was dropped
	begun    bool // a name or value of an extension has a byte
	field    field
	hosts    bool
	lengths  bool
	codings  bool
	count    int // bytes of a name, a method, a version, digits of a size, ...
	head     int // bytes of the header or the trailer
	fields   int
	left     int64 // bytes of the body or the chunk
	excess   int64 // of chunk lines over data
	name     [17]byte
	value    [maxValue]byte
	valueLen int
	host     [maxValue]byte
	hostLen  int
	// authority is that of a target in absolute form; most requests have none.
	authority []byte
	absolute  bool

	heads uint64 // requests whose header was good to its end
}

const version = "HTTP/1.1\r\n"

var methods = [...]string{"OPTIONS", "CONNECT"}

// feed follows p. It returns how many bytes are good; if those are not all, the next byte is either to
// be dropped, and feed goes on behind it, or the reason to refuse the request.
func (r *reader) feed(p []byte) (n int, refused *refusal) {
	for n < len(p) {
		switch r.at {
		case atBody, atData:
			k := int64(len(p) - n)
			if k >= r.left {
				k = r.left
				if r.at == atBody {
					r.at = atStart
				} else {
					r.at = atDataCR
				}
			}
			r.left -= k
			n += int(k)
			continue
		case atStart, atStartLF:
			c := p[n]
			if r.at == atStartLF {
				if c != '\n' {
					return n, badCR
				}
				r.at = atStart
				return n, dropped
			}
			if c == '\r' && !r.emptied {
				r.at, r.emptied = atStartLF, true
				return n, dropped
			}
			r.begin()
			continue
		case atValue:
			from := n
			for n < len(p) && classes[p[n]]&valueByte != 0 {
				n++
			}
			if refused = r.took(n - from); refused != nil {
				return n - 1, refused
			}
			if r.field != otherField && !r.keep(p[from:n]) {
				return n - 1, r.tooLong()
			}
			if n == len(p) {
				return n, nil
			}
			switch p[n] {
			case '\r':
				r.at = atValueLF
			case '\n':
				return n, badLF
			default:
				return n, badValue
			}
		case atName:
			from := n
			for n < len(p) && classes[p[n]]&tokenByte != 0 {
				if r.count < len(r.name) {
					r.name[r.count] = lower(p[n])
				}
				r.count++
				n++
			}
			if refused = r.took(n - from); refused != nil {
				return n - 1, refused
			}
			if n == len(p) {
				return n, nil
			}
			if p[n] != ':' || r.count == 0 {
				if p[n] == '\n' {
					return n, badLF
				}
				return n, badName
			}
			if refused = r.named(); refused != nil {
				return n, refused
			}
		default:
			if refused = r.step(p[n]); refused != nil {
				return n, refused
			}
		}
		n++
		if r.at > atStartLF && r.at < atBody || r.trailer && r.at == atStart {
			if refused = r.took(1); refused != nil {
				return n - 1, refused
			}
		}
		if r.at == atStart {
			r.trailer = false
		}
	}
	return n, nil
}

// dropped says that a byte is to be left out, and is no refusal.
var dropped = new(refusal)

func (r *reader) begin() {
	r.at = atMethod
	r.trailer, r.old, r.absolute, r.asterisk, r.emptied = false, false, false, false, false
	r.hosts, r.lengths, r.codings = false, false, false
	r.options, r.connect = true, true
	r.count, r.head, r.fields, r.hostLen, r.left, r.excess = 0, 0, 0, 0, 0, 0
}

// took counts bytes of a header or trailer.
func (r *reader) took(n int) *refusal {
	if r.head += n; r.head <= r.maxHead && !(r.trailer && r.head > maxTrailer) {
		return nil
	}
	switch {
	case r.trailer:
		return longTrailer
	case r.at <= atVersion:
		return longTarget
	}
	return longHeader
}

// step takes one byte of what is not long.
func (r *reader) step(c byte) *refusal {
	switch r.at {
	case atMethod:
		switch {
		case c == ' ' && r.count > 0:
			r.options = r.options && r.count == len(methods[0])
			r.connect = r.connect && r.count == len(methods[1])
			if r.connect {
				return badTunnel
			}
			r.at, r.count = atTarget, 0
		case classes[c]&tokenByte == 0 || r.count >= maxMethod:
			return badMethod
		default:
			r.options = r.options && r.count < len(methods[0]) && methods[0][r.count] == c
			r.connect = r.connect && r.count < len(methods[1]) && methods[1][r.count] == c
			r.count++
		}
	case atTarget:
		return r.stepTarget(c)
	case atScheme, atAuthority:
		return r.stepAbsolute(c)
	case atVersion:
		return r.stepVersion(c)
	case atField:
		switch {
		case c == '\r':
			r.at = atEndLF
		case c == ' ' || c == '\t':
			return badFold
		case c == '\n':
			return badLF
		case classes[c]&tokenByte == 0:
			return badName
		default:
			if r.fields++; r.fields > r.maxFields {
				return manyFields
			}
			r.at, r.count, r.name[0] = atName, 1, lower(c)
		}
	case atValueLF:
		if c != '\n' {
			return badCR
		}
		if refused := r.judge(); refused != nil {
			return refused
		}
		r.at = atField
	case atEndLF:
		if c != '\n' {
			return badCR
		}
		return r.end()
	default:
		return r.stepChunk(c)
	}
	return nil
}

func (r *reader) stepTarget(c byte) *refusal {
	switch {
	case c == ' ' && r.count > 0:
		r.at, r.count = atVersion, 0
	case r.count == 0 && c == '*':
		if !r.options {
			return badAsterisk
		}
		r.asterisk = true
	case r.count == 0 && c != '/':
		r.absolute, r.authority = true, r.authority[:0]
		r.at = atScheme
		return r.stepAbsolute(c)
	case r.asterisk || classes[c]&targetByte == 0:
		return badTarget
	}
	if r.at == atTarget {
		r.count = 1
	}
	return nil
}

// stepAbsolute follows http://host:port up to the path.
func (r *reader) stepAbsolute(c byte) *refusal {
	const long = "https://"
	if r.at == atScheme {
		if r.count == len("http") && c == ':' {
			r.count++ // as if the s had been there
		}
		if r.count >= len(long) || lower(c) != long[r.count] {
			return badTarget
		}
		if r.count++; r.count == len(long) {
			r.at = atAuthority
		}
		return nil
	}
	switch c {
	case '/', '?', ' ':
		if !validHost(r.authority) {
			return badTarget
		}
		r.at, r.count = atTarget, 1
		if c == ' ' {
			r.at, r.count = atVersion, 0
		}
		return nil
	}
	if len(r.authority) == maxValue || classes[c]&targetByte == 0 {
		return badTarget
	}
	r.authority = append(r.authority, lower(c))
	return nil
}

func (r *reader) stepVersion(c byte) *refusal {
	switch {
	case c == version[r.count]:
	case r.count == len("HTTP/1.") && c == '0':
		r.old = true
	case r.count == len("HTTP/1.") || r.count == len("HTTP/"):
		if '0' <= c && c <= '9' {
			return badVersion
		}
		return badLine
	default:
		return badLine
	}
	if r.count++; r.count == len(version) {
		r.at = atField
	}
	return nil
}
