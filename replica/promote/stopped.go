package promote

import (
	"context"
	"fmt"
)

// stillStopped refuses x when a replica of from receives from it again, as one does that was restarted
// meanwhile, or on which somebody ran START SLAVE: if from is there after all, that replica acknowledges
// to it what x has not.
func (o *operation) stillStopped(ctx context.Context, x, from *server, overridden map[string]bool) error {
	asked := make([]bool, len(o.servers))
	o.each(func(i int, s *server) {
		if s != x && s != from && s.err == nil {
			asked[i] = true
			s.ask(ctx)
		}
	})
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("promote: interrupted before %s takes writes: %w", x.Name, err)
	}
	var list []Refusal
	for i, s := range o.servers {
		switch {
		case !asked[i]:
		case s.err != nil && !overridden["other_silent"]:
			list = append(list, Refusal{Code: "other_silent", Loss: fmt.Sprintf("What %s may have acknowledged since it was asked.", s.Name),
				Text: fmt.Sprintf("%s does not answer any more (%s). If it was restarted, it may receive from %s again. Repeat the call when it answers.", s.Name, s.err, from.Name)})
		case s.err == nil && len(s.facts.sources) == 1 && o.source(s) == from && s.facts.sources[0].receiving != "No":
			list = append(list, Refusal{Code: "receives_again", Text: fmt.Sprintf(
				"%s was stopped from receiving, and does so again: it was restarted, or somebody started it. It may have acknowledged to %s what %s has not. Repeat the call.", s.Name, from.Name, x.Name)})
		}
	}
	if len(list) > 0 {
		return o.refuse(list...)
	}
	return nil
}
