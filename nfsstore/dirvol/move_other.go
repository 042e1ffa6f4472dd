//go:build !linux

package dirvol

import (
	"context"
	"errors"
	"os"
)

// Move implements [vol.Mover]; it is for Linux only.
func (v *Vol) Move(_ context.Context, from, to string) error {
	return &os.LinkError{Op: "move", Old: from, New: to, Err: errors.ErrUnsupported}
}
