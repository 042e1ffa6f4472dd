package remora

// A State is where a version stands between upload and removal.
type State uint8

// The states of a version.
const (
	StateDraft     State = iota // stored, not yet offered; what a crash in mid-import leaves
	StateAwaiting               // submitted for review; offered only to those who ask for experimental ones
	StatePublished              // offered
	StateRejected               // reviewed and refused
	StateDisabled               // withdrawn; can come back
	StateDeleted                // removed for good; its number and file name stay taken
)

var stateNames = [...]string{"draft", "awaiting", "published", "rejected", "disabled", "deleted"}

// String returns the stable word for the state.
func (s State) String() string {
	if int(s) >= len(stateNames) {
		return "invalid"
	}
	return stateNames[s]
}

// ParseState reads what [State.String] wrote.
func ParseState(s string) (State, error) {
	for i, name := range stateNames {
		if s == name {
			return State(i), nil
		}
	}
	return 0, Errorf(KindInvalid, "state.unknown", "There is no version state %s.", quote(s))
}

// transitions is the whole life of a version: which states each may become.
var transitions = [...][]State{
	StateDraft:     {StateAwaiting, StatePublished, StateDeleted},
	StateAwaiting:  {StatePublished, StateRejected, StateDisabled, StateDeleted},
	StatePublished: {StateDisabled, StateDeleted},
	StateRejected:  {StateAwaiting, StateDeleted},
	StateDisabled:  {StatePublished, StateAwaiting, StateDeleted},
	StateDeleted:   {},
}

// CanBecome reports whether a version in state s may move to state to.
func (s State) CanBecome(to State) bool {
	if int(s) >= len(transitions) {
		return false
	}
	for _, t := range transitions[s] {
		if t == to {
			return true
		}
	}
	return false
}

// Offered reports whether versions in this state may be given to anybody at all.
func (s State) Offered() bool { return s == StatePublished || s == StateAwaiting }

// A Channel says whom a version is for.
type Channel uint8

// The channels.
const (
	ChannelStable       Channel = iota // everybody
	ChannelExperimental                // those who ask for it
)

// String returns "stable" or "experimental".
func (c Channel) String() string {
	switch c {
	case ChannelStable:
		return "stable"
	case ChannelExperimental:
		return "experimental"
	}
	return "invalid"
}

// ParseChannel reads what [Channel.String] wrote.
func ParseChannel(s string) (Channel, error) {
	switch s {
	case "stable":
		return ChannelStable, nil
	case "experimental":
		return ChannelExperimental, nil
	}
	return 0, Errorf(KindInvalid, "channel.unknown", "There is no channel %s; write stable or experimental.", quote(s))
}

// A Release is what Select needs to know of a version.
type Release struct {
	ID          int64 // unique; breaks ties between equal numbers
	Number      Number
	State       State
	Channel     Channel
	Range       Range // Sugar releases it is for
	RangeSource RangeSource
	Interpreter Interpreter
	Archs       []string // processor architectures of its native binaries as "uname -m" says them; empty: runs on any
}
