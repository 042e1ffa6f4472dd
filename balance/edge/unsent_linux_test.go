package edge

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestUnsent: the kernel takes only so much for a client that reads nothing.
func TestUnsent(t *testing.T) {
	var taken atomic.Int64
	done := make(chan bool)
	s := mustNew(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		for taken.Load() < 64<<20 {
			n, err := w.Write(make([]byte, 64<<10))
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	}), Options{RateWindow: 100 * time.Millisecond, MinDownloadRate: 1 << 30})
	address, _ := serveOn(t, s, Listener{})
	c := dial(t, address)
	if err := c.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(get(""))); err != nil {
		t.Fatal(err)
	}
	<-done
	// What is in flight fits into the client's window, which had its size before SetReadBuffer.
	if n := taken.Load(); n > 1<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}
