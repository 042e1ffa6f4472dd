package xo

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of values, in bytes, and of lists.
const (
	maxID          = 128
	maxTitle       = 512
	maxExec        = 1024
	maxSummary     = 4 << 10
	maxDescription = 32 << 10
	maxLicense     = 1024
	maxURL         = 2048
	maxItem        = 128
	maxItems       = 200
)

// A Manifest is what activity/activity.info says. White space around and inside of single-line
// texts is made one space.
type Manifest struct {
	BundleID    string        // bundle_id, or the old service_name
	Name        string        // never empty
	Exec        string        // the command; "sugar-activity CLASS" for the old key class
	Number      remora.Number // activity_version
	Interpreter remora.Interpreter
	Icon        string // as written: activity/ICON.svg

	License string // as written; "" if there is none
	SPDX    string // the same as an SPDX license expression; "" if that is not certain

	Summary     string
	Description string // several lines; may have the HTML elements p, ul, ol, li: never trust it as HTML
	Tags        []string
	Categories  []string
	MIMETypes   []string
	Homepage    string   // url, or website; http or https
	Repository  string   // http or https
	Screenshots []string // http or https

	MaxParticipants int  // 0: not said; at most 1,000,000
	SingleInstance  bool // single_instance = yes
	ShowLauncher    bool // false for show_launcher = no

	// Locale is the locale key of a content bundle, normalised; "" for an activity.
	Locale string

	oldClass bool
	iconPath string // below the top folder; "" if there is none
}

// A manifestReader turns a file into a manifest and notes everything that is wrong with it.
type manifestReader struct {
	file    *iniFile
	section string
	where   string
	rp      *report
	content bool
}

// at names a line of a file.
func at(where string, line int) string {
	if line <= 0 {
		return where
	}
	return where + ":" + strconv.Itoa(line)
}

// value returns a value that Sugar reads: what Python cannot read refuses the bundle.
func (m *manifestReader) value(key string) (text, where string, ok bool) {
	text, line, ok, fault := m.file.get(m.section, key)
	where = at(m.where, line)
	if fault != nil {
		m.rp.add(fault.code, where, "%s", fault.message)
		return "", where, true
	}
	return text, where, ok
}

// unread returns a value that Sugar does not read.
func (m *manifestReader) unread(key string) (text, where string, ok bool) {
	text, line, ok, fault := m.file.get(m.section, key)
	where = at(m.where, line)
	if fault != nil {
		if fault.code == codeInfoExpansion {
			m.rp.add(fault.code, where, "%s", fault.message)
			return "", where, true
		}
		m.rp.add(codeInfoPercentUnread, where, "%s It is taken as written.", fault.message)
		v, _ := m.file.lookup(m.section, key)
		text = v.text
	}
	return text, where, ok
}

// required returns a required value of at most most bytes.
func (m *manifestReader) required(c code, most int, what string, keys ...string) (text, key, where string) {
	for _, key = range keys {
		before := len(m.rp.problems) + m.rp.more
		text, where, ok := m.value(key)
		if !ok {
			continue
		}
		if key != keys[0] && !m.content {
			m.rp.add(codeInfoOldKey, where, "The key %s is the old spelling of %s. Write %s.", key, keys[0], keys[0])
		}
		switch {
		case len(m.rp.problems)+m.rp.more > before:
		case text == "":
			m.rp.add(c, where, "The value of %s is empty. %s", key, codes[c].Remedy)
		case len(text) > most:
			m.rp.add(codeInfoValueLong, where, "The value of %s has %d bytes; at most %d are taken. Shorten it.", key, len(text), most)
			text = ""
		}
		return text, key, where
	}
	m.rp.add(c, m.where, "There is no %s. %s", what, codes[c].Remedy)
	return "", "", m.where
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cut shortens an optional text.
func (m *manifestReader) cut(key, text, where string, most int) string {
	if len(text) <= most {
		return text
	}
	m.rp.add(codeInfoValueCut, where, "The value of %s has %d bytes; what is beyond %d is left out.", key, len(text), most)
	return strings.ToValidUTF8(text[:most], "")
}

func (m *manifestReader) read() Manifest {
	out := Manifest{ShowLauncher: true}
	if _, ok := m.file.sections[m.section]; !ok {
		hint := ""
		for name := range m.file.sections {
			if strings.EqualFold(strings.TrimSpace(name), m.section) {
				hint = " There is [" + name + "]; the spelling counts."
			}
		}
		m.rp.add(codeInfoSectionMissing, m.where, "There is no section [%s].%s", m.section, hint)
		return out
	}
	if m.content {
		m.identity(&out, []string{"global_name", "bundle_class"}, "library_version")
		if text, where, ok := m.value("locale"); ok && text != "" {
			if out.Locale = remora.NormalizeLocale(text); out.Locale == "und" {
				m.rp.add(codeLinfoLocale, where, "The locale %s is not a language.", quoted(text))
				out.Locale = ""
			}
		}
	} else {
		m.identity(&out, []string{"bundle_id", "service_name"}, "activity_version")
		m.command(&out)
	}
	m.icon(&out)
	m.license(&out)
	if text, where, ok := m.value("summary"); ok {
		out.Summary = m.cut("summary", oneLine(text), where, maxSummary)
	}
	if text, where, ok := m.value("description"); ok {
		out.Description = m.cut("description", strings.TrimSpace(text), where, maxDescription)
	}
	if text, where, ok := m.value("tags"); ok {
		out.Tags = m.list("tags", text, where)
	}
	if text, where, ok := m.unread("categories"); ok {
		out.Categories = m.list("categories", text, where)
	}
	if text, where, ok := m.value("mime_types"); ok {
		for _, t := range m.list("mime_types", text, where) {
			if !mimeType.MatchString(t) {
				m.rp.add(codeInfoMIME, where, "%s is not a media type such as text/plain; it is left out.", quoted(t))
				continue
			}
			out.MIMETypes = append(out.MIMETypes, t)
		}
	}
	m.addresses(&out)
	m.switches(&out)
	return out
}

var (
	bundleID = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)
	mimeType = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$`)
	integer  = regexp.MustCompile(`^[+-]?[0-9]+$`)
)

func (m *manifestReader) identity(out *Manifest, ids []string, version string) {
	id, key, where := m.required(codeInfoIDMissing, 1<<20, ids[0], ids...)
	switch {
	case id == "":
	case len(id) > maxID || !bundleID.MatchString(id):
		m.rp.add(codeInfoIDSyntax, where, "The %s %s must be at most %d letters, digits and _ with dots between them, such as org.example.Maze.", key, quoted(id), maxID)
	case !strings.Contains(id, ".") && !m.content:
		m.rp.add(codeInfoIDDot, where, "The %s %s has no dot. Use a name such as org.example.Maze, so that it cannot clash with another's.", key, quoted(id))
	}
	out.BundleID = id
	name, _, _ := m.required(codeInfoNameMissing, maxTitle, "name", "name")
	out.Name = oneLine(name)
	text, key, where := m.required(codeInfoVersionMissing, 1<<20, version, version)
	if text == "" {
		return
	}
	n, err := remora.ParseNumber(text)
	if err != nil {
		m.rp.add(codeInfoVersionSyntax, where, "%s: %s", key, remora.MessageOf(err))
		return
	}
	out.Number = n
}

func (m *manifestReader) command(out *Manifest) {
	text, key, _ := m.required(codeInfoExecMissing, maxExec, "exec", "exec", "class")
	out.Exec = oneLine(text)
	if key == "class" && text != "" {
		out.Exec, out.oldClass = "sugar-activity "+out.Exec, true
	}
}

// cleanIcon returns where Sugar looks for an icon of this name.
func cleanIcon(name string) string { return "activity/" + name + ".svg" }

func (m *manifestReader) icon(out *Manifest) {
	text, where, ok := m.value("icon")
	if !ok || text == "" {
		return
	}
	out.Icon = m.cut("icon", oneLine(text), where, maxItem)
	out.iconPath = cleanIcon(out.Icon)
	if m.content {
		out.iconPath = "library/" + out.Icon
		if !strings.Contains(out.Icon[strings.LastIndexByte(out.Icon, '/')+1:], ".") {
			out.iconPath += ".svg"
		}
	}
}

func (m *manifestReader) license(out *Manifest) {
	text, where, ok := m.unread("license")
	if !ok || text == "" {
		m.rp.add(codeInfoLicenseMissing, where, "There is no license, so nobody knows whether it may be given on. Add a line such as \"license = GPLv3+\".")
		return
	}
	out.License = m.cut("license", oneLine(text), where, maxLicense)
	if out.SPDX = SPDX(out.License); out.SPDX == "" {
		m.rp.add(codeInfoLicenseUnknown, where, "The license %s could not be matched to an SPDX expression such as \"GPL-3.0-or-later\". Its text is kept.", quoted(out.License))
	}
}

// list splits a list at semicolons, as Sugar does, and at commas, as its authors often thought.
func (m *manifestReader) list(key, text, where string) []string {
	return m.items(key, text, where, func(r rune) bool { return r == ';' || r == ',' }, maxItem)
}

func (m *manifestReader) items(key, text, where string, separates func(rune) bool, most int) (items []string) {
	for item := range strings.FieldsFuncSeq(text, separates) {
		item = oneLine(item)
		switch {
		case item == "":
			continue
		case len(items) == maxItems:
			m.rp.add(codeInfoValueCut, where, "The list %s has more than %d items; the rest is left out.", key, maxItems)
			return items
		case len(item) > most:
			m.rp.add(codeInfoValueCut, where, "An item of the list %s has %d bytes, more than %d; it is left out.", key, len(item), most)
			continue
		}
		items = append(items, item)
	}
	return items
}

func (m *manifestReader) addresses(out *Manifest) {
	for _, key := range [...]string{"url", "website"} {
		if text, where, ok := m.unread(key); ok && out.Homepage == "" {
			out.Homepage = m.address(key, text, where)
		}
	}
	if text, where, ok := m.unread("repository"); ok {
		out.Repository = m.address("repository", text, where)
	}
	text, where, ok := m.unread("screenshots")
	if !ok {
		return
	}
	spaces := func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == ';' }
	for _, item := range m.items("screenshots", text, where, spaces, maxURL) {
		if address := m.address("screenshots", item, where); address != "" {
			out.Screenshots = append(out.Screenshots, address)
		}
	}
}

// address returns a full http or https address in its canonical spelling, "" for anything else.
func (m *manifestReader) address(key, text, where string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		m.rp.add(codeInfoURL, where, "%s in %s is not an address that starts with http:// or https://; it is left out.", quoted(text), key)
		return ""
	}
	return u.String()
}

func (m *manifestReader) switches(out *Manifest) {
	if m.content {
		return
	}
	if text, _, ok := m.value("show_launcher"); ok {
		out.ShowLauncher = text != "no"
	}
	if text, _, ok := m.value("single_instance"); ok {
		out.SingleInstance = text == "yes"
	}
	before := len(m.rp.problems) + m.rp.more
	text, where, ok := m.value("max_participants")
	switch {
	case !ok || len(m.rp.problems)+m.rp.more > before:
	case !integer.MatchString(text):
		m.rp.add(codeInfoParticipants, where, "max_participants is %s, which is not a whole number. Write a number such as 4, or remove the line.", quoted(text))
	default:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 || n > 1_000_000 {
			m.rp.add(codeInfoValueCut, where, "max_participants is %s and is taken as not said; a number from 0 to 1,000,000 is expected.", quoted(text))
			return
		}
		out.MaxParticipants = int(n)
	}
}
