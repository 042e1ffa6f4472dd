package xo

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/fedora-licenses.txt
var fedoraLicenses string

func TestSPDX(t *testing.T) {
	for text, want := range map[string]string{
		"GPLv2+": "GPL-2.0-or-later", "GPLv3+": "GPL-3.0-or-later", "GPLv3": "GPL-3.0-only", "GPL-3.0": "GPL-3.0-only", "GPL-3.0+": "GPL-3.0-or-later",
		"gpl-3.0-or-later": "GPL-3.0-or-later", "GNU GPL v2 or later": "GPL-2.0-or-later", "GPL v2": "GPL-2.0-only", "GPL2+": "GPL-2.0-or-later",
		"GNU General Public License v3":                             "GPL-3.0-only",
		"GNU General Public License, version 2 or later":            "GPL-2.0-or-later",
		"GNU General Public License version 3 or any later version": "GPL-3.0-or-later",
		"GNU Lesser General Public License v2.1+":                   "LGPL-2.1-or-later",
		"LGPLv2+":                     "LGPL-2.0-or-later",
		"LGPL":                        "",
		"AGPLv3+":                     "AGPL-3.0-or-later",
		"GPL":                         "",
		"GPL+":                        "GPL-1.0-or-later",
		"GPLv2.1":                     "",
		"MIT":                         "MIT",
		"MIT License":                 "MIT",
		"The MIT License":             "MIT",
		"Expat":                       "MIT",
		"ASL 2.0":                     "Apache-2.0",
		"Apache License 2.0":          "Apache-2.0",
		"Apache License, Version 2.0": "Apache-2.0",
		"BSD":                         "",
		"New BSD":                     "BSD-3-Clause",
		"3-clause BSD":                "BSD-3-Clause",
		"Public Domain":               publicDomain,
		"public domain":               publicDomain,
		"CC-BY-SA":                    "",
		"CC-BY-SA 3.0":                "CC-BY-SA-3.0",
		"CC BY-NC-SA 4.0":             "CC-BY-NC-SA-4.0",
		"Creative Commons Attribution-ShareAlike 3.0 Unported": "CC-BY-SA-3.0",
		"CC0":                         "CC0-1.0",
		"MPLv1.1":                     "MPL-1.1",
		"GFDL 1.3+":                   "GFDL-1.3-or-later",
		"GPLv2+;LGPLv2+;GPLv3+":       "GPL-2.0-or-later AND LGPL-2.0-or-later AND GPL-3.0-or-later",
		"MIT, GPLv2+,":                "MIT AND GPL-2.0-or-later",
		"MIT; MIT":                    "MIT",
		"GPLv3 or MIT":                "GPL-3.0-only OR MIT",
		"GPLv3+ and MIT":              "GPL-3.0-or-later AND MIT",
		"MIT; GPLv2+ or MPLv1.1":      "MIT AND (GPL-2.0-or-later OR MPL-1.1)",
		"GPL+ or Artistic":            "GPL-1.0-or-later OR Artistic-1.0-Perl",
		"MIT OR Apache-2.0":           "MIT OR Apache-2.0",
		"(mit or apache-2.0) and isc": "(MIT OR Apache-2.0) AND ISC",
		"((MIT))":                     "MIT",
		"GPL-2.0-or-later WITH Classpath-exception-2.0": "GPL-2.0-or-later WITH Classpath-exception-2.0",
		"GPL-2.0 WITH Nothing":                          "",
		"LicenseRef-Mine":                               "LicenseRef-Mine",
		"GPLv3; do what is right":                       "",
		"":                                              "",
		";":                                             "",
		"MIT OR":                                        "",
		"MIT License (MIT)":                             "MIT", "MIT License (BSD)": "", "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later", "The Unlicense": "Unlicense",
		"(MIT":                           "",
		strings.Repeat("(", 500) + "MIT": "",
		strings.Repeat("MIT;", 400):      "",
	} {
		if got := SPDX(text); got != want {
			t.Errorf("SPDX(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestFedoraNames checks that every name the old catalog offered is known, if only as ambiguous.
func TestFedoraNames(t *testing.T) {
	known, ambiguous := 0, 0
	for line := range strings.Lines(fedoraLicenses) {
		name := strings.TrimSpace(line)
		if name == "" || name[0] == '#' {
			continue
		}
		e := SPDX(name)
		if e == "" {
			_, listed := licenseNames[licenseKey(name)]
			if !listed && !strings.Contains(name, "with exceptions") && !strings.Contains(name, " or Artistic") {
				t.Errorf("%q (%q) is neither mapped nor listed as ambiguous", name, licenseKey(name))
			}
			ambiguous++
			continue
		}
		known++
		if again, ok := parseExpression(e); !ok || again != e {
			t.Errorf("%q gives %q, which reads as %q", name, e, again)
		}
	}
	if known < 120 || known+ambiguous < 200 {
		t.Errorf("%d known, %d ambiguous", known, ambiguous)
	}
}

func TestLicenseTable(t *testing.T) {
	for key, e := range licenseNames {
		if key != licenseKey(key) {
			t.Errorf("no text leads to the key %q, it becomes %q", key, licenseKey(key))
		}
		if again, ok := parseExpression(e); e != "" && (!ok || again != e) {
			t.Errorf("%q has %q, which reads as %q", key, e, again)
		}
	}
}
