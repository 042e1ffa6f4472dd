package edge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A linter is a backend that judges every byte it gets by the grammar of RFC 9112, written down anew
// as expressions, and keeps the requests it has got.
type linter struct {
	l    net.Listener
	all  sync.WaitGroup
	mu   sync.Mutex
	got  []linted
	bad  []string
	open map[net.Conn]bool
}

type linted struct {
	Method, Target, Host string
	Fields               [][2]string // in the order they came in
	Body                 string
	Trailer              [][2]string
}

func newLinter(t testing.TB) *linter {
	l := &linter{l: listen(t), open: make(map[net.Conn]bool)}
	l.all.Go(func() {
		for {
			c, err := l.l.Accept()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.open[c] = true
			l.mu.Unlock()
			l.all.Go(func() { l.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.l.Close()
		l.mu.Lock()
		for c := range l.open {
			c.Close()
		}
		l.mu.Unlock()
		l.all.Wait()
	})
	return l
}

// take returns what came in since it was called last.
func (l *linter) take() (got []linted, bad []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	got, bad = l.got, l.bad
	l.got, l.bad = nil, nil
	return got, bad
}

const (
	tchar  = "[-!#$%&'*+.^_`|~0-9A-Za-z]"
	vchars = `[\t\x20-\x7e\x80-\xff]*`
)

var (
	// The target may hold what browsers leave as it is in a query.
	requestLine = regexp.MustCompile("^(?s-m:(" + tchar + "+) (/[!$%&'()*+,./0-9:;=?@A-Z\\[\\\\\\]^_`a-z{|}~-]*|\\*) HTTP/1\\.1\r\n)$")
	fieldLine   = regexp.MustCompile("^(?s-m:(" + tchar + "+):[ \t]*((?:" + vchars + "[\\x21-\\x7e\\x80-\\xff])?)[ \t]*\r\n)$")
	hostValue   = regexp.MustCompile(`^([-._0-9A-Za-z]+|\[[0-9a-fA-F:.]+\])(:[0-9]+)?$`)
	chunkLine   = regexp.MustCompile("^(?s-m:([0-9A-Fa-f]{1,15})\r\n)$")
)

func (l *linter) serve(c net.Conn) {
	defer func() {
		l.mu.Lock()
		delete(l.open, c)
		l.mu.Unlock()
		c.Close()
	}()
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		if _, err := in.Peek(1); err != nil {
			return
		}
		r, err := l.read(in, c)
		l.mu.Lock()
		if err != nil {
			l.bad = append(l.bad, err.Error())
		} else {
			l.got = append(l.got, r)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

func (l *linter) read(in *bufio.Reader, c io.Writer) (r linted, err error) {
	line, err := in.ReadSlice('\n')
	m := requestLine.FindSubmatch(latin(line))
	if err != nil || m == nil {
		return r, fmt.Errorf("request line %q: %v", line, err)
	}
	r.Method, r.Target = raw(m[1]), raw(m[2])
	if r.Target == "*" && r.Method != "OPTIONS" {
		return r, fmt.Errorf("* with %s", r.Method)
	}
	if r.Fields, err = l.fields(in); err != nil {
		return r, err
	}
	special := map[string][]string{}
	for _, f := range r.Fields {
		name := strings.ToLower(f[0])
		if canonical := strings.ReplaceAll(name, "_", "-"); canonical != name && (canonical == "content-length" || canonical == "transfer-encoding" || canonical == "host" || strings.HasPrefix(canonical, "x-forwarded")) {
			return r, fmt.Errorf("the field %s is another for some", f[0])
		}
		special[name] = append(special[name], f[1])
	}
	host, lengths, codings := special["host"], special["content-length"], special["transfer-encoding"]
	if len(host) != 1 || !hostValue.MatchString(host[0]) {
		return r, fmt.Errorf("Host is %q", host)
	}
	r.Host = host[0]
	if len(lengths) > 1 || len(codings) > 1 || len(lengths)+len(codings) > 1 {
		return r, fmt.Errorf("lengths %q, codings %q", lengths, codings)
	}
	if len(special["expect"]) > 0 {
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	switch {
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 32)
		if err != nil || lengths[0][0] == '+' {
			return r, fmt.Errorf("Content-Length %q", lengths[0])
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(in, body); err != nil {
			return r, nil // the client went away; what came was good
		}
		r.Body = string(body)
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return r, fmt.Errorf("Transfer-Encoding %q", codings[0])
		}
		for {
			line, err := in.ReadSlice('\n')
			if err == io.EOF && len(line) == 0 {
				return r, nil // as above
			}
			m := chunkLine.FindSubmatch(line)
			if err != nil || m == nil {
				return r, fmt.Errorf("chunk line %q: %v", line, err)
			}
			n, err := strconv.ParseUint(string(m[1]), 16, 32)
			if err != nil {
				return r, err
			}
			if n == 0 {
				break
			}
			data := make([]byte, n+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return r, nil // as above
			}
			if !bytes.HasSuffix(data, []byte("\r\n")) {
				return r, fmt.Errorf("a chunk ends in %q", data[n:])
			}
			r.Body += string(data[:n])
		}
		if r.Trailer, err = l.fields(in); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (l *linter) fields(in *bufio.Reader) (list [][2]string, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return list, fmt.Errorf("field line %q: %v", line, err)
		}
		if string(line) == "\r\n" {
			return list, nil
		}
		m := fieldLine.FindSubmatch(latin(line))
		if m == nil {
			return list, fmt.Errorf("field line %q", line)
		}
		list = append(list, [2]string{raw(m[1]), raw(m[2])})
	}
}

// latin makes each byte a character, and raw is its inverse: expressions match characters.
func latin(p []byte) []byte {
	r := make([]rune, len(p))
	for i, c := range p {
		r[i] = rune(c)
	}
	return []byte(string(r))
}

func raw(p []byte) string {
	var b []byte
	for _, c := range string(p) {
		b = append(b, byte(c))
	}
	return string(b)
}
