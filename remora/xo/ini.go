package xo

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of interpolation. The depth is Python's (configparser.MAX_INTERPOLATION_DEPTH); the
// number of references and the length are ours, since ten levels of references to nothing can
// take for ever without growing.
const (
	maxDepth      = 10
	maxReferences = 2000
	maxExpanded   = 64 << 10
)

// An iniFile is a file as Python's configparser reads it: ConfigParser() with its defaults, strict,
// delimiters = and :, full-line comments # and ;, BasicInterpolation, section DEFAULT.
type iniFile struct {
	defaults map[string]iniValue
	sections map[string]map[string]iniValue
}

type iniValue struct {
	text string
	line int
}

// An iniFault is a reason why Python could not read the file, or would read it differently from
// one release to another.
type iniFault struct {
	code    code
	line    int
	message string
}

// maxFaults bounds what parseINI reports of one file.
const maxFaults = 20

// parseINI reads a file. With any fault the file must not be used.
func parseINI(data []byte) (f *iniFile, faults []iniFault) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, []iniFault{{codeInfoBOM, 1, "The file starts with a byte order mark. Save it as UTF-8 without BOM."}}
	}
	p := &iniParser{file: &iniFile{defaults: map[string]iniValue{}, sections: map[string]map[string]iniValue{}}}
	text := string(data)
	for rest, more := text, true; more && len(p.faults) < maxFaults; {
		var line string
		line, rest, more = strings.Cut(rest, "\n")
		p.line++
		if c, message, ok := lineFault(line, more); !ok {
			p.fault(c, "%s", message)
			continue
		}
		p.read(line)
	}
	p.finish()
	return p.file, p.faults
}

func lineFault(line string, ended bool) (code, string, bool) {
	if !utf8.ValidString(line) {
		return codeInfoUTF8, "The line is not UTF-8. Save the file as UTF-8.", false
	}
	if ended {
		line = strings.TrimSuffix(line, "\r")
	}
	for _, r := range line {
		if unicode.IsControl(r) && r != '\t' {
			return codeInfoControl, fmt.Sprintf("The line has the control character %U. Take it out; end lines with LF or CR LF.", r), false
		}
	}
	return 0, "", true
}

type iniParser struct {
	file   *iniFile
	faults []iniFault
	line   int

	section string
	current map[string]iniValue
	key     string
	value   []string // lines of the value of key
	keyLine int
	open    bool // key can be continued
	indent  int
}

func (p *iniParser) fault(c code, format string, args ...any) {
	p.faults = append(p.faults, iniFault{c, p.line, fmt.Sprintf(format, args...)})
}

// finish stores the value being read.
func (p *iniParser) finish() {
	if p.open {
		p.current[p.key] = iniValue{strings.TrimRightFunc(strings.Join(p.value, "\n"), unicode.IsSpace), p.keyLine}
	}
	p.open, p.value = false, nil
}

// read takes one line. It follows RawConfigParser._read of Python 3.11 step by step.
func (p *iniParser) read(line string) {
	value := strings.TrimSpace(line)
	if strings.HasPrefix(value, "#") || strings.HasPrefix(value, ";") {
		return
	}
	if value == "" {
		if p.open {
			p.value = append(p.value, "")
		}
		return
	}
	indent := utf8.RuneCountInString(line[:strings.IndexFunc(line, func(r rune) bool { return !unicode.IsSpace(r) })])
	if p.open && indent > p.indent {
		p.value = append(p.value, value)
		return
	}
	p.indent = indent
	if value[0] == '[' {
		// Python 3 takes the last bracket, Python 2 the first.
		if last := strings.LastIndexByte(value, ']'); last >= 2 {
			p.finish()
			if first := strings.IndexByte(value, ']'); first != last {
				p.fault(codeInfoSectionSyntax, "The section line has several closing brackets. Write only the name between the brackets.")
			}
			p.startSection(value[1:last])
			return
		}
	}
	if p.current == nil {
		p.fault(codeInfoHeader, "The line stands before any section. Begin the file with the line \"[Activity]\".")
		// Everything up to the first section has the same fault.
		p.current = map[string]iniValue{}
		return
	}
	at := strings.IndexAny(value, "=:")
	if at <= 0 || strings.TrimSpace(value[:at]) == "" {
		p.fault(codeInfoSyntax, "The line %s is neither a section, \"key = value\", a comment nor a continuation. Begin further lines of a value with a space.", quoted(value))
		return
	}
	p.finish()
	p.key = lower(strings.TrimRightFunc(value[:at], unicode.IsSpace))
	if _, twice := p.current[p.key]; twice {
		p.fault(codeInfoKeyTwice, "The key %s is there twice. Remove one of the lines.", quoted(p.key))
	}
	p.value, p.keyLine, p.open = []string{strings.TrimSpace(value[at+1:])}, p.line, true
}

func (p *iniParser) startSection(name string) {
	p.section = name
	if name == "DEFAULT" {
		p.current = p.file.defaults
		return
	}
	if _, twice := p.file.sections[name]; twice {
		p.fault(codeInfoSectionTwice, "The section %s is there twice. Join the two.", quoted(name))
	}
	p.current = map[string]iniValue{}
	p.file.sections[name] = p.current
}

// lower is Python's str.lower for what keys are made of. The one letter whose lower case is longer
// in Python is done by hand.
func lower(s string) string {
	if strings.ContainsRune(s, 'İ') {
		s = strings.ReplaceAll(s, "İ", "i̇")
	}
	return strings.ToLower(s)
}

// lookup returns a value as written, of the section or else of DEFAULT. As in Python, DEFAULT
// counts only for a section that is there.
func (f *iniFile) lookup(section, key string) (iniValue, bool) {
	values, ok := f.sections[section]
	if !ok {
		return iniValue{}, false
	}
	if v, ok := values[key]; ok {
		return v, true
	}
	v, ok := f.defaults[key]
	return v, ok
}

// get returns a value with its references replaced. It returns ok false if there is none, and a
// fault if Python could not read it.
func (f *iniFile) get(section, key string) (text string, line int, ok bool, fault *iniFault) {
	v, ok := f.lookup(section, key)
	if !ok {
		return "", 0, false, nil
	}
	x := expansion{file: f, section: section}
	if c, message, good := x.expand(v.text, 1); !good {
		return "", v.line, true, &iniFault{c, v.line, fmt.Sprintf("The value of %s %s", key, message)}
	}
	return x.out.String(), v.line, true, nil
}

type expansion struct {
	file    *iniFile
	section string
	out     strings.Builder
	refs    int
}

// expand follows BasicInterpolation._interpolate_some.
func (x *expansion) expand(rest string, depth int) (c code, message string, ok bool) {
	if depth > maxDepth {
		return codeInfoExpansion, "refers to keys that refer to keys, more than ten deep. Write it out.", false
	}
	for rest != "" {
		if x.out.Len()+len(rest) > maxExpanded && x.out.Len() > maxExpanded {
			return codeInfoExpansion, "becomes longer than 64 KiB. Write it shorter.", false
		}
		plain, after, found := strings.Cut(rest, "%")
		x.out.WriteString(plain)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(after, "%"):
			x.out.WriteByte('%')
			rest = after[1:]
		case strings.HasPrefix(after, "("):
			end := strings.IndexByte(after, ')')
			if end < 2 || !strings.HasPrefix(after[end:], ")s") {
				return codeInfoPercent, "has a %( that is no reference such as %(name)s. Write %% for a percent sign.", false
			}
			if x.refs++; x.refs > maxReferences {
				return codeInfoExpansion, fmt.Sprintf("has more than %d references. Write it out.", maxReferences), false
			}
			name := lower(after[1:end])
			v, ok := x.file.lookup(x.section, name)
			if !ok {
				return codeInfoPercent, fmt.Sprintf("refers to the key %s, which is not there. Write %%%% for a percent sign.", quoted(name)), false
			}
			if strings.Contains(v.text, "%") {
				if c, message, ok := x.expand(v.text, depth+1); !ok {
					return c, message, false
				}
			} else {
				x.out.WriteString(v.text)
			}
			rest = after[end+2:]
		default:
			return codeInfoPercent, "has a bare %, which Python cannot read. Write %% for a percent sign.", false
		}
	}
	if x.out.Len() > maxExpanded {
		return codeInfoExpansion, "becomes longer than 64 KiB. Write it shorter.", false
	}
	return 0, "", true
}
