package web

import (
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// luminance and contrast are those of WCAG 2.2.
func luminance(t testing.TB, hex string) float64 {
	t.Helper()
	hex = strings.TrimPrefix(hex, "#")
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		t.Fatalf("%q is not rrggbb", hex)
	}
	channel := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func contrast(t testing.TB, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// styleText returns the style sheet as it is written.
func styleText(t testing.TB) string {
	t.Helper()
	var names []string
	for _, sheet := range []string{"style.css", "home.css", "numbers.css"} {
		parts, err := fs.Glob(embedded, sheets[sheet])
		if err != nil || len(parts) == 0 {
			t.Fatal(parts, err)
		}
		names = append(names, parts...)
	}
	var css strings.Builder
	for _, name := range names {
		part, err := embedded.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		css.Write(part)
	}
	return css.String()
}

// TestStyleIsSentSmall: what is sent is shorter and says the same, word for word.
func TestStyleIsSentSmall(t *testing.T) {
	written := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(styleText(t), " ")
	var small []byte
	for _, sheet := range []string{"style.css", "home.css", "numbers.css"} {
		part, err := styleSheet(embedded, sheets[sheet])
		if err != nil {
			t.Fatal(err)
		}
		small = append(append(small, part...), ' ')
	}
	words := regexp.MustCompile(`[^\s{};,:]+|[{},:]`)
	if diff := cmp.Diff(words.FindAllString(written, -1), words.FindAllString(string(small), -1)); diff != "" {
		t.Error(diff)
	}
	quoted := regexp.MustCompile(`"[^"]*"`)
	if diff := cmp.Diff(quoted.FindAllString(written, -1), quoted.FindAllString(string(small), -1)); diff != "" {
		t.Error(diff)
	}
	if len(small) > len(written)*19/20 {
		t.Errorf("%d bytes of %d are sent", len(small), len(written))
	}
}

// themes returns the colours by name, for light and dark.
func themes(t testing.TB) map[string]map[string]string {
	t.Helper()
	list := map[string]map[string]string{"light": {}, "dark": {}}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(styleText(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of colours", len(blocks))
	}
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(blocks[0][1], -1) {
		list["light"][m[1]], list["dark"][m[1]] = m[2], m[2]
	}
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(blocks[1][1], -1) {
		list["dark"][m[1]] = m[2]
	}
	return list
}

func TestContrast(t *testing.T) {
	for theme, c := range themes(t) {
		for _, tt := range []struct {
			front, back string
			least       float64
		}{
			{"ink", "desk", 7}, {"ink", "sheet", 7}, {"soft", "desk", 4.5}, {"soft", "sheet", 4.5},
			{"link", "desk", 4.5}, {"link", "sheet", 4.5}, {"desk", "ink", 7},
			{"go-ink", "go", 4.5}, {"go-ink", "go-over", 4.5}, {"mark-ink", "mark", 4.5}, {"good-ink", "good", 4.5},
			// What is not text but says something: edges of fields, the focus ring, the button.
			{"edge", "sheet", 3}, {"edge", "desk", 3}, {"go", "sheet", 3}, {"me", "sheet", 3},
		} {
			if got := contrast(t, c[tt.front], c[tt.back]); got < tt.least {
				t.Errorf("%s: %s on %s has %.2f:1, less than %.1f:1", theme, tt.front, tt.back, got, tt.least)
			}
		}
		if got := contrast(t, "ffffff", c["bar"]); got < 7 {
			t.Errorf("%s: the toolbar has %.2f:1", theme, got)
		}
	}
}

func TestPairs(t *testing.T) {
	css := styleText(t)
	for i, p := range pairs {
		for theme, c := range themes(t) {
			if got := contrast(t, p.stroke, c["tile"]); got < 3 {
				t.Errorf("pair %d: the stroke has %.2f:1 on a %s tile", i, got, theme)
			}
		}
		if rule := fmt.Sprintf(".xo-%d { --stroke: #%s; --fill: #%s; }", i, p.stroke, p.fill); !strings.Contains(css, rule) {
			t.Errorf("style.css lacks %s", rule)
		}
		// The band of an activity's page is the sheet with 13 % of the fill.
		for theme, c := range themes(t) {
			band := mix(t, "#"+p.fill, c["sheet"], .13)
			for _, front := range []string{"ink", "link"} {
				if got := contrast(t, c[front], band); got < 4.5 {
					t.Errorf("pair %d: %s has %.2f:1 on a %s band", i, front, got, theme)
				}
			}
		}
	}
	if strings.Contains(css, fmt.Sprintf(".xo-%d ", len(pairs))) {
		t.Error("style.css has pairs that palette.go has not")
	}
	seen := map[int]int{}
	for id := int64(100001); id < 101201; id++ {
		seen[pairOf(id)]++
	}
	for i := range pairs {
		if n := seen[i]; n < 70 || n > 130 {
			t.Errorf("of 1200 activities %d wear pair %d", n, i)
		}
	}
}

func mix(t testing.TB, a, b string, share float64) string {
	t.Helper()
	out := "#"
	for i := 1; i < 7; i += 2 {
		x, errX := strconv.ParseUint(a[i:i+2], 16, 8)
		y, errY := strconv.ParseUint(b[i:i+2], 16, 8)
		if errX != nil || errY != nil {
			t.Fatal(a, b)
		}
		out += fmt.Sprintf("%02x", int(math.Round(float64(x)*share+float64(y)*(1-share))))
	}
	return out
}

// Sides are logical, so that right-to-left pages come out right. The ring is placed about its own
// middle and is the same both ways.
func TestStyleIsLogical(t *testing.T) {
	for i, line := range strings.Split(styleText(t), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), ".ring li") {
			continue
		}
		if m := regexp.MustCompile(`(?:margin|padding|border)-(?:left|right)|text-align: (?:left|right)|[^-](?:left|right):|float:`).FindString(line); m != "" {
			t.Errorf("style.css:%d has %q", i+1, m)
		}
	}
}

// Every class in a template is in the style sheet and the other way round.
func TestClassesAreStyled(t *testing.T) {
	css := styleText(t)
	used := map[string]bool{}
	entries, err := embedded.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		src, err := embedded.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`class="([^"]*)"`).FindAllStringSubmatch(string(src), -1) {
			for _, class := range strings.Fields(regexp.MustCompile(`\{\{.*?\}\}`).ReplaceAllString(m[1], " ")) {
				if !strings.HasSuffix(class, "-") {
					used[class] = true
				}
			}
		}
	}
	used["quiet"], used["chosen"] = true, true // written within an action
	for class := range used {
		if !regexp.MustCompile(`\.` + class + `\b`).MatchString(css) {
			t.Errorf("the class %s has no style", class)
		}
	}
	for _, m := range regexp.MustCompile(`\.([a-z]+)\b[^-\w(]`).FindAllStringSubmatch(regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(css, ""), -1) {
		if !used[m[1]] {
			t.Errorf("the style for the class %s is for nothing", m[1])
		}
	}
}
