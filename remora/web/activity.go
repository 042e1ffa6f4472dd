package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// Bounds of what a page shows of one activity.
const (
	versionsShown  = 30  // on one page of versions
	overtakenShown = 3   // newer versions that are explained
	tagsShown      = 24  // tags
	maxLicense     = 120 // bytes of a licence that is no SPDX expression
	maxBundleID    = 255 // bytes of a bundle id that is looked for
)

// An activityPage is the content of activity.html.
type activityPage struct {
	Icon        string
	XO          int
	Name        phrase
	Summary     phrase
	Description []string
	Text        phrase // language and direction of the description
	Offer       offer
	Facts       facts
	Categories  []link
	Tags        []link
	Unlisted    bool
	Versions    string // address of the page of all versions
	Count       string // how many there are
}

// facts are what is known of an activity besides its texts.
type facts struct {
	BundleID   string
	License    string
	Homepage   string
	Repository string
	Updated    date
	Downloads  string
}

// An offer says which version the reader is offered, and why that one.
type offer struct {
	Sugar   string // the reader's Sugar release, "" if it is not known
	Version *versionRow
	Why     string
	Newer   []remark // versions that are newer than Version, and why they are not offered
	Action  string   // of the form that asks for a Sugar release
	Choices []choice
}

// A remark is a sentence with, where a range was inferred, how.
type remark struct{ Text, Inferred string }

// A choice is a Sugar release in the form.
type choice struct {
	Value    string
	Selected bool
}

// A versionRow is a version on a page.
type versionRow struct {
	Number       string
	Download     string // address of the bundle, "" where it is not for everybody
	Size         string
	Bytes        string
	SHA256       string
	Range        string
	Inferred     string
	Interpreter  string
	Archs        string
	Published    date
	Notes        []string
	Text         phrase // language and direction of the notes
	Verdict      string
	Offered      bool
	Experimental bool
	Awaiting     bool
}

// findActivity returns the page about an activity at a path, nil if there is none.
func (h *Handler) findActivity(rest []string) page {
	switch {
	case len(rest) == 2 && rest[0] == "activity":
		return func(w http.ResponseWriter, v *visit) { h.serveActivity(w, v, rest[1], false) }
	case len(rest) == 3 && rest[0] == "activity" && rest[2] == "versions":
		return func(w http.ResponseWriter, v *visit) { h.serveActivity(w, v, rest[1], true) }
	}
	return nil
}

func (h *Handler) serveActivity(w http.ResponseWriter, v *visit, ref string, versions bool) {
	id, err := strconv.ParseInt(ref, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != ref {
		// A bundle id is another name for the page; people have those at hand.
		if a := v.byBundleID(ref); a != nil {
			to := v.tongue.activityPath(a.ID)
			if versions {
				to += "/versions"
			}
			if query := v.request.URL.Query().Encode(); query != "" {
				to += "?" + query
			}
			w.Header().Set("Cache-Control", "public, max-age=3600")
			redirect(w, http.StatusFound, to)
			return
		}
		h.fail(w, v, faultNotFound)
		return
	}
	a := v.view.Activity(id)
	if a == nil || a.State != remora.ActivityActive {
		h.fail(w, v, faultNotFound)
		return
	}
	client := remora.Client{Sugar: v.query.sugar}
	if client.Sugar.IsZero() {
		client.Sugar = remora.SugarFromUserAgent(v.request.UserAgent())
	}
	verdicts := sortedVerdicts(a, client)
	if len(verdicts) == 0 {
		h.fail(w, v, faultNotFound)
		return
	}
	if versions {
		h.serveVersions(w, v, a, client, verdicts)
		return
	}
	l := v.tongue
	name := l.name(a)
	text := l.say(a.Description, a.DefaultLocale)
	xo := pairOf(a.ID)
	p := activityPage{
		Icon: v.icon(a, xo), XO: xo, Name: name, Summary: l.say(a.Summary, a.DefaultLocale),
		Description: paragraphs(text.Value), Text: text,
		Offer:    v.newOffer(a, client, verdicts, l.activityPath(a.ID)),
		Facts:    l.newFacts(a),
		Unlisted: !a.Listed,
		Versions: l.versionsPath(a.ID),
		Count:    l.number(int64(len(verdicts))),
	}
	for _, c := range v.categoryLinks(func(slug string) string { return l.browsePath(url.Values{"category": {slug}}) }, "") {
		if slices.ContainsFunc(a.Categories, func(slug string) bool {
			return c.Href == l.browsePath(url.Values{"category": {slug}})
		}) {
			c.Count = ""
			p.Categories = append(p.Categories, c)
		}
	}
	for _, tag := range a.Tags[:min(len(a.Tags), tagsShown)] {
		p.Tags = append(p.Tags, link{Href: l.searchPath(url.Values{"q": {tag}}), Name: phrase{Value: tag}})
	}
	f := v.newFrame(name.Value, p)
	f.NoIndex = !a.InLists() || !v.query.sugar.IsZero()
	f.at(v, "activity/"+ref, sugarParams(v.query.sugar))
	h.show(w, v, "activity", f, offerVary)
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

func sugarParams(sugar remora.Number) url.Values {
	if sugar.IsZero() {
		return nil
	}
	return url.Values{"sugar": {sugar.String()}}
}

// A judged is a version and what became of it.
type judged struct {
	version *remora.Version
	remora.Verdict
}

// sortedVerdicts explains every version that may be offered to anybody, newest first.
func sortedVerdicts(a *remora.Activity, c remora.Client) []judged {
	list := make([]judged, 0, len(a.Versions))
	for i, verdict := range a.Explain(c) {
		if a.Versions[i].State.Offered() {
			list = append(list, judged{&a.Versions[i], verdict})
		}
	}
	slices.SortFunc(list, func(x, y judged) int {
		return -cmp.Or(x.version.Number.Compare(y.version.Number), cmp.Compare(x.version.ID, y.version.ID))
	})
	return list
}

func (l *tongue) newFacts(a *remora.Activity) facts {
	f := facts{
		BundleID: a.BundleID, License: a.License,
		Homepage: webLink(a.Homepage), Repository: webLink(a.Repository),
		Updated: l.day(a.Updated), Downloads: l.downloads(a.Downloads),
	}
	if f.License == "" {
		f.License = shorten(strings.Join(strings.Fields(a.LicenseText), " "), maxLicense)
	}
	return f
}

// newOffer says what this reader is offered. verdicts are newest first.
func (v *visit) newOffer(a *remora.Activity, c remora.Client, verdicts []judged, action string) offer {
	l := v.tongue
	o := offer{Sugar: c.Sugar.String(), Action: action, Choices: sugarChoices(c.Sugar)}
	best := slices.IndexFunc(verdicts, func(j judged) bool { return j.Reason == remora.ReasonOffered })
	if best >= 0 {
		row := l.newRow(a, &verdicts[best])
		o.Version = &row
	}
	stable := slices.IndexFunc(verdicts, func(j judged) bool {
		return j.version.State == remora.StatePublished && j.version.Channel == remora.ChannelStable
	})
	switch {
	case best < 0 && stable < 0:
		o.Why = l.t("There is no finished version yet.")
	case best < 0 && o.Sugar != "":
		o.Why = l.t("No version of this activity is for Sugar %s.", o.Sugar)
	case best < 0:
		o.Why = l.t("No version of this activity suits your computer.")
	case o.Sugar == "":
		o.Why = l.t("It is the newest. Choose your Sugar below to see whether it is for you.")
	case best == stable:
		o.Why = l.t("It is the newest, and it is for your Sugar %s.", o.Sugar)
	default:
		o.Why = l.t("It is the newest for your Sugar %s.", o.Sugar)
	}
	for i := range verdicts {
		j := &verdicts[i]
		if i == best || len(o.Newer) == overtakenShown {
			break
		}
		text := l.overtaken(&j.Verdict)
		if best < 0 {
			text = l.t("Version %s: %s", j.version.Number.String(), l.verdict(&j.Verdict))
		}
		if text == "" {
			continue
		}
		r := remark{Text: text}
		if j.Reason == remora.ReasonRange {
			r.Inferred = l.inferred(&j.version.Release)
		}
		o.Newer = append(o.Newer, r)
	}
	return o
}

// oldestSugar is the minor number of the first Sugar release in the form: 0.82, the first with
// activities in the format of today.
const oldestSugar = 82

// sugarChoices returns the releases a reader can choose from, newest first, and chosen among them
// even where it is none of ours.
func sugarChoices(chosen remora.Number) []choice {
	var list []choice
	found := chosen.IsZero()
	for minor := oldestSugar; ; minor += 2 {
		n := remora.MustNumber("0." + strconv.Itoa(minor))
		same := !chosen.IsZero() && n.Compare(chosen) == 0
		found = found || same
		list = append(list, choice{Value: n.String(), Selected: same})
		if n.Compare(remora.NewestSugar) >= 0 {
			break
		}
	}
	if !found {
		list = append(list, choice{Value: chosen.String(), Selected: true})
	}
	slices.Reverse(list)
	return list
}

func (l *tongue) newRow(a *remora.Activity, j *judged) versionRow {
	v := j.version
	notes := l.say(v.Notes, a.DefaultLocale)
	row := versionRow{
		Number: v.Number.String(), Size: l.size(v.Size), Bytes: l.number(v.Size), SHA256: v.SHA256.String(),
		Range: l.sugarRange(v.Range), Inferred: l.inferred(&v.Release), Interpreter: l.interpreter(v.Interpreter),
		Archs: strings.Join(v.Archs, ", "), Published: l.day(cmp.Or(v.Published, v.Submitted)),
		Notes: paragraphs(notes.Value), Text: notes,
		Verdict: l.verdict(&j.Verdict), Offered: j.Reason == remora.ReasonOffered,
		Experimental: v.Channel == remora.ChannelExperimental, Awaiting: v.State == remora.StateAwaiting,
	}
	// What nobody has looked at yet is not one click away from a child.
	if !row.Awaiting {
		row.Download = downloadPath(v)
	}
	return row
}

// A versionsPage is the content of versions.html.
type versionsPage struct {
	Icon        string
	XO          int
	Name        phrase
	Activity    string // address of the activity's page
	Sugar       string
	Offer       offer // for its form
	Rows        []versionRow
	Count       string
	First, Next string
}

func (h *Handler) serveVersions(w http.ResponseWriter, v *visit, a *remora.Activity, c remora.Client, verdicts []judged) {
	l := v.tongue
	name := l.name(a)
	path := l.versionsPath(a.ID)
	after, err := decodePlace(placeVersions, v.query.after)
	if err != nil {
		h.fail(w, v, faultPlace)
		return
	}
	xo := pairOf(a.ID)
	p := versionsPage{
		Icon: v.icon(a, xo), XO: xo, Name: name, Activity: l.activityPath(a.ID), Sugar: c.Sugar.String(),
		Offer: offer{Action: path, Choices: sugarChoices(c.Sugar)},
		Count: l.n("%s version", "%s versions", len(verdicts)),
	}
	params := sugarParams(v.query.sugar)
	if params == nil {
		params = url.Values{}
	}
	with := func(place string) string {
		values := url.Values{}
		if s := params.Get("sugar"); s != "" {
			values.Set("sugar", s)
		}
		if place != "" {
			values.Set("after", place)
		}
		if query := values.Encode(); query != "" {
			return path + "?" + query
		}
		return path
	}
	if after != (remora.Cursor{}) {
		p.First = with("")
		behind := slices.IndexFunc(verdicts, func(j judged) bool {
			return cmp.Or(strings.Compare(j.version.Number.Key(), after.Text), cmp.Compare(j.version.ID, after.ID)) < 0
		})
		if behind < 0 {
			behind = len(verdicts)
		}
		verdicts = verdicts[behind:]
	}
	if len(verdicts) > versionsShown {
		verdicts = verdicts[:versionsShown]
		last := verdicts[versionsShown-1].version
		p.Next = with(encodePlace(placeVersions, remora.Cursor{Text: last.Number.Key(), ID: last.ID}))
	}
	for i := range verdicts {
		p.Rows = append(p.Rows, l.newRow(a, &verdicts[i]))
	}
	f := v.newFrame(l.t("Versions of %s", name.Value), p)
	f.Next = p.Next
	f.NoIndex = !a.InLists() || p.First != "" || !v.query.sugar.IsZero()
	if v.query.after != "" {
		params.Set("after", v.query.after)
	}
	f.at(v, "activity/"+strconv.FormatInt(a.ID, 10)+"/versions", params)
	h.show(w, v, "versions", f, offerVary)
}
