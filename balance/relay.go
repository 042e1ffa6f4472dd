package balance

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
)

// errSwitched: no request that relay makes asks for it.
var errSwitched = errors.New("balance: the backend has switched protocols without being asked to")

// relay does for requests without a body or an upgrade, which most are, what [httputil.ReverseProxy]
// does, whose copies of the request and its way of making header fields cost a tenth of all there is
// to do. The error says that the answer is cut short.
func (x *exchange) relay(w http.ResponseWriter, r *http.Request) error {
	w = x.out(w)
	x.header = relayed(r.Header)
	x.setFields(x.header, r)
	i := &informer{w: w}
	i.Got1xxResponse = i.inform
	x.base = httptrace.WithClientTrace(r.Context(), &i.ClientTrace)
	res, err := x.RoundTrip(r)
	i.end()
	if err == errInProcess {
		return x.serveHandler(w, r)
	}
	if err == errHandoff {
		x.handedOff()
		return x.hand(w, r)
	}
	if err == nil && res.StatusCode == http.StatusSwitchingProtocols {
		err = errors.Join(errSwitched, res.Body.Close())
	}
	if err != nil {
		x.because(r.Context(), err)
		x.b.failed(w, r, x.in, err)
		return nil
	}
	defer res.Body.Close() // what it says was said to the reader
	dropHops(res.Header)
	h := w.Header()
	for name, values := range res.Header {
		if old, ok := h[name]; ok {
			values = append(old, values...)
		}
		h[name] = values
	}
	announced := len(res.Trailer)
	if announced > 0 {
		names := make([]string, 0, announced)
		for name := range res.Trailer {
			names = append(names, name)
		}
		h.Add("Trailer", strings.Join(names, ", "))
	}
	w.WriteHeader(res.StatusCode)
	if err := x.copyAnswer(w, res); err != nil {
		return errAborted
	}
	if len(res.Trailer) > 0 {
		// The server must not count the bytes of a short answer and send their number: trailers need
		// chunks. One that cannot flush has no trailers either.
		_ = http.NewResponseController(w).Flush()
	}
	prefix := ""
	if len(res.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	h = w.Header() // a cache that does not store the answer has given it to the client's
	for name, values := range res.Trailer {
		h[prefix+name] = append(h[prefix+name], values...)
	}
	return nil
}

// noAgent keeps Go from naming itself where a client has not.
var noAgent = []string{""}

// relayed returns the fields that are for the next one too. Their values are those of the client's
// request and must not be changed.
func relayed(client http.Header) http.Header {
	h := maps.Clone(client)
	if h == nil {
		h = make(http.Header)
	}
	dropHops(h)
	for _, v := range client["Te"] {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(textproto.TrimString(t), "trailers") {
				h["Te"] = []string{"trailers"}
			}
		}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = noAgent
	}
	return h
}

// hops are the fields for one connection (RFC 9110, section 7.6.1), with some that were so once.
var hops = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func dropHops(h http.Header) {
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hops {
		delete(h, name)
	}
}

// copyAnswer copies the body. Those that come bit by bit are sent on as they come.
func (x *exchange) copyAnswer(w http.ResponseWriter, res *http.Response) error {
	var control *http.ResponseController
	const events = "text/event-stream"
	if kind := res.Header.Get("Content-Type"); res.ContentLength < 0 || len(kind) >= len(events) && strings.EqualFold(kind[:len(events)], events) {
		control = http.NewResponseController(w)
		x.open.mu.Lock()
		x.open.drain() // a slow client is slow to take the header too
		x.open.mu.Unlock()
		_ = control.Flush() // one that cannot is not made for this
	}
	buf := x.b.buffers.Get()
	defer x.b.buffers.Put(buf)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if control != nil {
				_ = control.Flush()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// An informer passes informational answers on, until there is another.
type informer struct {
	httptrace.ClientTrace
	mu   sync.Mutex
	done bool
	w    http.ResponseWriter
}

func (i *informer) inform(status int, fields textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done || status == http.StatusContinue {
		return nil
	}
	h := i.w.Header()
	for name, values := range fields {
		h[name] = append(h[name], values...)
	}
	i.w.WriteHeader(status)
	clear(h)
	return nil
}

func (i *informer) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.done = true
}
