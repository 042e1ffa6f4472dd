package xo

import (
	"fmt"
	"strings"
)

// refs watches which parts of a drawing use which others. A part that uses itself, or parts that
// use parts many times over many levels, would keep a browser busy for ever.
type refs struct {
	ids   map[string]int // to parts
	parts []part
	open  []int // for every open element, the innermost part it is in; part 0 is the drawing
}

type part struct {
	own   int64 // elements in it, without those of inner parts
	uses  []int // parts used or contained, once for each time
	total int64
	state uint8 // of check: 0 not seen, 1 being added up, 2 done
}

func newRefs() *refs {
	return &refs{ids: map[string]int{}, parts: make([]part, 1)}
}

func (r *refs) id(name string) int {
	i, ok := r.ids[name]
	if !ok {
		i = len(r.parts)
		r.ids[name] = i
		r.parts = append(r.parts, part{})
	}
	return i
}

// start notes an element with its attributes.
func (r *refs) start(attrs []attribute) {
	in := 0
	if len(r.open) > 0 {
		in = r.open[len(r.open)-1]
	}
	for _, a := range attrs {
		if a.name == "id" {
			self := r.id(a.value)
			r.parts[in].uses = append(r.parts[in].uses, self)
			in = self
		}
	}
	r.parts[in].own++
	for _, a := range attrs {
		target, ok := strings.CutPrefix(a.value, "#")
		if a.name != "xlink:href" {
			target, _, ok = fragment(a.value)
		}
		if ok && (a.name == "xlink:href" || presentation[a.name]) {
			to := r.id(target)
			r.parts[in].uses = append(r.parts[in].uses, to)
		}
	}
	r.open = append(r.open, in)
}

func (r *refs) end() { r.open = r.open[:len(r.open)-1] }

// check adds up what is drawn, each part after those it uses, with a stack of its own.
func (r *refs) check() *iconFault {
	type step struct{ part, next int }
	for root := range r.parts {
		if r.parts[root].state == 2 {
			continue
		}
		r.parts[root].state = 1
		stack := []step{{root, 0}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			p := &r.parts[top.part]
			if top.next == 0 {
				p.total = p.own
			}
			if top.next == len(p.uses) {
				p.state = 2
				stack = stack[:len(stack)-1]
				if len(stack) > 0 {
					r.parts[stack[len(stack)-1].part].total += p.total
				}
				if r.parts[0].total > maxIconDrawn || p.total > maxIconDrawn {
					return &iconFault{codeIconNodes, fmt.Sprintf("The icon draws more than %d elements, counting each use. Simplify the drawing.", maxIconDrawn)}
				}
				continue
			}
			use := p.uses[top.next]
			top.next++
			switch q := &r.parts[use]; q.state {
			case 0:
				q.state = 1
				stack = append(stack, step{use, 0})
			case 1:
				return &iconFault{codeIconCycle, "An element of the icon uses itself. Take the reference out."}
			case 2:
				p.total += q.total
			}
		}
	}
	return nil
}
