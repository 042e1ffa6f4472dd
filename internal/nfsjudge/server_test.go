//go:build linux

package nfsjudge

import (
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// A server is one that is judged.
type server struct {
	nfs, mount string // host:port
	export     string
	dir        string // of the export, as the server sees it
	room       string // empty unless the server is locked into a room of its own, where nothing it does can hurt
}

// url is that of the export for our client, which asks for files at the address nfs.
func (s server) url(nfs string) string {
	_, mountPort, _ := net.SplitHostPort(s.mount)
	return fmt.Sprintf("nfs://%s%s?mountport=%s&uid=0&gid=0", nfs, s.export, mountPort)
}

func ganesha(t *testing.T) server {
	t.Helper()
	g := testnfs.Ganesha(t, nil)
	u, err := url.Parse(g.URL())
	if err != nil {
		t.Fatal(err)
	}
	return server{
		nfs: u.Host, mount: net.JoinHostPort(u.Hostname(), u.Query().Get("mountport")),
		export: u.Path, dir: g.Dir(),
	}
}

// onEach has a test judge every server.
func onEach(t *testing.T, judge func(t *testing.T, s server)) {
	t.Helper()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, start(t))
		})
	}
}

var servers = map[string]func(t *testing.T) server{"Ganesha": ganesha}
