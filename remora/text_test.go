package remora_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func TestNormalizeLocale(t *testing.T) {
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "es_PE.UTF-8": "es-PE", "es-pe": "es-PE", "es_pe": "es-PE", "zh_hant_tw": "zh-Hant-TW", "ZH-HANS": "zh-Hans",
		"sr@latin": "sr-Latn", "sr@cyrillic": "sr-Cyrl", "sr_RS@latin": "sr-Latn-RS", "sr-Latn@cyrillic": "sr-Latn", "ca@valencia": "ca", "uz_UZ.UTF-8@cyrillic": "uz-Cyrl-UZ",
		"es-419": "es-419", "cpp": "cpp", "mvo": "mvo", "C": "en", "POSIX": "en", "C.UTF-8": "en", "en_US.iso88591": "en-US", "sl-rozaj": "sl-rozaj",
		"-es-": "es", "es__PE": "es-PE", "de_AT@euro": "de-AT",
		"": "und", "_": "und", "-": "und", "x": "und", "@latin": "und", ".UTF-8": "und", "é": "und", "en us": "und", "en/..": "und", "en\x00": "und", "<b>": "und",
		"abcdefghi": "und", "x-klingon": "und", strings.Repeat("en-", 50): "und", "{{": "und", "e`": "und",
	} {
		if got := remora.NormalizeLocale(in); got != want {
			t.Errorf("NormalizeLocale(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLocale(f *testing.F) {
	for _, s := range []string{"es_PE.UTF-8", "zh_hant_tw", "sr@latin", "sr-Latn@cyrillic", "C", "x", "\xff", "aaaaaaaa-bbbbbbbb-cccccccc-dddddddd@latin"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := remora.NormalizeLocale(s)
		if again := remora.NormalizeLocale(n); again != n {
			t.Errorf("NormalizeLocale(%q) = %q, and of that %q", s, n, again)
		}
		if len(n) < 2 || len(n) > 35 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" || strings.Contains(n, "--") {
			t.Errorf("NormalizeLocale(%q) = %q", s, n)
		}
	})
}

func TestText(t *testing.T) {
	got := remora.NewText(map[string]string{"es_PE": "Tortuga del Perú", "es": "Tortuga", "en": "Turtle", "fr": "", "ES": "Otra", "zz zz": "?"})
	want := remora.Text{{"en", "Turtle"}, {"es", "Otra"}, {"es-PE", "Tortuga del Perú"}, {"und", "?"}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("NewText (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		text                     remora.Text
		locale, def, value, used string
	}{
		{got, "es-PE", "en", "Tortuga del Perú", "es-PE"},
		{got, "es-MX", "en", "Otra", "es"},
		{got, "es", "en", "Otra", "es"},
		{got, "fr", "es-PE", "Tortuga del Perú", "es-PE"},
		{got, "fr-CA", "es-AR", "Otra", "es"},
		{got, "fr", "de", "Turtle", "en"},
		{got, "", "", "Turtle", "en"},
		{got, "-", "--", "Turtle", "en"},
		{got, strings.Repeat("x-", 1000), "", "Turtle", "en"},
		{got[2:], "fr", "de", "Tortuga del Perú", "es-PE"},
		{remora.PlainText("zh_hant_tw", "龜"), "zh-Hant", "en", "龜", "zh-Hant-TW"},
		{nil, "es", "en", "", ""},
		{remora.Text{}, "es", "en", "", ""},
	} {
		value, used := tt.text.In(tt.locale, tt.def)
		if value != tt.value || used != tt.used {
			t.Errorf("%v in %.20q, else %q: %q in %q, want %q in %q", tt.text, tt.locale, tt.def, value, used, tt.value, tt.used)
		}
	}
	if n := testing.AllocsPerRun(100, func() { got.In("es-MX", "en") }); n != 0 {
		t.Errorf("In allocates %v times", n)
	}
	if got := remora.PlainText("es", ""); got != nil {
		t.Errorf("PlainText of nothing = %v", got)
	}
	if got := remora.NewText(nil); len(got) != 0 {
		t.Errorf("NewText of nothing = %v", got)
	}
}
