package nfs3

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/sugarlabs/beamrider/internal/testnfs"
)

// inside names the address of the export for a copy of this test that runs in the network of the
// server, where the portmapper has its port.
const inside = "BEAMRIDER_TEST_NFS_INSIDE"

// Without ports in the address the portmapper is asked; the connection comes from a port below 1024.
func TestPortmapper(t *testing.T) {
	s := testnfs.Ganesha(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, path := s.Command(self)
	cmd.Env = append(os.Environ(), inside+"=nfs://127.0.0.1"+path)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "below 1024\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func insideMain(address string) int {
	port, err := connectInside(address)
	switch {
	case err != nil:
		fmt.Println(err)
		return 1
	case port < 1024:
		fmt.Println("below 1024")
	default:
		fmt.Println("from port", port)
	}
	return 0
}

func connectInside(address string) (port int, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	cfg, err := ParseURL(u)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	c, err := Dial(ctx, cfg)
	if err != nil {
		return 0, err
	}
	port = c.rpc.alive().nc.LocalAddr().(*net.TCPAddr).Port
	if err := c.Mkdir(ctx, "inside", 0o755); err != nil {
		return 0, err
	}
	return port, c.Close()
}
