package xo

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
)

// fuzzOptions keep one try short.
var fuzzOptions = Options{MaxPacked: 1 << 20, MaxUnpacked: 4 << 20, MaxEntry: 4 << 20, MaxEntries: 500}

func FuzzRead(f *testing.F) {
	for _, c := range badCases() {
		if len(c.data) < 4<<10 {
			f.Add(c.data)
		}
	}
	for _, data := range acceptedCases() {
		if len(data) < 4<<10 {
			f.Add(data)
		}
	}
	known := map[string]bool{}
	for _, d := range Codes() {
		known[d.Code] = true
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := readBytes(data, &fuzzOptions)
		if err != nil {
			var e *remora.Error
			var refusal *Refusal
			if !errors.As(err, &e) || !known[e.Code] || !errors.As(err, &refusal) {
				t.Fatalf("%#v", err)
			}
			return
		}
		if b.Manifest.BundleID == "" || b.Manifest.Name == "" || b.Manifest.Exec == "" || b.Manifest.Number.IsZero() || len(b.Name) == 0 {
			t.Fatalf("accepted without what is required: %+v", b.Manifest)
		}
		for _, file := range b.Inventory.Files {
			if _, _, ok := nameFault(file.Path); !ok {
				t.Fatalf("accepted the name %q", file.Path)
			}
		}
		if b.Icon != nil {
			checkPlain(t, b.Icon)
		}
	})
}

func FuzzInfo(f *testing.F) {
	f.Add(goodInfo)
	f.Add("[DEFAULT]\na = %(b)s\n[Activity]\nb: 1\n 2\n\n# c\nc = %%\n")
	f.Add(growing("[Activity]\nname", "%(x)s"))
	f.Fuzz(func(t *testing.T, text string) {
		file, faults := parseINI([]byte(text))
		for _, fault := range faults {
			if fault.line < 1 || !sentence(fault.message) {
				t.Fatalf("%+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		for section, keys := range file.sections {
			for key := range keys {
				if v, _, _, fault := file.get(section, key); fault == nil && len(v) > maxExpanded {
					t.Fatalf("%s became %d bytes", key, len(v))
				}
			}
		}
		rp := &report{op: "fuzz"}
		m := (&manifestReader{file: file, section: "Activity", where: "x", rp: rp}).read()
		if !rp.refused() && (m.BundleID == "" || m.Name == "" || m.Exec == "" || m.Number.IsZero()) {
			t.Fatalf("accepted %+v", m)
		}
	})
}

func FuzzIcon(f *testing.F) {
	f.Add([]byte(goodIcon))
	for _, c := range warnCases() {
		if strings.HasPrefix(c.code, "icon.") && len(c.data) < 2<<10 {
			f.Add(c.data)
		}
	}
	f.Add([]byte(`<!DOCTYPE svg [<!ENTITY a "&b;&#x41;"><!ENTITY b 'x'>]><svg id="q" style="fill:url(#q)"><style>g.a,#b{fill:red}</style><text class="a">&a;</text><use href="#b"/></svg>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		out, faults := sanitizeIcon(data, 256<<10)
		if out == nil {
			if len(faults) == 0 {
				t.Fatal("no icon and no reason")
			}
			return
		}
		checkPlain(t, out)
		again, faults := sanitizeIcon(out, 1<<20)
		if again == nil {
			t.Fatalf("%q is not taken again: %v", out, faults)
		}
		blue, err := Recolor(out, "#0000ff", "#0000ff")
		if err != nil {
			t.Fatal(err)
		}
		checkPlain(t, blue)
		if len(blue) != len(out) {
			t.Fatalf("%q became %q", out, blue)
		}
		if twice, err := Recolor(blue, "#0000ff", "#0000ff"); err != nil || !bytes.Equal(twice, blue) {
			t.Fatalf("%q became %q, %v", blue, twice, err)
		}
	})
}

func FuzzLicense(f *testing.F) {
	for _, s := range []string{"GPLv2+", "MIT OR (Apache-2.0 AND ISC)", "GPL-2.0 WITH Classpath-exception-2.0", "GNU General Public License, version 2 or later; CC BY-SA 3.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := SPDX(text)
		if e == "" {
			return
		}
		if again, ok := parseExpression(e); !ok || again != e {
			t.Fatalf("%q gives %q, which reads as %q", text, e, again)
		}
	})
}
