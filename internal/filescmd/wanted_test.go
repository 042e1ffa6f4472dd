package filescmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWantedInOrder(t *testing.T) {
	var names []string
	list := inOrder([]wanted{{name: "uploads/b"}, {name: "icons/x"}, {name: "public/a"}, {name: "icons/x"}})
	for _, w := range list {
		names = append(names, w.name)
		if got := find(list, w.name); got == nil || got.name != w.name {
			t.Errorf("%s is not found", w.name)
		}
	}
	if diff := cmp.Diff([]string{"icons/x", "public/a", "uploads/b"}, names); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"", "icons", "icons/y", "zzz"} {
		if got := find(list, name); got != nil {
			t.Errorf("%q is taken for %s", name, got.name)
		}
	}
}

// TestWhatChangesMeanwhile is neither missing nor unknown.
func TestWhatChangesMeanwhile(t *testing.T) {
	now := inOrder([]wanted{{name: "public/new"}, {name: "public/stays"}})
	was := []finding{{Kind: missing, Name: "public/withdrawn"}, {Kind: missing, Name: "public/stays"}}
	if diff := cmp.Diff([]finding{{Kind: missing, Name: "public/stays"}}, still(was, now, true)); diff != "" {
		t.Error(diff)
	}
	was = []finding{{Kind: unknown, Name: "public/new"}, {Kind: unknown, Name: "uploads/rest"}}
	if diff := cmp.Diff([]finding{{Kind: unknown, Name: "uploads/rest"}}, still(was, now, false)); diff != "" {
		t.Error(diff)
	}
}

func TestReports(t *testing.T) {
	for name, c := range map[string]struct {
		report report
		want   string
	}{
		"whole":   {report{Place: "/srv", Done: true, Files: 1, Bytes: 2000}, "/srv: 1 file looked at, 2.0 kB read; all are whole.\n"},
		"unknown": {report{Place: "/srv", Done: true, Unknown: 2}, "/srv: 0 files looked at, 0 bytes read; all are whole; 2 unknown to the catalog.\n"},
		"broken off": {report{Place: "/srv", Files: 3, Missing: 1, Left: 1, Findings: []finding{{Kind: missing, Name: "icons/x", Of: "the icon of org.example.Dance", Next: "do it"}}},
			"missing      icons/x, the icon of org.example.Dance\n/srv: 3 files looked at, 0 bytes read; not finished; so far 1 missing, 0 damaged.\nnext: do it\n"},
		"hostile": {report{Place: "/srv", Done: true, Damaged: 1, Repaired: 1, Findings: []finding{{Kind: damaged, Name: "a\x1b[2J", Repaired: "/copy"}}},
			"damaged      \"a\\x1b[2J\"\n             repaired from /copy\n/srv: 0 files looked at, 0 bytes read; 0 missing, 1 damaged, all of them repaired.\n"},
	} {
		var b strings.Builder
		if err := c.report.text(&b); err != nil || b.String() != c.want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, &b, c.want)
		}
	}
}
