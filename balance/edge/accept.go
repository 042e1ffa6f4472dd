package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// A queue is the listener that net/http accepts from.
type queue struct {
	ready chan net.Conn
	done  <-chan struct{}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.ready:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// offer hands a connection over, or closes it when nobody accepts any more.
func (q *queue) offer(c net.Conn) {
	select {
	case q.ready <- c:
	case <-q.done:
		c.Close() // it has asked nothing yet
	}
}

func (q *queue) Close() error   { return nil } // done says it
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// accept takes connections in until the listener is closed. Those that begin with a PROXY header or a
// handshake get a goroutine for it, which all knows.
func (s *Server) accept(ctx context.Context, l Listener, q *queue, all *sync.WaitGroup) error {
	pause := time.Duration(0)
	for {
		raw, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			// As net/http: a machine without descriptors has them again soon.
			if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() {
				return err
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.o.Logger.Warn("no connection could be accepted", "address", l.Addr().String(), "error", err)
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		pause = 0
		s.stats.accepted.Add(1)
		c := &conn{Conn: raw, s: s}
		one, trusted := s.o.trusted().Peer(addressOf(raw))
		counted := client(one)
		if trusted {
			counted = netip.Addr{}
		}
		v := s.conns.enter(c, counted)
		if v == full && s.conns.evict() {
			v = s.conns.enter(c, counted)
		}
		switch v {
		case full:
			s.stats.full.Add(1)
			s.turnAway(raw, l)
			continue
		case fullForOne:
			s.stats.fullForOne.Add(1)
			s.turnAway(raw, l)
			continue
		}
		boundUnsent(raw)
		if !l.TLS && !l.Proxy {
			q.offer(newStrictConn(s, c, c))
			continue
		}
		select {
		case s.handshakes <- struct{}{}:
		default:
			s.stats.full.Add(1)
			c.Close() // nothing was said yet
			continue
		}
		all.Go(func() {
			ready, err := s.greet(ctx, l, c, trusted)
			<-s.handshakes
			if err != nil {
				s.stats.failedHandshakes.Add(1)
				s.o.Logger.Debug("a connection failed before its first request", "client", addressOf(raw), "error", err)
				c.Close() // it is no use any more
				return
			}
			q.offer(ready)
		})
	}
}

func addressOf(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// turnAway closes a connection for which there is no place. The answer fits into what the kernel
// takes without waiting for the client; with TLS it would cost a handshake, so there is none.
func (s *Server) turnAway(raw net.Conn, l Listener) {
	if !l.TLS && raw.SetWriteDeadline(time.Now().Add(10*time.Millisecond)) == nil {
		_, _ = io.WriteString(raw, crowded) // if it fails, the client learns by the close
	}
	raw.Close() // nothing more is wanted of it
}

const crowdedSentence = "Too many connections are open. Please try again in a while."

var crowded = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nCache-Control: no-store\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: " + strconv.Itoa(len(crowdedSentence)+1) + "\r\n\r\n" + crowdedSentence + "\n"

// greet reads the PROXY header and makes the TLS handshake.
func (s *Server) greet(ctx context.Context, l Listener, c *conn, trusted bool) (net.Conn, error) {
	// The end of the server ends the waiting.
	stop := context.AfterFunc(ctx, func() { c.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var below net.Conn = c
	if l.Proxy && !trusted && !s.o.PlainFromUntrusted {
		return nil, errors.New("a connection to a listener for the PROXY protocol came from an address that is not trusted")
	}
	if l.Proxy && trusted {
		p, err := s.named(c)
		if err != nil {
			return nil, err
		}
		below = p
	}
	if !l.TLS {
		return newStrictConn(s, below, c), nil
	}
	hello, cancel := context.WithTimeout(ctx, s.o.HandshakeTimeout)
	defer cancel()
	t := tls.Server(below, s.tls)
	if err := t.HandshakeContext(hello); err != nil {
		if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			if plain.Conn.SetDeadline(time.Now().Add(lingerTime)) == nil {
				_, _ = io.WriteString(plain.Conn, plainAnswer(http.StatusBadRequest, "This port speaks HTTPS; the address must begin with https://."))
				linger(plain.Conn)
			}
		}
		return nil, fmt.Errorf("TLS: %w", err)
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if t.ConnectionState().NegotiatedProtocol == "h2" {
		return t, nil
	}
	return &tlsConn{newStrictConn(s, t, c), t}, nil
}

func looksLikeHTTP(p [5]byte) bool {
	switch string(p[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

// named reads a PROXY header, and counts the connection for the client it names.
func (s *Server) named(c *conn) (net.Conn, error) {
	if err := c.SetReadDeadline(time.Now().Add(s.o.HandshakeTimeout)); err != nil {
		return nil, err
	}
	p := proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(s.o.HandshakeTimeout))
	h := p.ProxyHeader()
	if h == nil {
		return nil, errors.New("a trusted proxy sent no PROXY header, or a wrong one, or too late")
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	// A proxy that checks whether we are well speaks for itself.
	if h.Command.IsLocal() {
		return p, nil
	}
	if one, _ := s.o.trusted().Peer(addressOf(p)); s.conns.become(c, client(one)) != welcome {
		s.stats.fullForOne.Add(1)
		return nil, errors.New("the client that the proxy named has as many connections as it may")
	}
	return p, nil
}
