package promote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// certificates writes that of an authority and one that it signed for the loopback address, with its key.
func certificates(t testing.TB, dir string) (ca, cert, key string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644))
		return path
	}
	year := time.Now().Add(365 * 24 * time.Hour)
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: year,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	must(err)
	ca = write("ca.pem", "CERTIFICATE", der)
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotAfter: year,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err = x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), caKey)
	must(err)
	cert = write("server.pem", "CERTIFICATE", der)
	der, err = x509.MarshalPKCS8PrivateKey(serverKey)
	must(err)
	return ca, cert, write("server.key", "PRIVATE KEY", der)
}

func TestReplicasConnectOverTLS(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "beamrider-certificates-*") // the servers run as somebody else
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ca, cert, key := certificates(t, dir)
	g := replicatest.Start(t, replicatest.Topology{Servers: 2, Arguments: []string{"--ssl-ca=" + ca, "--ssl-cert=" + cert, "--ssl-key=" + key}})
	a, b := g.Servers[0], g.Servers[1]
	p := promoter(t, a, b)
	a.Exec("ALTER USER copier REQUIRE X509")
	b.CatchUp(a)
	p.config.Wait = 3 * time.Second
	// Without TLS a replica is not let in.
	if r := do(t, p, "b"); len(r.Left) == 0 || !strings.Contains(r.Left[0], "a does not follow b") {
		t.Fatalf("report %+v", r)
	}
	// With an authority that did not sign the certificate it does not come in either.
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	otherCA, _, _ := certificates(t, other)
	p.config.ReplicationTLS = ReplicationTLS{CA: otherCA, Cert: cert, Key: key}
	if r, err := p.Rejoin(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "SSL") {
		t.Fatalf("%v, %+v", err, r)
	}
	p.config.Wait = 20 * time.Second
	p.config.ReplicationTLS.CA = ca
	rejoin(t, p, "a")
	primary(t, b, a)
	do(t, p, "a")
	primary(t, a, b)
}
