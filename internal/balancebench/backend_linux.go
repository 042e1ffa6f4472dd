package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// runBackend is the server behind all proxies: as cheap as Go can be, so that the machine belongs to
// them. It answers
//
//	/bytes/N      N bytes
//	/page/N       N bytes that caches may keep
//
// and anything else with a few bytes. With slots it serves so many requests at a time, each for the
// given time; further ones wait, as they do before a program with so many processes.
func runBackend(args []string) error {
	f := flag.NewFlagSet("backend", flag.ContinueOnError)
	listen := f.String("listen", "", "address")
	slots := f.Int("slots", 0, "requests served at a time; 0: any number")
	takes := f.Duration("takes", 0, "how long each takes, a fifth more or less")
	if err := f.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	b := &backend{takes: *takes}
	if *slots > 0 {
		b.slots = make(chan struct{}, *slots)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go b.serve(c)
	}
}

type backend struct {
	slots chan struct{} // nil: any number
	takes time.Duration
}

// maxHead is the longest header of a request it reads.
const maxHead = 64 << 10

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 0, 4096)
	answers := make(map[string][]byte)
	for {
		end := bytes.Index(buf, []byte("\r\n\r\n"))
		for end < 0 {
			if len(buf) == cap(buf) {
				if len(buf) >= maxHead {
					return
				}
				buf = append(make([]byte, 0, 2*cap(buf)), buf...)
			}
			n, err := c.Read(buf[len(buf):cap(buf)])
			if err != nil {
				return // the client has gone
			}
			from := max(len(buf)-3, 0)
			buf = buf[:len(buf)+n]
			if at := bytes.Index(buf[from:], []byte("\r\n\r\n")); at >= 0 {
				end = from + at
			}
		}
		head := buf[:end+2]
		rest := buf[end+4:]
		body, err := drain(c, head, rest)
		if err != nil {
			return
		}
		if b.slots != nil {
			b.slots <- struct{}{}
		}
		if b.takes > 0 {
			// This is the work. It varies by a fifth, as work does: with all at the same length, slots
			// would be free all at once and not one after the other.
			time.Sleep(time.Duration(float64(b.takes) * (0.8 + 0.4*rand.Float64())))
		}
		if b.slots != nil {
			<-b.slots
		}
		method, target := requestLine(head)
		answer, ok := answers[string(target)]
		if !ok {
			answer = makeAnswer(string(target))
			if len(answers) < 100 {
				answers[string(target)] = answer
			}
		}
		if string(method) == "HEAD" {
			answer = answer[:bytes.Index(answer, []byte("\r\n\r\n"))+4]
		}
		if _, err := c.Write(answer); err != nil {
			return // the client has gone
		}
		buf = buf[:copy(buf[:cap(buf)], rest[body:])]
	}
}

func requestLine(head []byte) (method, target []byte) {
	method, rest, _ := bytes.Cut(head, []byte(" "))
	target, _, _ = bytes.Cut(rest, []byte(" "))
	return method, target
}

// drain reads the body of a request and returns how much of it was in rest.
func drain(c io.Reader, head, rest []byte) (int, error) {
	length := field(head, "content-length")
	if length == nil {
		if field(head, "transfer-encoding") == nil {
			return 0, nil
		}
		// Only uploads to a proxy that passes them on as they come. The end is all that is looked for.
		tail := append([]byte(nil), rest...)
		for !bytes.HasSuffix(tail, []byte("0\r\n\r\n")) {
			part := make([]byte, 32<<10)
			n, err := c.Read(part)
			if err != nil {
				return 0, err
			}
			tail = append(tail[max(0, len(tail)-5):], part[:n]...)
		}
		return len(rest), nil
	}
	n, err := strconv.ParseInt(string(length), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("a length that is none: %q", length)
	}
	if n <= int64(len(rest)) {
		return int(n), nil
	}
	_, err = io.CopyN(io.Discard, c, n-int64(len(rest)))
	return len(rest), err
}

// field returns the value of a header field, nil if there is none.
func field(head []byte, name string) []byte {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}

// maxBody bounds the bodies that are asked for.
const maxBody = 64 << 20

func makeAnswer(target string) []byte {
	body, keep := "well\n", "no-store"
	kind, number, _ := strings.Cut(strings.TrimPrefix(target, "/"), "/")
	if n, err := strconv.Atoi(number); err == nil && n >= 0 && n <= maxBody {
		switch kind {
		case "page":
			keep = "public, max-age=3600"
			fallthrough
		case "bytes":
			body = strings.Repeat("x", n)
		}
	}
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nDate: %s\r\nServer: bench\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: %s\r\nETag: \"1\"\r\nContent-Length: %d\r\n\r\n%s",
		time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), keep, len(body), body)
}
