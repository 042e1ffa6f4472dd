package replica

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/internal/mariachild"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

func TestConnectMayChangeOnlyCredentials(t *testing.T) {
	seen := make(chan string, 1)
	fail := errors.New("no password to be had")
	r := made(t, Config{
		Nodes: []Node{{Name: "p"}, {Name: "a"}},
		Connect: func(_ context.Context, node string, c *mysql.Config) error {
			seen <- node
			c.Addr, c.MultiStatements, c.RejectReadOnly = "127.0.0.1:2", true, false
			return fail
		},
	})
	n := r.nodes[1]
	if err := n.read.PingContext(t.Context()); !errors.Is(err, fail) {
		t.Errorf("a read gives %v, want the error of Connect", err)
	}
	if got := <-seen; got != "a" {
		t.Errorf("it was called for %q", got)
	}
	if r.Read(t.Context()) != n.read {
		t.Error("a server was held to be broken because there was no password for it")
	}
	fail = nil
	c := mysql.NewConfig()
	c.Addr = "db.example:3306"
	shared := &tls.Config{MinVersion: tls.VersionTLS13}
	r.config.Connect = func(_ context.Context, _ string, c *mysql.Config) error {
		c.User, c.Passwd, c.TLS, c.Addr, c.MultiStatements = "u", "p", shared, "elsewhere:1", true
		return nil
	}
	if err := n.prepare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if c.User != "u" || c.Passwd != "p" || c.TLS.ServerName != "db.example" || c.Addr != "db.example:3306" || c.MultiStatements {
		t.Errorf("connections are made with %+v", c)
	}
	if shared.ServerName != "" {
		t.Error("the caller's own settings were changed")
	}
}

func TestPasswordChangesDuringLoad(t *testing.T) {
	servers := replicatest.Cluster(t, 3)
	old, err := mysql.ParseDSN(servers[0].DSN())
	if err != nil {
		t.Fatal(err)
	}
	var password atomic.Pointer[string]
	password.Store(&old.Passwd)
	r := begin(t, Config{Timeout: 5 * time.Second, Connect: func(_ context.Context, _ string, c *mysql.Config) error {
		c.Passwd = *password.Load()
		return nil
	}}, servers...)
	await(t, r, "both replicas are read", func(s Status) bool { return s.Primary == "a" && s.Nodes[1].Reads && s.Nodes[2].Reads })
	must(t, r.Write(t.Context()), t.Context(), "CREATE TABLE x (i INT PRIMARY KEY)")
	for _, s := range servers[1:] {
		s.CatchUp(servers[0])
	}
	l := work(t, r, 6, 2)
	l.goOn(t, 50, 10)
	for i, previous := 0, old.Passwd; i < 3; i++ {
		next := fmt.Sprint("another ", i)
		either := fmt.Sprintf("ALTER USER app IDENTIFIED VIA mysql_native_password USING PASSWORD('%s') OR mysql_native_password USING PASSWORD('%s')", next, previous)
		for _, s := range servers {
			s.Exec("SET STATEMENT sql_log_bin = 0 FOR " + either)
		}
		l.goOn(t, 20, 4)
		password.Store(&next)
		r.Renew()
		l.goOn(t, 50, 10)
		for _, s := range servers {
			s.Exec(fmt.Sprintf("SET STATEMENT sql_log_bin = 0 FOR ALTER USER app IDENTIFIED BY '%s'", next))
		}
		previous = next
		l.goOn(t, 50, 10)
	}
	l.end()
	if s := r.Status(); !s.Nodes[1].Reads || !s.Nodes[2].Reads || s.Generation != 1 {
		t.Errorf("status %+v", s)
	}
	// Nothing is open that was made with an older password.
	renewed := func(db interface{ PingContext(context.Context) error }) {
		t.Helper()
		if err := db.PingContext(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wrong := "never set"
	password.Store(&wrong)
	renewed(r.Write(t.Context()))
	r.Renew()
	for range 2 {
		if err := r.Write(t.Context()).PingContext(t.Context()); err == nil {
			t.Error("a connection from before Renew was used")
		}
		if err := r.nodes[1].read.PingContext(t.Context()); err == nil {
			t.Error("a connection from before Renew was used to read")
		}
	}
	await(t, r, "the question is refused too", func(s Status) bool { return strings.Contains(s.Nodes[1].State, "Access denied") })
}

// An authority signs certificates for tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue returns a certificate and its key for name.
func (a *authority) issue(t *testing.T, name string, usage x509.ExtKeyUsage) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// client is what a program connects with that trusts a, with a certificate of its own.
func (a *authority) client(t *testing.T, name string) *tls.Config {
	t.Helper()
	cert, key := a.issue(t, name, x509.ExtKeyUsageClientAuth)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func TestCertificatesChangeDuringLoad(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	dir, err := os.MkdirTemp("", "beamrider-tls-*") // the server runs as another account
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
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	install := func(a *authority) {
		t.Helper()
		cert, key := a.issue(t, "the server", x509.ExtKeyUsageServerAuth)
		write("ca.pem", append(append([]byte{}, first.pem...), second.pem...))
		write("cert.pem", cert)
		write("key.pem", key)
	}
	install(first)
	server := mariachild.Start(t, "CREATE USER IF NOT EXISTS app IDENTIFIED BY 'x' REQUIRE X509;\nGRANT ALL ON *.* TO app WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS app;\n",
		"--server-id=1", "--log-bin=bin", "--gtid-strict-mode=1", "--ssl-ca="+filepath.Join(dir, "ca.pem"), "--ssl-cert="+filepath.Join(dir, "cert.pem"), "--ssl-key="+filepath.Join(dir, "key.pem"))
	t.Cleanup(func() {
		if err := server.End(); err != nil {
			t.Error(err)
		}
	})
	var settings atomic.Pointer[tls.Config]
	settings.Store(first.client(t, "one"))
	node := Node{Name: "a", DSN: fmt.Sprintf("app:x@tcp(127.0.0.1:%d)/app", server.Port())}
	plain := begin(t, Config{Timeout: 5 * time.Second, Nodes: []Node{node}})
	await(t, plain, "nobody gets in without a certificate", func(s Status) bool { return strings.Contains(s.Nodes[0].State, "Access denied") })

	r := begin(t, Config{Timeout: 5 * time.Second, Nodes: []Node{node}, Connect: func(_ context.Context, _ string, c *mysql.Config) error {
		c.TLS = settings.Load()
		return nil
	}})
	await(t, r, "there is a primary", primaryIs("a"))
	ctx := t.Context()
	db := r.Write(ctx)
	must(t, db, ctx, "CREATE TABLE x (i INT PRIMARY KEY)")
	var name, cipher string
	if err := db.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher); err != nil || cipher == "" {
		t.Errorf("the connection is not encrypted (%q, %v)", cipher, err)
	}
	l := work(t, r, 4, 2)
	l.goOn(t, 50, 10)
	// The server's certificate and ours get another authority: first both are trusted, then one.
	both := settings.Load().Clone()
	both.RootCAs = both.RootCAs.Clone()
	both.RootCAs.AddCert(second.cert)
	settings.Store(both)
	r.Renew()
	l.goOn(t, 50, 10)
	install(second)
	must(t, db, ctx, "FLUSH SSL")
	settings.Store(second.client(t, "two"))
	r.Renew()
	l.goOn(t, 50, 10)
	l.end()
	must(t, db, ctx, "ALTER USER app REQUIRE ISSUER '/CN=second'") // whoever is of the first gets in no more
	r.Renew()
	must(t, db, ctx, "DO 1")
	settings.Store(first.client(t, "one"))
	r.Renew()
	if err := db.PingContext(ctx); !errors.Is(err, ErrNoPrimary) {
		t.Errorf("with the old certificate a write gives %v", err)
	}
}
