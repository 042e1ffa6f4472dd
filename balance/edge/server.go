package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Listener is an address that clients connect to.
type Listener struct {
	net.Listener
	// TLS has clients speak TLS, by which they may choose HTTP/2.
	TLS bool
	// Proxy has the proxies of Options.Trusted begin each connection with a PROXY header, version 1 or
	// 2, which names the client. Connections from elsewhere are closed (Options.PlainFromUntrusted).
	Proxy bool
}

// Stats counts what has happened since [New].
type Stats struct {
	Open             int    `json:"open"`              // connections now, upgraded ones too
	Accepted         uint64 `json:"accepted"`          // connections
	Full             uint64 `json:"full"`              // connections refused since there were MaxConns
	FullForOne       uint64 `json:"full_for_one"`      // connections refused since their client had MaxConnsPerAddress
	FailedHandshakes uint64 `json:"failed_handshakes"` // of TLS, and PROXY headers that were wrong, late, or not to be trusted
	Malformed        uint64 `json:"malformed"`         // requests of HTTP/1 that could be read in two ways, or had too much in their header
	Limited          uint64 `json:"limited"`           // requests answered with 429
	SlowUploads      uint64 `json:"slow_uploads"`      // requests answered with 408
	SlowReaders      uint64 `json:"slow_readers"`      // connections and HTTP/2 streams cut
	Reloads          uint64 `json:"reloads"`           // certificates taken up anew
	BadReloads       uint64 `json:"bad_reloads"`       // and those that could not be
}

type counters struct {
	accepted, full, fullForOne, failedHandshakes, malformed, limited, slowUploads, slowReaders, reloads, badReloads atomic.Uint64
}

// A Server stands between clients and a handler. Its methods may be called concurrently.
type Server struct {
	o            Options
	handler      http.Handler
	certificates *certificates
	tls          *tls.Config // nil without certificates
	conns        conns
	handshakes   chan struct{} // a place for each
	writes       *buckets
	reads        *buckets
	stats        counters
	serving      atomic.Bool
}

// New returns a server for the handler. It reports everything that is wrong with the options at once,
// reads the certificates, and starts nothing.
func New(h http.Handler, o Options) (*Server, error) {
	o, err := o.withDefaults()
	var errs []error
	if h == nil {
		errs = append(errs, errors.New("balance/edge: there is no handler"))
	}
	s := &Server{o: o, handler: h, conns: conns{open: make(map[*conn]struct{}), by: make(map[netip.Addr]int), most: o.MaxConns, mostByOne: o.MaxConnsPerAddress}}
	var certErr error
	s.certificates, certErr = newCertificates(o.Certificates)
	if err := errors.Join(append(errs, err, certErr)...); err != nil {
		return nil, err
	}
	s.writes, s.reads = newBuckets(o.Writes), newBuckets(o.Reads)
	s.handshakes = make(chan struct{}, o.MaxHandshakes)
	if len(o.Certificates) > 0 {
		s.tls = &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: s.certificates.get,
			NextProtos:     []string{"h2", "http/1.1"},
		}
	}
	return s, nil
}

// Stats returns the counters, which are read one after the other.
func (s *Server) Stats() Stats {
	s.conns.mu.Lock()
	open := len(s.conns.open)
	s.conns.mu.Unlock()
	c := &s.stats
	return Stats{
		Open: open, Accepted: c.accepted.Load(), Full: c.full.Load(), FullForOne: c.fullForOne.Load(),
		FailedHandshakes: c.failedHandshakes.Load(), Malformed: c.malformed.Load(), Limited: c.limited.Load(),
		SlowUploads: c.slowUploads.Load(), SlowReaders: c.slowReaders.Load(), Reloads: c.reloads.Load(), BadReloads: c.badReloads.Load(),
	}
}

// Reload looks at the certificates' files at once, which Serve does from time to time. Pairs that have
// changed and are good are in use when it returns; the error tells of those that are not.
func (s *Server) Reload() error {
	n, err := s.certificates.reload()
	if n > 0 {
		s.stats.reloads.Add(uint64(n))
		s.o.Logger.Info("new certificates are in use", "pairs", n)
	}
	if err != nil {
		s.stats.badReloads.Add(1)
		s.o.Logger.Error("a new certificate was refused", "error", err)
	}
	return err
}

// Serve answers requests that come to the listeners, which it closes, until ctx ends. Then it accepts
// no more, tells clients of HTTP/2 so, and waits for requests to end, for Options.StopTimeout at most;
// upgraded connections are closed when the last request has ended. Handlers learn by the context of
// their request that they are cut. It returns when all that it has started has ended but for handlers
// that do not heed that: nil after an end by ctx, else why a listener failed. It may be called once.
func (s *Server) Serve(ctx context.Context, listeners ...Listener) error {
	var errs []error
	if s.serving.Swap(true) {
		errs = append(errs, errors.New("balance/edge: Serve was called before; make another server"))
	}
	if len(listeners) == 0 {
		errs = append(errs, errors.New("balance/edge: there is no listener"))
	}
	for _, l := range listeners {
		if l.TLS && s.tls == nil {
			errs = append(errs, fmt.Errorf("balance/edge: the listener %v is for TLS, but Options.Certificates is empty", l.Addr()))
		}
	}
	if len(errs) > 0 {
		for _, l := range listeners {
			errs = append(errs, l.Close())
		}
		return errors.Join(errs...)
	}
	inner := http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.o.HeaderTimeout,
		IdleTimeout:                  s.o.IdleTimeout,
		// The reader's limit comes first; this one is for HTTP/2.
		MaxHeaderBytes: s.o.MaxHeaderBytes + 1024,
		ErrorLog:       slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelWarn), // panics, mostly
		ConnState:      watch,
		ConnContext:    withConn,
		Protocols:      new(http.Protocols),
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: 128, SendPingTimeout: time.Minute, PingTimeout: 15 * time.Second},
	}
	inner.Protocols.SetHTTP1(true)
	inner.Protocols.SetHTTP2(true)
	accepting, stop := context.WithCancelCause(ctx)
	q := &queue{ready: make(chan net.Conn), done: accepting.Done()}
	var all, accepts sync.WaitGroup
	for _, l := range listeners {
		accepts.Go(func() {
			if err := s.accept(accepting, l, q, &all); err != nil {
				stop(fmt.Errorf("balance/edge: %v: %w", l.Addr(), err))
			}
		})
	}
	all.Go(func() { s.watchFiles(accepting) })
	all.Go(func() {
		if err := inner.Serve(q); !errors.Is(err, http.ErrServerClosed) && accepting.Err() == nil {
			stop(fmt.Errorf("balance/edge: %w", err))
		}
	})
	<-accepting.Done()
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.o.Logger.Warn("a listener could not be closed", "address", l.Addr().String(), "error", err)
		}
	}
	accepts.Wait()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.StopTimeout)
	defer cancel()
	if err := inner.Shutdown(deadline); err != nil {
		s.o.Logger.Warn("requests did not end in time and were cut", "waited", s.o.StopTimeout, "connections", s.Stats().Open)
		inner.Close() // they are being cut: that a connection is gone already is no news
	}
	for _, c := range s.conns.all() {
		c.Close() // the same
	}
	all.Wait()
	stop(nil)
	if err := context.Cause(accepting); ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (s *Server) watchFiles(ctx context.Context) {
	if len(s.certificates.files) == 0 {
		return
	}
	tick := time.NewTicker(s.o.CertificateInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = s.Reload() // it has told the log and the counters
		case <-ctx.Done():
			return
		}
	}
}
