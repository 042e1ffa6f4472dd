package main

import (
	"fmt"
	"time"
)

// tolerance is how many times its goal a duration may take before it is a broken promise: computers
// differ, and other work may run on this one.
const tolerance = 5

// A took is a duration that was measured, and what it should be.
type took struct {
	Step string  `json:"step"`
	What string  `json:"what"`
	Took seconds `json:"took_seconds"`
	Goal seconds `json:"goal_seconds"`
}

// seconds is a duration that reports show in seconds.
type seconds time.Duration

// MarshalJSON writes seconds to the millisecond.
func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// A timer measures durations, step by step.
type timer struct {
	step string
	all  []took
}

// measure does something and notes how long it took.
func (t *timer) measure(what string, goal time.Duration, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	t.all = append(t.all, took{t.step, what, seconds(time.Since(began)), seconds(goal)})
	return nil
}

// late returns those that took more than tolerance times their goal.
func (t *timer) late() (list []took) {
	for _, d := range t.all {
		if d.Took > tolerance*d.Goal {
			list = append(list, d)
		}
	}
	return list
}
