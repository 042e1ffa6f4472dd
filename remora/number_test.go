package remora_test

import (
	"cmp"
	"math/big"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func TestNumberOrder(t *testing.T) {
	// Each group is of equal numbers, and each comes before the next.
	order := [][]string{
		{"0", "0.0", "0-peru"},
		{"0.0.1", "0.0.1.0"},
		{"0.82"},
		{"0.98", "0.98.0"},
		{"0.100"},
		{"0.114"},
		{"1", "1.0", "1.0.0", "1-peru", "1~dfsg", "1.0-Peru"},
		{"1.0.5"},
		{"1.0.10"},
		{"1.1"},
		{"1.9"},
		{"1.10", "1.10.0~x"},
		{"9"},
		{"10"},
		{"33", "33~dfsg", "33-olpc"},
		{"41"},
		{"41.1"},
		{"41.1.0.1"},
		{"9999999999999999999"},
		{"10000000000000000000"},
		{strings.Repeat("9", 61)},
		{"1" + strings.Repeat("0", 61), "1" + strings.Repeat("0", 61) + ".0"},
	}
	for i, group := range order {
		for j, other := range order {
			for _, a := range group {
				for _, b := range other {
					x, y := remora.MustNumber(a), remora.MustNumber(b)
					if got := x.Compare(y); got != cmp.Compare(i, j) {
						t.Errorf("%s against %s: %d", a, b, got)
					}
					if (x == y) != (a == b) {
						t.Errorf("%s == %s is %v; == is about the text", a, b, x == y)
					}
					if (x.Key() == y.Key()) != (i == j) {
						t.Errorf("keys of %s and %s: %q, %q", a, b, x.Key(), y.Key())
					}
				}
			}
		}
	}
}

func TestNumberRefusals(t *testing.T) {
	for in, why := range map[string]string{
		"":                       "is empty",
		"01":                     "leading zero",
		"1.01":                   "leading zero",
		"00":                     "leading zero",
		"1..2":                   "empty segment",
		".1":                     "empty segment",
		"1.":                     "empty segment",
		".":                      "empty segment",
		"-peru":                  "empty segment",
		"1-":                     "no letters behind it",
		"1~":                     "no letters behind it",
		"1-2":                    "other than letters",
		"1-a2":                   "other than letters",
		"1-a~b":                  "other than letters",
		"1-é":                    "other than letters",
		"1-a[":                   "other than letters",
		"a":                      "not made of digits",
		"1 ":                     "not made of digits",
		" 1":                     "not made of digits",
		"+1":                     "not made of digits",
		"1,5":                    "not made of digits",
		"1\x00":                  "not made of digits",
		"١":                      "not made of digits",
		"1\n":                    "not made of digits",
		strings.Repeat("1", 65):  "longer than 64",
		strings.Repeat("1.", 33): "longer than 64",
	} {
		n, err := remora.ParseNumber(in)
		if err == nil {
			t.Errorf("ParseNumber(%q) = %v", in, n)
			continue
		}
		if e, ok := err.(*remora.Error); !ok || e.Kind != remora.KindInvalid || e.Code != "number.syntax" || !strings.Contains(e.Message, why) {
			t.Errorf("ParseNumber(%q): %#v, want a message with %q", in, err, why)
		}
		if len(err.Error()) > 400 {
			t.Errorf("ParseNumber(%.20q…) answers with %d bytes", in, len(err.Error()))
		}
	}
	if _, err := remora.ParseNumber(strings.Repeat("1", remora.MaxNumberLen)); err != nil {
		t.Errorf("the longest number is refused: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("MustNumber takes a bad number")
		}
	}()
	remora.MustNumber("x")
}

func TestNumberText(t *testing.T) {
	var zero remora.Number
	if !zero.IsZero() || zero.String() != "" || zero.Compare(remora.MustNumber("0")) != 0 {
		t.Error("the zero Number is not the unknown one")
	}
	if remora.MustNumber("0").IsZero() {
		t.Error("0 is known, but IsZero")
	}
	for _, in := range []string{"", "7", "33~dfsg", "1.0"} {
		n := remora.MustNumber("9")
		if err := n.UnmarshalText([]byte(in)); err != nil || n.String() != in {
			t.Errorf("UnmarshalText(%q) gives %q, %v", in, n, err)
		}
		if out, err := n.MarshalText(); err != nil || string(out) != in {
			t.Errorf("MarshalText of %q gives %q, %v", in, out, err)
		}
	}
	n := remora.MustNumber("9")
	if err := n.UnmarshalText([]byte("01")); err == nil || n != remora.MustNumber("9") {
		t.Errorf("a bad text gives %q, %v; the number must stay", n, err)
	}
}

func TestNumberCompareDoesNotAllocate(t *testing.T) {
	a, b := remora.MustNumber("1.9"), remora.MustNumber("1.10")
	if n := testing.AllocsPerRun(100, func() { a.Compare(b) }); n != 0 {
		t.Errorf("Compare allocates %v times", n)
	}
}

// slowCompare is the order of numbers as the rule says it, segment by segment.
func slowCompare(a, b string) int {
	segments := func(s string) (out []*big.Int) {
		s, _, _ = strings.Cut(strings.ReplaceAll(s, "~", "-"), "-")
		for _, seg := range strings.Split(s, ".") {
			n, ok := new(big.Int).SetString(seg, 10)
			if !ok {
				panic(seg)
			}
			out = append(out, n)
		}
		return out
	}
	x, y := segments(a), segments(b)
	for i := range max(len(x), len(y)) {
		xi, yi := new(big.Int), new(big.Int)
		if i < len(x) {
			xi = x[i]
		}
		if i < len(y) {
			yi = y[i]
		}
		if c := xi.Cmp(yi); c != 0 {
			return c
		}
	}
	return 0
}

func FuzzNumber(f *testing.F) {
	for _, s := range [][2]string{{"1.9", "1.10"}, {"0.98", "0.100"}, {"1", "1.0"}, {"33~dfsg", "33"}, {"1.0.5", "1.0"}, {"", "0"}, {"10", "9.9"}, {"0", "0.0-x"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := remora.ParseNumber(a)
		if errX != nil {
			if !x.IsZero() {
				t.Errorf("%q is refused and gives %q", a, x)
			}
			return
		}
		again, err := remora.ParseNumber(x.String())
		if err != nil || again != x || x.String() != a {
			t.Errorf("%q, read, written and read again: %v, %v", a, again, err)
		}
		if x.IsZero() || len(x.Key()) > remora.MaxNumberLen+1 {
			t.Errorf("%q: zero %v, key of %d bytes", a, x.IsZero(), len(x.Key()))
		}
		y, err := remora.ParseNumber(b)
		if err != nil {
			return
		}
		want := slowCompare(a, b)
		if got := x.Compare(y); got != want {
			t.Errorf("%q against %q: %d, want %d", a, b, got, want)
		}
		if got := strings.Compare(x.Key(), y.Key()); got != want {
			t.Errorf("keys of %q and %q: %d, want %d", a, b, got, want)
		}
		if x.Compare(y) != -y.Compare(x) {
			t.Errorf("%q against %q is not the reverse of the reverse", a, b)
		}
	})
}

func TestRange(t *testing.T) {
	number := func(s string) remora.Number {
		if s == "" {
			return remora.Number{}
		}
		return remora.MustNumber(s)
	}
	for _, tt := range []struct {
		in, min, max, out string
		holds, not        []string
	}{
		{in: "0.100-0.116", min: "0.100", max: "0.116", out: "0.100-0.116", holds: []string{"0.100", "0.106", "0.116", "0.116.0"}, not: []string{"0.98", "0.117", "0.116.1", "1"}},
		{in: "0.114-", min: "0.114", out: "0.114-open", holds: []string{"0.114", "0.122", "1.0"}, not: []string{"0.112", "0.98"}},
		{in: "0.114-open", min: "0.114", out: "0.114-open"},
		{in: "-0.116", max: "0.116", out: "-0.116", holds: []string{"0.116", "0.82", "0"}, not: []string{"0.118"}},
		{in: "0.98", min: "0.98", max: "0.98", out: "0.98-0.98", holds: []string{"0.98"}, not: []string{"0.97", "0.100"}},
		{in: " 0.98 - 0.100 ", min: "0.98", max: "0.100", out: "0.98-0.100"},
		{in: "0.98 - open", min: "0.98", out: "0.98-open"},
	} {
		r, err := remora.ParseRange(tt.in)
		if err != nil {
			t.Errorf("ParseRange(%q): %v", tt.in, err)
			continue
		}
		if want := (remora.Range{Min: number(tt.min), Max: number(tt.max)}); r != want {
			t.Errorf("ParseRange(%q) = %v, want %v", tt.in, r, want)
		}
		if r.String() != tt.out {
			t.Errorf("ParseRange(%q).String() = %q, want %q", tt.in, r.String(), tt.out)
		}
		for _, n := range tt.holds {
			if !r.Contains(number(n)) {
				t.Errorf("%v does not hold %s", r, n)
			}
		}
		for _, n := range tt.not {
			if r.Contains(number(n)) {
				t.Errorf("%v holds %s", r, n)
			}
		}
	}
	var any remora.Range
	if any.String() != "any" || !any.Contains(number("0")) || !any.Contains(number("99")) {
		t.Error("the zero Range does not hold every release")
	}
	for in, code := range map[string]string{
		"": "range.syntax", "-": "range.syntax", "-open": "range.syntax", "open": "range.syntax", "open-0.98": "range.syntax",
		"0.98-0.96": "range.order", "0.100-0.98": "range.order", "1-2-3": "range.syntax", "a-b": "range.syntax", "0.98–0.100": "range.syntax",
		"0.098-0.1": "range.syntax", strings.Repeat("1", 1000): "range.syntax",
	} {
		_, err := remora.ParseRange(in)
		if e, ok := err.(*remora.Error); !ok || e.Code != code || e.Kind != remora.KindInvalid {
			t.Errorf("ParseRange(%.30q): %v, want code %s", in, err, code)
		}
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"0.100-0.116", "0.114-", "0.114-open", "-0.116", "0.98", "1~a-2-b", "1-a-2", " - ", "0.98 - open"} {
		f.Add(s, "0.100")
	}
	f.Fuzz(func(t *testing.T, s, n string) {
		r, err := remora.ParseRange(s)
		if err != nil {
			if (r != remora.Range{}) {
				t.Errorf("%q is refused and gives %v", s, r)
			}
			return
		}
		again, err := remora.ParseRange(r.String())
		if err != nil {
			t.Fatalf("%q becomes %q, which is refused: %v", s, r, err)
		}
		if diff := gocmp.Diff(r.String(), again.String()); diff != "" || again != r {
			t.Errorf("%q, read, written and read again:\n%s", s, diff)
		}
		if !r.Min.IsZero() && !r.Contains(r.Min) || !r.Max.IsZero() && !r.Contains(r.Max) {
			t.Errorf("%v does not hold its own ends", r)
		}
		at, err := remora.ParseNumber(n)
		if err != nil {
			return
		}
		want := (r.Min.IsZero() || slowCompare(r.Min.String(), n) <= 0) && (r.Max.IsZero() || slowCompare(n, r.Max.String()) <= 0)
		if got := r.Contains(at); got != want {
			t.Errorf("%v holds %s: %v, want %v", r, n, got, want)
		}
	})
}
