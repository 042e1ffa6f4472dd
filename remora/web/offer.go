package web

import (
	"cmp"
	"net/url"
	"slices"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/live"
)

// overtakenShown bounds how many newer versions are explained.
const overtakenShown = 3

// An offer says which version the reader is offered, and why that one.
type offer struct {
	Sugar   string // the reader's Sugar release, "" if it is not known
	Version *versionRow
	Why     string
	Newer   []remark // versions that are newer than Version, and why they are not offered
	Action  string   // of the form that asks for a Sugar release
	Choices []choice
	Others  string // address of what runs on the reader's Sugar, where nothing of this does
}

// A remark is a sentence with, where a range was inferred, how.
type remark struct{ Text, Inferred string }

// A choice is a Sugar release in the form.
type choice struct {
	Value    string
	Selected bool
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

// newOffer says what this reader is offered. verdicts are newest first.
func (v *visit) newOffer(a *remora.Activity, c remora.Client, verdicts []judged, action string) offer {
	l := v.tongue
	o := offer{Sugar: c.Sugar.String(), Action: action, Choices: sugarChoices(c.Sugar)}
	best := slices.IndexFunc(verdicts, func(j judged) bool { return j.Reason == remora.ReasonOffered })
	if best >= 0 {
		row := l.newRow(a, &verdicts[best], c)
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
		runs := live.Query{Limit: 1}
		runs.Filter[live.FacetSugar] = o.Sugar
		if v.view.Find(runs).Total > 0 {
			o.Others = l.browsePath(url.Values{"sugar": {o.Sugar}})
		}
	case best < 0:
		o.Why = l.t("No version of this activity suits your computer.")
	case o.Sugar == "" && best > 0:
		o.Why = l.t("It is the newest that is finished. Choose your Sugar below to see whether it is for you.")
	case o.Sugar == "":
		o.Why = l.t("It is the newest. Choose your Sugar below to see whether it is for you.")
	case best == stable && best > 0:
		o.Why = l.t("It is the newest that is finished, and it is for your Sugar %s.", o.Sugar)
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

// sugarChoices returns the releases a reader can choose from, newest first, and chosen among them
// even where it is none of ours.
func sugarChoices(chosen remora.Number) []choice {
	var list []choice
	found := chosen.IsZero()
	for _, n := range live.SugarReleases() {
		same := !chosen.IsZero() && n.Compare(chosen) == 0
		found = found || same
		list = append(list, choice{Value: n.String(), Selected: same})
	}
	if !found {
		list = append(list, choice{Value: chosen.String(), Selected: true})
	}
	slices.Reverse(list)
	return list
}
