package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

const bundleSize = 60 // activities on one page of a collection

// How many collections, and of one.
const (
	groupsOnPage = 24 // in the list of all
	facesShown   = 5  // activities whose picture stands for it
)

// A groupCard is a collection in a list.
type groupCard struct {
	Href        string
	Name        phrase
	Description phrase
	Count       string
	Faces       []face // of its first activities
}

// A face is an activity's picture alone.
type face struct {
	Icon string
	XO   int
}

// listed returns up to limit listed collections behind the nickname after, by nickname.
func (v *visit) listed(limit int, after string) []*remora.Collection {
	var list []*remora.Collection
	all := v.view.Collections()
	for i := range all {
		if all[i].Listed && all[i].Nickname > after && len(list) < limit {
			list = append(list, &all[i])
		}
	}
	return list
}

func (v *visit) groupCards(list []*remora.Collection) []groupCard {
	var cards []groupCard
	for _, c := range list {
		description := v.tongue.say(c.Description, c.DefaultLocale)
		description.Value = shorten(description.Value, maxSummary)
		members := v.view.Members(c)
		card := groupCard{
			Href: v.tongue.collectionPath(c.Nickname), Name: v.groupName(c), Description: description,
			Count: v.tongue.n("%s activity", "%s activities", len(members)),
		}
		for _, m := range members[:min(len(members), facesShown)] {
			xo := pairOf(m.activity.ID)
			card.Faces = append(card.Faces, face{v.icon(m.activity, xo), xo})
		}
		cards = append(cards, card)
	}
	return cards
}

// A groupsPage is the content of collections.html.
type groupsPage struct {
	Collections []groupCard
	School      string // address of what a laptop does with one
	First, Next string
}

func (h *Handler) serveCollections(w http.ResponseWriter, v *visit) {
	l := v.tongue
	// The place is the nickname before it, which says itself.
	list := v.listed(groupsOnPage+1, v.query.after)
	path := l.path("collections")
	f := v.newFrame(l.t("Collections"), nil)
	p := groupsPage{School: l.groupsHelpPath()}
	params := url.Values{}
	if v.query.after != "" {
		p.First, f.NoIndex = path, true
		params.Set("after", v.query.after)
	}
	if len(list) > groupsOnPage {
		list = list[:groupsOnPage]
		p.Next = withQuery(path, url.Values{"after": {list[groupsOnPage-1].Nickname}})
		f.Next = p.Next
	}
	p.Collections = v.groupCards(list)
	f.Body = p
	f.at(v, "collections", params)
	h.show(w, v, "collections", f, "")
}

func (v *visit) groupName(c *remora.Collection) phrase {
	name := v.tongue.say(c.Name, c.DefaultLocale)
	if name.Value == "" {
		name.Value = c.Nickname
	}
	name.Value = shorten(name.Value, maxNameShown)
	return name
}

// A groupPage is the content of collection.html.
type groupPage struct {
	Name        phrase
	Above       string // address of all collections
	School      string // address of what a laptop does with it
	Description []string
	Phrase      phrase // language and direction of the description
	Nickname    string
	Count       string
	Updated     date
	Cards       []card
	First, Next string
}

func (h *Handler) serveCollection(w http.ResponseWriter, v *visit, ref string) {
	l := v.tongue
	c := v.view.Collection(ref)
	if c == nil {
		h.fail(w, v, faultNotFound)
		return
	}
	path := "collection/" + url.PathEscape(c.Nickname)
	if ref != c.Nickname {
		redirect(w, http.StatusFound, withQuery("/"+l.tag+"/"+path, v.request.URL.Query()))
		return
	}
	list := v.view.Members(c)
	from := 0
	if v.query.after != "" {
		n, err := strconv.ParseUint(v.query.after, 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != v.query.after {
			h.fail(w, v, faultPlace)
			return
		}
		from = min(int(n), len(list))
	}
	shown := list[from:min(from+bundleSize, len(list))]
	text := l.say(c.Description, c.DefaultLocale)
	p := groupPage{
		Name: v.groupName(c), Description: paragraphs(text.Value), Phrase: text, Nickname: c.Nickname,
		Above: l.path("collections"), School: l.groupsHelpPath(),
		Count: l.n("%s activity", "%s activities", len(list)), Updated: l.day(c.Updated),
	}
	for _, m := range shown {
		card := v.newCard(m.activity)
		var notes []string
		if !m.item.Pin.IsZero() {
			notes = append(notes, l.t("Version %s", m.item.Pin.String()))
		}
		if m.item.Optional {
			notes = append(notes, l.t("Optional"))
		}
		card.Note = strings.Join(notes, listed)
		p.Cards = append(p.Cards, card)
	}
	f := v.newFrame(p.Name.Value, nil)
	params := url.Values{}
	if from > 0 {
		params.Set("after", v.query.after)
		p.First, f.NoIndex = "/"+l.tag+"/"+path, true
	}
	if end := from + len(shown); end < len(list) {
		p.Next = "/" + l.tag + "/" + path + "?after=" + strconv.Itoa(end)
		f.Next = p.Next
	}
	if !c.Listed {
		f.NoIndex = true
	}
	f.Body = p
	f.at(v, path, params)
	h.show(w, v, "collection", f, "")
}
