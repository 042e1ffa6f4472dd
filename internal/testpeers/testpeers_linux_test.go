package testpeers_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/internal/child"
	"github.com/sugarlabs/beamrider/internal/testpeers"
)

// The foreign server and the foreign client understand each other, so what one of them has against ours
// is not the other's doing.
func TestPeers(t *testing.T) {
	server := exec.Command(testpeers.Build(t, "gonfsd"), "-d", t.TempDir(), "-sync")
	p, err := child.Start(server)
	if err == nil {
		err = p.Says("listening at ", time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	_, address, _ := strings.Cut(p.Log(), "listening at ")
	client := testpeers.Build(t, "gonfsclient")
	run := func(in string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), client, append([]string{"-nfs", address, "-export", "/"}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
		}
		return out
	}
	got := run(`
		mkdir d
		write d/f 300000 7
		read d/f 300000 7
		read d/f 300000 8
		rename d/f d/g
		readdir d
		remove d/f`, "job")
	want := []byte(`{"step":"mkdir d"}
{"step":"write d/f 300000 7"}
{"step":"read d/f 300000 7"}
{"step":"read d/f 300000 8","error":"d/f holds 300000 other bytes"}
{"step":"rename d/f d/g"}
{"step":"readdir d","names":["g"]}
{"step":"remove d/f","error":"NFS3ERR_NOENT"}
`)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var report struct {
		N, Size          int
		Put, Get, Remove struct{ Seconds float64 }
	}
	out := run("", "bench", "-n", "20", "-size", "1000")
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&report); err != nil {
		t.Fatal(err)
	}
	if report.N != 20 || report.Size != 1000 || report.Put.Seconds <= 0 || report.Get.Seconds <= 0 || report.Remove.Seconds <= 0 {
		t.Errorf("the bench says %s", out)
	}
}
