package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// What net/http is given in the place of bytes that are refused, since it must come to the same end:
// neither can be part of a header, or of the lines between chunks, and each ends the line that they
// are read in. That it is read in its turn keeps answers to pipelined requests in order, and unlike an
// error of the connection it does not end the context of the request before.
const (
	poison      = "\x00\r\n\r\n"
	bodyPoison  = "\x00\n"
	tailPoison  = "\r\n\x00\r\n\r\n" // within a value after the body, which net/http does not look at
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// A strictConn lets through what every server reads alike, and has net/http refuse the rest.
type strictConn struct {
	net.Conn
	s        *Server
	base     *conn
	reader   reader
	pending  string // poison that is still to be read
	inBody   bool   // what was refused is in the body of a request that has begun
	refused  atomic.Pointer[refusal]
	heads    atomic.Uint64 // requests that net/http may answer
	answered atomic.Uint64 // and those that it has answered, keeping the connection
	told     bool
	off      atomic.Bool // no HTTP any more
}

// newStrictConn takes the connection as it is to be read, and that of the network below it.
func newStrictConn(s *Server, c net.Conn, base *conn) *strictConn {
	return &strictConn{Conn: c, s: s, base: base, reader: reader{maxHead: s.o.MaxHeaderBytes, maxFields: s.o.MaxFields}}
}

func (c *strictConn) strict() *strictConn { return c }

// Read is called by one goroutine at a time.
func (c *strictConn) Read(p []byte) (int, error) {
	for {
		if n := copy(p, c.pending); n > 0 {
			c.pending = c.pending[n:]
			return n, nil
		}
		if c.refused.Load() != nil && len(p) > 0 {
			if !c.inBody && !c.off.Load() && c.answered.Load() < c.heads.Load() {
				p[0] = 0 // the end of the connection would cancel the request that is being answered
				return 1, nil
			}
			return 0, io.EOF
		}
		if c.off.Load() || len(p) == 0 {
			return c.Conn.Read(p)
		}
		n, err := c.Conn.Read(p)
		if n = c.check(p[:n]); n > 0 || err != nil {
			return n, err
		}
	}
}

// check returns how much of p may be read, after taking out what is dropped.
func (c *strictConn) check(p []byte) int {
	good := 0
	for {
		n, refused := c.reader.feed(p[good:])
		good += n
		if refused == nil {
			break
		}
		if refused == dropped {
			copy(p[good:], p[good+1:])
			p = p[:len(p)-1]
			continue
		}
		switch {
		case c.reader.trailer:
			c.pending, c.inBody = poison, true
			if c.reader.at == atValue || c.reader.at == atValueLF {
				c.pending = tailPoison
			}
		case c.reader.at > atBody:
			c.pending, c.inBody = bodyPoison, true
		default:
			c.pending = poison
		}
		c.s.stats.malformed.Add(1)
		c.s.o.Logger.Debug("a request was refused", "client", c.RemoteAddr().String(), "reason", refused.sentence)
		c.heads.Store(c.reader.heads)
		c.refused.Store(refused)
		return good
	}
	c.heads.Store(c.reader.heads)
	return good
}

// Write: between requests net/http writes only when it refuses one. Where the reader has refused it, the
// client is told why; where that was in a body, the handler has answered already.
func (c *strictConn) Write(p []byte) (int, error) {
	if refused := c.refused.Load(); refused != nil && c.answered.Load() == c.heads.Load() && !c.off.Load() {
		if !c.inBody && !c.told {
			c.told = true
			if err := c.tell(refused); err != nil {
				return 0, err
			}
		}
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *strictConn) tell(refused *refusal) error {
	if _, err := io.WriteString(c.Conn, plainAnswer(refused.status, refused.sentence)); err != nil {
		return err
	}
	linger(c.Conn)
	return nil
}

// plainAnswer is a whole answer after which the connection is closed.
func plainAnswer(status int, sentence string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nDate: %s\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), time.Now().UTC().Format(http.TimeFormat), len(sentence)+1, sentence)
}

// linger ends our side and reads on for a moment: closing a connection with unread bytes in it would
// take the answer from the client (RFC 9112, section 9.6).
func linger(c net.Conn) {
	if closeWrite(c) != nil {
		return
	}
	if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c, lingerBytes) // however it ends, the connection is closed next
	}
}

type closeWriter interface{ CloseWrite() error }

// closeWrite says that no more will be sent, for TLS in both layers.
func closeWrite(c net.Conn) error {
	if p, ok := c.(interface{ Raw() net.Conn }); ok { // behind a PROXY header
		c = p.Raw()
	}
	w, ok := c.(closeWriter)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := w.CloseWrite(); err != nil {
		return err
	}
	if t, ok := c.(*tls.Conn); ok {
		return closeWrite(t.NetConn())
	}
	return nil
}

// CloseWrite is for upgraded connections.
func (c *strictConn) CloseWrite() error { return closeWrite(c.Conn) }

// ReadFrom keeps the kernel's copying where it can be had.
func (c *strictConn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok && c.refused.Load() == nil {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

// A tlsConn is a strictConn whose client speaks TLS, which net/http asks it about.
type tlsConn struct {
	*strictConn
	tls *tls.Conn
}

func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// watch is told by the server how far it is with a connection.
func watch(c net.Conn, state http.ConnState) {
	s, ok := c.(interface{ strict() *strictConn })
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		s.strict().base.idle.Store(false)
	case http.StateIdle:
		s.strict().answered.Add(1)
		s.strict().base.idle.Store(true)
	case http.StateHijacked:
		s.strict().off.Store(true)
	}
}
