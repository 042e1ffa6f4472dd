package xo

import (
	_ "embed" // the list of identifiers
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed spdx.txt
var spdxText string

// spdxIDs returns the identifiers of licenses and exceptions by their lower-case spelling.
var spdxIDs = sync.OnceValues(func() (licenses, exceptions map[string]string) {
	licenses, exceptions = map[string]string{}, map[string]string{}
	for line := range strings.Lines(spdxText) {
		kind, id, ok := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case !ok:
		case kind == "L":
			licenses[strings.ToLower(id)] = id
		case kind == "E":
			exceptions[strings.ToLower(id)] = id
		}
	}
	return licenses, exceptions
})

const maxLicenseText = 1000

// SPDX returns the SPDX license expression (https://spdx.org/licenses/, annex D of the SPDX
// specification) that a license text stands for, "" if that is not certain. It knows expressions,
// the short names of Fedora that the old site offered, and common free spellings. Several joined
// by comma, semicolon or "and" all apply (AND); "or" leaves the choice (OR). Names that stand for
// several licenses, such as "GPL" or "BSD", give "". The public domain is LicenseRef-Public-Domain.
func SPDX(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxLicenseText {
		return ""
	}
	if e, ok := parseExpression(text); ok {
		return e
	}
	if e, ok := lookupLicense(text); ok {
		return e // one name with a comma in it
	}
	var all []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == ',' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		part = strings.TrimSpace(strings.TrimPrefix(part, "and "))
		if e, ok := parseExpression(part); ok {
			all = append(all, e)
			continue
		}
		e, ok := words(part)
		if !ok {
			return ""
		}
		all = append(all, e)
	}
	return join(all, " AND ")
}

// join joins expressions, each once, with brackets where a choice would be torn apart.
func join(list []string, op string) string {
	var kept []string
	for _, e := range list {
		if !slices.Contains(kept, e) {
			kept = append(kept, e)
		}
	}
	if len(kept) > 1 {
		for i, e := range kept {
			if op == " AND " && strings.Contains(e, " OR ") && !strings.HasPrefix(e, "(") {
				kept[i] = "(" + e + ")"
			}
		}
	}
	return strings.Join(kept, op)
}

var (
	orLater = regexp.MustCompile(`(?i)\s*,?\s*\(?\b(or|and)\s+(\(at your option\)\s+)?(any\s+)?(later|newer|above|higher|greater)(\s+versions?)?\)?`)
	orWord  = regexp.MustCompile(`(?i)\s+or\s+`)
	andWord = regexp.MustCompile(`(?i)\s+and\s+|\s*&\s*|\s+\+\s+`)
)

// words reads one part of free text.
func words(part string) (string, bool) {
	if e, ok := lookupLicense(part); ok {
		return e, true
	}
	part = orLater.ReplaceAllString(part, "+")
	var all []string
	for _, both := range andWord.Split(part, -1) {
		var choice []string
		for _, one := range orWord.Split(both, -1) {
			e, ok := parseExpression(one)
			if !ok {
				e, ok = lookupLicense(one)
			}
			if !ok {
				return "", false
			}
			choice = append(choice, e)
		}
		all = append(all, join(choice, " OR "))
	}
	return join(all, " AND "), true
}

var (
	longNames = strings.NewReplacer(
		"lesser general public", "lgpl", "library general public", "lgpl", "affero general public", "agpl",
		"general public", "gpl", "free documentation", "fdl", "mozilla public", "mpl",
		"creative commons", "cc", "attribution", "by", "share alike", "sa", "sharealike", "sa", "share-alike", "sa",
		"noncommercial", "nc", "non-commercial", "nc", "no derivatives", "nd", "noderivs", "nd", "no derivs", "nd",
		"unported", "", "international", "", "generic", "", "licensed", "", "licence", "", "license", "", "version", "",
		"©", "", "®", "")
	fillers   = regexp.MustCompile(`\b(the|under|terms|of|is|v\.?|ver\.?|foundation|software|a|only)\b`)
	gnu       = regexp.MustCompile(`^(?:gnu)?(a|l)?gplv?([123](?:\.[01])?)?(\+)?$`)
	fdl       = regexp.MustCompile(`^(?:gnu|g)fdlv?(1\.[123])(\+)?$`)
	cc        = regexp.MustCompile(`^cc(by(?:nc)?(?:sa|nd)?)v?([1234]\.[05])$`)
	bracketed = regexp.MustCompile(`^([^()]+)\(([^()]+)\)$`)
	squeeze   = regexp.MustCompile(`[^a-z0-9.+]+`)
)

// lookupLicense reads one name in free spelling.
func lookupLicense(name string) (string, bool) {
	if m := bracketed.FindStringSubmatch(name); m != nil && !orLater.MatchString(m[2]) {
		// "MIT License (MIT)" says one thing twice, or contradicts itself.
		long, ok := lookupPlain(m[1])
		short, ok2 := lookupPlain(m[2])
		return long, ok && ok2 && long == short
	}
	return lookupPlain(name)
}

func lookupPlain(name string) (string, bool) {
	name = orLater.ReplaceAllString(name, "+")
	if strings.ContainsAny(name, "()") {
		return "", false
	}
	key := licenseKey(name)
	if e, ok := licenseNames[key]; ok {
		return e, e != ""
	}
	if m := gnu.FindStringSubmatch(key); m != nil {
		family := strings.ToUpper(m[1]) + "GPL"
		version := m[2]
		switch {
		case version == "" && m[3] == "":
			return "", false // which one is anybody's guess
		case version == "":
			// "GPL+" says any version at all.
			version = map[string]string{"GPL": "1", "LGPL": "2", "AGPL": "1"}[family]
		}
		if !strings.Contains(version, ".") {
			version += ".0"
		}
		suffix := "-only"
		if m[3] != "" {
			suffix = "-or-later"
		}
		return knownID(family + "-" + version + suffix)
	}
	if m := fdl.FindStringSubmatch(key); m != nil {
		suffix := "-only"
		if m[2] != "" {
			suffix = "-or-later"
		}
		return knownID("GFDL-" + m[1] + suffix)
	}
	if m := cc.FindStringSubmatch(key); m != nil {
		kind := m[1]
		for _, part := range [...]string{"nc", "sa", "nd"} {
			kind = strings.Replace(kind, part, "-"+part, 1)
		}
		return knownID("CC-" + strings.ToUpper(kind) + "-" + m[2])
	}
	return "", false
}

// licenseKey brings a name to the form of the keys of licenseNames.
func licenseKey(name string) string {
	s := strings.ToLower(strings.TrimSpace(name))
	s = orLater.ReplaceAllString(s, "+")
	s = strings.ReplaceAll(s, "-or-later", "+")
	s = longNames.Replace(s)
	s = fillers.ReplaceAllString(s, " ")
	return strings.TrimSuffix(squeeze.ReplaceAllString(s, ""), ".")
}

func knownID(id string) (string, bool) {
	licenses, _ := spdxIDs()
	id, ok := licenses[strings.ToLower(id)]
	return id, ok
}
