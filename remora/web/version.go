package web

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
)

// A versionPage is the content of version.html.
type versionPage struct {
	activityHead
	Row      versionRow
	Sugar    string
	Offer    offer // for its form
	Versions string
	Contents *contentsPart
	Missing  string // why there is no Contents
}

func (h *Handler) serveVersion(w http.ResponseWriter, v *visit, a *remora.Activity, ref string) {
	l, client := v.tongue, v.client()
	verdicts := sortedVerdicts(a, client)
	i := slices.IndexFunc(verdicts, func(j judged) bool { return strconv.FormatInt(j.version.ID, 10) == ref })
	if i < 0 {
		h.fail(w, v, faultNotFound)
		return
	}
	version := verdicts[i].version
	p := versionPage{
		activityHead: v.newHead(a), Row: l.newRow(a, &verdicts[i], client), Sugar: client.Sugar.String(),
		Offer:    offer{Action: l.versionPath(a.ID, version), Choices: sugarChoices(client.Sugar)},
		Versions: l.versionsPath(a.ID),
	}
	m := manner{vary: offerVary, cache: "public, max-age=60", keep: true}
	inside, err := h.contentsOf(v.request.Context(), version.ID)
	switch {
	case err == nil:
		p.Contents = l.newContents(inside)
		// What is published stays as it is. The notice that the catalog is old does not.
		if version.State == remora.StatePublished && v.stale == "" {
			m.cache = "public, max-age=3600"
		}
	case remora.KindOf(err) == remora.KindNotFound:
		p.Missing = l.t("What is in the bundle is not kept here. Download it to look inside.")
	default:
		if troubled(err) {
			h.log.WarnContext(v.request.Context(), "the report of a version cannot be had", "version", version.ID, "error", err)
		}
		p.Missing = l.t("What is in the bundle cannot be shown just now, as the library's database does not answer. Everything else on this page is as it should be.")
		m = manner{vary: offerVary, cache: "no-store"}
	}
	f := v.newFrame(l.t("Version %s of %s", p.Row.Number, p.Name.Value), p)
	f.NoIndex = !a.InLists() || !v.query.sugar.IsZero()
	f.at(v, "activity/"+strconv.FormatInt(a.ID, 10)+"/versions/"+ref, sugarParams(v.query.sugar))
	h.showAs(w, v, "version", f, m)
}
