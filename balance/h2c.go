package balance

import (
	"net/http"
	"time"
)

// h2cScheme is that of backends that are spoken to in HTTP/2 without TLS, which must be known
// beforehand: gRPC servers, mostly.
const h2cScheme = "h2c"

// withH2C lets a transport speak to such backends too. It returns the transport that does, whose idle
// connections are to be closed with those of t.
func withH2C(t *http.Transport) *http.Transport {
	two := t.Clone()
	two.Protocols = new(http.Protocols)
	two.Protocols.SetUnencryptedHTTP2(true)
	// A connection that has died without a word is found out, since all requests share it.
	two.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second}
	t.RegisterProtocol(h2cScheme, h2c{two})
	return two
}

type h2c struct{ t *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (t h2c) RoundTrip(r *http.Request) (*http.Response, error) {
	u := *r.URL
	u.Scheme = "http"
	r = r.WithContext(r.Context())
	r.URL = &u
	if r.Header.Get("Upgrade") != "" {
		// HTTP/2 has no upgrades; a server may pass over the wish. An error would be held against the backend.
		r.Header = r.Header.Clone()
		r.Header.Del("Upgrade")
		r.Header.Del("Connection")
	}
	return t.t.RoundTrip(r)
}
