package nfsd

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/internal/require"
)

// TestConfig looks whether every mistake is named, all at once.
func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{
			Exports:  []Export{{Name: "/srv/remora", Dir: "/srv/files", Clients: []Client{{Net: netip.MustParsePrefix("10.0.0.0/8")}}}},
			StateDir: "/var/lib/nfsd",
		}
	}
	if c, err := good().checked(); err != nil || c.Limits.InFlight != DefaultInFlight || c.Exports[0].Clients[0].UID != nobody || c.Logger == nil {
		t.Errorf("a good one: %+v, %v", c, err)
	}
	client := func(net string) func(*Config) {
		return func(c *Config) { c.Exports[0].Clients[0].Net = netip.MustParsePrefix(net) }
	}
	exportNamed := func(name string) func(*Config) { return func(c *Config) { c.Exports[0].Name = name } }
	for what, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no export":          {func(c *Config) { c.Exports = nil }, "there is no export"},
		"a relative name":    {exportNamed("srv"), `"srv"; it must be`},
		"an unclean name":    {exportNamed("/srv/../x"), "it must be"},
		"a name with spaces": {exportNamed("/a b"), "it must be"},
		"a long name":        {exportNamed("/" + strings.Repeat("x", 1024)), "it must be"},
		"twice":              {func(c *Config) { c.Exports = append(c.Exports, c.Exports[0]) }, "given twice"},
		"a relative dir":     {func(c *Config) { c.Exports[0].Dir = "files" }, "Dir is"},
		"no clients":         {func(c *Config) { c.Exports[0].Clients = nil }, "no client"},
		"no network":         {func(c *Config) { c.Exports[0].Clients = []Client{{}} }, "not valid"},
		"everybody":          {client("0.0.0.0/0"), "not a private network"},
		"everybody else":     {client("::/0"), "not a private network"},
		"a public network":   {client("192.0.2.0/24"), "not a private network"},
		"half public":        {client("172.0.0.0/8"), "not a private network"},
		"mapped":             {client("::ffff:10.0.0.0/104"), "in its own form"},
		"a strange squash":   {func(c *Config) { c.Exports[0].Clients[0].Squash = 7 }, "squash 7"},
		"no user":            {func(c *Config) { c.Exports[0].Clients[0].UID = ^uint32(0) }, "4294967295"},
		"no state":           {func(c *Config) { c.StateDir = "" }, "StateDir is"},
		"state in an export": {func(c *Config) { c.StateDir = "/srv/files/state" }, "inside of it"},
		"state is an export": {func(c *Config) { c.StateDir = "/srv/files/" }, "inside of it"},
		"connections":        {func(c *Config) { c.Limits.Connections = -1 }, "the limit Connections is -1"},
		"in flight":          {func(c *Config) { c.Limits.InFlight = 1e6 }, "the limit InFlight"},
		"idle":               {func(c *Config) { c.Limits.Idle = -1 }, "the limit Idle"},
		"a relative dir and idle": {func(c *Config) { c.Exports[0].Dir, c.Limits.Idle = "files", -1 },
			"Dir is \"files\"; it must be an absolute path\nthe limit Idle"},
	} {
		c := good()
		tt.change(&c)
		if _, err := c.checked(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		}
	}
}

// TestNew looks at what New finds on the disk.
func TestNew(t *testing.T) {
	base := t.TempDir()
	dir, state := filepath.Join(base, "files"), filepath.Join(base, "state")
	file := filepath.Join(base, "file")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(state, 0o700), os.WriteFile(file, nil, 0o600),
		os.Mkdir(filepath.Join(dir, "inside"), 0o700), os.Symlink(filepath.Join(dir, "inside"), filepath.Join(base, "link"))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, dir, state, want string }{
		{"all good", dir, state, ""},
		{"no directory", filepath.Join(base, "none"), state, "cannot be used"},
		{"a file", file, state, "is not a directory"},
		{"no state", dir, filepath.Join(base, "none"), "make the directory"},
		{"state is a file", dir, file, "must be a directory"},
		{"state in an export by a link", dir, filepath.Join(base, "link"), "inside of it"},
	} {
		_, err := New(Config{
			Exports:  []Export{{Name: "/x", Dir: tt.dir, Clients: []Client{{Net: netip.MustParsePrefix("127.0.0.0/8")}}}},
			StateDir: tt.state,
		})
		if errors.Is(err, errors.ErrUnsupported) {
			require.Skip(t, err.Error())
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
}
