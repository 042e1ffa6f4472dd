package remora

import (
	"math"
	"strconv"
	"strings"
)

// ParseSugar reads the Sugar release a client names: the first two segments of a dotted number,
// an odd minor (a development release) rounded up to the stable one it leads to, as Sugar's own
// updater does. 0.121.3 is 0.122.
func ParseSugar(s string) (Number, error) {
	bad := Errorf(KindInvalid, "sugar.syntax", "The Sugar version %s is not a release number such as 0.120.", quote(s))
	if len(s) > MaxNumberLen {
		return Number{}, bad
	}
	major, rest, dotted := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if !dotted {
		minor = "0"
	}
	a, errA := strconv.ParseUint(major, 10, 16)
	b, errB := strconv.ParseUint(minor, 10, 16)
	if errA != nil || errB != nil || b == math.MaxUint16 {
		return Number{}, bad
	}
	return ParseNumber(strconv.FormatUint(a, 10) + "." + strconv.FormatUint(b+b%2, 10))
}

// SugarFromUserAgent returns the Sugar release that a browser's or updater's User-Agent tells, and
// the zero Number for every other client. Three families are known: "Sugar/0.120" (the updater and
// its downloader), "SugarLabs/0.98" or "Sugar Labs/0.98" (Browse), and "OLPC/0.4.6-…" (early OLPC
// builds, which name the build: up to 4.6 carried Sugar 0.84, up to 4.9 Sugar 0.88; later ones count
// as 0.114).
func SugarFromUserAgent(ua string) Number {
	const most = 1024 // a longer User-Agent is nobody's Sugar
	if len(ua) > most {
		return Number{}
	}
	for _, family := range []string{"Sugar Labs/", "SugarLabs/", "Sugar/"} {
		if _, rest, found := strings.Cut(ua, family); found {
			if n, err := ParseSugar(leadingNumber(rest)); err == nil {
				return n
			}
		}
	}
	if _, rest, found := strings.Cut(ua, "OLPC/0."); found {
		build, err := ParseNumber(leadingNumber(rest))
		switch {
		case err != nil:
			return Number{}
		case build.Compare(olpc46) <= 0:
			return sugar84
		case build.Compare(olpc49) <= 0:
			return sugar88
		default:
			return sugar114
		}
	}
	return Number{}
}

var (
	olpc46   = MustNumber("4.6")
	olpc49   = MustNumber("4.9")
	sugar84  = MustNumber("0.84")
	sugar88  = MustNumber("0.88")
	sugar114 = MustNumber("0.114")
)

func leadingNumber(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end >= 0 {
		s = s[:end]
	}
	return strings.TrimRight(s, ".")
}
