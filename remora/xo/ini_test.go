package xo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sugarlabs/beamrider/internal/require"
)

// contents reads a file as far as Python would give it out: every key of every section and
// whether its value can be had. It is nil if the file is refused.
func contents(text string) map[string]map[string]*string {
	f, faults := parseINI([]byte(text))
	if len(faults) > 0 {
		return nil
	}
	all := map[string]map[string]*string{}
	for section, keys := range f.sections {
		all[section] = map[string]*string{}
		for _, from := range []map[string]iniValue{keys, f.defaults} {
			for key := range from {
				all[section][key] = nil
				if v, _, _, fault := f.get(section, key); fault == nil {
					all[section][key] = &v
				}
			}
		}
	}
	return all
}

func TestINI(t *testing.T) {
	s := func(v string) *string { return &v }
	for _, c := range []struct {
		text string
		want map[string]map[string]*string
	}{
		{"", map[string]map[string]*string{}},
		{"[a]\nx = 1\ny:2\nz\t=\t3 = 4\n", map[string]map[string]*string{"a": {"x": s("1"), "y": s("2"), "z": s("3 = 4")}}},
		{"[a]\n# c\n ; c\nx = 1 # no comment\n", map[string]map[string]*string{"a": {"x": s("1 # no comment")}}},
		{"[a]\nx = 1\n  2\n # c\n\n  3\n\ny =\n", map[string]map[string]*string{"a": {"x": s("1\n2\n\n3"), "y": s("")}}},
		{"[a]\n  x = 1\n  y = 2\n", map[string]map[string]*string{"a": {"x": s("1"), "y": s("2")}}},
		{"[a]\nX = 1\n[A]\nx = 2\n", map[string]map[string]*string{"a": {"x": s("1")}, "A": {"x": s("2")}}},
		{"[DEFAULT]\nd = 1\n[a]\nx = %(d)s%(D)s%%\n[DEFAULT]\ne = %\n", map[string]map[string]*string{"a": {"d": s("1"), "x": s("11%"), "e": nil}}},
		{"[a]\r\nx = 1\r\n 2\r\n", map[string]map[string]*string{"a": {"x": s("1\n2")}}},
		{"[a] trailing\nx = [1]\n[=1\n", map[string]map[string]*string{"a": {"x": s("[1]"), "[": s("1")}}},
		{"[a]\nkey with spaces  : 1\n", map[string]map[string]*string{"a": {"key with spaces": s("1")}}},
		{"[a]\n\u00a0x = 1\u00a0\n", map[string]map[string]*string{"a": {"x": s("1")}}},
		{"x = 1\n[a]\n", nil},
		{"[a]\n[a]\n", nil},
		{"[a]\nx=1\nX=2\n", nil},
		{"[a]\n[]\n", nil},
		{"[a]\nx\n", nil},
		{"\ufeff[a]\n", nil},
		{"[a]\nx = \x00\n", nil},
		{"[a]\rx = 1\r", nil},
		{"[DEFAULT]\nx=1\n[DEFAULT]\nx=2\n", nil},
	} {
		if d := cmp.Diff(c.want, contents(c.text)); d != "" {
			t.Errorf("%q: %s", c.text, d)
		}
	}
}

func TestFaultLines(t *testing.T) {
	_, faults := parseINI([]byte("[Activity]\nname = x\nname = y\nhello\n\xff\n"))
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprint(f.line, codes[f.code].Code))
	}
	if d := cmp.Diff([]string{"3info.key_duplicate", "4info.syntax", "5info.utf8"}, got); d != "" {
		t.Error(d)
	}
	if _, faults := parseINI([]byte(strings.Repeat("x\n", 1000))); len(faults) > maxFaults {
		t.Errorf("%d faults", len(faults))
	}
}

// pythonReader reads a JSON list of texts and writes what configparser makes of each.
const pythonReader = `
import configparser, json, sys
def read(text):
    cp = configparser.ConfigParser()
    try:
        cp.read_string(text.encode().decode())
    except (configparser.Error, UnicodeError):
        return None
    out = {}
    for s in cp.sections():
        out[s] = {}
        for k in cp.options(s):
            try:
                out[s][k] = cp.get(s, k)
            except configparser.Error:
                out[s][k] = None
    return out
json.dump([read(t) for t in json.load(sys.stdin)], sys.stdout)
`

// TestINIAsPython checks that what is accepted reads as Python reads it. What is refused beyond
// Python must be one of the few things the package refuses on purpose.
func TestINIAsPython(t *testing.T) {
	python := require.Tool(t, "python3")
	texts := []string{
		goodInfo, strings.ReplaceAll(goodInfo, "\n", "\r\n"), "[DEFAULT]\na=1\n[x]\nb=%(a)s", "[x]\na\n b\n", "[x]\na =\n b\n\n\n c\nd=1",
		"[x]\na=%(b)s\nb=%(c)s\nc=%%\n", "[x]\na=%(a)s", "[x]\n a=1\n  b=2\n c=3", "[x]\na=1\n[y]\n b=2\n c=3", "[x]\n\tİ = 1\n", "[x]\na:=1\nb=:1\n",
		"[x]\na=1\n;c\n b\n#c\n  d\n", "[x]]\na=1", "[x] [y]\n", "[]]\n", "[ x ]\na=1", "[x]\n[ = 1\n", "[x]\na%(b = %%(c)s %(a%(b)s\n", "[x]\n\u2003a\u2003=\u2003b\u2003\n",
		"[x]\na=%(b\nb=1\n", "[x]\na=%\n", "[x]\na=%()s\n", "[x]\na=%(DEFAULT)s\n", "[DEFAULT]\n[x]\n", "[default]\na=1\n[x]\n", "#\n;\n\n[x]\n", "[x]\na=b\n\u00a0c\n",
	}
	pieces := []string{"[x]", "[y]", "[DEFAULT]", "\n", "\n", "\n", "\r\n", " ", "  ", "\t", "a", "b", "A", "é", "=", ":", " = ", "#", ";", "%", "%%", "%(a)s", "%(b)s", "%(", ")s", "[", "]", "1", "\u00a0", "\n a", "\nb = "}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 6000 {
		var b strings.Builder
		if rng.IntN(4) > 0 {
			b.WriteString("[x]\n")
		}
		for range rng.IntN(25) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		texts = append(texts, b.String())
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", pythonReader)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []map[string]map[string]*string
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i, text := range texts {
		ours := contents(text)
		if ours == nil && theirs[i] != nil {
			_, faults := parseINI([]byte(text))
			for _, f := range faults {
				if f.code != codeInfoSectionSyntax && f.code != codeInfoControl {
					t.Errorf("%q: refused for %v, but Python reads it", text, f)
				}
			}
			continue
		}
		if ours != nil {
			accepted++
		}
		if d := cmp.Diff(theirs[i], ours); d != "" {
			t.Errorf("%q: Python - ours +\n%s", text, d)
		}
	}
	if accepted < 500 {
		t.Errorf("only %d of %d texts were accepted", accepted, len(texts))
	}
}

// TestINIWriteRead checks that values written the plain way come back.
func TestINIWriteRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-zA-Z0-9é,;<>&/%"']{1,40}`).Draw(t, "value")
		key := rapid.StringMatching(`[a-z_]{1,10}`).Draw(t, "key")
		f, faults := parseINI([]byte("[Activity]\n" + key + " = " + strings.ReplaceAll(value, "%", "%%") + "\n"))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got, line, ok, fault := f.get("Activity", key); !ok || fault != nil || got != value || line != 2 {
			t.Fatalf("%q came back as %q in line %d, %v", value, got, line, fault)
		}
	})
}
