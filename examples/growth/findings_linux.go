package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
)

// findings are what was looked at beside what visitors noticed.
type findings struct {
	Laptops  []laptopVisit        `json:"laptops"`
	Readback *load.ReadbackReport `json:"read_back"`
	broken   []string
	absent   string // what keeps laptops away, "" if nothing does
}

// laptop lets a laptop update itself. That it could not is a broken promise, and no reason to end.
func (s *findings) laptop(ctx context.Context, p *plan, step string) {
	if s.absent != "" {
		return
	}
	visit, err := p.laptop(ctx, step)
	if err != nil {
		s.broken = append(s.broken, fmt.Sprintf("%s: a laptop could not update itself: %v", step, err))
		p.say("  a laptop could not update itself")
		return
	}
	s.Laptops = append(s.Laptops, *visit)
	p.say("  a laptop updated itself in %.1f s: %s", time.Duration(visit.Took).Seconds(), strings.Join(visit.Updated, ", "))
}

// judge returns the promises that were broken, and what a reader of the report must know. If it is
// strict, what is absent breaks a promise.
func (s *findings) judge(strict bool) (broken, notes []string) {
	broken = append(broken, s.broken...)
	if r := s.Readback; r != nil && r.Missed > 0 {
		broken = append(broken, fmt.Sprintf("%s: %d of %d reads did not show what was just written at another front end", readbackStep, r.Missed, r.Reads))
		for _, miss := range r.First {
			broken = append(broken, readbackStep+": "+miss)
		}
	}
	if s.absent != "" {
		notes = append(notes, "No laptop with the real Sugar updated itself: "+s.absent+".")
		if strict {
			broken = append(broken, "no laptop with the real Sugar updated itself: "+s.absent+", and "+requireEnv+"=1 forbids to do without")
		}
	}
	return broken, notes
}

// print writes them for people.
func (s *findings) print(w io.Writer) error {
	var b strings.Builder
	if r := s.Readback; r != nil {
		fmt.Fprintf(&b, "\n%d writes were each read at another front end at once, while the replica was %v late: %d reads, %d missed;\n"+
			"half of them took up to %v, 99 of 100 up to %v. %d times a write was sent again.\n"+
			"Without a token, %d of %d pages were older, as they may be.\n",
			r.Rounds, replicaDelay, r.Reads, r.Missed, inTenths(r.P50), inTenths(r.P99), r.Again, r.Older, r.Without)
	}
	if len(s.Laptops) > 0 {
		fmt.Fprintf(&b, "\nLaptops with the real Sugar updated themselves:")
		for i, l := range s.Laptops {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %s %.1f s", l.Step, time.Duration(l.Took).Seconds())
		}
		b.WriteString(".\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inTenths rounds to tenths of a millisecond.
func inTenths(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
