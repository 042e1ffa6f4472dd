package filescmd

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// What a finding is.
const (
	missing    = "missing"
	damaged    = "damaged"
	unreadable = "unreadable"
	unknown    = "unknown" // nothing in the catalog speaks of it
)

// A finding is a file with which something is wrong.
type finding struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Of       string `json:"of,omitempty"`     // what it is of
	Detail   string `json:"detail,omitempty"` // what is wrong
	Repaired string `json:"repaired_from,omitempty"`
	Next     string `json:"next,omitempty"` // what to do
}

// A report is what a check of one place has found.
type report struct {
	Place    string    `json:"place"`
	Done     bool      `json:"done"`  // all was looked at
	Files    int64     `json:"files"` // looked at
	Bytes    int64     `json:"bytes"` // read
	Missing  int       `json:"missing"`
	Damaged  int       `json:"damaged"` // and unreadable
	Unknown  int       `json:"unknown"`
	Repaired int       `json:"repaired"`
	Left     int       `json:"left"` // of what was missing or damaged
	Findings []finding `json:"findings"`
}

// plain is a name or an error for a terminal: what is not printable would be a command to it.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

func (e *Env) showReports(reports []*report, asJSON bool) error {
	if asJSON {
		return e.showJSON(reports)
	}
	for _, r := range reports {
		if err := r.text(e.Stdout); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) text(w io.Writer) error {
	var b strings.Builder
	var next []string
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-11s  %s", f.Kind, plain(f.Name))
		if f.Of != "" {
			fmt.Fprintf(&b, ", %s", f.Of)
		}
		if f.Detail != "" {
			fmt.Fprintf(&b, ": %s", plain(f.Detail))
		}
		b.WriteByte('\n')
		if f.Repaired != "" {
			fmt.Fprintf(&b, "%-11s  repaired from %s\n", "", f.Repaired)
		}
		if f.Next != "" && !slices.Contains(next, f.Next) {
			next = append(next, f.Next)
		}
	}
	fmt.Fprintf(&b, "%s: %s looked at, %s read; ", r.Place, several(r.Files, "file"), bytesText(r.Bytes))
	switch bad := r.Missing + r.Damaged; {
	case !r.Done:
		fmt.Fprintf(&b, "not finished; so far %d missing, %d damaged", r.Missing, r.Damaged)
	case bad == 0:
		b.WriteString("all are whole")
	case r.Left == 0:
		fmt.Fprintf(&b, "%d missing, %d damaged, all of them repaired", r.Missing, r.Damaged)
	default:
		fmt.Fprintf(&b, "%d missing, %d damaged, %d repaired", r.Missing, r.Damaged, r.Repaired)
	}
	if r.Unknown > 0 {
		fmt.Fprintf(&b, "; %d unknown to the catalog", r.Unknown)
	}
	b.WriteString(".\n")
	for _, n := range next {
		fmt.Fprintf(&b, "next: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
