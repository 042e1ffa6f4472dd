package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Named address is one entry of a list such as "beamrider=http://10.0.0.11:8081".
type Named struct{ Name, URL string }

// SetNamed reads a list such as "sunjammer=http://10.0.0.12:8081".
func SetNamed(to *[]Named, v string) error {
	list := []Named{}
	for _, part := range Fields(v) {
		name, address, ok := strings.Cut(part, "=")
		u, err := url.Parse(address)
		if !ok || name == "" || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%q does not look like sunjammer=http://10.0.0.12:8081", part)
		}
		if slices.ContainsFunc(list, func(n Named) bool { return n.Name == name }) {
			return fmt.Errorf("two are called %q", name)
		}
		list = append(list, Named{name, address})
	}
	*to = list
	return nil
}

// SetPrefixes reads a list of networks.
func SetPrefixes(to *[]netip.Prefix, v string) error {
	list := []netip.Prefix{}
	for _, part := range Fields(v) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return fmt.Errorf("%q is not a network such as 10.0.0.0/24", part)
		}
		list = append(list, p)
	}
	*to = list
	return nil
}

// SetDuration reads a length of time.
func SetDuration(to *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return errors.New("it must be a length of time such as 20s or 5m")
	}
	*to = d
	return nil
}

// CheckListen checks an address with a port.
func CheckListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("it must be an address and a port, such as 127.0.0.1:8080 or :80")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("%q is not a port number", port)
	}
	return nil
}

// CheckPlace checks a place of files: a folder, file:///folder or nfs://host/export. What only looks like an
// address would be a folder of that name on this machine, and memory ends with the process.
func CheckPlace(v string) error {
	head, _, colon := strings.Cut(v, ":")
	switch {
	case !colon || strings.Contains(head, "/"), strings.HasPrefix(v, "nfs://"), strings.HasPrefix(v, "file://"):
		return nil
	case strings.Contains(v, "@"): // it may be a password
		return errors.New("it must be a folder, or an address like nfs://10.0.0.11/srv/remora")
	}
	return fmt.Errorf("%q is neither a folder nor an address like nfs://10.0.0.11/srv/remora; a folder with a colon in its name is written with its whole path", v)
}

// SetPlace sets a place of files; see [CheckPlace].
func SetPlace(to *string, v string) error {
	if err := CheckPlace(v); err != nil {
		return err
	}
	*to = v
	return nil
}

// OneOf checks a word.
func OneOf(v string, known ...string) error {
	for _, k := range known {
		if v == k {
			return nil
		}
	}
	return fmt.Errorf("it must be one of %s", strings.Join(known, ", "))
}

// SetNumber parses a whole number within bounds.
func SetNumber(to *int, v string, least, most int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return fmt.Errorf("it must be a whole number between %d and %d", least, most)
	}
	*to = n
	return nil
}

// SetSize parses a number of bytes: 0, or a whole number with the unit kB, MB or GB, up to 1000GB.
func SetSize(to *int64, v string) error {
	unit := int64(1)
	digits := v
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		if rest, ok := strings.CutSuffix(v, u.name); ok {
			digits, unit = strings.TrimSpace(rest), u.bytes
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n != 0 && unit == 1 || int64(n) > 1e12/unit {
		return errors.New("it must be 0, or a size like 64MB (kB, MB or GB) up to 1000GB")
	}
	*to = int64(n) * unit
	return nil
}
