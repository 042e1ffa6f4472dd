// Package promotetext says promotions of database servers in lines for a person.
package promotetext

import (
	"fmt"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/replica/promote"
)

// Plan says what would be done.
func Plan(p *promote.Plan) string {
	var b strings.Builder
	list(&b, "would do", p.Steps)
	list(&b, "may lose", p.MayLose)
	for _, r := range p.Refusals {
		list(&b, "refuses", []string{r.Text})
	}
	if p.Acknowledged != "" {
		fmt.Fprintln(&b, p.Acknowledged)
	}
	return b.String()
}

// Report says what was done, and what is left to do.
func Report(r *promote.Report) string {
	var b strings.Builder
	list(&b, "did", r.Steps)
	list(&b, "may be lost", r.MayLose)
	list(&b, "left to do", r.Left)
	switch {
	case r.Primary == "":
	case r.Plan == nil: // nothing was promoted
		fmt.Fprintf(&b, "%s takes writes.\n", r.Primary)
	default:
		fmt.Fprintf(&b, "%s takes writes, after %v. %s\n", r.Primary, r.Took.Round(10*time.Millisecond), r.Acknowledged)
	}
	return b.String()
}

func list(b *strings.Builder, word string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(b, "%-11s  %s\n", word, strings.ReplaceAll(line, "\n", " "))
	}
}
