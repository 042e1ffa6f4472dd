package nfsproof

import "time"

// HangDeadline is what the calls of a worker are given.
const HangDeadline = 2 * time.Second

// A HangResult is what a worker saw of calls while a server stood still.
type HangResult struct {
	Calls      int           `json:"calls"`
	Failed     int           `json:"failed"`
	Other      string        `json:"other,omitempty"` // an error that does not say that the store is unavailable
	Slowest    time.Duration `json:"slowest"`
	Goroutines int           `json:"goroutines"` // at most, besides those that called
}
