package chart

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A drawing is what a chart's SVG says.
type drawing struct {
	Role   string `xml:"role,attr"`
	Titled string `xml:"aria-labelledby,attr"`
	Told   string `xml:"aria-describedby,attr"`
	Title  struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"title"`
	Desc struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"desc"`
	Lines []struct {
		Y float64 `xml:"y1,attr"`
	} `xml:"line"`
	Rects []struct {
		X      string  `xml:"x,attr"`
		Width  string  `xml:"width,attr"`
		Y      float64 `xml:"y,attr"`
		Height float64 `xml:"height,attr"`
	} `xml:"rect"`
	Words []struct {
		X      string `xml:"x,attr"`
		Anchor string `xml:"text-anchor,attr"`
		Text   string `xml:",chardata"`
	} `xml:"text"`
	Other []struct{ XMLName xml.Name } `xml:",any"`
}

func draw(t testing.TB, b *Bars) drawing {
	t.Helper()
	text, err := b.SVG()
	if err != nil {
		t.Fatal(err)
	}
	var d drawing
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d
}

func percent(t testing.TB, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil || !strings.HasSuffix(s, "%") {
		t.Fatalf("%q is no percentage", s)
	}
	return x
}

func bars(values ...int64) []Bar {
	list := make([]Bar, len(values))
	for i, v := range values {
		list[i] = Bar{fmt.Sprintf("day %d", i), v}
	}
	return list
}

func TestBars(t *testing.T) {
	d := draw(t, &Bars{ID: "days", Title: "By day", Desc: "Most: 3.", Bars: bars(1, 0, 3, 2, 0, 4)})
	if d.Role != "img" || d.Titled != d.Title.ID || d.Told != d.Desc.ID || d.Title.ID != "days-title" || d.Desc.ID != "days-desc" || d.Title.Text != "By day" || d.Desc.Text != "Most: 3." {
		t.Errorf("the chart is named %+v", d)
	}
	if len(d.Lines) != 3 || len(d.Rects) != 4 {
		t.Fatalf("%d lines and %d bars", len(d.Lines), len(d.Rects))
	}
	if r := d.Rects[3]; r.Y != ceilY || r.Height != floorY-ceilY {
		t.Errorf("the highest bar is %+v", r)
	}
	if r := d.Rects[0]; math.Abs(r.Height-(floorY-ceilY)/4.) > .01 || percent(t, r.X) > 5 {
		t.Errorf("the first bar is %+v", r)
	}
	var words []string
	for _, w := range d.Words {
		words = append(words, w.Text)
	}
	if got := strings.Join(words, ","); got != "4,day 0,day 3,day 5" {
		t.Errorf("it says %s", got)
	}
}

func TestFewBars(t *testing.T) {
	if text, err := (&Bars{}).SVG(); text != "" || err != nil {
		t.Errorf("no bars are %q, %v", text, err)
	}
	d := draw(t, &Bars{ID: "x", Bars: bars(0)})
	if len(d.Rects) != 0 || d.Words[1].Anchor != "middle" || d.Words[0].Text != "2" {
		t.Errorf("one zero is %+v", d)
	}
	if d := draw(t, &Bars{ID: "x", Bars: bars(5, 6)}); len(d.Rects) != 2 || len(d.Words) != 3 {
		t.Errorf("two are %+v", d)
	}
}

func TestNumbersAreWritten(t *testing.T) {
	d := draw(t, &Bars{ID: "x", Bars: bars(700), Number: func(n int64) string { return "<" + strconv.FormatInt(n, 10) + ">" }})
	if d.Words[0].Text != "<800>" {
		t.Errorf("the axis says %+v", d.Words)
	}
}

func TestMirrored(t *testing.T) {
	values := bars(1, 2, 3, 4, 5, 6, 7)
	plain, mirrored := draw(t, &Bars{ID: "x", Bars: values}), draw(t, &Bars{ID: "x", Bars: values, Mirror: true})
	for i := range plain.Rects {
		x, w := percent(t, plain.Rects[i].X), percent(t, plain.Rects[i].Width)
		if got := percent(t, mirrored.Rects[i].X); math.Abs(got-(100-x-w)) > .02 {
			t.Errorf("bar %d stands at %v and mirrored at %v", i, x, got)
		}
	}
	for i := range plain.Words {
		if a, b := percent(t, plain.Words[i].X), percent(t, mirrored.Words[i].X); math.Abs(a+b-100) > .02 || plain.Words[i].Anchor != mirrored.Words[i].Anchor {
			t.Errorf("word %d stands at %v and mirrored at %v", i, a, b)
		}
	}
}

// Whatever the words are, they are text and nothing else.
func TestHostileWords(t *testing.T) {
	const evil = `"'></title></desc></text></svg><script>alert(1)</script>{{.}}&lt;%s`
	d := draw(t, &Bars{ID: "x", Title: evil, Desc: evil, Bars: []Bar{{evil, 1}, {evil, 2}}})
	if d.Title.Text != evil || d.Desc.Text != evil || d.Words[1].Text != evil {
		t.Errorf("the words are %+v", d)
	}
	if len(d.Other) > 0 {
		t.Errorf("the chart has %v", d.Other)
	}
}

// Every bar stands within the chart, as tall as its number, whatever the numbers are.
func TestBarsFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 50), rapid.Just(int64(math.MaxInt64))), 1, 40).Draw(rt, "values")
		d := draw(t, &Bars{ID: "x", Bars: bars(values...), Mirror: rapid.Bool().Draw(rt, "mirror")})
		i := 0
		last := math.Inf(1)
		var value int64
		for _, v := range values {
			if v <= 0 {
				continue
			}
			r := d.Rects[i]
			if x, w := percent(t, r.X), percent(t, r.Width); x < 0 || x+w > 100.02 || w <= 0 {
				rt.Fatalf("bar %d stands from %v, %v wide", i, x, w)
			}
			if r.Y < ceilY-.01 || r.Height < leastBar || math.Abs(r.Y+r.Height-floorY) > .02 {
				rt.Fatalf("bar %d of %d reaches from %v, %v tall", i, v, r.Y, r.Height)
			}
			if v > value && r.Height < last-.01 && i > 0 {
				rt.Fatalf("%d is %v tall, and %d is %v", v, r.Height, value, last)
			}
			value, last = v, r.Height
			i++
		}
		if i != len(d.Rects) {
			rt.Fatalf("%d bars for %d numbers", len(d.Rects), i)
		}
	})
}

func TestTop(t *testing.T) {
	for most, want := range map[int64]int64{0: 2, 1: 2, 2: 2, 3: 4, 7: 8, 9: 10, 11: 12, 99: 100, 101: 120, 1217: 1400, 5001: 6000, 1<<40 + 1: 1_200_000_000_000, math.MaxInt64: math.MaxInt64} {
		if got := topOf(most); got != want {
			t.Errorf("%d: %d, want %d", most, got, want)
		}
	}
}
