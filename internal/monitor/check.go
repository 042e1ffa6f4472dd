package monitor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// MaxChecks is how many checks one monitor runs.
const MaxChecks = 256

// Defaults and bounds of a Check.
const (
	defaultEvery   = 5 * time.Second
	defaultTimeout = 3 * time.Second
	defaultFall    = 2
	defaultRise    = 1
	maxEvery       = 24 * time.Hour
	maxTimeout     = 10 * time.Minute
	maxStreak      = 100
)

// A Check is one question that is asked again and again.
type Check struct {
	// Name is what reports and logs call it: unique, not empty, at most 80 bytes.
	Name string
	// Every is the time between two starts. 0 means 5 s; 10 ms to 24 h.
	Every time.Duration
	// Timeout bounds one run. 0 means 3 s; 1 ms to 10 minutes.
	Timeout time.Duration
	// Fall is how many findings in a row must be worse than the level before it changes, Rise how
	// many must be better. 0 means 2 and 1; 1 to 100. The first finding counts at once.
	Fall, Rise int
	// Remote tells that the answer comes from another machine. Together the remote checks tell
	// whether this machine is cut off.
	Remote bool
	// Derived tells that Run judges what other checks brought. Its first run waits for the first
	// result of all others.
	Derived bool
	// Run finds out. It is called by one goroutine at a time, must return soon after ctx ends, and
	// must not touch the Detail that it returned.
	Run func(ctx context.Context) Finding
}

// complete fills in what c leaves open.
func (c Check) complete() Check {
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Fall == 0 {
		c.Fall = defaultFall
	}
	if c.Rise == 0 {
		c.Rise = defaultRise
	}
	return c
}

// mistakes returns what is wrong with a completed check.
func (c Check) mistakes() (errs []error) {
	name := c.Name
	if name == "" || len(name) > 80 || clean(name) != name {
		errs = append(errs, fmt.Errorf("the name %q of a check must be 1 to 80 bytes of one line", clean(name)))
	}
	if c.Run == nil {
		errs = append(errs, fmt.Errorf("the check %q has no Run", name))
	}
	if c.Every < 10*time.Millisecond || c.Every > maxEvery {
		errs = append(errs, fmt.Errorf("the check %q runs every %v; 10ms to %v is possible", name, c.Every, maxEvery))
	}
	if c.Timeout < time.Millisecond || c.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("the check %q has the time-out %v; 1ms to %v is possible", name, c.Timeout, maxTimeout))
	}
	if min(c.Fall, c.Rise) < 1 || max(c.Fall, c.Rise) > maxStreak {
		errs = append(errs, fmt.Errorf("the check %q falls after %d and rises after %d findings; 1 to %d is possible", name, c.Fall, c.Rise, maxStreak))
	}
	return errs
}

// unknown is the finding of a check whose question failed with err.
func unknown(what string, err error, next string) Finding {
	f := Finding{Level: Unknown, Summary: what + " could not be found out: " + reason(err), Next: next}
	f.NoAnswer = errors.Is(err, context.DeadlineExceeded)
	return f
}

// reason is the text of err for a person: the message of a remora.Error, which never holds a secret,
// else what the error says itself.
func reason(err error) string {
	if e, ok := errors.AsType[*remora.Error](err); ok && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
