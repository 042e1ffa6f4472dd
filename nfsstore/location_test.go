package nfsstore

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
)

func TestParseLocation(t *testing.T) {
	for s, want := range map[string]string{
		"/srv/files":                            "/srv/files",
		"relative/dir":                          "relative/dir",
		"file:///srv/files":                     "/srv/files",
		"file://localhost/srv/a%20b":            "/srv/a b",
		"nfs://10.0.0.1/export/files":           "nfs://10.0.0.1/export/files",
		"nfs://beamrider:2049/export?uid=33":    "nfs://beamrider:2049/export",
		"nfs://[fd00::1]/export?timeout=5s":     "nfs://[fd00::1]/export",
		"nfs://[::1]:2049/export?mountport=555": "nfs://[::1]:2049/export",
		"mem:":                                  "mem:",
		"file:///srv/files?names=server":        "/srv/files",
		"nfs://10.0.0.1/export?names=server":    "nfs://10.0.0.1/export",
	} {
		l, err := parseLocation(s)
		if err != nil || l.String() != want {
			t.Errorf("%s: %v, %v, want %s", s, l, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                                "no directory",
		"a\x00b":                          "zero byte",
		"file://":                         "names no directory",
		"file://other/srv":                "no other machine",
		"file:///srv?x=1":                 "neither # nor more after ?",
		"http://host/x":                   `the scheme "http"`,
		"file:///srv?names=luck":          `"luck" is no way`,
		"file:///srv?names=sync&names=x":  "neither # nor more after ?",
		"nfs://10.0.0.1/e?names=sync":     "by fence or by server",
		"nfs://10.0.0.1/e?names=luck":     `"luck" is no way`,
		"mem://x":                         `the scheme "mem"`,
		"nfs://host":                      "absolute path",
		"nfs:///export":                   "no host",
		"nfs://10.0.0.1/e?uid=-1&speed=9": `"speed" is not an option`,
		"nfs://192.0.2.1/export":          "public",
		"nfs://[2001:db8::1]/export":      "public",
		"nfs://me:secret@10.0.0.1/export": "no passwords",
		"nfs://me:secret@ba d/export":     "cannot be read",
	} {
		_, err := Open(t.Context(), s, &Options{ReadOnly: true})
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want fs.ErrInvalid and %q", s, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", s, err)
		}
	}
	// All mistakes at once.
	_, err := Open(t.Context(), "file://other/srv?x", &Options{Concurrency: -1})
	for _, want := range []string{"no other machine", "neither # nor more after ?", "-1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, seed := range []string{"/srv", "file:///srv", "file://localhost/%2e%2e", "nfs://10.0.0.1:2049/e?uid=1&gid=2&mountport=3&timeout=4s", "nfs://[::1%25lo]/x", "://", "nfs://8.8.8.8/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := parseLocation(s)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q: %v does not match fs.ErrInvalid", s, err)
			}
			return
		}
		if s != "mem:" && (l.dir == "") == (l.export.Host == "") {
			t.Errorf("%q is both a directory and an export, or neither: %+v", s, l)
		}
		if ip, err := netip.ParseAddr(l.export.Host); err == nil && ip.Unmap().IsGlobalUnicast() && !ip.Unmap().IsPrivate() &&
			!netip.MustParsePrefix("100.64.0.0/10").Contains(ip.Unmap()) {
			t.Errorf("%q: a public address passed", s)
		}
	})
}
