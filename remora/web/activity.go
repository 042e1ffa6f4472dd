package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/web/internal/weblink"
)

// Bounds of what a page shows of one activity.
const (
	tagsShown    = 24  // tags
	authorsShown = 20  // people
	shotsShown   = 12  // screenshots
	relatedShown = 6   // other activities
	groupsShown  = 8   // collections it is in
	maxNews      = 400 // bytes of what is new
	maxBundleID  = 255 // bytes of a bundle id that is looked for
)

// An activityPage is the content of activity.html.
type activityPage struct {
	activityHead
	Description []string
	Text        phrase // language and direction of the description
	Offer       offer
	News        []string // what is new in the version that is offered
	NewsText    phrase
	Shots       []shot
	Facts       facts
	Categories  []link
	Tags        []link
	Groups      []link // collections it is in
	Related     []card
	Unlisted    bool
	Versions    string // address of the page of all versions
	Count       string // how many there are
	Statistics  string // address of the page of its downloads
	Feed        string // address of the feed of its versions
	School      string // address of the page for schools
}

// An activityHead is what the pages about one activity begin with.
type activityHead struct {
	Icon     string
	XO       int
	Name     phrase
	Summary  phrase
	Activity string // address of the activity's page
	Authors  []link
}

func (v *visit) newHead(a *remora.Activity) activityHead {
	l, xo := v.tongue, pairOf(a.ID)
	head := activityHead{
		Icon: v.icon(a, xo), XO: xo, Name: l.name(a), Summary: l.say(a.Summary, a.DefaultLocale),
		Activity: l.activityPath(a.ID),
	}
	for _, by := range a.Authors[:min(len(a.Authors), authorsShown)] {
		head.Authors = append(head.Authors, link{Href: l.authorPath(by.ID), Name: phrase{Value: shorten(by.Name, maxNameShown)}})
	}
	return head
}

// A shot is a picture of the activity at work.
type shot struct {
	Src           string
	Alt           string
	Width, Height int
}

// findActivity returns the page about an activity at a path, nil if there is none.
func (h *Handler) findActivity(rest []string) page {
	if len(rest) == 1 && rest[0] == "statistics" {
		return h.serveAllStatistics
	}
	if len(rest) < 2 || rest[0] != "activity" {
		return nil
	}
	var serve func(http.ResponseWriter, *visit, *remora.Activity)
	switch behind := rest[2:]; {
	case len(behind) == 0:
		serve = h.serveActivity
	case len(behind) == 1 && behind[0] == "versions":
		serve = h.serveVersions
	case len(behind) == 2 && behind[0] == "versions":
		serve = func(w http.ResponseWriter, v *visit, a *remora.Activity) { h.serveVersion(w, v, a, behind[1]) }
	case len(behind) == 1 && behind[0] == "statistics":
		serve = h.serveStatistics
	default:
		return nil
	}
	return func(w http.ResponseWriter, v *visit) {
		if a := h.meant(w, v, rest[1], rest[2:]); a != nil {
			serve(w, v, a)
		}
	}
}

// meant returns the activity that a path names by its id. Where it is nil, the reader has been
// answered: there is none, or it has another name. behind is the path after the name.
func (h *Handler) meant(w http.ResponseWriter, v *visit, ref string, behind []string) *remora.Activity {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != ref {
		// A bundle id is another name for the page; people have those at hand.
		if a := v.byBundleID(ref); a != nil {
			to := v.tongue.activityPath(a.ID)
			for _, p := range behind {
				to += "/" + url.PathEscape(p)
			}
			w.Header().Set("Cache-Control", "public, max-age=3600")
			redirect(w, http.StatusFound, withQuery(to, v.request.URL.Query()))
			return nil
		}
		h.fail(w, v, faultNotFound)
		return nil
	}
	a := v.view.Activity(id)
	if a == nil || a.State != remora.ActivityActive || !hasOffered(a) {
		h.fail(w, v, faultNotFound)
		return nil
	}
	return a
}

// hasOffered reports whether there is a version that anybody is told of.
func hasOffered(a *remora.Activity) bool {
	for i := range a.Versions {
		if a.Versions[i].State.Offered() {
			return true
		}
	}
	return false
}

func (v *visit) byBundleID(ref string) *remora.Activity {
	if len(ref) > maxBundleID {
		return nil
	}
	a := v.view.ByBundleID(ref)
	if a == nil || a.State != remora.ActivityActive {
		return nil
	}
	return a
}

func (h *Handler) serveActivity(w http.ResponseWriter, v *visit, a *remora.Activity) {
	l := v.tongue
	client := v.client()
	verdicts := sortedVerdicts(a, client)
	text := l.say(a.Description, a.DefaultLocale)
	p := activityPage{
		activityHead: v.newHead(a), Description: paragraphs(text.Value), Text: text,
		Offer:      v.newOffer(a, client, verdicts, l.activityPath(a.ID)),
		Facts:      l.newFacts(a),
		Categories: v.categoriesOf(a),
		Groups:     v.groupsOf(a),
		Related:    v.newCards(v.related(a)),
		Unlisted:   !a.Listed,
		Versions:   l.versionsPath(a.ID),
		Count:      l.number(int64(len(verdicts))),
		Statistics: l.activityStatisticsPath(a.ID),
		Feed:       l.activityPath(a.ID) + "/feed.atom",
		School:     l.path("school"),
	}
	if offered := p.Offer.Version; offered != nil {
		p.NewsText = offered.Text
		p.NewsText.Value = shorten(offered.Text.Value, maxNews)
		p.News = paragraphs(p.NewsText.Value)
	}
	p.Shots = l.shots(a, p.Name.Value)
	for _, tag := range a.Tags[:min(len(a.Tags), tagsShown)] {
		p.Tags = append(p.Tags, link{Href: l.tagPath(tag), Name: phrase{Value: shorten(tag, maxNameShown), Dir: "auto"}})
	}
	f := v.newFrame(p.Name.Value, p)
	f.NoIndex = !a.InLists() || !v.query.sugar.IsZero()
	f.at(v, "activity/"+strconv.FormatInt(a.ID, 10), sugarParams(v.query.sugar))
	h.show(w, v, "activity", f, offerVary)
}

// client returns what is known of the reader's computer: what they said, else what their browser
// says.
func (v *visit) client() remora.Client {
	c := remora.Client{Sugar: v.query.sugar}
	if c.Sugar.IsZero() {
		c.Sugar = remora.SugarFromUserAgent(v.request.UserAgent())
	}
	return c
}

func sugarParams(sugar remora.Number) url.Values {
	if sugar.IsZero() {
		return nil
	}
	return url.Values{"sugar": {sugar.String()}}
}

// shots returns the screenshots of an activity with this name.
func (l *tongue) shots(a *remora.Activity, name string) []shot {
	var list []shot
	for i := range a.Screenshots[:min(len(a.Screenshots), shotsShown)] {
		if src := previewPath(&a.Screenshots[i]); src != "" {
			list = append(list, shot{Src: src, Width: a.Screenshots[i].Width, Height: a.Screenshots[i].Height})
		}
	}
	for i := range list {
		// Translators: the first two are numbers, the last is the name of an activity.
		list[i].Alt = l.t("Screenshot %s of %s of %s", l.number(int64(i+1)), l.number(int64(len(list))), name)
	}
	return list
}

// facts are what is known of an activity besides its texts.
type facts struct {
	BundleID      string
	License       string
	LicenseHref   string // the list of what is under the same; "" where License is free text
	Homepage      outside
	Repository    outside
	Network       string
	Languages     string // those it speaks, the first few
	MoreLanguages string
	MoreCount     string
	Updated       date
	Downloads     string
}

// maxLicense bounds how a licence is named, in bytes: longer ones are no SPDX expressions that
// anybody looks for.
const maxLicense = 120

// An outside is a link to another site; Href is "" where there is none.
type outside struct{ Href, Name string }

// newOutside returns a link that says where it leads, without what every address begins with: on a
// narrow card that is what breaks in two.
func newOutside(address string) outside {
	href := weblink.Clean(address)
	_, name, _ := strings.Cut(href, "://")
	return outside{href, shorten(strings.TrimSuffix(name, "/"), maxOutside)}
}

// Parts returns the name in pieces between which a line may break.
func (o outside) Parts() []string { return strings.SplitAfter(o.Name, "/") }

// maxOutside bounds the address of another site as it is shown, in bytes.
const maxOutside = 60

func (l *tongue) newFacts(a *remora.Activity) facts {
	f := facts{
		BundleID: a.BundleID, License: a.License,
		Homepage: newOutside(a.Homepage), Repository: newOutside(a.Repository),
		Updated: l.day(a.Updated), Downloads: l.downloads(a.Downloads),
	}
	if f.License != "" && len(f.License) <= maxLicense && utf8.ValidString(f.License) {
		f.LicenseHref = l.browsePath(url.Values{"license": {a.License}})
	} else {
		f.License = shorten(strings.Join(strings.Fields(cmp.Or(a.License, a.LicenseText)), " "), maxLicense)
	}
	switch a.Network {
	case remora.NetworkNone:
		f.Network = l.t("It works without a connection.")
	case remora.NetworkNeeded:
		f.Network = l.t("It needs a connection to the internet.")
	}
	names := l.languagesOf(a)
	const shown = 8
	if few := min(len(names), shown); len(names) > shown+1 { // a list of one more hides nothing
		f.MoreLanguages = strings.Join(names[few:], listed)
		f.MoreCount = l.n("and %s more", "and %s more", len(names)-few)
		names = names[:few]
	}
	f.Languages = strings.Join(names, listed)
	return f
}

// listed stands between the names of a list in every language; a line may end with it, and none
// begins with it.
const listed = "\u00a0· "
