package balance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// StickyCookieOptions are what a [StickyCookie] needs.
type StickyCookieOptions struct {
	// Name is that of the cookie; "" means "route".
	Name string
	// Keys sign it: 1 to 10, each of at least 16 random bytes, which all balancers of a site share. The
	// first signs; cookies that others have signed are believed, and replaced.
	Keys [][]byte
	// MaxAge is how long clients keep the cookie, 1 s to 400 days; 0: until the browser is closed. It counts
	// from the first answer, since the cookie is sent again only when it changes.
	MaxAge time.Duration
}

// StickyCookie is a [Sticker] that has the client carry a cookie, which stands for the backend: a part of
// HMAC-SHA256 of its name. It tells who lacks the key nothing, and nobody else can make one; a cookie that is
// not known is no wish. Balancers with the same keys agree, and nothing needs to be stored. The client does
// not read it by scripts, gets it only for this host, and sends it to backends no further than here.
//
// Answers that a cache may give to others (they say public, s-maxage, max-age or Expires, and not private or
// no-store) are not marked: one client's cookie would come to many. Others become private with the mark. It is
// meant for one Balancer; two can share it, but would make it forget what it has computed for the other.
type StickyCookie struct {
	name   string
	maxAge time.Duration
	keys   atomic.Pointer[[][]byte]
	table  atomic.Pointer[tokens]
	making sync.Mutex // a table
}

// A token stands for a backend.
type token [16]byte

var tokenText = base64.RawURLEncoding.Strict()

func (t token) String() string { return tokenText.EncodeToString(t[:]) }

func parseToken(s string) (t token, ok bool) {
	if tokenText.DecodedLen(len(s)) != len(t) {
		return t, false
	}
	n, err := tokenText.Decode(t[:], []byte(s))
	return t, err == nil && n == len(t)
}

// tokens are those of one pool: a request costs no HMAC.
type tokens struct {
	keys  *[][]byte
	names []string
	index map[token]int // by all keys
	sign  map[string]token
}

// fits compares the list of names by where it is, which is there for one pool only.
func (t *tokens) fits(keys *[][]byte, names []string) bool {
	return t != nil && t.keys == keys && len(t.names) == len(names) && &t.names[0] == &names[0]
}

// NewStickyCookie returns a StickyCookie. It reports everything that is wrong at once.
func NewStickyCookie(o StickyCookieOptions) (*StickyCookie, error) {
	c := &StickyCookie{name: o.Name, maxAge: o.MaxAge}
	if c.name == "" {
		c.name = "route"
	}
	var errs []error
	if (&http.Cookie{Name: c.name, Value: "x"}).Valid() != nil {
		errs = append(errs, fmt.Errorf("balance: the name %q cannot be that of a cookie; use letters, digits and _", o.Name))
	}
	if o.MaxAge != 0 && (o.MaxAge < time.Second || o.MaxAge > 400*24*time.Hour) {
		errs = append(errs, fmt.Errorf("balance: the cookie's MaxAge is %v; it must be between 1s and 9600h, or 0 for as long as the browser is open", o.MaxAge))
	}
	errs = append(errs, c.SetKeys(o.Keys))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// SetKeys replaces the keys. To rotate them without letting clients go, put the new one first and keep the
// old ones behind it for as long as cookies live. On error nothing has changed.
func (c *StickyCookie) SetKeys(keys [][]byte) error {
	if len(keys) < 1 || len(keys) > 10 {
		return fmt.Errorf("balance: there are %d keys for the sticky cookie; there must be 1 to 10", len(keys))
	}
	own := make([][]byte, len(keys))
	for i, k := range keys {
		if len(k) < 16 {
			return fmt.Errorf("balance: key %d for the sticky cookie has %d bytes; it must have at least 16, from a random source", i+1, len(k))
		}
		own[i] = slices.Clone(k)
	}
	c.keys.Store(&own)
	return nil
}

// token signs for a backend. That the cookie's name is in it lets two pools have the same keys.
func (c *StickyCookie) token(key []byte, backend string) (t token) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("balance.StickyCookie\x00" + c.name + "\x00" + backend)) // neither name can have a NUL in it
	copy(t[:], h.Sum(nil))
	return t
}

// tokens returns those for the names, of which there is one, and the present keys.
func (c *StickyCookie) tokens(names []string) *tokens {
	keys := c.keys.Load()
	if t := c.table.Load(); t.fits(keys, names) {
		return t
	}
	c.making.Lock()
	defer c.making.Unlock()
	if t := c.table.Load(); t.fits(keys, names) {
		return t
	}
	t := &tokens{keys: keys, names: names, index: make(map[token]int, len(names)*len(*keys)), sign: make(map[string]token, len(names))}
	for i, name := range names {
		for j, key := range *keys {
			k := c.token(key, name)
			t.index[k] = i
			if j == 0 {
				t.sign[name] = k
			}
		}
	}
	c.table.Store(t)
	return t
}

// Wish implements [Sticker].
func (c *StickyCookie) Wish(in Info, names []string) int {
	lines := in.Values("Cookie")
	if len(lines) == 0 || len(names) == 0 {
		return -1
	}
	var t *tokens
	for value := range cookies(lines, c.name) {
		if k, ok := parseToken(value); ok {
			if t == nil {
				t = c.tokens(names)
			}
			if i, ok := t.index[k]; ok {
				return i
			}
		}
	}
	return -1
}

// Mark implements [Sticker].
func (c *StickyCookie) Mark(in Info, backend string, answer http.Header) {
	var k token
	signed := false
	if t := c.table.Load(); t != nil && t.keys == c.keys.Load() {
		k, signed = t.sign[backend]
	}
	if !signed {
		k = c.token((*c.keys.Load())[0], backend)
	}
	value := k.String()
	for has := range cookies(in.Values("Cookie"), c.name) {
		if has == value {
			return
		}
	}
	switch private, shared := whose(answer); {
	case private:
	case shared:
		return
	default:
		answer.Add("Cache-Control", "private")
	}
	field := c.name + "=" + value + "; Path=/; HttpOnly; SameSite=Lax"
	if in.Scheme == "https" {
		field += "; Secure"
	}
	if c.maxAge != 0 {
		field += "; Max-Age=" + strconv.FormatInt(int64(c.maxAge/time.Second), 10)
	}
	answer.Add("Set-Cookie", field)
}

// whose tells by the fields of an answer whether it is for one client alone, and if not, whether it is made to
// be given to others. Most of what is doubtful counts as shared: the client is marked a little later then.
func whose(answer http.Header) (private, shared bool) {
	for _, line := range answer["Cache-Control"] {
		for directive := range strings.SplitSeq(strings.ToLower(line), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch name {
			case "private", "no-store":
				private = true
			case "public":
				shared = true
			case "max-age", "s-maxage":
				shared = shared || strings.Trim(value, `"0`) != ""
			}
		}
	}
	if expires, err := http.ParseTime(answer.Get("Expires")); err == nil && expires.After(time.Now()) {
		shared = true
	}
	return private, shared || answer["Cdn-Cache-Control"] != nil
}

// Strip implements [Sticker].
func (c *StickyCookie) Strip(request http.Header) {
	lines := request["Cookie"]
	found := false
	for range cookies(lines, c.name) {
		found = true
		break
	}
	if !found {
		return
	}
	left := make([]string, 0, len(lines))
	for _, line := range lines {
		var rest []string
		for pair := range strings.SplitSeq(line, ";") {
			if name, _, _ := strings.Cut(pair, "="); strings.TrimSpace(name) != c.name {
				rest = append(rest, strings.TrimSpace(pair))
			}
		}
		if len(rest) > 0 {
			left = append(left, strings.Join(rest, "; "))
		}
	}
	if len(left) == 0 {
		delete(request, "Cookie")
		return
	}
	request["Cookie"] = left
}

// cookies returns the values of the cookies of that name.
func cookies(lines []string, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				if key, value, _ := strings.Cut(pair, "="); strings.TrimSpace(key) == name && !yield(strings.TrimSpace(value)) {
					return
				}
			}
		}
	}
}
