package nfsproof

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/testpeers"
)

// bench returns a lab with the worker for its guests.
func bench(t *testing.T) *Bench {
	t.Helper()
	if err := guest.Missing(); err != nil {
		require.Skip(t, err.Error())
	}
	lab, err := guest.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &Bench{Lab: lab, Worker: filepath.Join(t.TempDir(), "worker")}
	if err := guest.Build(t.Context(), b.Worker, "github.com/sugarlabs/beamrider/internal/nfsproof/worker"); err != nil {
		t.Fatal(err)
	}
	return b
}

// One power cut at each place; make proof-nfsstore has more. That the checks can find something is shown
// by a server that says of what it has in memory that it is on disk.
func TestPowerCuts(t *testing.T) {
	b := bench(t)
	b.GoNFS = testpeers.Build(t, "gonfsd")
	liar := Controls[len(Controls)-1]
	for _, p := range append(Places, liar) {
		t.Run(p.Name, func(t *testing.T) {
			r, err := b.Cut(t.Context(), p, 60+rand.IntN(60))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v, in %v", r.Found, r.Took)
			switch {
			case p == liar && !r.Found.Broken():
				t.Error("nothing was lost by a server that syncs nothing")
			case p == liar:
			case r.Found.Broken():
				t.Errorf("%v\n%v", r.Found, r.Found.Examples)
			case r.Found.Files == 0:
				t.Error("there are no files at all")
			}
		})
	}
}
