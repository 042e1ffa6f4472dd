package edge

// named looks at the name of a field.
func (r *reader) named() *refusal {
	r.field, r.valueLen, r.at = otherField, 0, atValue
	switch {
	case r.count == len("host") && string(r.name[:4]) == "host":
		r.field = hostField
		if r.hosts {
			return badHosts
		}
		r.hosts = true
	case r.count == len("content-length") && string(r.name[:14]) == "content-length":
		r.field = lengthField
		if r.lengths {
			return badLengths
		}
		r.lengths = true
	case r.count == len("transfer-encoding") && string(r.name[:17]) == "transfer-encoding":
		r.field = codingField
		if r.codings {
			return badCodings
		}
		r.codings = true
	default:
		return nil
	}
	if r.trailer {
		return badTrailer
	}
	return nil
}

// keep takes a piece of a value that matters, without the spaces around it.
func (r *reader) keep(piece []byte) bool {
	for _, c := range piece {
		if r.valueLen == 0 && (c == ' ' || c == '\t') {
			continue
		}
		if r.valueLen == len(r.value) {
			if c == ' ' || c == '\t' {
				continue
			}
			return false
		}
		r.value[r.valueLen] = c
		r.valueLen++
	}
	return true
}

func (r *reader) tooLong() *refusal {
	switch r.field {
	case hostField:
		return badHost
	case lengthField:
		return badLength
	}
	return badCoding
}

// judge looks at the value of a field that matters.
func (r *reader) judge() *refusal {
	if r.field == otherField {
		return nil
	}
	v := r.value[:r.valueLen]
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	switch r.field {
	case hostField:
		if !validHost(v) {
			return badHost
		}
		r.hostLen = copy(r.host[:], v)
	case lengthField:
		n, ok := length(v)
		if !ok {
			return badLength
		}
		r.left = n
	case codingField:
		if !equalFold(v, "chunked") {
			return badCoding
		}
	}
	return nil
}

// end is the end of a header or a trailer.
func (r *reader) end() *refusal {
	if r.trailer {
		r.at = atStart
		return nil
	}
	switch {
	case !r.hosts && !r.old:
		return badNoHost
	case r.absolute && r.hosts && !equalFold(r.host[:r.hostLen], string(r.authority)):
		return badOtherHost
	case r.codings && r.lengths:
		return badBoth
	case r.codings && r.old:
		return badOldCoding
	}
	r.heads++
	switch {
	case r.codings:
		r.at, r.count = atSize, 0
	case r.left > 0:
		r.at = atBody
	default:
		r.at = atStart
	}
	return nil
}
