package nfsproof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sugarlabs/beamrider/internal/guest"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/testpeers"
)

// programs are built once for all tests.
var programs struct {
	dir  string
	once map[string]func() error
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "nfsproof")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs.dir, programs.once = dir, make(map[string]func() error)
		for _, pkg := range []string{workerPackage, libraryPackage} {
			programs.once[pkg] = sync.OnceValue(func() error { return guest.Build(context.Background(), program(pkg), pkg) })
		}
		return m.Run()
	}())
}

const (
	workerPackage  = "github.com/sugarlabs/beamrider/internal/nfsproof/worker"
	libraryPackage = "github.com/sugarlabs/beamrider/cmd/remora-server"
)

func program(pkg string) string { return filepath.Join(programs.dir, path.Base(pkg)) }

// built returns a program of this module.
func built(t *testing.T, pkg string) string {
	t.Helper()
	if err := programs.once[pkg](); err != nil {
		t.Fatal(err)
	}
	return program(pkg)
}

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
	return &Bench{Lab: lab, Worker: built(t, workerPackage)}
}

// One power cut at each place; make proof-nfsstore has more. That the checks can find something is shown
// by a server that says of what it has in memory that it is on disk.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
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
