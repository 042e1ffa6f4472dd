package nfsproof

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/require"
)

// lab returns a lab and the worker for its guests.
func lab(t *testing.T) (*guest.Lab, string) {
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
	worker := filepath.Join(t.TempDir(), "worker")
	if err := guest.Build(t.Context(), worker, "github.com/sugarlabs/beamrider/internal/nfsproof/worker"); err != nil {
		t.Fatal(err)
	}
	return lab, worker
}

// One power cut at each place; make proof has more.
func TestPowerCuts(t *testing.T) {
	lab, worker := lab(t)
	for _, p := range Places {
		t.Run(p.Name, func(t *testing.T) {
			r, err := Cut(t.Context(), lab, t.TempDir(), worker, p, 60+rand.IntN(60))
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
