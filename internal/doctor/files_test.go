package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/nfsstore"
)

func TestResultsOfAProbe(t *testing.T) {
	for name, c := range map[string]struct {
		advice []nfsstore.Advice
		want   []string
	}{
		"nothing": {nil, []string{"ok: Files may be kept in /srv. "}},
		"all kinds": {
			[]nfsstore.Advice{{Level: nfsstore.LevelError, Text: "e"}, {Level: nfsstore.LevelWarn, Text: "w"}, {Level: nfsstore.LevelInfo, Text: "i"}},
			[]string{"bad: e remora-server files probe /srv says more.", "warn: w remora-server files probe /srv says more.", "ok: i "},
		},
	} {
		var got []string
		for _, x := range placeResults("/srv", &nfsstore.Report{Advice: c.advice}) {
			got = append(got, fmt.Sprint(x.Level, ": ", x.Summary, " ", x.Next))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestAPlaceIsLeftAsItWas, and what is not there is not made.
func TestAPlaceIsLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	if got := files(t.Context(), filepath.Join(dir, "none")); got != nil {
		t.Errorf("of nothing it says %v", got)
	}
	if got := files(t.Context(), dir); len(got) == 0 {
		t.Error("of a folder it says nothing")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("it has left %v, %v", left, err)
	}
	if got := files(t.Context(), "smb://x"); len(got) != 1 || got[0].Next == "" {
		t.Errorf("of what can be no place it says %v", got)
	}
}
