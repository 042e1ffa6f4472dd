package sitetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/internal/catalogtest"
	"github.com/sugarlabs/beamrider/remora"
)

// marker stands in every hostile text: an element, an attribute or a comment by that name was born of
// one.
const marker = "xhostile"

// payloads are texts that bundles, owners or a broken import may bring. Each begins with its own
// marker, so that it is seen whether it is shown.
var payloads = []string{
	`<xhostile onxhostile=1>x</xhostile>`,
	`"><xhostile a="`,
	`'><xhostile a='`,
	`" onxhostile="1" autofocus onfocus="xhostile()`,
	"` onxhostile=1 `",
	`</title><xhostile>`,
	`</textarea></style></script></noscript><xhostile>`,
	`<script>xhostile()</script>`,
	`<img src=x onerror=xhostile()>`,
	`<svg><style>@import "//xhostile.example"</style></svg>`,
	`<!-- xhostile`,
	`--><xhostile><!--`,
	`]]><xhostile/>`,
	`<![CDATA[<xhostile/>]]>`,
	`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xhostile>&e;</xhostile>`,
	`&lt;xhostile&gt; &amp;lt; &#60; &nbsp; &unknown;`,
	`javascript:xhostile()`,
	`JaVaScRiPt&#58;xhostile()`,
	`//xhostile.example/`,
	`../../xhostile?q=%00%zz#x`,
	`%s %d %v(xhostile) \u003cxhostile\u003e`,
	"line\r\nSet-Cookie: xhostile=1\r\n\r\n<xhostile>",
	"\u202Aa \u202Bb \u202Cc \u202Dd \u202Ee", // embeddings and overrides
	"\u202Eox.sutilosh",                       // an override that nobody ends
	"\u2066a \u2067b \u2068c",
	"\u2069\u2069\u202C\u202C an end too many",
	"👩\u200D👩\u200D👧\u200D👦 🏳\uFE0F\u200D🌈 \U000E0067",
	"e" + strings.Repeat("\u0301", 300),
	"a\x00b\x00",
	controls(0x01, 0x1f) + controls(0x7f, 0x9f),
	"\uFFFE \uFFFF \U0001FFFE \uFDD0 \uFEFF \u2028 \u2029",
	"\xED\xA0\x80 \xED\xBF\xBF", // surrogates
	"\xff\xfe \xe2\x82 \xc0\xaf \xf8\x88\x80\x80\x80",
	strings.Repeat("long ", 2000),
	strings.Repeat("W", 10_000),
}

func controls(from, to rune) string {
	var b strings.Builder
	for r := from; r <= to; r++ {
		b.WriteRune(r)
	}
	return b.String()
}

// hostileText is payload i as the text of one field.
func hostileText(i int, field string) string {
	return fmt.Sprintf("%s %s %d %s", marker, field, i, payloads[i])
}

// hostileWord is it as a word that addresses are made of: those hold no slash, are valid and not long.
func hostileWord(i int, field string) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '_'
		case r == utf8.RuneError || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef:
			return -1
		}
		return r
	}, hostileText(i, field))
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

// hostileActivity has payload i in every text, and its bundle id from an honest one, without which
// nothing could ask for it; the id is hostile in a way that every store accepts.
func hostileActivity(i int) remora.Activity {
	a := catalogtest.Activity(i)
	in := func(field string) remora.Text {
		return remora.Text{{Locale: "ar", Value: hostileText(i, field+" in Arabic")}, {Locale: "en", Value: hostileText(i, field)}, {Locale: "und", Value: hostileText(i, field)}}
	}
	a.Name, a.Summary, a.Description = in("name"), in("summary"), in("description")
	a.Slug = hostileWord(i, "slug")
	a.License, a.LicenseText = "", hostileText(i, "license")
	if i%2 == 0 {
		a.License = hostileWord(i, "license")
	}
	a.Homepage, a.Repository = payloads[i], "https://example.org/"+payloads[i]
	a.Categories = []string{hostileWord(i, "category")}
	a.Tags = []string{hostileWord(i, "tag"), "a / in a tag"}
	a.Authors = []remora.Author{{ID: int64(200_001 + i), Name: hostileText(i, "author")}}
	if i%4 == 0 {
		a.Screenshots = []remora.Image{{ID: int64(1 + i), SHA256: madeUpSum, Media: "image/png", Size: int64(len(madeUpPicture)), Width: 1, Height: 1}}
	}
	a.Listed, a.FeaturedRank = true, 1+i
	if i%3 == 1 {
		a.Name = nil // it is called by its bundle id
		a.BundleID = hostileWord(i, "bundle")
	}
	if i%5 == 2 {
		a.DefaultLocale = remora.NormalizeLocale(payloads[i]) // as bundles are read
		a.Summary = remora.Text{{Locale: a.DefaultLocale, Value: hostileText(i, "summary")}}
	}
	for j := range a.Versions {
		v := &a.Versions[j]
		v.Filename = fmt.Sprintf("%s-%d.xo", hostileWord(i, "file"), j)
		v.Notes = in("notes")
		v.Archs = nil
		if j == 0 {
			v.Archs = []string{hostileText(i, "arch")}
		}
	}
	return a
}

// hostileFeed is a catalog in which every text is hostile.
func hostileFeed() (catalog, []remora.Activity) {
	var paths []string
	var list []remora.Activity
	var categories []remora.Category
	var collections []remora.Collection
	for i := range payloads {
		a := hostileActivity(i)
		list = append(list, a)
		paths = append(paths, hostileText(i, "path"))
		categories = append(categories, remora.Category{ID: int64(100 + i), Slug: hostileWord(i, "category"), Name: remora.PlainText("en", hostileText(i, "category"))})
		collections = append(collections, remora.Collection{
			ID: int64(1 + i), UUID: hostileWord(i, "uuid"), Nickname: hostileWord(i, "nickname"), Listed: true, DefaultLocale: "en",
			Name: remora.PlainText("en", hostileText(i, "collection")), Description: remora.PlainText("en", hostileText(i, "group")),
			Items: []remora.CollectionItem{{ActivityID: a.ID, BundleID: a.BundleID, Optional: true}},
		})
	}
	feed := catalogtest.NewFeed(slices.Values(list))
	feed.SetCollections(collections...)
	return madeUp{categorized{feed, categories}, paths}, list
}

// A categorized feed has other categories than those of made-up activities.
type categorized struct {
	*catalogtest.Feed
	categories []remora.Category
}

func (f categorized) Load(ctx context.Context, add func(remora.Activity) error) (remora.Header, error) {
	h, err := f.Feed.Load(ctx, add)
	h.Categories = f.categories
	return h, err
}

func (f categorized) Since(ctx context.Context, after remora.Position) (remora.Delta, error) {
	d, err := f.Feed.Since(ctx, after)
	d.Categories = f.categories
	return d, err
}
