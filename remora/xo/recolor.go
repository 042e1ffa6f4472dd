package xo

import (
	"bytes"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// In a sanitised icon, an attribute that Sugar colours has a companion right before it:
//
//	data-xo-stroke="stroke" stroke="#666666" data-xo-fill="fill" fill="#ffffff"
//
// The companion names the attribute and says which of the two colours it takes. Neither a text nor
// a value can have these bytes, since quotes are escaped in both.
const markPrefix = " data-xo-"

// While the icon is read, the colours are single characters of Unicode's private use area.
const (
	strokeMark = '\uE0F0'
	fillMark   = '\uE0F1'
)

// colors are the two colours of an icon, as #rrggbb.
type colors struct{ stroke, fill string }

// defaultColors are Sugar's own for an icon without an owner (sugar3.graphics.style).
var defaultColors = colors{stroke: "#666666", fill: "#ffffff"}

func (c *colors) of(mark string) string {
	if mark == "stroke" {
		return c.stroke
	}
	return c.fill
}

// plain puts the colours in the place of marks inside of a longer value.
func (c *colors) plain(s string) string {
	if !strings.ContainsRune(s, strokeMark) && !strings.ContainsRune(s, fillMark) {
		return s
	}
	return strings.NewReplacer(string(strokeMark), c.stroke, string(fillMark), c.fill).Replace(s)
}

// colorMark returns which colour a value is, "" if it is none.
func colorMark(value string) string {
	switch strings.TrimSpace(value) {
	case string(strokeMark):
		return "stroke"
	case string(fillMark):
		return "fill"
	}
	return ""
}

// markable are the attributes with a colour for a value.
var markable = map[string]bool{"stroke": true, "fill": true, "stop-color": true, "color": true}

// hexColor reads #rgb or #rrggbb and returns it as #rrggbb in lower case.
func hexColor(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) != 4 && len(s) != 7 || s[0] != '#' {
		return "", false
	}
	for i := 1; i < len(s); i++ {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return "", false
		}
	}
	if len(s) == 4 {
		s = string([]byte{'#', s[1], s[1], s[2], s[2], s[3], s[3]})
	}
	return s, true
}

// Recolor returns an icon of [Bundle] in two other colours, written #rrggbb. The icon itself is
// not changed. The only error is for something that is not such a colour, of kind invalid with
// code "icon.colour".
func Recolor(icon []byte, stroke, fill string) ([]byte, error) {
	var c colors
	for _, color := range [...]struct {
		text string
		into *string
	}{{stroke, &c.stroke}, {fill, &c.fill}} {
		text, ok := hexColor(color.text)
		if !ok || len(color.text) != 7 {
			return nil, &remora.Error{
				Kind: remora.KindInvalid, Op: "xo.Recolor", Code: "icon.colour",
				Message: "The colour " + quoted(color.text) + " is not written as #rrggbb. Use six hexadecimal digits, such as #00a0ff.",
			}
		}
		*color.into = text
	}
	out := make([]byte, 0, len(icon))
	for {
		before, rest, found := bytes.Cut(icon, []byte(markPrefix))
		out = append(out, before...)
		if !found {
			return out, nil
		}
		out = append(out, markPrefix...)
		icon = rest
		name, rest, _ := bytes.Cut(rest, []byte(`="`))
		mark, rest, _ := bytes.Cut(rest, []byte(`" `))
		value, ok := bytes.CutPrefix(rest, append(bytes.Clone(name), '=', '"'))
		if !ok || len(value) < 8 || value[7] != '"' || string(mark) != "stroke" && string(mark) != "fill" || !markable[string(name)] {
			continue
		}
		out = append(out, string(name)+`="`+string(mark)+`" `+string(name)+`="`...)
		out = append(out, c.of(string(mark))...)
		icon = value[7:]
	}
}
