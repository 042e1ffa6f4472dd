package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
)

// inProcess is a transport that calls a Handler.
type inProcess struct{ h http.Handler }

// RoundTrip runs the handler in a goroutine and returns when it writes its header. Closing the body
// of the response waits until the handler has returned, so that it is counted as long as it runs.
func (t inProcess) RoundTrip(out *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(out.Context())
	r := out.WithContext(ctx)
	r.Header = out.Header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.URL = &url.URL{Path: out.URL.Path, RawPath: out.URL.RawPath, RawQuery: out.URL.RawQuery, ForceQuery: out.URL.ForceQuery}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	r.RequestURI = r.URL.RequestURI()
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.RemoteAddr = "127.0.0.1:0" // this process
	r.Close, r.GetBody, r.Response = false, nil, nil
	body := out.Body
	if body == nil {
		body = http.NoBody
	}
	r.Body = body

	pr, pw := io.Pipe()
	w := &pipeWriter{method: r.Method, trace: httptrace.ContextClientTrace(ctx), header: make(http.Header),
		pipe: pw, length: -1, ready: make(chan *http.Response, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer body.Close() // a request's body has nothing to say when it is closed
		defer func() {
			// A client of the network would see a connection that breaks off. The panic is the
			// handler's way of saying so, or its mistake; neither may end this process.
			if p := recover(); p != nil {
				w.fail(fmt.Errorf("the handler panicked: %v", p))
			}
		}()
		t.h.ServeHTTP(w, r)
		w.finish()
	}()
	// A context that ends, unblocks the handler's writes.
	stop := context.AfterFunc(ctx, func() { pr.CloseWithError(context.Cause(ctx)) })
	closeAll := func() {
		pr.Close() // it never fails
		stop()
		cancel()
		<-done
	}
	var res *http.Response
	select {
	case res = <-w.ready:
	case <-ctx.Done():
	case <-done:
		select {
		case res = <-w.ready:
		default:
		}
	}
	if res == nil {
		err := context.Cause(ctx)
		closeAll()
		if err == nil {
			err = w.err
		}
		return nil, err
	}
	res.Request = out
	res.Body = &pipeBody{pr, closeAll}
	return res, nil
}

type pipeBody struct {
	*io.PipeReader
	closeAll func()
}

func (b *pipeBody) Close() error {
	b.closeAll()
	return nil
}

// A pipeWriter is the [http.ResponseWriter] of a handler that runs in this process.
type pipeWriter struct {
	method string
	trace  *httptrace.ClientTrace
	header http.Header
	pipe   *io.PipeWriter
	ready  chan *http.Response

	mu      sync.Mutex // handlers may write from several goroutines by mistake; a race must not harm others
	wrote   bool       // the header
	noBody  bool
	length  int64 // declared; -1: none
	written int64
	err     error // read when the handler has returned
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *pipeWriter) writeHeader(status int) {
	if w.wrote {
		return
	}
	if status < 100 || status > 999 {
		panic("invalid status code " + strconv.Itoa(status)) // as net/http does
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		if w.trace != nil && w.trace.Got1xxResponse != nil {
			if err := w.trace.Got1xxResponse(status, textproto.MIMEHeader(w.header.Clone())); err != nil {
				w.pipe.CloseWithError(err)
			}
		}
		return
	}
	w.wrote = true
	header := w.header.Clone()
	if n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.length = n
	} else {
		header.Del("Content-Length")
	}
	w.noBody = w.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	res := &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: w.length,
	}
	if w.noBody && w.method != http.MethodHead {
		res.ContentLength = 0
	}
	w.ready <- res // there is room: it is sent once
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.wrote {
		if w.header.Get("Content-Type") == "" && w.header.Get("Content-Encoding") == "" && len(p) > 0 {
			w.header.Set("Content-Type", http.DetectContentType(p))
		}
		w.writeHeader(http.StatusOK)
	}
	if w.noBody {
		if w.method == http.MethodHead {
			return len(p), nil
		}
		return 0, http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.written+int64(len(p)) > w.length {
		return 0, http.ErrContentLength
	}
	n, err := w.pipe.Write(p)
	w.written += int64(n)
	return n, err
}

// Flush implements [http.Flusher]: what is written is on its way already, but the header may not be.
func (w *pipeWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
}

var errShort = errors.New("the handler wrote less than the Content-Length it declared")

// finish ends the answer of a handler that has returned.
func (w *pipeWriter) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.wrote {
		if w.header.Get("Content-Length") == "" {
			w.header.Set("Content-Length", "0")
		}
		w.writeHeader(http.StatusOK)
	}
	if !w.noBody && w.length >= 0 && w.written < w.length {
		w.pipe.CloseWithError(errShort)
		return
	}
	w.pipe.Close() // it never fails
}

// fail breaks the answer off.
func (w *pipeWriter) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	w.pipe.CloseWithError(err)
}
