package replicaproof

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if Peer() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestProof(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for i := range 3 {
		fault := Faults[(i+int(seed%uint64(len(Faults))))%len(Faults)]
		r, err := Run(t.Context(), i+1, seed, fault, i == 0)
		t.Logf("%+v", r)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(r.Violations) > 0 {
			t.Errorf("seed %d: %+v", seed, r.Violations)
		}
	}
}

func TestOne(t *testing.T) {
	for _, fault := range Faults {
		t.Run(string(fault), func(t *testing.T) {
			r, err := Run(t.Context(), 1, 1, fault, fault == KillPrimary)
			t.Logf("%+v", r)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Violations) > 0 {
				t.Errorf("%+v", r.Violations)
			}
		})
	}
}

func TestControls(t *testing.T) {
	for _, c := range Controls {
		t.Run(c.Name, func(t *testing.T) {
			f, err := RunControl(t.Context(), c, 1)
			t.Logf("%+v", f)
			if err != nil {
				t.Fatal(err)
			}
			if !f.Found {
				t.Errorf("the checks found nothing: %s", f.Text)
			}
		})
	}
}

func TestAvailable(t *testing.T) {
	a, err := Available(t.Context(), 1, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", a)
	if !a.Honest() {
		t.Errorf("what was acknowledged in one copy was not said to be: %s", a.Line())
	}
}
