package httpserver_test

import (
	"testing"

	"github.com/sugarlabs/beamrider/internal/httpserver"
)

// TestPortsAreSharedOnlyOnRequest: a second server on a port is a mistake, unless both say that it is not.
func TestPortsAreSharedOnlyOnRequest(t *testing.T) {
	for _, share := range []bool{false, true} {
		first, err := httpserver.Listen(t.Context(), "127.0.0.1:0", share)
		if err != nil {
			t.Fatal(err)
		}
		second, err := httpserver.Listen(t.Context(), first.Addr().String(), share)
		if (err == nil) != share {
			t.Errorf("shared: %v; the second gets %v", share, err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if second != nil {
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
