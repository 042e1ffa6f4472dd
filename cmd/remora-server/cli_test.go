package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/testdb"
)

// TestScripts runs testdata/script and testdata/disk: each is a session at a terminal with what it must say.
func TestScripts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scripts := testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(asProgram, "1")
			bin := filepath.Join(e.WorkDir, ".bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				return err
			}
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			return os.Symlink(self, filepath.Join(bin, "remora-server"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// bundle DIR BUNDLE_ID NUMBER [EXEC] writes a small bundle.
			"bundle": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) < 3 {
					ts.Fatalf("usage: bundle DIR BUNDLE_ID NUMBER [EXEC]")
				}
				dir := ts.MkAbs(args[0])
				ts.Check(os.MkdirAll(dir, 0o755))
				writeBundle(t, dir, args[1], args[2], strings.Join(args[3:], " "))
			},
			// exits N runs the rest and wants this exit status.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				if got := fmt.Sprint(exitStatus(err)); (got == args[0]) == neg {
					ts.Fatalf("exit status %s, want %s", got, args[0])
				}
			},
		},
	}
	testscript.Run(t, scripts)
	// Doctor says of a data folder in memory that it is lost at a restart.
	scripts.Dir, scripts.WorkdirRoot = "testdata/disk", testdb.Disk(t)
	testscript.Run(t, scripts)
}

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(interface{ ExitCode() int }); ok {
		return e.ExitCode()
	}
	return -1
}

// TestEveryCommandHasHelp walks the whole grammar.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, words := range [][]string{
		{}, {"serve"}, {"import"}, {"check"}, {"catalog"}, {"catalog", "list"}, {"catalog", "show"}, {"catalog", "why"}, {"catalog", "set"},
		{"catalog", "hide"}, {"catalog", "unhide"}, {"catalog", "remove"}, {"catalog", "feature"}, {"catalog", "export-index"}, {"catalog", "audit"},
		{"collection", "import"}, {"backup"}, {"restore"}, {"config", "show"}, {"version"},
		{"db"}, {"db", "accounts"}, {"db", "copy"}, {"db", "diagnose"}, {"db", "prepare"}, {"db", "promote"}, {"db", "rejoin"}, {"db", "write-mode"}, {"files"}, {"files", "check"}, {"files", "mirror"}, {"files", "move"}, {"files", "nfsd"}, {"files", "probe"}, {"files", "sweep"}, {"status"}, {"doctor"},
	} {
		var out, errs strings.Builder
		code := run(t.Context(), append(words, "--help"), noEnv, nil, &out, &errs)
		if code != 0 || !strings.Contains(out.String(), "Usage: remora-server "+strings.Join(words, " ")) {
			t.Errorf("%v: exit status %d\n%s%s", words, code, out.String(), errs.String())
		}
	}
}

func TestWhatIsTypedWrongIsSaid(t *testing.T) {
	for _, args := range [][]string{{"serv"}, {"serve", "--lissten", ":80"}, {"catalog"}, {"import"}, {strings.Repeat("x", 40)}, {"serve", "--listen", "here"}} {
		var out, errs strings.Builder
		if code := run(t.Context(), args, noEnv, nil, &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: exit status %d, want %d\n%s", args, code, exitUsage, errs.String())
		}
	}
}

// TestDebianActivities imports every Sugar activity that Debian packages, as unpacked folders.
// .ci/run fetches them; by hand: internal/scripts/fetch-debian-activities.
func TestDebianActivities(t *testing.T) {
	t.Parallel()
	const folder = "../../testdata/debian"
	if _, err := os.Stat(folder); err != nil {
		require.Skip(t, "Debian's activities are not in testdata/debian; internal/scripts/fetch-debian-activities fetches them")
	}
	data := t.TempDir()
	out := mustRun(t, "import", "--json", "--data", data, folder)
	var report struct {
		New, Existing int
		Refused       []any
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Refused) > 0 || report.New < 11 {
		t.Errorf("want all of at least 11 taken:\n%s", out)
	}
	if got := checkWhole(t, data); got != report.New {
		t.Errorf("%d versions are offered, want %d", got, report.New)
	}
}
