package monitor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// keepalivedText is as a doctor wants it.
const keepalivedText = `# a machine of two
global_defs {
  vrrp_version 3
  vrrp_higher_prio_send_advert true
}
track_file beamrider {
  file %s
  weight 0
}
vrrp_instance library {
  state BACKUP
  interface mon0
  virtual_router_id 51
  priority 254
  advert_int 0.1
  nopreempt
  virtual_ipaddress {
    10.66.0.100/24
  }
  track_file {
    beamrider
  }
}
`

// says compares results with lines "level: part of the summary", in their order.
func says(t *testing.T, what string, got []Result, want ...string) {
	t.Helper()
	var lines []string
	for _, r := range got {
		lines = append(lines, r.Level.String()+": "+r.Summary)
		if r.Name == "" || r.Level != OK && r.Next == "" {
			t.Errorf("%s: %+v lacks a name, or what to do", what, r)
		}
	}
	ok := len(lines) == len(want)
	for i := range min(len(lines), len(want)) {
		level, part, _ := strings.Cut(want[i], ": ")
		ok = ok && strings.HasPrefix(lines[i], level+": ") && strings.Contains(lines[i], part)
	}
	if !ok {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(lines, "\n     "), strings.Join(want, "\n     "))
	}
}

func addrs(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestListening(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    Listening
		want []string
	}{
		{"loopback", Listening{Listen: []string{"127.0.0.1:8080", "[::1]:8080", "localhost:80"}}, []string{"ok: ", "ok: ", "ok: "}},
		{"school", Listening{Listen: []string{"192.168.1.5:80"}}, []string{"ok: ", "warn: public address is not set"}},
		{"school, named", Listening{Listen: []string{"192.168.1.5:80"}, SiteURL: "http://library.local"}, []string{"ok: ", "ok: http://library.local"}},
		{"public", Listening{Listen: []string{"203.0.113.7:80"}, SiteURL: "http://a.example"}, []string{"warn: without encryption", "ok: "}},
		{"provider's shared space", Listening{Listen: []string{"100.64.0.1:80"}, SiteURL: "http://a.example"}, []string{"warn: without encryption", "ok: "}},
		{"behind TLS", Listening{Listen: []string{"203.0.113.7:80"}, SiteURL: "https://a.example"}, []string{"ok: ", "ok: "}},
		{"any, private", Listening{Listen: []string{":80"}, Own: addrs("127.0.0.1", "10.1.1.1", "fe80::1")}, []string{"ok: ", "warn: not set"}},
		{"any, public", Listening{Listen: []string{"0.0.0.0:80"}, Own: addrs("127.0.0.1", "2001:db8::1")}, []string{"warn: without encryption", "warn: not set"}},
		{"a name", Listening{Listen: []string{"beamrider:80"}}, []string{"unknown: is not known"}},
		{"nonsense", Listening{Listen: []string{"80"}}, []string{"bad: cannot be listened on"}},
	} {
		says(t, tt.name, tt.l.Results(), tt.want...)
	}
}

func TestExport(t *testing.T) {
	says(t, "private", Export{"files", addrs("10.0.0.1", "fd00::1", "127.0.0.1")}.Results(), "ok: private network")
	says(t, "public", Export{"files", addrs("10.0.0.1", "203.0.113.9")}.Results(), "bad: public address 203.0.113.9")
	says(t, "mapped", Export{"files", addrs("::ffff:203.0.113.9")}.Results(), "bad: public address")
	says(t, "not resolved", Export{"files", nil}.Results(), "unknown: is not known")
}

func TestFolder(t *testing.T) {
	for _, tt := range []struct {
		kind   string
		sqlite bool
		want   string
	}{
		{"ext4", true, "ok: local disk"},
		{"tmpfs", false, "bad: in memory"},
		{"nfs", true, "bad: network file system"},
		{"nfs", false, "warn: network file system"},
		{"", false, "unknown: not known"},
		{"0x1234", true, "ok: local disk"},
	} {
		says(t, tt.kind, Folder{"/srv", tt.kind, tt.sqlite}.Results(), tt.want)
	}
	kind, err := FilesystemOf(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil || kind == "" {
		t.Errorf("here: %q, %v", kind, err)
	}
	if kind, err := FilesystemOf("/proc"); err != nil || kind != "0x9fa0" {
		t.Errorf("/proc: %q, %v", kind, err)
	}
	if _, err := FilesystemOf("/no/such/folder"); err == nil {
		t.Error("a folder that is not there has a type")
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	for mode, want := range map[os.FileMode]string{
		0o600: "ok: kept", 0o640: "ok: kept", 0o400: "ok: kept",
		0o644: "bad: Everybody", 0o602: "bad: Everybody", 0o660: "warn: group",
	} {
		path := filepath.Join(dir, fmt.Sprintf("%o", mode))
		if err := errors.Join(os.WriteFile(path, []byte("hunter2"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		got := Secrets(path)
		says(t, fmt.Sprintf("%o", mode), got, want)
		if strings.Contains(fmt.Sprint(got), "hunter2") {
			t.Error("the secret is in the result")
		}
	}
	says(t, "absent", Secrets(filepath.Join(dir, "none")), "bad: is not there")
	says(t, "below a file", Secrets(filepath.Join(dir, "600", "none")), "unknown: could not be found out")
	says(t, "none", Secrets())
}

func TestKeepalivedDoctor(t *testing.T) {
	sound := fmt.Sprintf(keepalivedText, "/run/beamrider/track")
	change := func(old, new string) string {
		if !strings.Contains(sound, old) {
			t.Fatalf("there is no %q to change", old)
		}
		return strings.ReplaceAll(sound, old, new)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"sound", sound, []string{"ok: "}},
		{"old name of the block, other layout", strings.NewReplacer("track_file beamrider {", "vrrp_track_file beamrider\n{", "/run/beamrider/track", `"/run/beamrider/track" ! note`).Replace(sound), []string{"ok: "}},
		{"second machine", change("priority 254", "priority 250"), []string{"ok: "}},
		{"no advert of the winner", change("vrrp_higher_prio_send_advert true", "vrrp_higher_prio_send_advert false"), []string{"bad: answering nowhere"}},
		{"priority", change("priority 254", "priority 100"), []string{"warn: neither 254 nor 250"}},
		{"master", change("state BACKUP", "state MASTER"), []string{"warn: moves twice"}},
		{"preempt", change("nopreempt", ""), []string{"warn: moves twice"}},
		{"version", change("vrrp_version 3", ""), []string{"warn: whole seconds"}},
		{"version of the instance", change("nopreempt", "nopreempt\nversion 2"), []string{"warn: whole seconds"}},
		{"address", change("10.66.0.100/24", "10.66.0.1/24"), []string{"warn: does not hold the address 10.66.0.100"}},
		{"other file", change("/run/beamrider/track", "/tmp/track"), []string{"bad: does not follow"}},
		{"weight", change("weight 0", "weight 10"), []string{"bad: weight other than 0"}},
		{"no weight", change("weight 0", ""), []string{"bad: weight other than 0"}},
		{"weight in the instance", strings.Replace(change("weight 0", "weight 7"), "    beamrider\n", "    beamrider weight 0\n", 1), []string{"ok: "}},
		{"not tracked", change("    beamrider\n", "    another\n"), []string{"bad: does not follow"}},
		{"include", sound + "include /etc/keepalived/*.conf\n", []string{"unknown: includes other files"}},
		{"empty", "", []string{"bad: answering nowhere", "bad: no vrrp_instance"}},
		{"torn", sound[:len(sound)-3], []string{"bad: line 10: the block that begins here is not closed"}},
	} {
		got := Keepalived{Text: tt.text, TrackFile: "/run/beamrider/track", Address: "10.66.0.100"}.Results()
		says(t, tt.name, got, tt.want...)
	}
	says(t, "nothing known", Keepalived{Text: sound}.Results(), "ok: ")
}

func TestParseKeepalivedErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a {\n":                            "line 1: the block",
		"a\n}\n":                           "line 2: a block is closed",
		"{\n}":                             "line 1: a block has no name",
		"ok\nauth_pass \"hunter2\n":        "line 2: a quote",
		strings.Repeat("a {\n", 40):        "line 17: blocks are nested",
		strings.Repeat("#", maxConf) + "#": "is not read",
	} {
		_, err := ParseKeepalived(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	got, err := ParseKeepalived("a { b \"{ c\" } # x {\n")
	if err != nil || len(got) != 1 || len(got[0].Block) != 1 || got[0].Block[0].Words[1] != "{ c" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// write writes directives as a file that is read as the same again.
func write(b *strings.Builder, block []Directive) {
	for _, d := range block {
		for _, w := range d.Words {
			b.WriteString(" \"" + w + "\"")
		}
		if len(d.Block) > 0 {
			b.WriteString(" {\n")
			write(b, d.Block)
			b.WriteString("}")
		}
		b.WriteString("\n")
	}
}

func FuzzParseKeepalived(f *testing.F) {
	f.Add(fmt.Sprintf(keepalivedText, "/run/track"))
	f.Add("a\n{ b \"c } d\" } ! e")
	f.Add("a { b } c { } {")
	f.Add("\"\" { x }")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range (Keepalived{Text: text, TrackFile: "/run/track", Address: "10.0.0.1"}).Results() {
			if r.Summary == "" || r.Level != OK && r.Next == "" {
				t.Errorf("%+v says nothing", r)
			}
		}
		conf, err := ParseKeepalived(text)
		if err != nil {
			return
		}
		var b strings.Builder
		write(&b, conf)
		again, err := ParseKeepalived(b.String())
		if len(b.String()) > maxConf {
			return
		}
		if err != nil || !sameWords(conf, again) {
			t.Errorf("%q is read as %+v, and what is written of that as %+v, %v", text, conf, again, err)
		}
	})
}

func sameWords(a, b []Directive) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if fmt.Sprintf("%q", a[i].Words) != fmt.Sprintf("%q", b[i].Words) || !sameWords(a[i].Block, b[i].Block) {
			return false
		}
	}
	return true
}

func TestRankedPutsTheWorstFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels := rapid.SliceOf(rapid.SampledFrom([]Level{OK, Warn, Bad, Unknown, Level(9)})).Draw(t, "levels")
		var list []Result
		for i, l := range levels {
			list = append(list, Result{Name: fmt.Sprint(i), Finding: Finding{Level: l}})
		}
		r := Ranked(noon, list...)
		if len(r.Results) != len(list) {
			t.Fatalf("%d results of %d", len(r.Results), len(list))
		}
		for i := 1; i < len(r.Results); i++ {
			if r.Results[i-1].Level.rank() < r.Results[i].Level.rank() {
				t.Fatalf("%v stands before %v", r.Results[i-1], r.Results[i])
			}
		}
		if len(list) > 0 && r.Level != r.Results[0].Level {
			t.Fatalf("the level is %v", r.Level)
		}
	})
}
