package web

import (
	"cmp"
	"strings"
	"time"

	"golang.org/x/text/number"
	"golang.org/x/text/unicode/norm"

	"github.com/sugarlabs/beamrider/remora"
)

// number writes a count as the language does.
func (l *tongue) number(n int64) string {
	return l.printer.Sprint(number.Decimal(n))
}

// size writes a number of bytes in kB, MB or GB, which are powers of 1000 as on packages and in
// download dialogs. It is rounded up, so that nothing is smaller than it says.
func (l *tongue) size(bytes int64) string {
	const kB, MB, GB = 1000, 1000 * 1000, 1000 * 1000 * 1000
	amount := func(unit int64) string {
		tenths := (bytes/unit)*10 + (bytes%unit*10+unit-1)/unit
		if tenths >= 100 { // from 10 on, whole numbers are exact enough
			return l.number((tenths + 9) / 10)
		}
		return l.printer.Sprint(number.Decimal(float64(tenths)/10, number.MaxFractionDigits(1)))
	}
	switch {
	case bytes <= 0:
		return l.t("%s kB", l.number(0))
	case bytes < MB:
		return l.t("%s kB", l.number((bytes+kB-1)/kB))
	case bytes < GB:
		return l.t("%s MB", amount(MB))
	}
	return l.t("%s GB", amount(GB))
}

// A date is a day as people and as programs read it; both are empty when it is not known.
type date struct{ Text, Machine string }

// day returns the day, in UTC, of a moment.
func (l *tongue) day(at remora.Time) date {
	if at == 0 {
		return date{}
	}
	t := at.Time()
	// Translators: how a date is written. YYYY is the year, MM the month and DD the day, in digits.
	pattern := l.t("YYYY-MM-DD")
	return date{
		Text:    strings.NewReplacer("YYYY", l.digits(t.Year()), "MM", l.digits(int(t.Month())), "DD", l.digits(t.Day())).Replace(pattern),
		Machine: t.Format(time.DateOnly),
	}
}

// clock returns the time of day, in UTC.
func (l *tongue) clock(at time.Time) string {
	at = at.UTC()
	return l.digits(at.Hour()) + ":" + l.digits(at.Minute())
}

// digits writes a part of a date, of at least two digits, as the language does.
func (l *tongue) digits(n int) string {
	return l.printer.Sprint(number.Decimal(n, number.NoSeparator(), number.MinIntegerDigits(2)))
}

// byName orders names as readers look for them: a letter with an accent stands behind the letter.
func byName(x, y string) int {
	return cmp.Or(strings.Compare(norm.NFD.String(x), norm.NFD.String(y)), strings.Compare(x, y))
}

// paragraphs cuts a text at blank lines, so that each part becomes a paragraph; single line breaks
// stay. Control characters that have no place in a page are left out.
func paragraphs(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	var list []string
	var p strings.Builder
	flush := func() {
		if s := strings.TrimSpace(p.String()); s != "" {
			list = append(list, s)
		}
		p.Reset()
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		p.WriteString(line)
	}
	flush()
	return list
}
