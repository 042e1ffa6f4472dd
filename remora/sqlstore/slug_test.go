package sqlstore_test

import (
	"regexp"
	"testing"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/sqlstore"
)

func TestSlug(t *testing.T) {
	for _, c := range []struct{ id, name, want string }{
		{"org.laptop.Log", "Log", "log"},
		{"org.laptop.WebActivity", "Browse", "webactivity"},
		{"org.laptop.TamTam_Mini", "x", "tamtam-mini"},
		{"org.sugarlabs.Pippy.Activity", "x", "pippy"},
		{"bounce", "Bounce", "bounce"},
		{"org.laptop.2048", "2048", "a-2048"},
		{"org.__", "Ça va", "a-va"},
		{"org.書", "書", "activity"},
		{"org.書", "Книга Book 1", "book-1"},
		{"", "", "activity"},
		{"com.example.a-very-long-name-that-never-wants-to-come-to-an-end-at-all", "", "a-very-long-name-that-never-wants-to-com"},
	} {
		if got := sqlstore.SlugOf(c.id, remora.PlainText("en", c.name)); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.id, c.name, got, c.want)
		}
	}
}

func FuzzSlug(f *testing.F) {
	f.Add("org.laptop.Log", "Log")
	f.Add("..-.", "\xff𝒳")
	f.Add("9.9", "-9-")
	good := regexp.MustCompile(`^[a-z]([a-z0-9-]{0,41}[a-z0-9])?$`)
	f.Fuzz(func(t *testing.T, id, name string) {
		if got := sqlstore.SlugOf(id, remora.PlainText("en", name)); !good.MatchString(got) {
			t.Errorf("%q, %q: %q", id, name, got)
		}
	})
}
