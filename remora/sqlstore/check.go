package sqlstore

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of what is kept, the same on both engines whatever their columns would hold.
const (
	maxBundleID = 255
	maxValue    = 1 << 20 // of one text in one locale, in bytes
	maxLocales  = 1000
	maxLocale   = 35 // as NormalizeLocale lets through
	maxURL      = 2048
	maxLicense  = 255 // of the SPDX expression
	maxTags     = 100
	maxTag      = 100
	maxArchs    = 10
	maxArch     = 24
	maxReport   = 8 << 20
	maxReason   = 4096
	maxMedia    = 64
	maxItems    = 5000
	maxNickname = 100
	maxAuthors  = 50
	maxAuthor   = 90 // of an author's name, in characters
	maxImages   = 20 // of one activity
	maxImage    = 16 << 20
	maxSide     = 1 << 13 // of an image, in pixels
)

// checks collects every mistake of a value.
type checks struct{ wrong []string }

func (c *checks) mistake(format string, args ...any) {
	const most = 10
	if len(c.wrong) < most {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

func (c *checks) line(what, s string, most int) {
	switch {
	case len(s) > most:
		c.mistake("%s is longer than %d bytes", what, most)
	case !utf8.ValidString(s):
		c.mistake("%s is not UTF-8", what)
	}
}

func (c *checks) text(what string, t remora.Text) {
	if len(t) > maxLocales {
		c.mistake("%s has more than %d locales", what, maxLocales)
		return
	}
	for i, l := range t {
		switch {
		case l.Locale == "" || remora.NormalizeLocale(l.Locale) != l.Locale || len(l.Locale) > maxLocale:
			c.mistake("%s has the locale %.40q, which is not a normal BCP 47 tag", what, l.Locale)
		case i > 0 && t[i-1].Locale >= l.Locale:
			c.mistake("%s is not sorted by locale, or has %s twice", what, l.Locale)
		case l.Value == "":
			c.mistake("%s is empty in %s", what, l.Locale)
		}
		c.line(what+" in "+l.Locale, l.Value, maxValue)
	}
}

func (c *checks) locale(what, s string) {
	if s != "" && (remora.NormalizeLocale(s) != s || len(s) > maxLocale) {
		c.mistake("%s is %.40q, which is not a normal BCP 47 tag", what, s)
	}
}

func (c *checks) tags(tags []string) {
	if len(tags) > maxTags {
		c.mistake("there are more than %d tags", maxTags)
		return
	}
	for _, t := range tags {
		if strings.TrimSpace(t) == "" {
			c.mistake("a tag is empty")
		}
		c.line("a tag", t, maxTag)
	}
}

func (c *checks) by(by remora.Actor) {
	c.line("the reason", by.Reason, maxReason)
}

func (c *checks) err(code, what string) error {
	if len(c.wrong) == 0 {
		return nil
	}
	return remora.Errorf(remora.KindInvalid, code, "%s cannot be kept: %s.", what, strings.Join(c.wrong, "; "))
}

func checkSubmission(by remora.Actor, s *remora.Submission) error {
	if s == nil {
		return remora.Errorf(remora.KindInvalid, "submission.invalid", "There is no submission.")
	}
	var c checks
	c.by(by)
	if s.BundleID == "" {
		c.mistake("it has no bundle id")
	}
	c.line("the bundle id", s.BundleID, maxBundleID)
	if s.Number.IsZero() {
		c.mistake("it has no version number")
	}
	if len(s.Name) == 0 {
		c.mistake("it has no name")
	}
	if s.SHA256.IsZero() {
		c.mistake("it has no SHA-256 sum")
	}
	if s.Size < 0 || s.IconSize < 0 {
		c.mistake("a size is negative")
	}
	if s.ActivityID < 0 || s.FileID < 0 {
		c.mistake("a wanted id is negative")
	}
	c.text("the name", s.Name)
	c.text("the summary", s.Summary)
	c.text("the description", s.Description)
	c.text("the release notes", s.Notes)
	c.locale("the default locale", s.DefaultLocale)
	c.tags(s.Tags)
	c.line("the licence", s.License, maxLicense)
	c.line("the text of the licence", s.LicenseText, maxValue)
	c.line("the homepage", s.Homepage, maxURL)
	c.line("the repository", s.Repository, maxURL)
	if s.Interpreter.String() == "" && s.Interpreter != remora.InterpreterUnknown {
		c.mistake("the interpreter is none that is known")
	}
	if len(s.Archs) > maxArchs {
		c.mistake("it has more than %d architectures", maxArchs)
	}
	for _, a := range s.Archs {
		if a == "" || len(a) > maxArch || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' }) {
			c.mistake("the architecture %.30q is not a word", a)
		}
	}
	if len(s.Report) > maxReport {
		c.mistake("the report is larger than %d bytes", maxReport)
	}
	return c.err("submission.invalid", "The submission")
}
