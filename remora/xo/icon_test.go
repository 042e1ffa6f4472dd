package xo

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"`

func TestIcons(t *testing.T) {
	const entities = `<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [<!ENTITY stroke_color "#010"><!ENTITY fill_color "#FFFFFE">` +
		`<!ENTITY ns_svg "http://www.w3.org/2000/svg"><!ENTITY both "&fill_color;"><!ATTLIST svg x CDATA #IMPLIED><!-- c -->]>`
	for _, c := range []struct{ name, in, want string }{
		{"no namespace", `<svg/>`, head + `></svg>`},
		{"byte order mark", "\ufeff<svg/>", head + `></svg>`},
		{"comments", `<!-- a --><?x y?><svg><!-- b --></svg><!-- " -->`, head + `></svg>`},
		{"prefix", `<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:g/></s:svg>`, head + `><g></g></svg>`},
		{"other namespaces", `<svg xmlns:i="http://inkscape"><i:view/><metadata><g/></metadata><g i:label="x"/></svg>`, head + `><g></g></svg>`},
		{"colours", entities + `<svg><g fill="&fill_color;" stroke="&stroke_color;"/></svg>`, head + `><g data-xo-fill="fill" fill="#fffffe" data-xo-stroke="stroke" stroke="#001100"></g></svg>`},
		{"colours exchanged", entities + `<svg><g fill="&stroke_color;"/></svg>`, head + `><g data-xo-fill="stroke" fill="#001100"></g></svg>`},
		{"colours by style", entities + `<svg><g style="fill:&fill_color;;stroke:&stroke_color;;stroke-width:2"/></svg>`, head + `><g data-xo-fill="fill" fill="#fffffe" data-xo-stroke="stroke" stroke="#001100" stroke-width="2"></g></svg>`},
		{"colours by rule", entities + `<svg><style type="text/css"> .a, #b {fill:&both;} </style><g class="x a"/><g id="b"/></svg>`, head + `><g data-xo-fill="fill" fill="#fffffe"></g><g id="b" data-xo-fill="fill" fill="#fffffe"></g></svg>`},
		{"namespace by entity", entities + `<svg xmlns="&ns_svg;"><g/></svg>`, head + `><g></g></svg>`},
		{"colour inside a text", entities + `<svg><text>a&fill_color;b</text></svg>`, head + `><text>a#fffffeb</text></svg>`},
		{"named colour entity", `<!DOCTYPE svg [<!ENTITY fill_color "white">]><svg><g fill="&fill_color;"/></svg>`, head + `><g data-xo-fill="fill" fill="#ffffff"></g></svg>`},
		{"marks in the file", "<svg><g fill=\"\uE0F0\"/><text>\uE0F1</text></svg>", head + `><g data-xo-fill="stroke" fill="#666666"></g><text>#ffffff</text></svg>`},
		{"style wins over attribute", `<svg><g fill="red" style="fill:blue !important"/></svg>`, head + `><g fill="blue"></g></svg>`},
		{"specific rules win", `<svg><style>#i{fill:red}.c{fill:blue}g{fill:green}@media x{g{fill:black}}</style><g fill="x" class="c"/><g id="i" class="c"/></svg>`, head + `><g fill="blue"></g><g id="i" fill="red"></g></svg>`},
		{"comments in style", `<svg><g style="fill:/*;*/red;/*"/></svg>`, head + `><g fill="red"></g></svg>`},
		{"gradient", `<svg xmlns:xlink="http://www.w3.org/1999/xlink"><linearGradient id="a"><stop offset="0" style="stop-color:#fff"/></linearGradient><linearGradient id="b" xlink:href="#a"/><rect fill="url(#b)" width="5px"/></svg>`,
			head + `><linearGradient id="a"><stop offset="0" stop-color="#fff"></stop></linearGradient><linearGradient id="b" xlink:href="#a"></linearGradient><rect fill="url(#b)" width="5px"></rect></svg>`},
		{"link is a group", `<svg><a href="http://x/"><g/></a></svg>`, head + `><g><g></g></g></svg>`},
		{"switch", `<svg><switch><foreignObject/><g/></switch></svg>`, head + `><g><g></g></g></svg>`},
		{"embedded picture", `<svg><image href="data:image/png;base64,aGVs bG8="/></svg>`, head + `><image xlink:href="data:image/png;base64,aGVsbG8="></image></svg>`},
		{"embedded svg", `<svg><image href="data:image/svg+xml;base64,aGVsbG8="/></svg>`, head + `><image></image></svg>`},
		{"quotes", `<svg><text>" data-xo-fill="fill" fill="#000000"</text><text font-family="'a&quot;b'"/></svg>`, head + `><text>&#34; data-xo-fill=&#34;fill&#34; fill=&#34;#000000&#34;</text><text font-family="&#39;a&#34;b&#39;"></text></svg>`},
		{"own data attributes", `<svg><g data-xo-fill="fill" fill="#000000"/></svg>`, head + `><g fill="#000000"></g></svg>`},
		{"escapes in values", `<svg><g fill="\75rl(x)" stroke="red;x:y" d="M0 0&lt;"/></svg>`, head + `><g></g></svg>`},
		{"handlers", `<svg onload="x()" OnClick="y()"><g onfoo="z"/></svg>`, head + `><g></g></svg>`},
		{"script", `<svg><script>x</script><script xmlns="http://www.w3.org/1999/xhtml">y</script><style>@import url(x);</style></svg>`, head + `></svg>`},
		{"animation", `<svg><g id="a"><animate attributeName="fill"/><set/></g></svg>`, head + `><g id="a"></g></svg>`},
		{"javascript", `<svg><use href=" javascript:x()"/><use href="#a"/></svg>`, head + `><use></use><use xlink:href="#a"></use></svg>`},
		{"bad ids", `<svg><g id="a b"/><g id="1"/><g id="a"/></svg>`, head + `><g></g><g></g><g id="a"></g></svg>`},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><svg><text>\xe9</text></svg>", head + `><text>é</text></svg>`},
		{"patterns and filters", `<svg><filter id="f"/><pattern/><marker/><g filter="url(#f)"/></svg>`, head + `><g></g></svg>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, faults := sanitizeIcon([]byte(c.in), 1<<20)
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("%v\n%s", faults, d)
			}
		})
	}
}

func TestRecolor(t *testing.T) {
	in, faults := sanitizeIcon([]byte(goodIcon), 1<<20)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := Recolor(in, "#00A0FF", "#8bff7a")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("#010101", "#00a0ff", "#ffffff", "#8bff7a").Replace(string(in))
	if string(got) != want || string(got) == string(in) {
		t.Errorf("got %s", got)
	}
	back, err := Recolor(got, "#010101", "#ffffff")
	if err != nil || !bytes.Equal(back, in) {
		t.Errorf("%s, %v", back, err)
	}
	for _, bad := range []string{"", "red", "#fff", "#0000000", "#00000g", `"><script>`, "#é00000"} {
		if _, err := Recolor(in, bad, "#000000"); !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "icon.colour"}) {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := Recolor(in, "#000000", bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, odd := range []string{"", " data-xo-", ` data-xo-fill="fill" fill="#00`, ` data-xo-fill="fill" fill="#0000000"`, ` data-xo-x="fill" x="#000000"`} {
		if got, err := Recolor([]byte(odd), "#123456", "#123456"); err != nil || string(got) != odd {
			t.Errorf("%q became %q, %v", odd, got, err)
		}
	}
}

// checkPlain fails unless an icon is XML with nothing but drawing in it.
func checkPlain(t *testing.T, icon []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(icon))
	kept := map[string]bool{}
	for _, name := range svgElements {
		kept[name] = true
	}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in %q", err, icon)
		}
		switch token := token.(type) {
		case xml.Directive, xml.ProcInst, xml.Comment:
			t.Fatalf("%v in %q", token, icon)
		case xml.StartElement:
			if token.Name.Space != svgSpace || !kept[token.Name.Local] {
				t.Fatalf("element %v in %q", token.Name, icon)
			}
			for _, a := range token.Attr {
				name := a.Name.Local
				switch {
				case a.Name.Space == "xmlns" || name == "xmlns" || a.Name.Space == xmlSpace && name == "space":
				case a.Name.Space == xlinkSpace && name == "href":
					if !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/") {
						t.Fatalf("reference %q in %q", a.Value, icon)
					}
				case a.Name.Space == "" && (presentation[name] || geometry[name] || name == "id" || strings.HasPrefix(name, "data-xo-")):
					low := strings.ToLower(a.Value)
					if strings.Contains(low, "script") && strings.Contains(low, ":") || strings.Contains(low, "url(") && !strings.Contains(low, "url(#") && !strings.Contains(low, "#") {
						t.Fatalf("value %q in %q", a.Value, icon)
					}
				default:
					t.Fatalf("attribute %v in %q", a.Name, icon)
				}
			}
		}
	}
}
