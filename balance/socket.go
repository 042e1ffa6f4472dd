package balance

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"strings"
)

// A transport knows hosts and ports, and keeps connections by them. The path of a Unix socket is
// written as a host of its own, in a domain that does not exist.
const socketDomain = ".socket.invalid"

const (
	socketScheme = "unix:"
	maxSocket    = 107 // sun_path, unix(7)
)

// parseSocket reads unix:/run/app.sock.
func parseSocket(path string) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") || len(path) > maxSocket || strings.IndexByte(path, 0) >= 0 {
		return nil, errors.New("the path of its socket must be absolute and at most 107 bytes long, like unix:/run/app.sock")
	}
	return &url.URL{Scheme: "http", Host: hex.EncodeToString([]byte(path)) + socketDomain}, nil
}

// dialing lets a dialer connect to sockets too.
func dialing(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if encoded, ok := strings.CutSuffix(host, socketDomain); ok && err == nil {
			path, err := hex.DecodeString(encoded)
			if err != nil {
				return nil, err
			}
			return d.DialContext(ctx, "unix", string(path))
		}
		return d.DialContext(ctx, network, address)
	}
}
