package remora_test

import (
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

func TestParseSugar(t *testing.T) {
	for in, want := range map[string]string{
		"0.98": "0.98", "0.112": "0.112", "0.113": "0.114", "0.120": "0.120", "0.121": "0.122", "0.121.3": "0.122", "0.120.0": "0.120",
		"0.98.8": "0.98", "1": "1.0", "1.0": "1.0", "1.1": "1.2", "0.99": "0.100", "00.098": "0.98", "0.0": "0.0", "0.82.x": "0.82",
		"65535.65533": "65535.65534",
	} {
		if got, err := remora.ParseSugar(in); err != nil || got.String() != want {
			t.Errorf("ParseSugar(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".", "0.", "..", "0..5", ".98", "x", "0.x", "0.98-1", "-1.0", "+0.98", "0.+98", " 0.98", "0.98 ", "0x1.2", "1_0.2", "٠.٩٨", "0.98\n",
		"65536.0", "0.65535", "0.65536", "99999999999999999999.1", strings.Repeat("9", 70), "0.98" + strings.Repeat(".0", 40), "<script>", "'; --",
	} {
		got, err := remora.ParseSugar(in)
		if e, ok := err.(*remora.Error); !ok || e.Code != "sugar.syntax" || e.Kind != remora.KindInvalid || !got.IsZero() {
			t.Errorf("ParseSugar(%.30q) = %v, %v", in, got, err)
		}
	}
}

func FuzzSugar(f *testing.F) {
	for _, s := range []string{"0.98", "0.113", "0.121.3", "1", "0..5", "65535.65535", "0.-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := remora.ParseSugar(s)
		if err != nil {
			if !n.IsZero() {
				t.Errorf("%q is refused and gives %v", s, n)
			}
			return
		}
		_, minor, dotted := strings.Cut(n.String(), ".")
		if !dotted || strings.Contains(minor, ".") || !strings.ContainsAny(minor[len(minor)-1:], "02468") {
			t.Errorf("ParseSugar(%q) = %v; want two segments, the second even", s, n)
		}
		if again, err := remora.ParseSugar(n.String()); err != nil || again != n {
			t.Errorf("ParseSugar(%q) = %v, and of that %v, %v", s, n, again, err)
		}
	})
}

func TestSugarFromUserAgent(t *testing.T) {
	for ua, want := range map[string]string{
		// The updater and its downloader.
		"Sugar/0.120":                       "0.120",
		"Sugar/0.121":                       "0.122",
		"python-requests/2.31 Sugar/0.98.8": "0.98",
		// Browse.
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15 SugarLabs/0.112": "0.112",
		"Mozilla/5.0 (X11; Linux i686) Sugar Labs/0.98":                                                            "0.98",
		"Mozilla/5.0 (X11; Linux i686) Sugar Labs/0.99; x":                                                         "0.100",
		// Early builds, which name the build.
		"Mozilla/5.0 (X11; U; Linux i586; en-US; rv:1.9) Gecko OLPC/0.4.6-1": "0.84",
		"Mozilla/5.0 (X11; U; Linux i586; en-US) Gecko OLPC/0.4.5":           "0.84",
		"Mozilla/5.0 (X11; U; Linux i586; en-US) Gecko OLPC/0.4.7-0":         "0.88",
		"Mozilla/5.0 (X11; U; Linux i586; en-US) Gecko OLPC/0.4.9-2.fc9":     "0.88",
		"Mozilla/5.0 (X11; U; Linux i586; en-US) Gecko OLPC/0.4.10":          "0.114",
		"Mozilla/5.0 (X11; U; Linux i586; en-US) Gecko OLPC/0.5":             "0.114",
		"Mozilla/5.0 OLPC/0.4.6 SugarLabs/0.98":                              "0.98",

		// Everybody else.
		"":           "",
		"curl/8.5.0": "",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": "",
		"Sugar/":                                 "",
		"Sugar/x":                                "",
		"Sugar/.":                                "",
		"Sugar/0..5":                             "",
		"sugar/0.98":                             "",
		"OLPC/0.":                                "",
		"OLPC/0.x":                               "",
		"OLPC/0.04":                              "",
		"OLPC/1.4":                               "",
		"Sugar/" + strings.Repeat("9", 200):      "",
		"Sugar/0.98" + strings.Repeat("x", 2000): "",
		strings.Repeat("Sugar/", 170):            "",
		"Sugar/99999999999999999999.99999999999999999999": "",
		"Sugar/0.98\r\nX: y":                              "0.98",
		"Sugar/\x00\xff":                                  "",
	} {
		if got := remora.SugarFromUserAgent(ua); got.String() != want {
			t.Errorf("SugarFromUserAgent(%.120q) = %q, want %q", ua, got, want)
		}
	}
}

func FuzzUserAgent(f *testing.F) {
	for _, s := range []string{"Sugar/0.120", "x SugarLabs/0.98", "Sugar Labs/0.99", "OLPC/0.4.6-1", "OLPC/0.4.10", "Sugar/Sugar/0.98", "Mozilla/5.0", "Sugar/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ua string) {
		n := remora.SugarFromUserAgent(ua)
		if n.IsZero() {
			return
		}
		if !strings.Contains(ua, "Sugar") && !strings.Contains(ua, "OLPC/0.") {
			t.Errorf("%q is no Sugar, yet %v", ua, n)
		}
		if again, err := remora.ParseNumber(n.String()); err != nil || again != n {
			t.Errorf("%q gives %v, which is no number: %v", ua, n, err)
		}
	})
}

func TestInterpreters(t *testing.T) {
	for _, tt := range []struct {
		is        remora.Interpreter
		name      string
		rng       string
		runs, not []string
	}{
		{remora.InterpreterPython2, "python2", "0.82-0.116", []string{"0.82", "0.116"}, []string{"0.80", "0.118"}},
		{remora.InterpreterPython3, "python3", "0.114-open", []string{"0.114", "0.122", "0.200"}, []string{"0.112"}},
		{remora.InterpreterWeb, "web", "0.100-open", []string{"0.100"}, []string{"0.98"}},
		{remora.InterpreterNative, "native", "0.82-open", []string{"0.82"}, []string{"0.80"}},
		{remora.InterpreterScript, "script", "0.82-open", []string{"0.82"}, []string{"0.80"}},
		{remora.InterpreterUnknown, "", "any", []string{"0", "0.122"}, nil},
	} {
		if got := tt.is.String(); got != tt.name {
			t.Errorf("the name of %d is %q, want %q", tt.is, got, tt.name)
		}
		if got, err := remora.ParseInterpreter(tt.name); err != nil || got != tt.is {
			t.Errorf("ParseInterpreter(%q) = %v, %v", tt.name, got, err)
		}
		r := remora.InferRange(tt.is)
		if r.String() != tt.rng {
			t.Errorf("%s runs on %v, want %s", tt.name, r, tt.rng)
		}
		for _, n := range tt.runs {
			if !r.Contains(remora.MustNumber(n)) {
				t.Errorf("%s does not run on %s", tt.name, n)
			}
		}
		for _, n := range tt.not {
			if r.Contains(remora.MustNumber(n)) {
				t.Errorf("%s runs on %s", tt.name, n)
			}
		}
		set := remora.InterpretersOf(tt.is)
		for i := remora.InterpreterUnknown; i <= remora.InterpreterScript; i++ {
			if set.Has(i) != (i == tt.is) {
				t.Errorf("the set of %s has %v: %v", tt.name, i, set.Has(i))
			}
		}
	}
	var none remora.Interpreters
	if none.Has(remora.InterpreterPython3) || none != remora.InterpretersOf() {
		t.Error("the empty set is not empty")
	}
	if both := remora.InterpretersOf(remora.InterpreterPython2, remora.InterpreterWeb); !both.Has(remora.InterpreterWeb) || !both.Has(remora.InterpreterPython2) || both.Has(remora.InterpreterPython3) {
		t.Errorf("the set of two is %b", both)
	}
	if both := remora.InterpretersOf(1); both.Has(200) || remora.Interpreter(200).String() != "" {
		t.Error("an interpreter that there is not")
	}
	if _, err := remora.ParseInterpreter("perl"); remora.KindOf(err) != remora.KindInvalid {
		t.Errorf("ParseInterpreter(perl): %v", err)
	}
	if remora.NewestSugar.Compare(remora.MustNumber("0.114")) < 0 {
		t.Error("the newest Sugar is older than Python 3")
	}
}
