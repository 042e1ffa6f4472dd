package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/web/internal/place"
)

// versionsShown is how many versions stand on one page.
const versionsShown = 30

// A versionRow is a version on a page.
type versionRow struct {
	Number       string
	Href         string // address of its page
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
	ForYou       bool // offered, and by the reader's Sugar
	Experimental bool
	Awaiting     bool
}

func (l *tongue) newRow(a *remora.Activity, j *judged, client remora.Client) versionRow {
	v := j.version
	notes := l.say(v.Notes, a.DefaultLocale)
	row := versionRow{
		Number: v.Number.String(), Href: l.versionPath(a.ID, v), Size: l.size(v.Size), Bytes: l.number(v.Size), SHA256: v.SHA256.String(),
		Range: l.sugarRange(v.Range), Inferred: l.inferred(&v.Release), Interpreter: l.interpreter(v.Interpreter),
		Archs: strings.Join(v.Archs, ", "), Published: l.day(cmp.Or(v.Published, v.Submitted)),
		Notes: paragraphs(notes.Value), Text: notes,
		Verdict: l.verdict(&j.Verdict), Offered: j.Reason == remora.ReasonOffered,
		ForYou:       j.Reason == remora.ReasonOffered && !client.Sugar.IsZero(),
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
	activityHead
	Sugar       string
	Offer       offer // for its form
	Rows        []versionRow
	Count       string
	Statistics  string
	First, Next string
}

func (h *Handler) serveVersions(w http.ResponseWriter, v *visit, a *remora.Activity) {
	l, client := v.tongue, v.client()
	path := l.versionsPath(a.ID)
	after, err := place.Decode(place.Versions, v.query.after)
	if err != nil {
		h.fail(w, v, faultPlace)
		return
	}
	verdicts := sortedVerdicts(a, client)
	p := versionsPage{
		activityHead: v.newHead(a), Sugar: client.Sugar.String(),
		Offer: offer{Action: path, Choices: sugarChoices(client.Sugar)},
		Count: l.n("%s version", "%s versions", len(verdicts)), Statistics: l.activityStatisticsPath(a.ID),
	}
	with := func(place string) string {
		values := url.Values{}
		if !v.query.sugar.IsZero() {
			values.Set("sugar", v.query.sugar.String())
		}
		if place != "" {
			values.Set("after", place)
		}
		return withQuery(path, values)
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
		p.Next = with(place.Encode(place.Versions, remora.Cursor{Text: last.Number.Key(), ID: last.ID}))
	}
	for i := range verdicts {
		p.Rows = append(p.Rows, l.newRow(a, &verdicts[i], client))
	}
	f := v.newFrame(l.t("Versions of %s", p.Name.Value), p)
	f.Next = p.Next
	f.NoIndex = !a.InLists() || p.First != "" || !v.query.sugar.IsZero()
	params := url.Values{}
	if !v.query.sugar.IsZero() {
		params.Set("sugar", v.query.sugar.String())
	}
	if v.query.after != "" {
		params.Set("after", v.query.after)
	}
	f.at(v, "activity/"+strconv.FormatInt(a.ID, 10)+"/versions", params)
	h.show(w, v, "versions", f, offerVary)
}
