package answer

import (
	"bufio"
	"errors"
	"io"
	"net/http"

	"github.com/klauspost/compress/gzip"
)

// Stream answers r with what write writes, of which no more than a buffer is in memory at a time.
// The tag names the content, whatever its form: it is sent as a weak entity tag (RFC 9110, section
// 8.8.3), and a client that has that content gets 304 before anything is written. Content-Type and
// what else there is must be set before. The error is the writer's or that of sending.
func Stream(w http.ResponseWriter, r *http.Request, tag string, write func(io.Writer) error) error {
	header := w.Header()
	header.Add("Vary", varyEncoding)
	header["Etag"] = []string{`W/"` + tag + `"`}
	if matches(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	// One form is enough: what is sent once is not worth the slower search for the smallest.
	zipped := accepted(r.Header["Accept-Encoding"], encodingGzip) == encodingGzip
	if zipped {
		header["Content-Encoding"] = []string{names[encodingGzip]}
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	var to io.Writer = w
	var z *gzip.Writer
	if zipped {
		z = gzips.Get().(*gzip.Writer)
		defer gzips.Put(z)
		z.Reset(w)
		to = z
	}
	b := bufio.NewWriterSize(to, 32<<10)
	err := errors.Join(write(b), b.Flush())
	if z != nil {
		err = errors.Join(err, z.Close())
	}
	return err
}
