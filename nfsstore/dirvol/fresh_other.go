//go:build !linux

package dirvol

import (
	"errors"
	"os"
)

// askServer cannot be done here.
func askServer(*os.File) error { return errors.ErrUnsupported }
