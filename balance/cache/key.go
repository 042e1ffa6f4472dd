package cache

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sugarlabs/beamrider/balance"
)

// maxKey bounds what a key may be made of; longer URLs are nobody's usual page.
const maxKey = 4 << 10

// A key says which requests are the same. Of a key of Options.Key only target is used.
type key struct{ scheme, host, target string }

func (k *key) String() string {
	if k.scheme == "" {
		return k.target
	}
	return k.scheme + "://" + k.host + k.target
}

// keyOf returns the key of a request; it is not ok if the request is kept out of the cache.
func (c *Cache) keyOf(in balance.Info) (k key, ok bool) {
	if c.o.Key != nil {
		k.target = c.o.Key(in)
		return k, k.target != "" && len(k.target) <= maxKey
	}
	return urlKey(in), len(in.Host)+len(in.Target) <= maxKey
}

// urlKey makes equal what names the same (RFC 9110, section 4.2.3).
func urlKey(in balance.Info) key {
	k := key{in.Scheme, in.Host, in.Target}
	for i := 0; i < len(k.host); i++ {
		if c := k.host[i]; c >= 'A' && c <= 'Z' {
			k.host = strings.ToLower(k.host)
			break
		}
	}
	if in.Scheme == "https" {
		k.host = strings.TrimSuffix(k.host, ":443")
	} else {
		k.host = strings.TrimSuffix(k.host, ":80")
	}
	return k
}

// infoOf returns what Options.Key gets for a URL alone.
func infoOf(u *url.URL) balance.Info {
	return balance.Info{
		Method: "GET", Scheme: strings.ToLower(u.Scheme), Host: u.Host, Path: u.Path, Target: u.RequestURI(),
		Header: func(string) string { return "" },
		Values: func(string) []string { return nil },
	}
}

// An interest is in the changes of a key, while requests for it are on their way: a response whose
// request was sent before a change is not stored after it.
type interest struct {
	requests int // guarded by interests.mu
	changes  atomic.Uint32
}

type interests struct {
	mu   sync.Mutex
	keys map[key]*interest
}

// begin returns the interest that is shared by all who are interested at the time. Each owes an end.
func (x *interests) begin(k key) *interest {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := x.keys[k]
	if i == nil {
		i = new(interest)
		x.keys[k] = i
	}
	i.requests++
	return i
}

func (x *interests) end(k key, i *interest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i.requests--; i.requests == 0 {
		delete(x.keys, k)
	}
}

// changed tells those who are interested.
func (x *interests) changed(k key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if i := x.keys[k]; i != nil {
		i.changes.Add(1)
	}
}
