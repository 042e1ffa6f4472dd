package replicaproof

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sugarlabs/beamrider/internal/mariachild"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/testdb"
)

var seed = flag.Uint64("proof.seed", uint64(time.Now().UnixNano()), "the `number` that chances, and the first fault, are taken from")

func TestMain(m *testing.M) {
	if Peer() {
		return
	}
	if err := testdb.Memory(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// carriedOut ends the test when what it is about could not be done.
func carriedOut(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, mariachild.ErrAbsent) {
		require.Skip(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Three rounds; make proof has more.
func TestProof(t *testing.T) {
	for i := range 3 {
		fault := Faults[(*seed+uint64(i))%uint64(len(Faults))]
		t.Run(string(fault), func(t *testing.T) {
			t.Logf("-proof.seed=%d", *seed)
			r, err := Run(t.Context(), i+1, *seed+uint64(i), fault, i == 0)
			carriedOut(t, err)
			t.Log(r.Line())
			if len(r.Violations) > 0 {
				t.Errorf("%d rules were broken", len(r.Violations))
			}
			if r.Acknowledged < before || r.OwnReads == 0 || r.OtherReads == 0 || r.StrongReads == 0 {
				t.Errorf("too little happened for a proof: %+v", r)
			}
			for _, n := range r.Notes {
				t.Log(n)
			}
		})
	}
}

// The quick ones of the controls; make proof has all.
func TestControls(t *testing.T) {
	for _, name := range []string{"blind", "undrained"} {
		t.Run(name, func(t *testing.T) {
			c, ok := ControlNamed(name)
			if !ok {
				t.Fatal("there is no such control")
			}
			f, err := RunControl(t.Context(), c, *seed)
			carriedOut(t, err)
			t.Log(f.Line())
			if !f.Found {
				t.Errorf("the checks found nothing: %+v", f)
			}
		})
	}
}

// With a shorter time-out than the mode's, which is for make proof.
func TestAvailable(t *testing.T) {
	a, err := Available(t.Context(), *seed, time.Second)
	carriedOut(t, err)
	if !a.Honest() {
		t.Errorf("what was acknowledged in one copy was not said to be: %s", a.Line())
	}
}
