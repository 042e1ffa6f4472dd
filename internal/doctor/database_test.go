package doctor

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/replica/diagnose"
)

func TestResultsOfADiagnosis(t *testing.T) {
	r := &diagnose.Report{
		Servers: []diagnose.Server{{Name: "a", Role: "primary", Version: "10.11"}, {Name: "b", Role: "replica", Version: "10.11"}, {Name: "c"}},
		Findings: []diagnose.Finding{
			{Level: diagnose.Bad, Code: "no_primary", Summary: "No server.", Next: "Promote."},
			{Level: diagnose.Unknown, Node: "c", Summary: "No answer.", Next: "Look."},
			{Level: diagnose.Warn, Node: "b", Summary: "Slow.", Next: "Threads."},
			{Level: diagnose.Note, Node: "a", Summary: "By hand.", Next: "File."},
		},
	}
	var got []string
	for _, x := range Results(r) {
		got = append(got, fmt.Sprint(x.Name, ": ", x.Level, ": ", x.Summary, " ", x.Next))
	}
	want := []string{
		"MariaDB: bad: No server. Promote.",
		"MariaDB c: unknown: No answer. Look.",
		"MariaDB b: warn: Slow. Threads.",
		"MariaDB a: ok: By hand. File.",
		"MariaDB a: ok: It is set up as it should be (primary, 10.11). ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
