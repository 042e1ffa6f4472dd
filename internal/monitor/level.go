package monitor

import (
	"fmt"
	"slices"
)

// A Level is how bad a finding is.
type Level uint8

// The levels. The zero value is Unknown, so that a check that forgot to say something does not look
// healthy.
const (
	Unknown Level = iota // it could not be found out
	OK                   // nothing to do
	Warn                 // it works, but somebody should act before it does not
	Bad                  // something does not work, or data is in danger
)

var levelNames = [...]string{"unknown", "ok", "warn", "bad"}

// String returns the stable word for l, as it stands in JSON.
func (l Level) String() string {
	if int(l) >= len(levelNames) {
		return levelNames[Unknown]
	}
	return levelNames[l]
}

// MarshalText returns the word of [Level.String].
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a word of [Level.String].
func (l *Level) UnmarshalText(text []byte) error {
	i := slices.Index(levelNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("monitor: there is no level %q", clean(string(text)))
	}
	*l = Level(i)
	return nil
}

// rank orders levels for people: what is bad first, then what nobody knows.
func (l Level) rank() int {
	switch l {
	case Bad:
		return 3
	case Warn:
		return 1
	case OK:
		return 0
	default:
		return 2
	}
}
