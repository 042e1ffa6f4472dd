package sqlstore

import (
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

const maxSlug = 40

// slugOf returns the short ASCII word by which an activity's files are named: the last segment of
// its bundle id that says something, else a word of its name. It is never empty, starts with a
// letter, and is not unique.
func slugOf(bundleID string, name remora.Text) string {
	segments := strings.Split(bundleID, ".")
	for i := len(segments) - 1; i >= 0; i-- {
		if s := slugWord(segments[i]); s != "" && s != "activity" && (i > 0 || len(segments) == 1) {
			return s
		}
	}
	for _, l := range name {
		if s := slugWord(l.Value); s != "" {
			return s
		}
	}
	return "activity"
}

func slugWord(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxSlug; i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c | 0x20)
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteByte(c)
		case b.Len() > 0 && b.String()[b.Len()-1] != '-':
			b.WriteByte('-')
		}
	}
	word := strings.Trim(b.String(), "-")
	if word != "" && (word[0] < 'a' || word[0] > 'z') {
		word = "a-" + word // a slug must not look like an id
	}
	return word
}

// filenameOf returns the name under which a version's file is offered. The suffix tells clients
// what it is.
func filenameOf(slug string, n remora.Number, content bool) string {
	if content {
		return slug + "-" + n.String() + ".xol"
	}
	return slug + "-" + n.String() + ".xo"
}
