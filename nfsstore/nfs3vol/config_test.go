package nfs3vol

import (
	"errors"
	"io/fs"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/nfsstore/vol"
)

func TestCheckPrivate(t *testing.T) {
	for ip, private := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true,
		"169.254.1.1": true, "fe80::1": true, "fd12::1": true, "100.64.0.1": true, "100.127.255.255": true, "::ffff:10.0.0.1": true,
		"172.32.0.1": false, "100.128.0.1": false, "8.8.8.8": false, "2001:db8::1": false, "::ffff:8.8.8.8": false,
		"0.0.0.0": false, "::": false, "224.0.0.1": false, "255.255.255.255": false,
	} {
		if err := checkPrivate(netip.MustParseAddr(ip)); (err == nil) != private {
			t.Errorf("%s: %v, want private %v", ip, err, private)
		}
	}
	if ips, err := privateIPs(t.Context(), "localhost"); err != nil || len(ips) == 0 {
		t.Errorf("localhost: %v, %v", ips, err)
	}
}

func TestConfig(t *testing.T) {
	u, err := url.Parse("nfs://10.0.0.1:2049/srv/files?uid=33&names=server&timeout=5s")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseURL(u)
	if err != nil || c.Names != vol.NamesByServer || c.UID != 33 || c.String() != "nfs://10.0.0.1:2049/srv/files" {
		t.Errorf("%+v, %v", c, err)
	}
	for what, c := range map[string]Config{
		"no host":    {Export: "/srv"},
		"absolute":   {Host: "10.0.0.1", Export: "srv"},
		"public":     {Host: "192.0.2.1", Export: "/srv"},
		"by fence":   {Host: "10.0.0.1", Export: "/srv", Names: vol.NamesBySync},
		"or by serv": {Host: "10.0.0.1", Export: "/srv", Names: 77},
	} {
		if _, err := New(c); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v, want fs.ErrInvalid and %q", c, err, what)
		}
	}
	// All mistakes at once.
	_, err = New(Config{Host: "192.0.2.1", Names: vol.NamesBySync})
	for _, want := range []string{"absolute", "public", "by fence"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
