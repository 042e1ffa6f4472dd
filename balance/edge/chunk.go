package edge

// stepChunk follows the lines between chunks.
func (r *reader) stepChunk(c byte) *refusal {
	switch r.at {
	case atSize:
		switch d := hexDigit(c); {
		case d >= 0 && r.count < 15:
			if r.count == 0 {
				r.left = 0
			}
			r.left = r.left<<4 | int64(d)
			r.count++
		case r.count == 0 || d >= 0:
			return badChunk
		default:
			switch c {
			case '\r':
				r.at = atSizeLF
			case ';':
				r.at = atExtName
			case '\n':
				return badLF
			default:
				return badChunk
			}
			r.lineLen(r.count)
		}
	case atSizeLF:
		if c != '\n' {
			return badCR
		}
		// Chunk lines that are much longer than the data they announce are work for nothing.
		if r.excess = max(0, r.excess-16-2*r.left); r.excess > maxExcess {
			return badExtension
		}
		r.at = atData
		if r.left == 0 {
			r.at, r.trailer, r.head, r.fields = atField, true, 0, 0
			r.hosts, r.lengths, r.codings = false, false, false
		}
	case atDataCR:
		if c != '\r' {
			return badChunkEnd
		}
		r.at = atDataLF
	case atDataLF:
		if c != '\n' {
			return badChunkEnd
		}
		r.at, r.count = atSize, 0
	default:
		return r.stepExtension(c)
	}
	return nil
}

// lineLen begins the count of a chunk line; those of the last one are in excess already.
func (r *reader) lineLen(n int) {
	r.excess += int64(n) + 2
	r.count, r.begun = 0, false
}

// stepExtension follows *( ";" name [ "=" ( token / quoted-string ) ] ). What RFC 9112 calls bad white
// space around the signs is refused: nobody writes it, and who reads it differs.
func (r *reader) stepExtension(c byte) *refusal {
	r.excess++
	if r.count++; r.count > maxChunkExt {
		return badExtension
	}
	token := classes[c]&tokenByte != 0
	switch {
	case r.at == atExtQuoted && c == '\\':
		r.at = atExtEscaped
	case r.at == atExtQuoted && c == '"':
		r.at = atExtEnd
	case r.at == atExtQuoted && classes[c]&quotedByte != 0:
	case r.at == atExtEscaped && classes[c]&valueByte != 0:
		r.at = atExtQuoted
	case r.at == atExtQuoted || r.at == atExtEscaped:
		return badExtension
	case r.at != atExtEnd && token:
		r.begun = true
		return nil
	case r.at == atExtValue && !r.begun && c == '"':
		r.at = atExtQuoted
	case r.at != atExtEnd && !r.begun:
		return badExtension
	case c == '\r':
		r.at = atSizeLF
	case c == ';':
		r.at = atExtName
	case c == '=' && r.at == atExtName:
		r.at = atExtValue
	case c == '\n':
		return badLF
	default:
		return badExtension
	}
	r.begun = false
	return nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
