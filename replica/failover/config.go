package failover

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// Config is what [New] needs. Only Promote is required.
type Config struct {
	// Promote names the servers, the accounts and the mode. Its Timeout is one of one step of a
	// promotion; 0 means 1 s here.
	Promote promote.Config
	// Automatic promotes without being asked. It needs mode strict, three servers and a Folder.
	Automatic bool
	// Rejoin brings servers back as replicas that are read-only and replicate from nobody, such as an
	// old primary that was restarted, and replicas that receive nothing as they follow another than the
	// primary. Those that have what the primary has not are left alone, and empty ones, which somebody is
	// about to fill.
	Rejoin bool
	// Folder holds the file no-failover, which people make to stop automation, and failover.json, in
	// which this guard notes the last failover.
	Folder string
	// Poll is the time between two questions to a server. 0 means 100 ms; 20 ms to 10 s.
	Poll time.Duration
	// Timeout bounds one question. 0 means 500 ms; 10 ms to 10 s.
	Timeout time.Duration
	// Fall is how many questions in a row must fail before a primary counts as gone. 0 means 3; up to 100.
	Fall int
	// Calm is how long after a failover no other one happens by itself. 0 means 10 minutes; 1 s to 1 day.
	Calm time.Duration
	// Logger gets events. nil discards.
	Logger *slog.Logger
	// Events is told what happens, one call at a time; it must not block for long. nil: nobody.
	Events func(Event)
}

// NoFailover is the name of the file in [Config].Folder that stops automation. What is in it does not
// matter.
const NoFailover = "no-failover"

// check fills in defaults and returns everything that is wrong but Promote.
func (c *Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("failover: "+format, args...)) }
	between := func(what string, d *time.Duration, preset, low, high time.Duration) {
		if *d == 0 {
			*d = preset
		}
		if *d < low || *d > high {
			bad("%s is %s; it must be from %s to %s", what, *d, low, high)
		}
	}
	between("Poll", &c.Poll, 100*time.Millisecond, 20*time.Millisecond, 10*time.Second)
	between("Timeout", &c.Timeout, 500*time.Millisecond, 10*time.Millisecond, 10*time.Second)
	between("Calm", &c.Calm, 10*time.Minute, time.Second, 24*time.Hour)
	if c.Fall == 0 {
		c.Fall = 3
	}
	if c.Fall < 0 || c.Fall > 100 {
		bad("Fall is %d; it must be from 1 to 100", c.Fall)
	}
	if c.Promote.Timeout == 0 {
		c.Promote.Timeout = time.Second
	}
	if c.Automatic {
		if c.Promote.Mode != promote.Strict {
			bad("Automatic needs Promote.Mode %q: in mode %q nobody can know what a lost primary had acknowledged alone", promote.Strict, promote.Available)
		}
		if n := len(c.Promote.Nodes); n < 3 {
			bad("Automatic needs at least three servers, and there are %d: two cannot tell a lost server from a cut network, and one alone has one copy; promote by hand, or add a small server on another machine", n)
		}
		if c.Folder == "" {
			bad("Automatic needs a Folder, for the file %s that stops it and the note of the last failover", NoFailover)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// A Kind says what an [Event] is about.
type Kind string

// The kinds.
const (
	Lost       Kind = "lost"        // the primary does not answer
	Back       Kind = "back"        // it answers again, without a failover
	Held       Kind = "held"        // something keeps a failover from happening, or another reason does now
	Promoting  Kind = "promoting"   // a failover begins
	Promoted   Kind = "promoted"    // a new primary takes writes
	Failed     Kind = "failed"      // the failover did not come about
	Changed    Kind = "changed"     // somebody else made another server the primary
	SplitBrain Kind = "split_brain" // several servers take writes
	Whole      Kind = "whole"       // one server takes writes again
	OneCopy    Kind = "one_copy"    // what is acknowledged is in one copy
	TwoCopies  Kind = "two_copies"  // it is in two again
	Waiting    Kind = "waiting"     // mode strict: writes wait, as no replica acknowledges
	Rejoined   Kind = "rejoined"    // a server follows the primary again
	NotRejoin  Kind = "not_rejoined"
)

// An Event is something that happened, for people and for JSON.
type Event struct {
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	Node string    `json:"node,omitempty"` // which it is about
	Text string    `json:"text"`           // a sentence
	// Report is what a promotion or a rejoining did.
	Report *promote.Report `json:"report,omitempty"`
}

// A Status is what a guard knows, for people and for JSON.
type Status struct {
	Primary   string          `json:"primary"` // who takes writes; "": nobody who answers
	Mode      promote.Mode    `json:"mode"`
	Automatic bool            `json:"automatic"`
	Lost      time.Time       `json:"lost,omitzero"`     // since when the primary does not answer, or when it was started anew
	Held      string          `json:"held,omitempty"`    // why no failover happens now, or would not if the primary were lost
	Candidate string          `json:"candidate"`         // who would be promoted; "": nobody can
	Problem   string          `json:"problem,omitempty"` // what is wrong now
	OneCopy   time.Time       `json:"one_copy,omitzero"` // since about when what is acknowledged is in one copy only
	Armed     time.Time       `json:"armed,omitzero"`    // when the primary was last seen to wait as mode strict demands
	Last      *Record         `json:"last,omitempty"`    // the last failover that is known
	Nodes     []promote.Sight `json:"nodes"`
}
