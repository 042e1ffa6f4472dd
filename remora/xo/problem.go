package xo

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/sugarlabs/beamrider/remora"
)

// maxProblems bounds the problems and the warnings one call reports. A hostile file can hold a
// fault in each of 20,000 entries, and nobody reads more than this.
const maxProblems = 100

// A Problem is one thing wrong with a bundle, in words for its developer.
type Problem struct {
	Code    string // stable, one of Codes
	Where   string // entry, or entry:line; "" for the file as a whole
	Message string // a sentence: what is wrong and what to do
	Warning bool   // true: the bundle is accepted all the same
}

// String returns "where: message (code)".
func (p Problem) String() string {
	if p.Where == "" {
		return fmt.Sprintf("%s (%s)", p.Message, p.Code)
	}
	return fmt.Sprintf("%s: %s (%s)", p.Where, p.Message, p.Code)
}

// A Refusal is the cause of the error of a refused bundle; find it with [errors.As].
type Refusal struct {
	// Problems has at least one element and at most 100, in the order they were found. None is
	// a warning.
	Problems []Problem
	// Warnings has what would have been in Bundle.Warnings, as far as it was reached.
	Warnings []Problem
	// More counts the problems beyond those kept.
	More int
}

// Error returns the problems after the first, which the enclosing error has told already.
func (r *Refusal) Error() string {
	n := len(r.Problems) - 1 + r.More
	switch {
	case n <= 0:
		return "the only problem found"
	case n == 1:
		return "and one more problem"
	}
	return fmt.Sprintf("and %d more problems", n)
}

// A report collects the problems of one call.
type report struct {
	op       string
	lenient  bool // an import of history
	problems []Problem
	warnings []Problem
	more     int
	kind     remora.Kind // of the first problem
}

// add notes a problem or warning, as the table of codes says.
func (r *report) add(c code, where, format string, args ...any) {
	doc := &codes[c]
	p := Problem{
		Code: doc.Code, Where: where, Message: fmt.Sprintf(format, args...),
		Warning: doc.Warning || (doc.history && r.lenient),
	}
	list := &r.problems
	if p.Warning {
		list = &r.warnings
	}
	if len(*list) >= maxProblems {
		if !p.Warning {
			r.more++
		}
		return
	}
	if !p.Warning && len(r.problems) == 0 {
		r.kind = doc.Kind
	}
	*list = append(*list, p)
}

func (r *report) refused() bool { return len(r.problems) > 0 }

// err returns the one error for all problems, nil without any.
func (r *report) err() error {
	if !r.refused() {
		return nil
	}
	first := r.problems[0]
	message := first.Message
	if first.Where != "" {
		message = first.Where + ": " + message
	}
	return &remora.Error{
		Kind: r.kind, Op: r.op, Code: first.Code, Message: message,
		Err: &Refusal{Problems: r.problems, Warnings: r.warnings, More: r.more},
	}
}

// shown makes an untrusted name fit for a message: as it is if it is plain, else quoted; cut to a
// readable length.
func shown(name string) string {
	const most = 120
	cut := ""
	if len(name) > most {
		name, cut = strings.ToValidUTF8(name[:most], ""), "…"
	}
	for _, r := range name {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return strconv.QuoteToGraphic(name) + cut
		}
	}
	return name + cut
}

// quoted is shown in quotes.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.QuoteToGraphic(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.QuoteToGraphic(s)
}
