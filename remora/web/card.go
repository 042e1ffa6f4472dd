package web

import (
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// A card is an activity in a list.
type card struct {
	Href    string
	Icon    string // address of the picture
	XO      int    // number of its colour pair
	Name    phrase
	Summary phrase
	Note    string // what this list has to say about it, "" for nothing
}

// maxSummary bounds the text on a card, in bytes; the style shows two lines of it.
const maxSummary = 200

func (v *visit) newCard(a *remora.Activity) card {
	l := v.tongue
	c := card{Href: l.activityPath(a.ID), XO: pairOf(a.ID), Name: l.name(a), Summary: l.say(a.Summary, a.DefaultLocale)}
	c.Icon = v.icon(a, c.XO)
	if c.Summary.Value == "" {
		c.Summary = l.say(a.Description, a.DefaultLocale)
	}
	c.Summary.Value = shorten(c.Summary.Value, maxSummary)
	return c
}

func (v *visit) newCards(list []*remora.Activity) []card {
	cards := make([]card, len(list))
	for i, a := range list {
		cards[i] = v.newCard(a)
	}
	return cards
}

// maxNameShown bounds a name on a page, in bytes.
const maxNameShown = 200

// name returns what an activity is called; one without a name is called by its bundle id.
func (l *tongue) name(a *remora.Activity) phrase {
	p := l.say(a.Name, a.DefaultLocale)
	p.Value = shorten(strings.Join(strings.Fields(p.Value), " "), maxNameShown)
	if p.Value == "" {
		return phrase{Value: shorten(a.BundleID, maxNameShown), Dir: "ltr"}
	}
	return p
}

// icon returns the address of an activity's picture in the colours it wears.
func (v *visit) icon(a *remora.Activity, xo int) string {
	if a.Icon.IsZero() {
		return v.handler.assets["activity.svg"].path
	}
	return "/icon/" + a.Icon.String() + "/" + pairs[xo].stroke + "-" + pairs[xo].fill + ".svg"
}

// shorten cuts a text to at most n bytes, between letters and where possible between words.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n - len("…")
	for cut > 0 && s[cut]&0xC0 == 0x80 { // inside a letter
		cut--
	}
	s = s[:cut]
	if i := strings.LastIndexByte(s, ' '); i > n/2 {
		s = s[:i]
	}
	return strings.TrimSpace(s) + "…"
}

// A searchBox is the form with which people search.
type searchBox struct{ Action, Query string }

// A link leads to a list in another order or of another category.
type link struct {
	Href    string
	Name    phrase
	Count   string // how many there are, "" where it is not said
	Current bool
}

// categoryLinks returns the categories that have an activity, with how many.
func (v *visit) categoryLinks() []link {
	var links []link
	categories := v.view.Categories()
	for i := range categories {
		c := &categories[i]
		if n := v.view.Count(c.Slug); n > 0 {
			links = append(links, link{Href: v.tongue.categoryPath(c.Slug), Name: v.tongue.categoryName(c), Count: v.tongue.number(int64(n))})
		}
	}
	return links
}

// categoryName returns what a category is called.
func (l *tongue) categoryName(c *remora.Category) phrase {
	name := l.say(c.Name, "en")
	if name.Value == "" {
		name.Value = c.Slug
	}
	return name
}
