package filescmd

import (
	"fmt"

	"github.com/sugarlabs/beamrider/internal/settings"
)

// size is a flag with a number of bytes, such as 20MB.
type size int64

func (s *size) UnmarshalText(b []byte) error { return settings.SetSize((*int64)(s), string(b)) }

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// several is a number of things.
func several(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
