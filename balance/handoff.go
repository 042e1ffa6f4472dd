package balance

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// HandoffOptions let backends that have a URL hand their answers off: a backend says which file or which URL
// has the content, is free at once, and the balancer sends it, with ranges and conditions. Without Root
// and URLs nothing is handed off. The fields by which backends ask for it never reach clients, those of
// clients never reach backends. In answers of other status than 2xx they mean nothing.
//
// X-Accel-Redirect, X-Sendfile and X-Reproxy-File name a file, X-Reproxy-URL has one URL or more, which are
// tried in their order until one answers 200, or 206 to a range. X-Reproxy-Expected-Size is the size
// the content must have. Of the other fields of the backend's answer those that belong to the
// content are kept: Content-Type, Content-Disposition, Accept-Ranges, Set-Cookie, Cache-Control, Expires,
// Vary, Content-Security-Policy and X-Content-Type-Options.
type HandoffOptions struct {
	// Root is the folder of the files; nil: no files are sent. Nothing outside of it is, by whatever
	// name or symbolic link, and nothing but regular files. It must stay open as long as there are requests.
	Root *os.Root
	// Prefix is what the path in X-Accel-Redirect begins with before the name of a file in Root; it
	// begins and ends with a slash; "" means "/". X-Sendfile and X-Reproxy-File have the path of the file
	// itself, or one relative to Root, without any escapes.
	Prefix string
	// URLs are the beginnings that a URL in X-Reproxy-URL may have, such as "http://192.0.2.1:7500/dev1/":
	// scheme, host, port, and a path of whole segments. Redirects are not followed.
	URLs []string

	allowed []*url.URL
}

func (o *HandoffOptions) check() error {
	var errs []error
	if o.Prefix == "" {
		o.Prefix = "/"
	}
	if !strings.HasPrefix(o.Prefix, "/") || !strings.HasSuffix(o.Prefix, "/") {
		errs = append(errs, fmt.Errorf("balance: Options.Handoff.Prefix is %q; it must begin and end with a slash", o.Prefix))
	}
	o.allowed = nil
	for i, s := range o.URLs {
		if u, err := parseHandoff(s); err != nil || u.RawQuery != "" {
			errs = append(errs, fmt.Errorf("balance: Options.Handoff.URLs: entry %d is not like http://192.0.2.1:7500/dev1/", i+1))
		} else {
			o.allowed = append(o.allowed, u)
		}
	}
	return errors.Join(errs...)
}

func (o *HandoffOptions) on() bool { return o.Root != nil || len(o.allowed) > 0 }

// HandoffStats count what backends have handed off since [New].
type HandoffStats struct {
	Files  uint64 `json:"files"`
	URLs   uint64 `json:"urls"`
	Failed uint64 `json:"failed"` // those that the client has not got
}

type handoffCounters struct{ files, urls, failed atomic.Uint64 }

func (c *handoffCounters) snapshot() HandoffStats {
	return HandoffStats{Files: c.files.Load(), URLs: c.urls.Load(), Failed: c.failed.Load()}
}

// The fields by which a backend hands off. Others with these beginnings are told to other servers.
const (
	accelRedirect  = "X-Accel-Redirect"
	accelBuffering = "X-Accel-Buffering"
	sendfile       = "X-Sendfile"
	reproxyFile    = "X-Reproxy-File"
	reproxyURL     = "X-Reproxy-Url"
	expectedSize   = "X-Reproxy-Expected-Size"
	capabilities   = "X-Proxy-Capabilities"
)

func isHandoff(name string) bool {
	return len(name) > 8 && name[0] == 'X' &&
		(strings.HasPrefix(name, "X-Accel-") || strings.HasPrefix(name, sendfile) || strings.HasPrefix(name, "X-Reproxy-") || name == capabilities)
}

// dropHandoff removes from a request what a client could make a backend misbehave with: some frameworks
// believe a mapping of paths in it.
func dropHandoff(h http.Header) {
	for name := range h {
		if isHandoff(name) {
			delete(h, name)
		}
	}
}

// errHandoff ends RoundTrip when x.handoff tells what comes in the place of the answer.
var errHandoff = errors.New("balance: the answer is handed off")

// A handoff is an answer that is elsewhere.
type handoff struct {
	backend string
	field   string // by which it came
	value   string
	size    string // that is expected; "": not known
	header  http.Header
}

// kept are the fields of the answer that belong to the content. nginx keeps the first six.
var kept = []string{"Content-Type", "Content-Disposition", "Accept-Ranges", "Set-Cookie", "Cache-Control", "Expires",
	"Vary", "Content-Security-Policy", "X-Content-Type-Options"}

// deliver takes from an answer what is not for clients.
func (x *exchange) deliver(res *http.Response) (*http.Response, error) {
	if x.inProcess {
		return res, nil
	}
	x.body.last()
	x.mark(x.open.backend, res.Header)
	var given *handoff
	for name, values := range res.Header {
		if !isHandoff(name) {
			continue
		}
		if given == nil {
			given = &handoff{backend: x.open.backend.Name}
		}
		switch {
		case len(values) == 0:
		case name == accelBuffering:
			x.open.eager = x.open.eager && !strings.EqualFold(values[0], "no")
		case name == expectedSize:
			given.size = values[0]
		case rank(name) > rank(given.field):
			given.field, given.value = name, values[0]
		}
		delete(res.Header, name)
	}
	if given == nil || given.field == "" || res.StatusCode/100 != 2 || !x.b.o.Handoff.on() {
		return res, nil
	}
	given.header = make(http.Header, len(kept))
	for _, name := range kept {
		if v := res.Header[name]; v != nil {
			given.header[name] = v
		}
	}
	x.handoff = given
	if res.ContentLength > 0 && res.ContentLength < bufferSize {
		// What it says besides nobody wants, but its connection can be used again then.
		_, _ = io.Copy(io.Discard, res.Body) // an error closes it
	}
	res.Body.Close() // the same
	x.broken = nil   // the answer has not begun
	return nil, errHandoff
}

// rank orders the fields if a backend sends several.
func rank(field string) int {
	switch field {
	case accelRedirect:
		return 4
	case sendfile:
		return 3
	case reproxyFile:
		return 2
	case reproxyURL:
		return 1
	}
	return 0
}

// hand sends what x.handoff names. The error says that the answer is cut short.
func (x *exchange) hand(w http.ResponseWriter, r *http.Request) error {
	g, get := x.handoff, r
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		// The conditions and the range were about something else.
		get = r.WithContext(r.Context())
		get.Method, get.Header = http.MethodGet, make(http.Header)
	}
	if g.header.Get("Accept-Ranges") == "none" {
		get = r.WithContext(r.Context())
		get.Header = r.Header.Clone()
		get.Header.Del("Range")
	}
	var err error
	var began bool
	status := http.StatusBadGateway
	if g.field == reproxyURL {
		x.b.handoffs.urls.Add(1)
		began, err = x.handURLs(w, get)
	} else {
		x.b.handoffs.files.Add(1)
		began, err = x.handFile(w, get)
		if errors.Is(err, fs.ErrNotExist) {
			status = http.StatusNotFound
		}
	}
	if err == nil {
		return nil
	}
	x.b.handoffs.failed.Add(1)
	if r.Context().Err() == nil {
		x.b.o.Logger.LogAttrs(r.Context(), slog.LevelError, "what a backend has handed off cannot be sent", slog.String("backend", g.backend),
			slog.String("path", x.in.Path), slog.String("field", g.field), slog.String("value", g.value), slog.Any("error", err))
	}
	switch {
	case began:
		return err
	case status == http.StatusNotFound:
		explain(w, r, status, "There is no such file.")
	default:
		explain(w, r, status, "The server that has this file has not answered. Please try again.")
	}
	return nil
}

// errOutside matches [fs.ErrNotExist], since for the client the file does not exist.
var (
	errOutside    = fmt.Errorf("it is not the name of a file inside the folder: %w", fs.ErrNotExist)
	errNotRegular = fmt.Errorf("it is not a regular file: %w", fs.ErrNotExist)
	errSize       = errors.New("it has not the size that is expected")
)

// fileName returns the name of the file inside Root.
func (o *HandoffOptions) fileName(field, value string) (string, error) {
	if o.Root == nil {
		return "", errOutside
	}
	if field == accelRedirect {
		p, _, _ := strings.Cut(value, "?")
		p, err := url.PathUnescape(p)
		if err != nil {
			return "", errOutside
		}
		var ok bool
		if value, ok = strings.CutPrefix(p, o.Prefix); !ok {
			return "", errOutside
		}
	} else if path.IsAbs(value) {
		var ok bool
		if value, ok = strings.CutPrefix(value, strings.TrimSuffix(filepath.ToSlash(o.Root.Name()), "/")+"/"); !ok {
			return "", errOutside
		}
	}
	for element := range strings.SplitSeq(value, "/") {
		if element == ".." {
			return "", errOutside
		}
	}
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == '\\' || c == 0x7f }) {
		return "", errOutside
	}
	if value = path.Clean("/" + value)[1:]; value == "" {
		return "", errOutside
	}
	return value, nil
}

// openFile opens a regular file. Nothing else is opened if that can be helped, and a pipe that was put in
// its place meanwhile does not wait for its other end.
func (o *HandoffOptions) openFile(name string) (*os.File, fs.FileInfo, error) {
	info, err := o.Root.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	f, err := o.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		f.Close() // it was not read
		return nil, nil, err
	}
	return f, info, nil
}

func (x *exchange) handFile(w http.ResponseWriter, r *http.Request) (began bool, err error) {
	g := x.handoff
	name, err := x.b.o.Handoff.fileName(g.field, g.value)
	if err != nil {
		return false, err
	}
	f, info, err := x.b.o.Handoff.openFile(name)
	if err != nil {
		if !errors.Is(err, fs.ErrPermission) { // such as a way out of the folder
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		return false, err
	}
	defer f.Close() // it was only read
	if g.size != "" && g.size != strconv.FormatInt(info.Size(), 10) {
		return false, fmt.Errorf("%w: it has %d bytes, not %q", errSize, info.Size(), g.size)
	}
	h := w.Header()
	h.Set("ETag", fmt.Sprintf("\"%x-%x\"", info.ModTime().UnixNano(), info.Size()))
	for name, values := range g.header {
		h[name] = values
	}
	c := &counted{ResponseWriter: w}
	http.ServeContent(c, r, name, info.ModTime(), f)
	return true, c.whole(r.Method)
}

// counted finds out whether all of an answer was written. It hands files on, for sendfile.
type counted struct {
	http.ResponseWriter
	status int
	n      int64
	err    error
}

// Unwrap is for [http.ResponseController].
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.add(int64(n), err)
	return n, err
}

func (c *counted) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, src)
	c.add(n, err)
	return n, err
}

func (c *counted) add(n int64, err error) {
	c.n += n
	if err != nil && c.err == nil {
		c.err = err
	}
}

// whole returns an error if something is missing.
func (c *counted) whole(method string) error {
	if c.err != nil || method == http.MethodHead || c.status != http.StatusOK && c.status != http.StatusPartialContent {
		return c.err
	}
	if want := c.Header().Get("Content-Length"); want != "" && want != strconv.FormatInt(c.n, 10) {
		return fmt.Errorf("%w: %d of %s bytes could be read", io.ErrUnexpectedEOF, c.n, want)
	}
	return nil
}
