package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tokenName is the cookie of a session token; programs may find it in the header of that name.
const (
	tokenName   = "remora_seen"
	tokenHeader = "Remora-Seen"
)

// A token is a session token and what it promises.
type token struct {
	value   string
	epoch   string
	seq     int64
	at      time.Time // when it was received
	expires time.Time // zero: with the session
	act     *activity // what was imported for it
}

// covers reports whether a reader with t must see i.
func (t *token) covers(i *Import) bool {
	if i.Epoch == t.epoch {
		return i.Seq <= t.seq
	}
	// Numbers of different epochs cannot be compared; what was acknowledged first is older.
	return i.At.Before(t.at)
}

// tokenOf returns the token of an answer, nil if it has none.
func tokenOf(header http.Header) *token {
	now := time.Now()
	answer := http.Response{Header: header}
	for _, c := range answer.Cookies() {
		if c.Name != tokenName || c.Value == "" || c.MaxAge < 0 {
			continue
		}
		t := &token{value: c.Value, at: now}
		if c.MaxAge > 0 {
			t.expires = now.Add(time.Duration(c.MaxAge) * time.Second)
		}
		return t
	}
	if value := header.Get(tokenHeader); value != "" {
		return &token{value: value, at: now}
	}
	return nil
}

// A client is one simulated laptop, with connections of its own.
type client struct {
	developer bool // imports, and sends its token
	kept      *http.Client
	fresh     *http.Client // a new connection for every request

	mu    sync.Mutex
	token *token
}

func newClient(developer bool, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *client {
	to := func(keep bool) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}}
	}
	return &client{developer: developer, kept: to(true), fresh: to(false)}
}

func (c *client) close() {
	c.kept.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}

// current returns the token that the client sends now, nil: none.
func (c *client) current() *token {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != nil && !c.token.expires.IsZero() && !time.Now().Before(c.token.expires) {
		c.token = nil
	}
	return c.token
}

// remember keeps t unless the client has a later one.
func (c *client) remember(t *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.token; old == nil || old.epoch != t.epoch || old.seq <= t.seq {
		c.token = t
	}
}

// An answer is a whole answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// maxAnswer bounds what is read of an answer, in bytes; nothing the load asks for is nearly as
// large.
const maxAnswer = 8 << 20

// do sends a request and reads the whole answer. The error is a sentence for the report.
func (c *client) do(req *http.Request, fresh bool, t *token) (*answer, error) {
	if t != nil {
		req.AddCookie(&http.Cookie{Name: tokenName, Value: t.value})
	}
	with := c.kept
	if fresh {
		with = c.fresh
	}
	began := time.Now()
	resp, err := with.Do(req)
	if err != nil {
		return nil, explain(req.Context(), "no answer", began, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	// The body was read to its end, or the connection is given up: closing says nothing new.
	_ = resp.Body.Close()
	a := &answer{resp.StatusCode, resp.Header, body}
	if err != nil {
		return a, explain(req.Context(), fmt.Sprintf("the answer (status %d) broke off after %d bytes", resp.StatusCode, len(body)), began, err)
	}
	if len(body) > maxAnswer {
		return a, fmt.Errorf("the answer (status %d) is longer than %d bytes", resp.StatusCode, maxAnswer)
	}
	return a, nil
}

func explain(ctx context.Context, what string, began time.Time, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s within %v", what, time.Since(began).Round(time.Millisecond))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// brief returns the beginning of a text for a report, in one line.
func brief(body []byte) string {
	const most = 160
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 4*most)]), "?")), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// retryAfter reports whether an answer says when to come again (RFC 9110, section 10.2.3).
func retryAfter(header http.Header) bool {
	value := header.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil {
		return n >= 0
	}
	_, err := http.ParseTime(value)
	return err == nil
}
