package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is the clients of a soak: good ones, slow ones, and ones that go away.
type traffic struct {
	address string
	client  *http.Client

	read, wrote, slow, gone atomic.Int64 // requests that went as they should
	refused                 atomic.Int64 // 503
	failed                  atomic.Int64 // anything else: what a backend has cut when it was killed
}

func newTraffic(address string) *traffic {
	return &traffic{address: address, client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second, DisableCompression: true},
	}}
}

func (t *traffic) String() string {
	return fmt.Sprintf("%d read, %d uploads, %d slow, %d went away, %d refused, %d failed",
		t.read.Load(), t.wrote.Load(), t.slow.Load(), t.gone.Load(), t.refused.Load(), t.failed.Load())
}

// run starts the clients, which end with ctx.
func (t *traffic) run(ctx context.Context, all *sync.WaitGroup) {
	for _, kind := range []struct {
		n  int
		do func(context.Context)
	}{{8, t.reads}, {3, t.uploads}, {20, t.slowly}, {4, t.goesAway}, {4, t.slowHeader}} {
		for range kind.n {
			all.Go(func() {
				for ctx.Err() == nil {
					kind.do(ctx)
				}
			})
		}
	}
	all.Go(func() {
		<-ctx.Done()
		t.client.CloseIdleConnections()
	})
}

// reads asks for something, small or large, kept or not.
func (t *traffic) reads(ctx context.Context) {
	path := "/bytes/1024"
	switch n := rand.IntN(100); {
	case n < 30:
		path = fmt.Sprintf("/page/%d", 1000+rand.IntN(20000)) // more than the cache is asked for twice
	case n < 33:
		path = "/bytes/1048576"
	}
	t.count(ctx, http.MethodGet, path, nil, &t.read)
	pause(ctx, time.Duration(rand.IntN(4))*time.Millisecond)
}

// uploads sends a body, of known length or not.
func (t *traffic) uploads(ctx context.Context) {
	var body io.Reader = bytes.NewReader(make([]byte, 1+rand.IntN(2<<20)))
	if rand.IntN(2) == 0 {
		body = io.MultiReader(body) // a length that is not seen: chunked
	}
	t.count(ctx, http.MethodPost, "/bytes/100", body, &t.wrote)
	pause(ctx, time.Duration(rand.IntN(100))*time.Millisecond)
}

func (t *traffic) count(ctx context.Context, method, path string, body io.Reader, good *atomic.Int64) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+t.address+path, body)
	if err != nil {
		t.failed.Add(1)
		return
	}
	res, err := t.client.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close() // it has been read, or is broken
	}
	switch {
	case ctx.Err() != nil: // this is the end
	case err == nil && res.StatusCode == http.StatusOK:
		good.Add(1)
	case err == nil && res.StatusCode == http.StatusServiceUnavailable:
		t.refused.Add(1)
	default:
		t.failed.Add(1)
	}
}

// raw opens a connection that ends with ctx, and sends something.
func (t *traffic) raw(ctx context.Context, text string, use func(c net.Conn) error) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return err
	}
	defer c.Close()
	ended := context.AfterFunc(ctx, func() { c.Close() })
	defer ended()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	return use(c)
}

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n"
}

// slowly reads a large answer some kilobytes at a time, for about three seconds.
func (t *traffic) slowly(ctx context.Context) {
	err := t.raw(ctx, get("/bytes/1048576"), func(c net.Conn) error {
		if tcp, ok := c.(*net.TCPConn); ok {
			if err := tcp.SetReadBuffer(16 << 10); err != nil {
				return err
			}
		}
		part := make([]byte, 16<<10)
		for {
			_, err := io.ReadFull(c, part)
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			if err == nil {
				err = pause(ctx, 50*time.Millisecond)
			}
			if err != nil {
				return err
			}
		}
	})
	t.outcome(ctx, err, &t.slow)
}

// goesAway hangs up in the middle of a request, of an upload, or of an answer.
func (t *traffic) goesAway(ctx context.Context) {
	request := get("/bytes/1048576")
	switch rand.IntN(3) {
	case 0:
		request = request[:20]
	case 1:
		request = "POST /bytes/1 HTTP/1.1\r\nHost: bench.example\r\nContent-Length: 100000\r\n\r\nsome"
	}
	err := t.raw(ctx, request, func(c net.Conn) error {
		return pause(ctx, time.Duration(rand.IntN(30))*time.Millisecond)
	})
	t.outcome(ctx, err, &t.gone)
}

// slowHeader sends its request a byte at a time.
func (t *traffic) slowHeader(ctx context.Context) {
	err := t.raw(ctx, "", func(c net.Conn) error {
		for _, b := range []byte(get("/bytes/1024")) {
			if _, err := c.Write([]byte{b}); err != nil {
				return err
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
		_, _, err := readAnswer(bufio.NewReader(c))
		return err
	})
	t.outcome(ctx, err, &t.slow)
}

func (t *traffic) outcome(ctx context.Context, err error, good *atomic.Int64) {
	switch {
	case ctx.Err() != nil:
	case err == nil:
		good.Add(1)
	default:
		t.failed.Add(1)
		pause(ctx, 10*time.Millisecond) // not to be quicker for failing
	}
}
