package promote

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica"
)

// ErrRefused is wrapped by the error of a call that would not be safe. The reasons are in the text
// and, as values, in [Plan].Refusals or [Report].Refusals.
var ErrRefused = errors.New("promote: refused")

// Options are the choices of one promotion. The zero value, and nil, are the safe ones.
type Options struct {
	// Force overrides the refusals that have a Loss. What they may lose is then in the report.
	Force bool
	// Automatic asks for what a program that decides by itself must know, and Force does not override: the
	// old primary does not answer, or was started anew since ArmedStart and takes no writes; it was Armed; and a majority of at least three voters, which are the
	// nodes and [Config].Voters, agrees at the moment when the node begins to take writes.
	Automatic bool
	// LastKnown is the position up to which the old primary was last seen to have written, as in
	// [Sight].Position, and LastKnownAt when that was. The report then says what of it is not there. ""
	// is not known; a text that is no list of GTIDs fails the call before anything is done.
	LastKnown   string
	LastKnownAt time.Time
	// Armed is when the old primary was last seen to wait for acknowledgements in mode [Strict], with a
	// replica that gave them, by [Sight]. Zero: it was not seen. It tells for an hour whether it had given up.
	Armed time.Time
	// ArmedStart is [Sight].Started of that sight. It tells a server that was started anew after a crash
	// from one that somebody made read-only. Zero: neither is known.
	ArmedStart time.Time
}

// A Plan is what a promotion would do at the moment it was made, for people and for JSON.
type Plan struct {
	To           string      `json:"to"`
	From         string      `json:"from"`         // the old primary; "": there is none, or it is not known
	Planned      bool        `json:"planned"`      // the old primary answers, so that nothing will be lost
	Already      bool        `json:"already"`      // To is the primary; only others may have to be pointed to it
	Steps        []string    `json:"steps"`        // what would be done, in order
	MayLose      []string    `json:"may_lose"`     // what may be lost even though it is not refused
	Acknowledged string      `json:"acknowledged"` // what is known about writes that clients were told are kept
	Refusals     []Refusal   `json:"refusals"`     // why it is not done; empty: it can be
	Nodes        []NodeState `json:"nodes"`        // in the order of Config
}

// A Refusal is a reason not to do something.
type Refusal struct {
	Code string `json:"code"`           // a word for programs, such as other_has_more
	Text string `json:"text"`           // what is wrong and what to do
	Loss string `json:"loss,omitempty"` // what Force may lose; "": Force does not help
}

// A NodeState is what one server said, for people and for JSON.
type NodeState struct {
	Name     string       `json:"name"`
	Role     replica.Role `json:"role"`
	ReadOnly bool         `json:"read_only"`
	Position string       `json:"position"`           // how far it has applied and written
	Received string       `json:"received,omitempty"` // of a replica: how far it has received
	Source   string       `json:"source,omitempty"`   // of a replica: the node or the address it replicates from
	SemiSync bool         `json:"semi_sync"`          // it acknowledges or, as a primary, waits for that
	Problem  string       `json:"problem,omitempty"`  // why it does not answer, receive or apply
}

// A Report is what a call did, for people and for JSON. It is there also when the call fails, as far
// as it came.
type Report struct {
	Plan     *Plan    `json:"plan,omitempty"` // of a promotion, as it was at the start
	Primary  string   `json:"primary"`        // who takes writes at the end; "": nobody
	Steps    []string `json:"steps"`          // what was done, in order
	Position string   `json:"position"`       // of a promotion: the last transaction before new writes
	// Cut is the last transaction of each domain and server that the new primary had before new writes. Of
	// a server named in it, later ones were lost; those of the new primary itself go on.
	Cut          string   `json:"cut"`
	Acknowledged string   `json:"acknowledged"` // of a promotion: as in Plan
	MayLose      []string `json:"may_lose"`     // of a promotion: empty, nothing that was acknowledged
	// Lost are transactions that are known to have been on another server and are not on the primary: of
	// a promotion, as far as [Options].LastKnown tells; of a refused Rejoin, those of the node.
	Lost     []Range       `json:"lost"`
	Refusals []Refusal     `json:"refusals"` // those that stopped the call
	Left     []string      `json:"left"`     // what remains to be done, by whom reads this
	Took     time.Duration `json:"took_ns"`
	NoWrites time.Duration `json:"no_writes_ns"` // of a planned promotion: how long no server took writes
}

// A Range is what one server wrote in one replication domain, by number, First and Last included. Other
// servers may have written some of the numbers between. First is 0 if it is not known.
type Range struct {
	Domain uint32 `json:"domain"`
	Server uint32 `json:"server"`
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"`
}

// String writes it with GTIDs, as in "0-1-17 to 0-1-19".
func (r Range) String() string {
	first, last := triple{r.Domain, r.Server, r.First}, triple{r.Domain, r.Server, r.Last}
	switch r.First {
	case 0:
		return fmt.Sprintf("what server %d wrote in domain %d up to %s", r.Server, r.Domain, last)
	case r.Last:
		return last.String()
	}
	return fmt.Sprintf("%s to %s", first, last)
}

// refused makes the error of refusals.
func refused(list []Refusal) error {
	var texts []string
	force := true
	for _, r := range list {
		texts = append(texts, r.Text)
		force = force && r.Loss != ""
	}
	text := strings.Join(texts, " ")
	if force {
		text += " Force overrides this; the plan says what may be lost then."
	}
	return fmt.Errorf("%w: %s", ErrRefused, text)
}
