//go:build !unix

package vol

import (
	"errors"
	"io/fs"
)

func errnoFault(error) Fault { return FaultOther }

// CopyInstead reports whether a link was refused for a reason that a copy does not share.
func CopyInstead(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

func links(fs.FileInfo) uint64 { return 0 }
