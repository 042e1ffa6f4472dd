package remora

import "slices"

// A Client is what is known of the laptop that asks.
type Client struct {
	Sugar        Number       // its Sugar release; zero: unknown, every range fits
	Interpreters Interpreters // what it can start; zero: what its Sugar has, which the ranges already say
	Arch         string       // its processor as "uname -m" says it; "": unknown, every architecture fits
	Experimental bool         // asks for awaiting versions and the experimental channel too
	Pin          Number       // only this number; zero: any
}

// A Reason is why a release is offered, or why it is not.
type Reason uint8

// The reasons, in the order in which the filters apply.
const (
	ReasonOffered     Reason = iota // it is the one
	ReasonNewer                     // it fits, but a newer one fits too
	ReasonState                     // it is not offered in its state
	ReasonChannel                   // it is experimental and the client did not ask for that
	ReasonPin                       // another number was asked for
	ReasonRange                     // it is not for the client's Sugar
	ReasonInterpreter               // the client has nothing to start it with
	ReasonArch                      // its native parts are for other processors
)

var reasonNames = [...]string{"offered", "newer", "state", "channel", "pin", "range", "interpreter", "arch"}

// String returns the stable code of the reason.
func (r Reason) String() string {
	if int(r) >= len(reasonNames) {
		return "invalid"
	}
	return reasonNames[r]
}

// A Verdict says what became of one release. Reason is the code; Release and Client hold the
// arguments a sentence about it needs (the range and whether it was inferred, the client's Sugar).
type Verdict struct {
	Reason  Reason
	Release Release
	Client  Client
}

// Select returns the index in vs of the release to offer to c, or -1 when none fits: of those that
// pass every filter the one with the highest (Number, ID). The order of vs does not matter. Select
// never falls back to an unsuitable release and does not allocate.
func Select(c Client, vs []Release) (best int) {
	return SelectFunc(c, len(vs), func(i int) *Release { return &vs[i] })
}

// SelectFunc is Select over any n releases that at returns by index, for callers whose releases
// are parts of larger values. at must return the same release each time.
func SelectFunc(c Client, n int, at func(i int) *Release) (best int) {
	best = -1
	for i := range n {
		r := at(i)
		if c.refusal(r) != ReasonOffered {
			continue
		}
		if best < 0 || newer(r, at(best)) {
			best = i
		}
	}
	return best
}

// Explain returns one Verdict for each release, in the order of vs. Exactly the release that
// Select would choose has [ReasonOffered].
func Explain(c Client, vs []Release) []Verdict {
	best := Select(c, vs)
	out := make([]Verdict, len(vs))
	for i := range vs {
		reason := c.refusal(&vs[i])
		if reason == ReasonOffered && i != best {
			reason = ReasonNewer
		}
		out[i] = Verdict{Reason: reason, Release: vs[i], Client: c}
	}
	return out
}

// refusal returns the first filter that r fails, or ReasonOffered.
func (c *Client) refusal(r *Release) Reason {
	switch {
	case r.State != StatePublished && (r.State != StateAwaiting || !c.Experimental):
		return ReasonState
	case r.Channel != ChannelStable && !c.Experimental:
		return ReasonChannel
	case !c.Pin.IsZero() && c.Pin.Compare(r.Number) != 0:
		return ReasonPin
	case !c.Sugar.IsZero() && !r.Range.Contains(c.Sugar):
		return ReasonRange
	case c.Interpreters != 0 && r.Interpreter != InterpreterUnknown && !c.Interpreters.Has(r.Interpreter):
		return ReasonInterpreter
	case c.Arch != "" && len(r.Archs) > 0 && !slices.Contains(r.Archs, c.Arch):
		return ReasonArch
	}
	return ReasonOffered
}

func newer(a, b *Release) bool {
	if c := a.Number.Compare(b.Number); c != 0 {
		return c > 0
	}
	return a.ID > b.ID
}
