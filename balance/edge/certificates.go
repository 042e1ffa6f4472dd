package edge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Certificate is a pair of PEM files: a certificate with what it is signed by, and its private key.
// The files may be replaced at any time: a new pair that fits together is used for connections from
// then on, one that does not is told of and left alone.
type Certificate struct {
	CertFile string
	KeyFile  string
}

// certificates are the pairs that are in use.
type certificates struct {
	files []Certificate
	mu    sync.Mutex // held by reload
	seen  []stamp
	now   atomic.Pointer[[]*tls.Certificate]
}

// A stamp changes when one of a pair's files does.
type stamp struct {
	times [2]time.Time
	sizes [2]int64
}

func (c Certificate) stamp() (s stamp, err error) {
	for i, name := range [2]string{c.CertFile, c.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s.times[i], s.sizes[i] = info.ModTime(), info.Size()
	}
	return s, nil
}

func (c Certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, err
		}
	}
	return &pair, nil
}

func newCertificates(files []Certificate) (*certificates, error) {
	c := &certificates{files: append([]Certificate(nil), files...), seen: make([]stamp, len(files))}
	list := make([]*tls.Certificate, len(files))
	var errs []error
	for i, f := range files {
		var err error
		// The stamp comes first: files that change in between are then read again.
		if c.seen[i], err = f.stamp(); err == nil {
			list[i], err = f.load()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("balance/edge: certificate %d (%s, %s) cannot be used: %w", i+1, f.CertFile, f.KeyFile, err))
		}
	}
	c.now.Store(&list)
	return c, errors.Join(errs...)
}

// reload reads the pairs anew whose files have changed, and returns how many are new. What is wrong is
// told once for each change.
func (c *certificates) reload() (changed int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := append([]*tls.Certificate(nil), *c.now.Load()...)
	var errs []error
	for i, f := range c.files {
		s, err := f.stamp()
		if err == nil && s == c.seen[i] {
			continue
		}
		// A pair without one of its files has the zero stamp.
		if err != nil && c.seen[i] == (stamp{}) {
			continue
		}
		c.seen[i] = s
		var pair *tls.Certificate
		if err == nil {
			pair, err = f.load()
		} else {
			c.seen[i] = stamp{}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("balance/edge: the new certificate (%s, %s) cannot be used, the old one stays: %w", f.CertFile, f.KeyFile, err))
			continue
		}
		list[i] = pair
		changed++
	}
	if changed > 0 {
		c.now.Store(&list)
	}
	return changed, errors.Join(errs...)
}

// get is [tls.Config.GetCertificate].
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := *c.now.Load()
	for _, pair := range list {
		if hello.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	return list[0], nil
}
