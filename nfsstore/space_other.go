//go:build !linux

package nfsstore

import (
	"context"
	"errors"
	"os"
)

// mayHang cannot tell here, and assumes it.
func mayHang(*os.Root) (bool, error) { return true, nil }

func (d *disk) space(context.Context) (free, total int64, err error) {
	return 0, 0, errors.ErrUnsupported
}
