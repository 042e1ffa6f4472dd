package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string
		want *order // nil: an error
	}{
		{"", nil}, {"grow", nil}, {"stage", nil}, {"stage 4", nil}, {"stage -1", nil}, {"stage x", nil}, {"stage 0 1", nil}, {"stage 0 --json f", nil}, {"prove 3", nil},
		{"stage 2", &order{stage: 2}},
		{"stage 3 --keep --server /x", &order{stage: 3, keep: true, server: "/x"}},
		{"prove --json out.json", &order{prove: true, json: "out.json"}},
	} {
		got, err := parse(strings.Fields(test.args))
		if (err != nil) != (test.want == nil) {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(order{})); diff != "" && test.want != nil {
			t.Errorf("%q (-want +got):\n%s", test.args, diff)
		}
	}
}

func TestBroken(t *testing.T) {
	report := func(step string, c load.Count) load.Report {
		return load.Report{Steps: []load.Step{{Name: step, Kinds: []load.Count{c}}}}
	}
	for _, test := range []struct {
		name string
		step string
		c    load.Count
		want int
	}{
		{"all is well", "stage 1", load.Count{Kind: load.KindPage, Sent: 2, OK: 2}, 0},
		{"a read fails while it grows", "stage 1", load.Count{Kind: load.KindPage, Sent: 2, OK: 1, Failed: 1}, 1},
		{"a read fails while something is broken", "balancer", load.Count{Kind: load.KindPage, Sent: 2, OK: 1, Failed: 1}, 0},
		{"a wrong answer while something is broken", "balancer", load.Count{Kind: load.KindUpdate, Sent: 2, OK: 1, Wrong: 1}, 1},
		{"no read at all", "balancer", load.Count{Kind: load.KindUpdate, Sent: 2, Failed: 2}, 1},
		{"imports are told to come back", "stage 1", load.Count{Kind: load.KindImport, Sent: 3, Refused: 3}, 0},
		{"an import fails while it grows", "stage 1", load.Count{Kind: load.KindImport, Sent: 3, Failed: 1, OK: 2}, 1},
	} {
		if got := brokenIn(report(test.step, test.c)); len(got) != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestLate(t *testing.T) {
	second := seconds(time.Second)
	timer := &timer{all: []took{{"a", "in time", second, second}, {"a", "slow", 5 * second, second}, {"b", "too slow", 5*second + 1, second}}}
	late := timer.late()
	if len(late) != 1 || late[0].What != "too slow" {
		t.Errorf("%+v", late)
	}
}

func TestPromoteCommand(t *testing.T) {
	for text, want := range map[string]string{
		"next: remora-server db promote second":                                    "db promote second",
		"BAD no primary\n  remora-server --config /srv/m.toml db promote second\n": "db promote second",
		"nothing to do":            "",
		"remora-server db promote": "",
	} {
		got := ""
		if m := promoteCommand.FindStringSubmatch(text); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
