package cache

import (
	"hash/maphash"
	"net/url"
	"strings"
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

// marks count invalidations, so that a response whose request was sent before one is not stored after
// it. Keys share counters; that a response is not stored for another key's sake is rare and harmless.
type marks struct {
	seed  maphash.Seed
	count [1024]atomic.Uint64
}

func (m *marks) of(k key) *atomic.Uint64 {
	return &m.count[maphash.Comparable(m.seed, k)%uint64(len(m.count))]
}
