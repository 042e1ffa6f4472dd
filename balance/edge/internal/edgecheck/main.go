// Command edgecheck serves what docs/balance-checks.md tests by hand: a balancer behind an edge.Server,
// with and without TLS, and for comparison the same answers from net/http alone. With -probe it is the
// client whose answers must not become slower.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/balance"
	"github.com/sugarlabs/beamrider/balance/edge"
)

func main() {
	plain := flag.String("http", "127.0.0.1:8081", "address of the edge without TLS")
	secure := flag.String("https", "127.0.0.1:8443", "address of the edge with TLS")
	bare := flag.String("bare", "127.0.0.1:8444", "address of net/http alone, with TLS")
	url := flag.String("probe", "", "ask for this URL 200 times a second instead of serving")
	long := flag.Duration("for", 20*time.Second, "how long to probe")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *url != "" {
		if err := probe(ctx, *url, *long); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *plain, *secure, *bare); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, plain, secure, bare string) (err error) {
	dir, err := os.MkdirTemp("", "edgecheck")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	pair := edge.Certificate{CertFile: filepath.Join(dir, "crt"), KeyFile: filepath.Join(dir, "key")}
	if err := writePair(pair); err != nil {
		return err
	}
	page := strings.Repeat("0123456789abcde\n", 64)
	large := strings.Repeat(page, 1024)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		text := page
		if r.URL.Path == "/large" {
			text = large
		}
		_, _ = io.WriteString(w, text) // clients that go away are part of the check
	})
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var servers []*http.Server
	failed := make(chan error, 2)
	serve := func(f func(*http.Server) error) {
		s := &http.Server{Handler: answer, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
		servers = append(servers, s)
		go func() { failed <- f(s) }()
	}
	serve(func(s *http.Server) error { return s.Serve(backend) })
	serve(func(s *http.Server) error {
		s.Addr = bare
		return s.ListenAndServeTLS(pair.CertFile, pair.KeyFile)
	})
	b, err := balance.New([]balance.Backend{{Name: "a", URL: "http://" + backend.Addr().String()}}, nil)
	if err != nil {
		return err
	}
	front, err := edge.New(b, edge.Options{Certificates: []edge.Certificate{pair}, Writes: edge.Rate{PerSecond: -1}})
	if err != nil {
		return err
	}
	var listeners []edge.Listener
	for _, address := range []string{plain, secure} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, edge.Listener{Listener: l, TLS: address == secure})
	}
	err = front.Serve(ctx, listeners...)
	fmt.Printf("%+v\n", front.Stats())
	for _, s := range servers {
		err = errors.Join(err, s.Close())
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func writePair(c edge.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
