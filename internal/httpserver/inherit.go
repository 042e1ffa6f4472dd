package httpserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited are the listeners that a service manager has opened for this process (sd_listen_fds(3)). The
// variables that tell of them are removed when they are read, so that no child takes them for its own.
type inherited struct {
	once sync.Once
	mu   sync.Mutex
	list []net.Listener
}

var fromManager inherited

func (i *inherited) load() {
	i.once.Do(func() {
		for _, f := range activation.Files(true) {
			ln, err := net.FileListener(f)
			f.Close() // a listener has a copy; what is none is of no use
			if err == nil {
				i.list = append(i.list, ln)
			}
		}
	})
}

// take returns the listener for an address, which is then the caller's; nil if there is none.
func (i *inherited) take(at string) net.Listener {
	i.load()
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, ln := range i.list {
		if sameAddress(ln.Addr(), at) {
			i.list = append(i.list[:n:n], i.list[n+1:]...)
			return ln
		}
	}
	return nil
}

// CloseUnused closes the sockets of the service manager that [Listen] was not asked for, and tells of
// them: whoever connected there would wait for ever.
func CloseUnused() error {
	fromManager.load()
	fromManager.mu.Lock()
	defer fromManager.mu.Unlock()
	var errs []error
	for _, ln := range fromManager.list {
		errs = append(errs, fmt.Errorf("httpserver: the service manager has opened %s, where nothing is to listen; make its ListenStream= the address that is configured", ln.Addr()), ln.Close())
	}
	fromManager.list = nil
	return errors.Join(errs...)
}

// sameAddress reports whether a listener is for an address such as ":80", "127.0.0.1:80" or "[::1]:80".
func sameAddress(have net.Addr, at string) bool {
	tcp, ok := have.(*net.TCPAddr)
	if !ok {
		return false
	}
	want, err := net.ResolveTCPAddr("tcp", at)
	if err != nil || want.Port == 0 || want.Port != tcp.Port || want.Zone != tcp.Zone {
		return false
	}
	a, b := plainIP(tcp.IP), plainIP(want.IP)
	return a == b || a.IsUnspecified() && b.IsUnspecified()
}

// plainIP is the unspecified address when there is none.
func plainIP(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.IPv6Unspecified()
	}
	return a.Unmap()
}
