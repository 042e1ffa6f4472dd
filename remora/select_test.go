package remora_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func releases() []remora.Release {
	return []remora.Release{
		{ID: 1, Number: remora.MustNumber("1.9"), State: remora.StatePublished, Interpreter: remora.InterpreterPython2, Range: remora.InferRange(remora.InterpreterPython2)},
		{ID: 2, Number: remora.MustNumber("1.10"), State: remora.StatePublished, Interpreter: remora.InterpreterPython3, Range: remora.InferRange(remora.InterpreterPython3)},
		{ID: 3, Number: remora.MustNumber("2"), State: remora.StateAwaiting, Interpreter: remora.InterpreterWeb, Range: remora.InferRange(remora.InterpreterWeb)},
		{ID: 4, Number: remora.MustNumber("3"), State: remora.StateDisabled},
		{ID: 5, Number: remora.MustNumber("2.0-beta"), State: remora.StatePublished, Channel: remora.ChannelExperimental, Range: remora.Range{Min: remora.MustNumber("0.100")}},
		{ID: 6, Number: remora.MustNumber("1.10-arm"), State: remora.StatePublished, Interpreter: remora.InterpreterNative, Range: remora.Range{Min: remora.MustNumber("0.114")}, Archs: []string{"armv7l", "aarch64"}},
	}
}

func TestSelect(t *testing.T) {
	type reasons = []remora.Reason
	const (
		offered, newer, state, channel    = remora.ReasonOffered, remora.ReasonNewer, remora.ReasonState, remora.ReasonChannel
		pin, sugar, interpreter, otherCPU = remora.ReasonPin, remora.ReasonRange, remora.ReasonInterpreter, remora.ReasonArch
	)
	number := remora.MustNumber
	for _, tt := range []struct {
		name   string
		client remora.Client
		want   int
		why    reasons
	}{
		{"old Sugar", remora.Client{Sugar: number("0.98")}, 0, reasons{offered, sugar, state, state, channel, sugar}},
		{"unknown processor", remora.Client{Sugar: number("0.114")}, 5, reasons{newer, newer, state, state, channel, offered}},
		{"other processor", remora.Client{Sugar: number("0.114"), Arch: "x86_64"}, 1, reasons{newer, offered, state, state, channel, otherCPU}},
		{"its processor", remora.Client{Sugar: number("0.114"), Arch: "aarch64"}, 5, reasons{newer, newer, state, state, channel, offered}},
		{"new Sugar", remora.Client{Sugar: number("0.122"), Arch: "i686"}, 1, reasons{sugar, offered, state, state, channel, otherCPU}},
		{"experimental", remora.Client{Sugar: number("0.100"), Experimental: true}, 4, reasons{newer, sugar, newer, state, offered, sugar}},
		{"too old for all", remora.Client{Sugar: number("0.80")}, -1, reasons{sugar, sugar, state, state, channel, sugar}},
		{"nothing known", remora.Client{}, 5, reasons{newer, newer, state, state, channel, offered}},
		{"pinned", remora.Client{Pin: number("1.9.0")}, 0, reasons{offered, pin, state, state, channel, pin}},
		{"pinned to what is not for it", remora.Client{Pin: number("1.9"), Sugar: number("0.122")}, -1, reasons{sugar, pin, state, state, channel, pin}},
		{"pinned to what is disabled", remora.Client{Pin: number("3"), Experimental: true}, -1, reasons{pin, pin, pin, state, pin, pin}},
		{"only Python 2", remora.Client{Interpreters: remora.InterpretersOf(remora.InterpreterPython2)}, 0, reasons{offered, interpreter, state, state, channel, interpreter}},
		{"only web, experimental", remora.Client{Interpreters: remora.InterpretersOf(remora.InterpreterWeb), Experimental: true}, 4, reasons{interpreter, interpreter, newer, state, offered, interpreter}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vs := releases()
			if got := remora.Select(tt.client, vs); got != tt.want {
				t.Errorf("Select = %d, want %d", got, tt.want)
			}
			var why reasons
			for i, v := range remora.Explain(tt.client, vs) {
				why = append(why, v.Reason)
				if diff := gocmp.Diff(vs[i], v.Release, numbersByValue) + gocmp.Diff(tt.client, v.Client, numbersByValue); diff != "" {
					t.Errorf("verdict %d is of another release or client:\n%s", i, diff)
				}
			}
			if diff := gocmp.Diff(tt.why, why); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			var a remora.Activity
			for _, r := range vs {
				a.Versions = append(a.Versions, remora.Version{Release: r})
			}
			switch best := a.Select(tt.client); {
			case (best == nil) != (tt.want < 0), best != nil && best.ID != vs[tt.want].ID:
				t.Errorf("Activity.Select = %+v", best)
			case best != nil && best != &a.Versions[tt.want]:
				t.Error("Activity.Select returns a copy")
			}
			for i, v := range a.Explain(tt.client) {
				if v.Reason != tt.why[i] {
					t.Errorf("Activity.Explain[%d] = %v, want %v", i, v.Reason, tt.why[i])
				}
			}
		})
	}
	if got := remora.Select(remora.Client{}, nil); got != -1 {
		t.Errorf("Select of nothing = %d", got)
	}
	if got := remora.Explain(remora.Client{}, nil); len(got) != 0 {
		t.Errorf("Explain of nothing = %v", got)
	}
}

// modelSelect is Select said another way: put the best first, then take the first that nothing
// speaks against.
func modelSelect(c remora.Client, vs []remora.Release) (best int, why []remora.Reason) {
	order := make([]int, len(vs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(slowCompare(vs[b].Number.String(), vs[a].Number.String()), cmp.Compare(vs[b].ID, vs[a].ID))
	})
	inside := func(r remora.Range, n string) bool {
		return (r.Min.String() == "" || slowCompare(n, r.Min.String()) >= 0) && (r.Max.String() == "" || slowCompare(n, r.Max.String()) <= 0)
	}
	faults := func(v remora.Release) (all []remora.Reason) {
		states := map[remora.State]bool{remora.StatePublished: true, remora.StateAwaiting: c.Experimental}
		if !states[v.State] {
			all = append(all, remora.ReasonState)
		}
		if v.Channel == remora.ChannelExperimental && !c.Experimental {
			all = append(all, remora.ReasonChannel)
		}
		if pin := c.Pin.String(); pin != "" && slowCompare(pin, v.Number.String()) != 0 {
			all = append(all, remora.ReasonPin)
		}
		if sugar := c.Sugar.String(); sugar != "" && !inside(v.Range, sugar) {
			all = append(all, remora.ReasonRange)
		}
		if c.Interpreters != 0 && v.Interpreter != remora.InterpreterUnknown {
			can := false
			for i := remora.InterpreterPython2; i <= remora.InterpreterScript; i++ {
				can = can || c.Interpreters.Has(i) && v.Interpreter == i
			}
			if !can {
				all = append(all, remora.ReasonInterpreter)
			}
		}
		if c.Arch != "" && v.Archs != nil {
			fits := map[string]bool{}
			for _, a := range v.Archs {
				fits[a] = true
			}
			if !fits[c.Arch] {
				all = append(all, remora.ReasonArch)
			}
		}
		return all
	}
	best = -1
	why = make([]remora.Reason, len(vs))
	for _, i := range order {
		switch all := faults(vs[i]); {
		case len(all) > 0:
			why[i] = slices.Min(all) // the constants are in the order of the filters
		case best < 0:
			best, why[i] = i, remora.ReasonOffered
		default:
			why[i] = remora.ReasonNewer
		}
	}
	return best, why
}

// choice reads small choices from bytes; from an empty source it always takes the first.
type choice struct{ data []byte }

func (c *choice) of(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

var (
	someNumbers = []string{"1", "1.0", "1-peru", "1.9", "1.10", "2", "33~dfsg", "33", "34"}
	someSugars  = []string{"", "0.82", "0.98", "0.100", "0.114", "0.116", "0.122"}
	someArchs   = []string{"", "x86_64", "armv7l", "aarch64"}
)

func (c *choice) number(from []string) remora.Number {
	s := from[c.of(len(from))]
	if s == "" {
		return remora.Number{}
	}
	return remora.MustNumber(s)
}

func (c *choice) client() remora.Client {
	client := remora.Client{
		Sugar:        c.number(someSugars),
		Interpreters: remora.Interpreters(c.of(64)) &^ 1,
		Arch:         someArchs[c.of(len(someArchs))],
		Experimental: c.of(2) == 1,
	}
	if c.of(3) == 1 {
		client.Pin = c.number(someNumbers)
	}
	return client
}

func (c *choice) release(id int64) remora.Release {
	r := remora.Release{
		ID:          id,
		Number:      c.number(someNumbers),
		State:       []remora.State{remora.StatePublished, remora.StatePublished, remora.StateAwaiting, remora.StateDraft, remora.StateRejected, remora.StateDisabled, remora.StateDeleted}[c.of(7)],
		Channel:     remora.Channel(c.of(2)),
		Range:       remora.Range{Min: c.number(someSugars), Max: c.number(someSugars)},
		Interpreter: remora.Interpreter(c.of(6)),
	}
	for range c.of(3) {
		r.Archs = append(r.Archs, someArchs[1+c.of(len(someArchs)-1)])
	}
	return r
}

func FuzzSelect(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{4, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0})
	f.Add([]byte("\x02\x08\x01\x01\x00\x08\x01\x02\x01\x03\x02\x01\x02\x01\x05\x06\x04\x02\x02\x02\x01\x01\x01\x01"))
	r := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		seed := make([]byte, 20+r.IntN(150))
		for i := range seed {
			seed[i] = byte(r.IntN(256))
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choice{data: data}
		client := c.client()
		var vs []remora.Release
		for id := int64(1); len(c.data) > 0 && id <= 24; id++ {
			vs = append(vs, c.release(id))
		}
		best, why := modelSelect(client, vs)
		if got := remora.Select(client, vs); got != best {
			t.Fatalf("Select = %d, want %d\nclient %+v\nreleases %+v", got, best, client, vs)
		}
		for i, v := range remora.Explain(client, vs) {
			if v.Reason != why[i] {
				t.Fatalf("Explain[%d] = %v, want %v\nclient %+v\nrelease %+v", i, v.Reason, why[i], client, vs[i])
			}
		}
		shuffled := slices.Clone(vs)
		r := rand.New(rand.NewPCG(uint64(len(data)), uint64(len(vs))))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got := remora.Select(client, shuffled)
		if (got < 0) != (best < 0) || got >= 0 && shuffled[got].ID != vs[best].ID {
			t.Fatalf("in another order Select chooses index %d of %+v, before %d of %+v", got, shuffled, best, vs)
		}
		if n := testing.AllocsPerRun(2, func() { remora.Select(client, vs) }); n != 0 {
			t.Fatalf("Select allocates %v times", n)
		}
	})
}
