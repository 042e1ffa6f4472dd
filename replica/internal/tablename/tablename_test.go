package tablename

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	long := strings.Repeat("ä", most)
	for name, want := range map[string]string{
		"ops.heartbeat":          "`ops`.`heartbeat`",
		"o`p`s.heart beat":       "`o``p``s`.`heart beat`",
		"a.b`; DROP TABLE x; --": "`a`.`b``; DROP TABLE x; --`",
		long + "." + long:        "`" + long + "`.`" + long + "`",
		"":                       "",
		"heartbeat":              "",
		".heartbeat":             "",
		"ops.":                   "",
		"a.b.c":                  "",
		"ops.heartbeat ":         "",
		"ops.\x00":               "",
		"ops.\xff":               "",
		"ops." + long + "ä":      "",
	} {
		got, err := Quote(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Quote(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}
