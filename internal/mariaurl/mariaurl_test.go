package mariaurl

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ raw, dsn, name, host, port string }{
		{"mysql://remora:p%40ss@127.0.0.1/library", "remora:p@ss@tcp(127.0.0.1:3306)/library", "127.0.0.1", "127.0.0.1", "3306"},
		{"mysql://u:p@db.example:4000/x?name=one&weight=3", "u:p@tcp(db.example:4000)/x", "one", "db.example", "4000"},
		{"mysql://u:p@/x?socket=/run/m.sock", "u:p@unix(/run/m.sock)/x", "/run/m.sock", "/run/m.sock", ""},
		{"mysql://u:p@[::1]:3307/x", "u:p@tcp([::1]:3307)/x", "::1", "::1", "3307"},
	} {
		s, err := Parse(test.raw)
		if err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		dsn, _, _ := strings.Cut(s.DSN(), "?")
		host, port := s.HostPort()
		if dsn != test.dsn || s.Name != test.name || host != test.host || port != test.port {
			t.Errorf("%s: %s %s %s %s", test.raw, dsn, s.Name, host, port)
		}
		as, _, _ := strings.Cut(s.As(Account{"root", "pw"}), "?")
		if !strings.HasPrefix(as, "root:pw@") || !strings.HasSuffix(as, "/") {
			t.Error(as)
		}
	}
}

func TestParameters(t *testing.T) {
	s, err := Parse("mysql://u:p@h/x?zone=beamrider&primary=never&reads=never")
	if err != nil || s.Zone != "beamrider" || !s.NoPrimary || !s.NoReads {
		t.Errorf("%v, zone %q, never %t %t", err, s.Zone, s.NoPrimary, s.NoReads)
	}
	if s, err = Parse("mysql://u:p@h/x"); err != nil || s.Zone != "" || s.NoPrimary || s.NoReads {
		t.Errorf("%v, %+v", err, s.Zone)
	}
}

func TestMistakesShowNoPassword(t *testing.T) {
	const password = "pa55word"
	for _, raw := range []string{
		"postgres://x:" + password + "@y/z", "mysql://u:" + password + "@/db", "mysql://u:" + password + "@h/", "mysql://h/db",
		"mysql://u:" + password + "@h:x/db", "mysql://u:" + password + "@h/db?weight=0", "mysql://u:" + password + "@h/db?tls=x", "",
		"mysql://u:" + password + "@h/db?primary=no", "mysql://u:" + password + "@h/db?reads=1",
	} {
		if _, err := Parse(raw); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range []string{"", "u", ":" + password, "u:"} {
		if _, err := ParseAccount(raw); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if a, err := ParseAccount("u:p:q"); err != nil || a.Password != "p:q" {
		t.Errorf("%v %v", a, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mysql://u:p@h:3306/db?name=x&weight=2")
	f.Add("mysql://u:p@[::1]/db?socket=/x")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := Parse(raw)
		if err == nil && (s.Name == "" || s.Host == "" || s.DSN() == "") {
			t.Errorf("%q gives %+v", raw, s)
		}
	})
}
