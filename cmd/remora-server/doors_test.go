package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a pair of files for 127.0.0.1 and returns a client that trusts it.
func writeCertificate(t *testing.T, cert, key string) *http.Client {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pemCert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, data := range map[string][]byte{cert: pemCert, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pemCert) {
		t.Fatal("the certificate cannot be read")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestDoors: a balancer with https, front ends from a file and answers it keeps. A download from what is
// kept counts, what changes is seen at once, and a request with two readings is refused.
func TestDoors(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	mustRun(t, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Dance", "3", ""))
	front, _ := startRole(t, fmt.Sprintf("[server]\nroles = [\"frontend\"]\n[data]\ndir = %q\n", data))
	front.ready()
	cert, key, list := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "frontends")
	socket, requests := filepath.Join(dir, "console"), filepath.Join(dir, "requests.log")
	client := writeCertificate(t, cert, key)
	if err := os.WriteFile(list, []byte(strings.TrimPrefix(front.url, "http://")+" name=one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	door, _ := startRole(t, fmt.Sprintf("[server]\nroles = [\"balancer\"]\n[http]\ntls_listen = \"127.0.0.1:0\"\ncertificate = %q\ncertificate_key = %q\n[balancer]\nnodes = %q\nkept = \"16MB\"\nin_flight = \"50\"\nconsole = %q\nlog = %q\n", cert, key, list, socket, requests))
	line, err := door.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	secure := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(line, "Serving the library on https://")), "/")
	get := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := client.Get("https://" + secure + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	eventually(t, "pages are kept", func() bool {
		res, _ := get("/en/browse")
		return res.StatusCode == 200 && res.ProtoMajor == 2 && strings.Contains(res.Header.Get("Cache-Status"), "hit")
	})
	_, page := get("/en/browse")
	if !strings.Contains(page, "Dance") {
		t.Errorf("the page does not show the activity:\n%s", page)
	}
	_, update := get("/services/update-aslo.php?id=org.example.Dance&appVersion=0.120")
	_, link, _ := strings.Cut(update, "<em:updateLink>")
	link, _, _ = strings.Cut(link, "</em:updateLink>")
	_, path, ok := strings.Cut(strings.TrimPrefix(link, "https://"), "/")
	if !ok {
		t.Fatalf("no link to a bundle in %q", update)
	}
	// The first client's comes from the front end, that of the second, who has another address, from the
	// balancer.
	for _, from := range []string{"203.0.113.1", "198.51.100.2"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+secure+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", from)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || n == 0 || res.StatusCode != 200 {
			t.Fatalf("the bundle for %s: %d, %d bytes, %v", from, res.StatusCode, n, err)
		}
		if hit := strings.Contains(res.Header.Get("Cache-Status"), "hit"); hit != (from == "198.51.100.2") {
			t.Errorf("for %s: %s", from, res.Header.Get("Cache-Status"))
		}
	}
	mustRun(t, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Waltz", "1", ""))
	eventually(t, "a new activity shows", func() bool {
		_, page := get("/en/browse")
		return strings.Contains(page, "Waltz")
	})

	console := []string{"REMORA_BALANCER_CONSOLE=" + socket}
	if said := mustRunIn(t, console, "balancer", "summary"); said != "The backend serves.\n" {
		t.Errorf("the console says %q", said)
	}
	for _, refused := range []struct {
		env   []string
		words []string
		says  string
		code  int
	}{
		{console, []string{"node", "drain", "two"}, "unknown backend", 3},
		{[]string{"REMORA_BALANCER_CONSOLE=" + socket + "x"}, []string{"summary"}, "No balancer has its console at", 4},
		{nil, []string{"summary"}, "balancer.console is not set", 3},
	} {
		if _, said, code := runProgramIn(t, refused.env, append([]string{"balancer"}, refused.words...)...); code != refused.code || !strings.Contains(said, refused.says) {
			t.Errorf("balancer %q: exit %d, %s", refused.words, code, said)
		}
	}
	eventually(t, "requests are in the log", func() bool {
		b, err := os.ReadFile(requests)
		return err == nil && strings.Contains(string(b), `"target":"/en/browse"`) && strings.Contains(string(b), `"end":"done"`)
	})

	writeCertificate(t, cert, key) // which the client does not trust
	eventually(t, "the new certificate is used", func() bool {
		client.CloseIdleConnections()
		res, err := client.Get("https://" + secure + "/en/browse")
		if err == nil {
			res.Body.Close()
		}
		return err != nil && strings.Contains(err.Error(), "certificate")
	})

	c, err := net.Dial("tcp", strings.TrimPrefix(door.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("two readings: %q, %v", answer, err)
	}

	if err := os.WriteFile(list, []byte("127.0.0.1:1 weight=x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a mistake in the file is said", func() bool { return strings.Contains(door.logged(), "weight is") })
	if code, _ := door.get("/en/browse"); code != 200 {
		t.Errorf("after a mistake in the file: %d", code)
	}
	mustRunIn(t, console, "balancer", "shutdown", "graceful")
	if err := door.cmd.Wait(); err != nil {
		t.Errorf("told to stop by its console: %v\n%s", err, door.logged())
	}
	front.stop()
	counts, err := openStore(t, data).Downloads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	if total != 2 {
		t.Errorf("%d downloads are counted, want those of both clients", total)
	}
}
