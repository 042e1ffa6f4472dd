package xo

import (
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// maxLocales bounds the translations read. CLDR has some 400 languages.
const maxLocales = 512

// texts gathers the texts of a bundle in all its languages.
type texts struct {
	m                   *Manifest
	name, summary, tags map[string]string
	seen                int
	told                bool
}

func newTexts(m *Manifest) *texts {
	return &texts{m: m, name: map[string]string{}, summary: map[string]string{}, tags: map[string]string{}}
}

// linfoLocale returns the folder name of locale/<lang>/activity.linfo.
func linfoLocale(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "locale/")
	if !ok {
		return "", false
	}
	lang, ok := strings.CutSuffix(rest, "/activity.linfo")
	return lang, ok && !strings.Contains(lang, "/")
}

// room reports whether one more file is to be read.
func (t *texts) room(lang, where string, rp *report) bool {
	if remora.NormalizeLocale(lang) == "und" {
		rp.add(codeLinfoLocale, where, "The folder %s is not named as a language. Name it such as es or pt_BR.", quoted(lang))
		return false
	}
	if t.seen++; t.seen <= maxLocales {
		return true
	}
	if !t.told {
		t.told = true
		rp.add(codeLinfoTooMany, where, "There are more than %d translations; from this one on they are left out.", maxLocales)
	}
	return false
}

// read takes one activity.linfo. Nothing in it can refuse the bundle.
func (t *texts) read(lang, where string, data []byte, rp *report) {
	locale := remora.NormalizeLocale(lang)
	f, faults := parseINI(data)
	if len(faults) > 0 {
		rp.add(codeLinfoBroken, at(where, faults[0].line), "%s", faults[0].message)
		return
	}
	if _, ok := f.sections["Activity"]; !ok {
		rp.add(codeLinfoBroken, where, "There is no section [Activity].")
		return
	}
	for _, field := range [...]struct {
		key  string
		into map[string]string
		most int
	}{{"name", t.name, maxTitle}, {"summary", t.summary, maxSummary}, {"tags", t.tags, maxSummary}} {
		text, line, ok, fault := f.get("Activity", field.key)
		switch {
		case fault != nil:
			rp.add(codeLinfoBroken, at(where, line), "%s", fault.message)
		case !ok:
		case len(text) > field.most:
			rp.add(codeLinfoBroken, at(where, line), "The value of %s has %d bytes; at most %d are read.", field.key, len(text), field.most)
		case field.key == "tags":
			field.into[locale] = joinTags(strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ',' }))
		default:
			field.into[locale] = oneLine(text)
		}
	}
}

func joinTags(tags []string) string {
	kept := make([]string, 0, len(tags))
	for _, tag := range tags {
		if tag = oneLine(tag); tag != "" {
			kept = append(kept, tag)
		}
	}
	return strings.Join(kept, "; ")
}

func (t *texts) result() (name, summary, description, tags remora.Text) {
	locale := t.m.Locale
	if locale == "" {
		locale = "en"
	}
	base := func(into map[string]string, value string) remora.Text {
		if into[locale] == "" {
			into[locale] = value
		}
		return remora.NewText(into)
	}
	return base(t.name, t.m.Name), base(t.summary, t.m.Summary), remora.PlainText(locale, plainText(t.m.Description)), base(t.tags, joinTags(t.m.Tags))
}
