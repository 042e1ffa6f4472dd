// Package chart draws numbers over time as bars, in SVG that stands in a page: no script, no style
// of its own, readable at any width. Whoever shows a chart shows the same numbers as a table too.
package chart

import (
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A Bar is one number, such as of a day.
type Bar struct {
	Label string
	Value int64 // what is below zero counts as zero
}

// Bars is a chart. Lengths along the time axis are in percent, all others in pixels, so that the
// chart is as wide as its place and its words stay as large as they are.
type Bars struct {
	ID     string // begins the ids of the chart's parts; unique on the page
	Title  string // what the chart shows
	Desc   string // what is to be seen in it
	Bars   []Bar  // in the order of time
	Mirror bool   // time runs from right to left, as the words of the page do
	// Number writes a number as the page's language does; nil: in digits.
	Number func(int64) string
}

// The heights, in pixels from the top.
const (
	height = 224
	ceilY  = 24  // where the axis ends
	floorY = 196 // where it begins
	wordsY = 216 // where labels stand
	above  = 6   // how far above its line a number stands
	// leastBar is the height of the smallest number above zero, so that it is seen.
	leastBar = 2
)

type line struct{ Y int }

type rect struct{ X, Y, Width, Height string }

type word struct {
	X, Anchor, Text string
	Y               int
}

var svg = template.Must(template.New("").Parse(`<svg role="img" aria-labelledby="{{.ID}}-title" aria-describedby="{{.ID}}-desc" width="100%" height="{{.Height}}"{{if .Mirror}} direction="rtl"{{end}}>` +
	`<title id="{{.ID}}-title">{{.Title}}</title><desc id="{{.ID}}-desc">{{.Desc}}</desc>` +
	`{{range .Lines}}<line x1="0" x2="100%" y1="{{.Y}}" y2="{{.Y}}"/>{{end}}` +
	`{{range .Rects}}<rect x="{{.X}}%" y="{{.Y}}" width="{{.Width}}%" height="{{.Height}}" rx="1"/>{{end}}` +
	`{{range .Words}}<text x="{{.X}}%" y="{{.Y}}" text-anchor="{{.Anchor}}">{{.Text}}</text>{{end}}</svg>`))

// SVG draws the chart; without bars it is empty.
func (b *Bars) SVG() (template.HTML, error) {
	if len(b.Bars) == 0 {
		return "", nil
	}
	number := b.Number
	if number == nil {
		number = func(n int64) string { return strconv.FormatInt(n, 10) }
	}
	var most int64
	for _, bar := range b.Bars {
		most = max(most, bar.Value)
	}
	top := topOf(most)
	at := func(percent float64) string {
		if b.Mirror {
			percent = 100 - percent
		}
		return decimal(percent)
	}
	const middleY = (ceilY + floorY) / 2
	data := struct {
		*Bars
		Height int
		Lines  []line
		Rects  []rect
		Words  []word
	}{Bars: b, Height: height, Lines: []line{{ceilY}, {middleY}, {floorY}}}
	// The line in the middle has no number: it would stand on a bar.
	data.Words = []word{{X: at(0), Anchor: "start", Y: ceilY - above, Text: number(top)}}
	slot := 100 / float64(len(b.Bars))
	const share = 0.72 // of its slot that a bar fills
	for i, bar := range b.Bars {
		if bar.Value <= 0 {
			continue
		}
		tall := max(leastBar, float64(bar.Value)/float64(top)*(floorY-ceilY))
		begin := (float64(i) + (1-share)/2) * slot
		if b.Mirror {
			begin = 100 - begin - share*slot
		}
		data.Rects = append(data.Rects, rect{X: decimal(begin), Y: decimal(floorY - tall), Width: decimal(share * slot), Height: decimal(tall)})
	}
	data.Words = append(data.Words, b.labels(at)...)
	var out strings.Builder
	if err := svg.Execute(&out, data); err != nil {
		return "", err
	}
	return template.HTML(out.String()), nil
}

// labels returns the words below the bars: those of the first, the last and, where there is room on
// the narrowest screen, one in the middle.
func (b *Bars) labels(at func(float64) string) []word {
	n := len(b.Bars)
	first, last := word{X: at(0), Anchor: "start", Y: wordsY, Text: b.Bars[0].Label}, word{X: at(100), Anchor: "end", Y: wordsY, Text: b.Bars[n-1].Label}
	switch {
	case n == 1:
		return []word{{X: at(50), Anchor: "middle", Y: wordsY, Text: b.Bars[0].Label}}
	case n < 5:
		return []word{first, last}
	}
	middle := n / 2
	return []word{first, {X: at((float64(middle) + 0.5) / float64(n) * 100), Anchor: "middle", Y: wordsY, Text: b.Bars[middle].Label}, last}
}

// steps are where an axis may end, times a power of ten: near the highest bar, and with a whole
// number in the middle.
var steps = [...]int64{2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 30, 40, 50, 60, 80, 100}

// topOf returns a round number, not below most, whose half is whole: where the axis ends.
func topOf(most int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, step := range steps {
			if unit > math.MaxInt64/step {
				return most // rounder is out of range
			}
			if step*unit >= most {
				return step * unit
			}
		}
	}
}

func decimal(x float64) string {
	s := strconv.FormatFloat(x, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
