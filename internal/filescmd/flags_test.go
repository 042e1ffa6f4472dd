package filescmd

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore"
	"github.com/sugarlabs/beamrider/nfsstore/nfsd"
)

func TestClients(t *testing.T) {
	for text, want := range map[string]nfsd.Client{
		"10.0.0.0/24":                        {Net: netip.MustParsePrefix("10.0.0.0/24")},
		"10.0.0.12":                          {Net: netip.MustParsePrefix("10.0.0.12/32")},
		"10.0.0.12,ro,squash=all,uid=7":      {Net: netip.MustParsePrefix("10.0.0.12/32"), ReadOnly: true, Squash: nfsd.SquashAll, UID: 7},
		"fd00::/8,ro":                        {Net: netip.MustParsePrefix("fd00::/8"), ReadOnly: true},
		"10.0.0.0/24,squash=root":            {Net: netip.MustParsePrefix("10.0.0.0/24")},
		"10.0.0.0/24,squash=none,ro":         {Net: netip.MustParsePrefix("10.0.0.0/24"), Squash: nfsd.SquashNone, ReadOnly: true},
		"10.0.0.0/24,squash=all,uid=1,gid=2": {Net: netip.MustParsePrefix("10.0.0.0/24"), Squash: nfsd.SquashAll, UID: 1, GID: 2},
	} {
		var got client
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, nfsd.Client(got), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{"", "everybody", "10.0.0.0/33", "10.0.0.0/24,", "10.0.0.0/24,rw", "10.0.0.0/24,squash", "10.0.0.0/24,squash=some", "10.0.0.0/24,uid=-1", "10.0.0.0/24,gid=4294967296", "10.0.0.0/24 ro"} {
		var got client
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestExports(t *testing.T) {
	for text, want := range map[string]export{
		"/srv/remora":                {"/srv/remora", "/srv/remora"},
		"/srv/remora=/var/lib/files": {"/srv/remora", "/var/lib/files"},
		"/srv/remora=/a=b":           {"/srv/remora", "/a=b"},
	} {
		var got export
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is taken for %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "srv", "=/srv", "/srv="} {
		var got export
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

// TestWhere: servers run in another folder than the command, and what only looks like a place is none.
func TestWhere(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for text, want := range map[string]string{
		"elsewhere": filepath.Join(here, "elsewhere"), "./a/../b/": filepath.Join(here, "b"), "/srv/a": "/srv/a", "/srv/a:b": "/srv/a:b",
		"file:///srv": "file:///srv", "nfs://10.0.0.11/srv?uid=1": "nfs://10.0.0.11/srv?uid=1",
	} {
		var got where
		if err := got.UnmarshalText([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%s is taken for %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"mem:", "nfs:/10.0.0.11/srv", "10.0.0.11:/srv", "file:/srv", "http://10.0.0.11/"} {
		var got where
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}

func TestPrivateAddresses(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:2049": true, "10.0.0.11:2049": true, "192.168.1.1:0": true, "[fd00::1]:2049": true, "[::1]:2049": true, "169.254.1.1:2049": true,
		"0.0.0.0:2049": false, ":2049": false, "[::]:2049": false, "203.0.113.7:2049": false, "100.64.0.1:2049": false, "localhost:2049": false, "10.0.0.11": false, "": false,
	} {
		if err := checkPrivate(listen); (err == nil) != want {
			t.Errorf("%q: %v", listen, err)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 1_234_567: "1.2 MB", 5e9: "5.0 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	if got := several(1, "file") + several(2, "file"); got != "1 file2 files" {
		t.Errorf("got %q", got)
	}
	if got := plain("a\x1b[2Jb"); got != `"a\x1b[2Jb"` {
		t.Errorf("a command to a terminal is shown as %s", got)
	}
	var s size
	if err := s.UnmarshalText([]byte("20MB")); err != nil || s != 20e6 {
		t.Errorf("20MB is %d, %v", s, err)
	}
}

func TestWhatAProbeSays(t *testing.T) {
	p := probed{
		Where: "/mnt", Kind: "NFS mount", Names: "fence", Free: 5e9, Total: 10e9, FreeFiles: 1, TotalFiles: 2,
		Mount:  &mount{Type: "nfs", Point: "/mnt", Source: "10.0.0.11:/srv", Options: mountText(&nfsstore.Mount{Version: "3", Recovery: "hard", Proto: "tcp", LookupCache: "all", Timeout: time.Minute, Retries: 2})},
		Trials: []trial{{What: "link", MS: 0.25}, {What: "rename", Err: "no"}},
		Advice: []advice{{"warning", "mount it with lookupcache=positive"}},
	}
	var b strings.Builder
	if err := p.text(&b); err != nil {
		t.Fatal(err)
	}
	want := `place    /mnt (NFS mount)
space    5.0 GB of 10.0 GB free, room for 1 of 2 files
names    made safe from a power cut by a file that is written and synced after each change
mount    nfs at /mnt, from 10.0.0.11:/srv
options  vers=3,hard,proto=tcp,lookupcache=all,timeo=600,retrans=2
trial    link    0.25 ms
trial    rename  does not work: no
warning  mount it with lookupcache=positive
Files must not be kept there like that.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestHowAnExportIsUsed(t *testing.T) {
	dir := t.TempDir()
	for addr, want := range map[string]served{
		"10.0.0.11:2049": {dir, "nfs://10.0.0.11:2049/srv?mountport=2049&names=server", "mount -t nfs -o vers=3,proto=tcp,port=2049,mountport=2049,mountproto=tcp,nolock,hard,lookupcache=positive 10.0.0.11:/srv /mnt"},
		"[fd00::1]:20":   {dir, "nfs://[fd00::1]:20/srv?mountport=20&names=server", "mount -t nfs -o vers=3,proto=tcp,port=20,mountport=20,mountproto=tcp,nolock,hard,lookupcache=positive [fd00::1]:/srv /mnt"},
	} {
		got, err := serving(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)), export{"/srv", dir})
		if err != nil {
			t.Fatal(err)
		}
		// The folder of a test may be anybody's.
		got.URL, _, _ = strings.Cut(got.URL, "&uid=")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", addr, diff)
		}
	}
}

// TestState: the data folder that comes to be on the way is for others too.
func TestState(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	state := filepath.Join(data, "nfsd")
	if err := makeState(state); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{data: 0o755, state: 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&^want != 0 || got&0o700 != 0o700 || name == data && got&0o005 == 0 {
			t.Errorf("%s has the mode %o, want %o", name, got, want)
		}
	}
}
