package nfsproof

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/require"
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

// One power cut at each place; make proof has more.
func TestPowerCuts(t *testing.T) {
	b := bench(t)
	for _, p := range Places {
		t.Run(p.Name, func(t *testing.T) {
			r, err := b.Cut(t.Context(), p, 60+rand.IntN(60))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v, in %v", r.Found, r.Took)
			if r.Found.Broken() {
				t.Errorf("%v\n%v", r.Found, r.Found.Examples)
			}
			if r.Found.Files == 0 {
				t.Error("there are no files at all")
			}
		})
	}
}
