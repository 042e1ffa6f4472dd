package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type config struct {
	dir, name string
	list      []string
	key       Secret
}

var table = Table[config]{
	{Key: "data.dir", Env: "T_DIR", Default: "nowhere", Set: func(c *config, v string) error { c.dir = v; return nil }},
	{Key: "site.name", Env: "T_NAME", Default: "default", Live: true, Set: func(c *config, v string) error { c.name = v; return nil }},
	{Key: "site.list", Env: "T_LIST", List: true, Set: func(c *config, v string) error { c.list = Fields(v); return nil }},
	{Key: "site.key", Env: "T_KEY", Secret: true, Set: func(c *config, v string) error {
		if len(v) < 4 {
			return fmt.Errorf("it is too short")
		}
		c.key = NewSecret(v)
		return nil
	}},
}

func from(file string, env, flags map[string]string) Sources {
	return Sources{File: file, Flags: flags, DataKey: "data.dir", Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "c.toml"), fmt.Sprintf("[data]\ndir = %q\n[site]\nname = \"file\"\nlist = [\"a\", \"b\"]\n", dir))
	for _, test := range []struct {
		name       string
		override   string
		env, flags map[string]string
		want, from string
	}{
		{name: "file", want: "file", from: "file"},
		{name: "overrides", override: "over", want: "over", from: "overrides"},
		{name: "environment", override: "over", env: map[string]string{"T_NAME": "env"}, want: "env", from: "environment"},
		{name: "flag", override: "over", env: map[string]string{"T_NAME": "env"}, flags: map[string]string{"site.name": "flag"}, want: "flag", from: "flag"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := table.Override(filepath.Join(dir, OverridesFile), map[string]string{"site.name": test.override}); err != nil {
				t.Fatal(err)
			}
			var c config
			origins, err := table.Load(&c, from(file, test.env, test.flags))
			if err != nil {
				t.Fatal(err)
			}
			if c.name != test.want || origins["site.name"].From != test.from {
				t.Errorf("%q from the %s", c.name, origins["site.name"].From)
			}
			if d := cmp.Diff([]string{"a", "b"}, c.list); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOverridesKeepTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), OverridesFile)
	for _, values := range []map[string]string{{"site.name": "one", "site.list": "x,y"}, {"site.name": "two"}} {
		if err := table.Override(path, values); err != nil {
			t.Fatal(err)
		}
	}
	got, err := table.readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"site.name": "two", "site.list": "x,y"}, got); d != "" {
		t.Error(d)
	}
	write(t, path, "[site]\nnmae = \"x\"\n")
	if err := table.Override(path, map[string]string{"site.name": "three"}); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a damaged file was overwritten: %v", err)
	}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	var c config
	_, err := table.Load(&c, from("", map[string]string{"T_KEY": "xyz"}, nil))
	if err == nil || strings.Contains(err.Error(), "xyz") || !strings.Contains(err.Error(), "site.key") {
		t.Errorf("%v", err)
	}
	_, err = table.Load(&c, from("", map[string]string{"T_KEY_FILE": filepath.Join(t.TempDir(), "none")}, nil))
	if err == nil || !strings.Contains(err.Error(), "T_KEY_FILE") {
		t.Errorf("%v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", NewSecret("pw"), NewSecret("pw"), NewSecret("pw")); strings.Contains(shown, "pw") {
		t.Error(shown)
	}
}

func TestWhatAReloadCannotChangeIsNamed(t *testing.T) {
	var c config
	before, err := table.Load(&c, from("", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	after, err := table.Load(&c, from("", map[string]string{"T_NAME": "new", "T_LIST": "new"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"site.list"}, table.Frozen(before, after)); d != "" {
		t.Error(d)
	}
}

func FuzzFile(f *testing.F) {
	f.Add("[site]\nname = \"x\"\nlist = [\"a\"]\n")
	f.Add("[site]\nname = 3\n[x.y]\n")
	f.Add("[[site]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, filepath.Join(t.TempDir(), "c.toml"), text)
		values, err := table.readFile(path)
		if err == nil {
			for key := range values {
				if key != "data.dir" && !strings.HasPrefix(key, "site.") {
					t.Errorf("a key that there is not: %s", key)
				}
			}
		}
	})
}

func TestNumbersAndSizes(t *testing.T) {
	for v, want := range map[string]string{
		"0": "0", "64MB": "64000000", "1 GB": "1000000000", "10kB": "10000", "1000GB": "1000000000000",
		"64": "bad", "1001GB": "bad", "-1MB": "bad", "MB": "bad", "": "bad", "1e3MB": "bad", "1.5GB": "bad", "99999999999GB": "bad",
	} {
		var n int64
		got := "bad"
		if err := SetSize(&n, v); err == nil {
			got = strconv.FormatInt(n, 10)
		}
		if got != want {
			t.Errorf("size %q: %s, want %s", v, got, want)
		}
	}
	for v, want := range map[string]bool{"3": true, "10": true, "2": false, "11": false, "": false, "x": false} {
		var n int
		if err := SetNumber(&n, v, 3, 10); (err == nil) != want {
			t.Errorf("number %q: %v", v, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, v := range []string{"", "files", "/srv/remora", "/srv/a:b", "./a:b", "file:///srv", "nfs://10.0.0.11:2049/srv?uid=1"} {
		var got string
		if err := SetPlace(&got, v); err != nil || got != v {
			t.Errorf("%q is taken for %q, %v", v, got, err)
		}
	}
	for _, v := range []string{"mem:", "nfs:/10.0.0.11/srv", "10.0.0.11:/srv/remora", "file:/srv", "http://10.0.0.11/", "smb://10.0.0.11/x"} {
		if err := CheckPlace(v); err == nil || !strings.Contains(err.Error(), v) {
			t.Errorf("%q: %v", v, err)
		}
	}
	if err := CheckPlace("ftp://me:secret@10.0.0.11/srv"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password: %v", err)
	}
}
