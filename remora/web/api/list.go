package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

// A list is a page of a list.
type list[T any] struct {
	Items []T     `json:"items"`
	Total int     `json:"total"` // on all pages
	Next  *string `json:"next"`  // address of the next page
}

func (l list[T]) next() string {
	if l.Next == nil {
		return ""
	}
	return *l.Next
}

// A whole is a list that fits one answer.
type whole[T any] struct {
	Items []T `json:"items"`
}

// A value is a value of a facet, and how many activities of the list have it.
type value struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// An activityList is a page of activities.
type activityList struct {
	list[summary]
	Corrected *string            `json:"corrected"` // what was found instead of q
	Partial   bool               `json:"partial"`   // the words are so common that total and facets are lower bounds
	Facets    map[string][]value `json:"facets,omitempty"`
}

// valuesMost bounds the values of a facet in an answer.
const valuesMost = 200

func (c *call) activities(string) (any, *problem) {
	a := &c.asked
	order := byte(a.sort)
	if a.text != "" {
		order = place.Found
	}
	after, err := place.Decode(order, a.after)
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Code: "query", Detail: "The query has a place that is none of this list.",
			Errors: []wrong{{"after", "It is none that an answer of this list has given. Start without it."}}}
	}
	found := c.view.Find(live.Query{Text: a.text, Locale: a.lang, Filter: a.filter, Sort: a.sort, After: after, Limit: a.limit, Counts: a.facets})
	out := activityList{list: list[summary]{Items: make([]summary, 0, len(found.Activities)), Total: found.Total}, Corrected: orNil(found.Corrected), Partial: found.Partial}
	for _, each := range found.Activities {
		out.Items = append(out.Items, c.summary(each))
	}
	if a.facets {
		out.Facets = map[string][]value{}
		for _, f := range live.Facets {
			counts := found.Counts[f]
			values := make([]value, 0, len(counts))
			for _, n := range counts[:min(len(counts), valuesMost)] {
				values = append(values, value{clean(n.Value), n.N})
			}
			out.Facets[f.String()] = values
		}
	}
	if found.Next != (remora.Cursor{}) {
		next := c.address("activities", c.behind(place.Encode(order, found.Next)))
		out.Next = &next
	}
	return out, nil
}

// behind returns the query of the call with another place.
func (c *call) behind(after string) url.Values {
	params := url.Values{}
	for name, values := range c.asked.query {
		params[name] = values
	}
	params.Set("after", after)
	return params
}

// A category is a fixed group of activities.
type category struct {
	Slug  string `json:"slug"`
	Names text   `json:"names"`
	Count int    `json:"count"` // of activities
	URL   string `json:"url"`   // of those
}

func (c *call) categories(string) (any, *problem) {
	all := c.view.Categories()
	out := whole[category]{make([]category, 0, len(all))}
	for i := range all {
		each := &all[i]
		out.Items = append(out.Items, category{clean(each.Slug), c.text(each.Name, "en"), c.view.Count(each.Slug), c.address("activities", url.Values{"category": {clean(each.Slug)}})})
	}
	return out, nil
}

// A tag is a word that activities are marked with.
type tag struct {
	Tag   string `json:"tag"`
	Count int    `json:"count"`
	URL   string `json:"url"`
}

func (c *call) tags(string) (any, *problem) {
	tags := c.view.Tags(c.asked.limit)
	out := whole[tag]{make([]tag, 0, len(tags))}
	for _, t := range tags {
		out.Items = append(out.Items, tag{clean(t.Name), t.N, c.address("activities", url.Values{"tag": {clean(t.Value)}})})
	}
	return out, nil
}

// An authorPage is an author and how many listed activities name them.
type authorPage struct {
	author
	Count      int    `json:"count"`
	Activities string `json:"activities"` // address of their list
}

func (c *call) author(id string) (any, *problem) {
	n, ok := parseID(id)
	if !ok {
		return nil, unknown("author")
	}
	p, known := c.view.Author(n)
	if !known {
		return nil, unknown("author")
	}
	filter := live.Filter{}
	filter[live.FacetAuthor] = strconv.FormatInt(n, 10)
	return authorPage{c.authorOf(p), c.view.Find(live.Query{Filter: filter}).Total, c.address("activities", url.Values{"author": {filter[live.FacetAuthor]}})}, nil
}

// A group is a collection in a list.
type group struct {
	Nickname     string `json:"nickname"`
	Names        text   `json:"names"`
	Descriptions text   `json:"descriptions"`
	Updated      moment `json:"updated"`
	Count        int    `json:"count"` // of activities that can be had
	URL          string `json:"url"`
	UpdateGroup  string `json:"update_group"` // the address that laptops are set to
}

// A groupItem is an entry of a collection.
type groupItem struct {
	summary
	Pin      *string `json:"pin"`      // this version and no other
	Optional bool    `json:"optional"` // offered, not installed by itself
}

// A groupPage is a collection with what is in it.
type groupPage struct {
	group
	Items []groupItem `json:"items"`
}

func (c *call) members(g *remora.Collection) []groupItem {
	out := make([]groupItem, 0, len(g.Items))
	for i := range g.Items {
		if a := c.view.Activity(g.Items[i].ActivityID); a != nil && a.InLists() {
			out = append(out, groupItem{c.summary(a), orNil(g.Items[i].Pin.String()), g.Items[i].Optional})
		}
	}
	return out
}

func (c *call) count(g *remora.Collection) (n int) {
	for i := range g.Items {
		if a := c.view.Activity(g.Items[i].ActivityID); a != nil && a.InLists() {
			n++
		}
	}
	return n
}

func (c *call) group(g *remora.Collection) group {
	return group{
		Nickname: clean(g.Nickname), Names: c.text(g.Name, g.DefaultLocale), Descriptions: c.text(g.Description, g.DefaultLocale), Updated: momentOf(g.Updated), Count: c.count(g),
		URL:         c.address("collections/"+url.PathEscape(g.Nickname), nil),
		UpdateGroup: c.base + "/services/micro-format.php?" + url.Values{"collection_nickname": {g.Nickname}}.Encode(),
	}
}

func (c *call) collections(string) (any, *problem) {
	var listed []*remora.Collection
	all := c.view.Collections()
	for i := range all {
		if all[i].Listed {
			listed = append(listed, &all[i])
		}
	}
	out := list[group]{Total: len(listed)}
	// The place is the nickname before it, which says itself.
	from := slices.IndexFunc(listed, func(g *remora.Collection) bool { return g.Nickname > c.asked.after })
	if from < 0 {
		from = len(listed)
	}
	shown := listed[from:min(from+c.asked.limit, len(listed))]
	out.Items = make([]group, 0, len(shown))
	for _, g := range shown {
		out.Items = append(out.Items, c.group(g))
	}
	if from+len(shown) < len(listed) {
		next := c.address("collections", c.behind(shown[len(shown)-1].Nickname))
		out.Next = &next
	}
	return out, nil
}

func (c *call) collection(ref string) (any, *problem) {
	g := c.view.Collection(ref)
	if g == nil {
		return nil, unknown("collection")
	}
	return groupPage{c.group(g), c.members(g)}, nil
}

// A suggestion completes what is being typed.
type suggestion struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
	Page string `json:"page"`
}

func (c *call) suggest(string) (any, *problem) {
	found := c.view.Suggest(c.asked.text, c.asked.lang, c.asked.limit)
	out := whole[suggestion]{make([]suggestion, 0, len(found))}
	for _, a := range found {
		s := c.summary(a)
		out.Items = append(out.Items, suggestion{a.ID, s.Name, s.URL, s.Page})
	}
	return out, nil
}
