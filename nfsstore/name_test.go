package nfsstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCheckName(t *testing.T) {
	long := strings.Repeat("a", maxElement)
	for name, good := range map[string]bool{
		"a":                              true,
		"public/files/100001/dance-3.xo": true,
		"uploads/sha256/ab/" + strings.Repeat("0f", 32): true,
		"A-Z_a~z+0!9.x": true,
		"-dash":         true,
		"a..b":          true,
		long:            true,
		strings.Repeat("a/", maxElements-1) + "a": true,

		"":                                      false,
		"/":                                     false,
		"/a":                                    false,
		"a/":                                    false,
		"a//b":                                  false,
		".":                                     false,
		"..":                                    false,
		"../a":                                  false,
		"a/../b":                                false,
		"a/./b":                                 false,
		"a/.hidden":                             false,
		".nfsstore-x":                           false,
		"a b":                                   false,
		"a\\b":                                  false,
		"a\x00b":                                false,
		"a:b":                                   false,
		"é":                                     false,
		"a\n":                                   false,
		long + "a":                              false,
		strings.Repeat("a/", maxElements) + "a": false,
		strings.Repeat(long+"/", 4) + strings.Repeat("b", maxName-4*256+1): false,
	} {
		err := CheckName(name)
		if good != (err == nil) {
			t.Errorf("CheckName(%q) = %v, want good: %v", name, err, good)
		}
		if err != nil && (!errors.Is(err, ErrName) || len(err.Error()) > 1000) {
			t.Errorf("CheckName(%q) = %v, which is not a short ErrName", name, err)
		}
	}
}

func TestTempNameCarriesItsTime(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.FixedZone("", 3600))
	dir, base := filepath.Split(newTemp("a/b", now))
	if dir != "a/b/" {
		t.Errorf("the temporary file is made in %q, not beside its target", dir)
	}
	if at, ok := tempTime(base); !ok || !at.Equal(now) {
		t.Errorf("tempTime(%q) = %v, %v, want %v", base, at, ok, now)
	}
	for _, bad := range []string{
		"", base[1:], base + "A", base[:len(base)-1], strings.Replace(base, "Z-", "Z_", 1),
		strings.Replace(base, "20260203", "20261303", 1), base[:len(base)-1] + "1", ".nfs0000000000a", "dance-3.xo",
	} {
		if at, ok := tempTime(bad); ok {
			t.Errorf("tempTime(%q) = %v, want none", bad, at)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"a", "a/b", "..", "a/../../b", "/a", "a//b", ".x", "a\x00", "public/files/1/x-1.xo", strings.Repeat("a/", 20), "é", newTemp(".", time.Now())} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := CheckName(name)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatalf("CheckName(%q) = %v, which does not match ErrName", name, err)
			}
			return
		}
		if !fs.ValidPath(name) || !filepath.IsLocal(name) || filepath.Clean(name) != name {
			t.Fatalf("CheckName(%q) = nil for a path that is not plain", name)
		}
		if _, isTemp := tempTime(filepath.Base(name)); isTemp {
			t.Fatalf("%q is both a name and a temporary one", name)
		}
	})
}
