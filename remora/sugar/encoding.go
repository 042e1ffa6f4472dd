package sugar

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// appendJSON appends v, which must be of a type that always has a JSON form.
func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		// Only our own types of strings and numbers come here.
		panic("sugar: " + err.Error())
	}
	return append(b, text...)
}

// acceptsGzip reports whether the client takes gzip (RFC 9110, section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	others := false // what * says of codings that are not named
	for _, list := range r.Header["Accept-Encoding"] {
		for item := range strings.SplitSeq(list, ",") {
			coding, weight, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				return weighs(weight)
			case "*":
				others = weighs(weight)
			}
		}
	}
	return others
}

func weighs(parameter string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
	if strings.TrimSpace(strings.ToLower(name)) != "q" {
		return true
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err != nil || q > 0
}

var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// pack compresses b.
func pack(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(&out)
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
