package remora_test

import (
	"fmt"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func releases() []remora.Release {
	return []remora.Release{
		{ID: 1, Number: remora.MustNumber("1.9"), State: remora.StatePublished, Interpreter: remora.InterpreterPython2, Range: remora.InferRange(remora.InterpreterPython2)},
		{ID: 2, Number: remora.MustNumber("1.10"), State: remora.StatePublished, Interpreter: remora.InterpreterPython3, Range: remora.InferRange(remora.InterpreterPython3)},
		{ID: 3, Number: remora.MustNumber("2"), State: remora.StateAwaiting, Interpreter: remora.InterpreterWeb, Range: remora.InferRange(remora.InterpreterWeb)},
		{ID: 4, Number: remora.MustNumber("3"), State: remora.StateDisabled},
	}
}

func TestSelect(t *testing.T) {
	for _, tt := range []struct {
		client remora.Client
		want   int
	}{
		{remora.Client{Sugar: remora.MustNumber("0.98")}, 0},
		{remora.Client{Sugar: remora.MustNumber("0.114")}, 1},
		{remora.Client{Sugar: remora.MustNumber("0.122")}, 1},
		{remora.Client{Sugar: remora.MustNumber("0.100"), Experimental: true}, 2},
		{remora.Client{Sugar: remora.MustNumber("0.80")}, -1},
		{remora.Client{}, 1},
		{remora.Client{Pin: remora.MustNumber("1.9")}, 0},
	} {
		vs := releases()
		if got := remora.Select(tt.client, vs); got != tt.want {
			t.Errorf("Select(%+v) = %d, want %d", tt.client, got, tt.want)
		}
		for i, v := range remora.Explain(tt.client, vs) {
			if (v.Reason == remora.ReasonOffered) != (i == tt.want) {
				t.Errorf("Explain(%+v)[%d] = %v, want %d offered", tt.client, i, v.Reason, tt.want)
			}
		}
		if n := testing.AllocsPerRun(10, func() { remora.Select(tt.client, vs) }); n != 0 {
			t.Errorf("Select allocates %v times", n)
		}
	}
}

func ExampleSelect() {
	old := remora.Client{Sugar: remora.MustNumber("0.98")}
	fmt.Println(releases()[remora.Select(old, releases())].Number)
	fmt.Println(remora.Explain(old, releases())[1].Reason)
	// Output:
	// 1.9
	// range
}
