package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// A client speaks HTTP/1.1 to one address over connections that it keeps. It is as cheap as can be.
type client struct {
	address string
	most    int // connections that it opens

	mu   sync.Mutex
	idle []*clientConn
	open int
}

type clientConn struct {
	net.Conn
	r    *bufio.Reader
	used bool
}

// patience is how long a client waits for an answer.
const patience = 30 * time.Second

var errTooMany = errors.New("too many connections")

func (c *client) get() (*clientConn, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		conn := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return conn, nil
	}
	if c.open >= c.most {
		c.mu.Unlock()
		return nil, errTooMany
	}
	c.open++
	c.mu.Unlock()
	conn, err := net.DialTimeout("tcp", c.address, 5*time.Second)
	if err != nil {
		c.lost()
		return nil, err
	}
	return &clientConn{Conn: conn, r: bufio.NewReaderSize(conn, 4096)}, nil
}

func (c *client) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

func (c *client) drop(conn *clientConn) {
	conn.Close()
	c.lost()
}

func (c *client) keep(conn *clientConn) {
	conn.used = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, conn)
}

// close ends the connections that are idle.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.idle {
		conn.Close()
	}
	c.open -= len(c.idle)
	c.idle = nil
}

// do sends a request that may be repeated, and reads the answer to its end. As any client it tries
// again when a connection that was kept turns out to be closed before a byte of the answer.
func (c *client) do(request []byte) (status int, again bool, err error) {
	for {
		conn, err := c.get()
		if err != nil {
			return 0, again, err
		}
		conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Write(request)
		if err == nil {
			_, err = conn.r.Peek(1)
		}
		if err != nil {
			c.drop(conn)
			var timeout net.Error
			if conn.used && !(errors.As(err, &timeout) && timeout.Timeout()) {
				again = true
				continue
			}
			return 0, again, err
		}
		status, stay, err := readAnswer(conn.r)
		if err != nil || !stay {
			c.drop(conn)
		} else {
			c.keep(conn)
		}
		return status, again, err
	}
}

// readAnswer reads an answer to a GET; keep says that another may follow.
func readAnswer(r *bufio.Reader) (status int, keep bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, cut(err)
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, fmt.Errorf("the answer begins with %q", line)
	}
	keep = line[7] == '1'
	length, chunked := int64(-1), false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return status, false, cut(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil || length < 0 {
				return status, false, fmt.Errorf("a length that is none: %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			keep = !bytes.EqualFold(value, []byte("close")) && (keep || bytes.EqualFold(value, []byte("keep-alive")))
		}
	}
	switch {
	case status == 204 || status == 304:
	case chunked:
		err = skipChunks(r)
	case length >= 0:
		_, err = io.CopyN(io.Discard, r, length)
	default:
		keep = false
		_, err = io.Copy(io.Discard, r)
	}
	return status, keep && err == nil, cut(err)
}

func skipChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("a chunk that is none: %q", line)
		}
		if _, err := io.CopyN(io.Discard, r, n+2); err != nil { // CRLF follows, also after the last
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// cut says that an end was none.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
