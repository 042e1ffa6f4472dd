package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxURLs is how many URLs of a list are tried.
const maxURLs = 10

var (
	errNotAllowed = errors.New("Options.Handoff.URLs does not have it")
	errNoURL      = errors.New("it has no URL")
)

// parseHandoff parses a URL, and leaves nothing in it that two readers could take differently.
func parseHandoff(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errNotAllowed // it may have a password
	}
	port := u.Port()
	switch {
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "https" && port == "":
		port = "443"
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.RawPath != "" ||
		strings.HasSuffix(u.Host, ":") || strings.ContainsAny(u.Path, "\\\x00") {
		return nil, errNotAllowed
	}
	if u.Path == "" {
		u.Path = "/"
	}
	for element := range strings.SplitSeq(u.Path, "/") {
		if element == ".." || element == "." {
			return nil, errNotAllowed
		}
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	u.Host = host + ":" + port
	return u, nil
}

func (o *HandoffOptions) allows(u *url.URL) bool {
	return slices.ContainsFunc(o.allowed, func(a *url.URL) bool {
		rest, ok := strings.CutPrefix(u.Path, a.Path)
		return ok && u.Scheme == a.Scheme && u.Host == a.Host && (rest == "" || strings.HasSuffix(a.Path, "/") || rest[0] == '/')
	})
}

// handURLs sends what the first of the URLs answers that has it.
func (x *exchange) handURLs(w http.ResponseWriter, r *http.Request) (began bool, err error) {
	list := strings.Fields(x.handoff.value)
	var errs []error
	for i, s := range list[:min(len(list), maxURLs)] {
		u, err := parseHandoff(s)
		if err == nil && !x.b.o.Handoff.allows(u) {
			err = errNotAllowed
		}
		if err == nil {
			began, err = x.handURL(w, r, u)
		}
		if err == nil || began || r.Context().Err() != nil {
			return began, err
		}
		errs = append(errs, fmt.Errorf("URL %d: %w", i+1, err))
	}
	if errs == nil {
		errs = append(errs, errNoURL)
	}
	return false, errors.Join(errs...)
}

// handURL sends the content of one URL, unless it has the wrong one. As everywhere, who sends nothing
// for too long is given up.
func (x *exchange) handURL(w http.ResponseWriter, r *http.Request, u *url.URL) (began bool, err error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	idle := time.AfterFunc(x.b.o.DialTimeout+x.b.o.ResponseTimeout, func() { cancel(errIdle) })
	defer idle.Stop()
	out := (&http.Request{Method: r.Method, URL: u, Host: u.Host, Header: http.Header{"User-Agent": {""}},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	for _, name := range []string{"Range", "If-Range"} {
		if v := r.Header[name]; v != nil {
			out.Header[name] = v
		}
	}
	res, err := x.b.transport.RoundTrip(out)
	if err != nil {
		return false, err
	}
	defer res.Body.Close() // what is left of it nobody wants
	if err := x.fits(out, res); err != nil {
		return false, err
	}
	h := w.Header()
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified"} {
		if v := res.Header[name]; v != nil {
			h[name] = v
		}
	}
	for name, values := range x.handoff.header {
		h[name] = values
	}
	if res.ContentLength >= 0 {
		h.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
	}
	w.WriteHeader(res.StatusCode)
	if r.Method == http.MethodHead {
		return true, nil
	}
	p := x.b.buffers.Get()
	defer x.b.buffers.Put(p)
	for {
		idle.Reset(x.b.o.IdleTimeout)
		n, err := res.Body.Read(p)
		idle.Stop() // a slow client is not its fault
		if n > 0 {
			if _, err := w.Write(p[:n]); err != nil {
				return true, err
			}
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return true, err
		}
	}
}

// fits returns an error if an answer has not what is expected.
func (x *exchange) fits(out *http.Request, res *http.Response) error {
	ranged := out.Header["Range"] != nil
	size := strconv.FormatInt(res.ContentLength, 10)
	switch {
	case res.StatusCode == http.StatusOK:
	case res.StatusCode == http.StatusPartialContent && ranged, res.StatusCode == http.StatusRequestedRangeNotSatisfiable && ranged:
		_, size, _ = strings.Cut(res.Header.Get("Content-Range"), "/")
	default:
		return fmt.Errorf("it has answered %d", res.StatusCode)
	}
	if want := x.handoff.size; want != "" && size != want {
		return fmt.Errorf("%w: it has %q bytes, not %q", errSize, size, want)
	}
	return nil
}
