// Package bounds gives settings that were left out their default, and checks the others.
package bounds

import (
	"fmt"
	"time"
)

// A Setting is one of many in a table: Value is set to Default if it is 0.
type Setting struct {
	Name    string
	Value   *time.Duration
	Default time.Duration
}

// Durations checks settings that must be between a millisecond and a day. Names are told with prefix
// before them, such as "balance: Options.".
func Durations(prefix string, list ...Setting) (errs []error) {
	for _, s := range list {
		if *s.Value == 0 {
			*s.Value = s.Default
		}
		if *s.Value < time.Millisecond || *s.Value > 24*time.Hour {
			errs = append(errs, fmt.Errorf("%s%s is %v; it must be between 1ms and 24h, or 0 for %v", prefix, s.Name, *s.Value, s.Default))
		}
	}
	return errs
}
