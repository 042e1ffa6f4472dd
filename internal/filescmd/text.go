package filescmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/beamrider/internal/settings"
)

// size is a flag with a number of bytes, such as 20MB.
type size int64

func (s *size) UnmarshalText(b []byte) error { return settings.SetSize((*int64)(s), string(b)) }

// where is a flag with a folder or an address. Servers run in another folder than the command, so that a
// folder becomes its whole path.
type where string

func (p *where) UnmarshalText(b []byte) error {
	if err := settings.CheckPlace(string(b)); err != nil {
		return err
	}
	at, err := whole(string(b))
	*p = where(at)
	return err
}

// whole is a place with its whole path, if it is a folder.
func whole(at string) (string, error) {
	if at == "" || strings.Contains(at, "://") {
		return at, nil
	}
	return filepath.Abs(at)
}

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
