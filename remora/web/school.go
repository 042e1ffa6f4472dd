package web

import (
	"net/http"
	"net/url"
)

// oldSite is the address that Sugar's updater asks; it is compiled into every Sugar there is
// (jarabe.model.update.aslo).
const oldSite = "activities.sugarlabs.org"

// schoolGroups bounds the collections whose addresses for update groups the page shows.
const schoolGroups = 12

// A schoolPage is the content of school.html.
type schoolPage struct {
	Host    string // the name that laptops ask
	Check   string // address that shows whether it leads here
	Base    string // absolute address of this library
	Groups  []updateGroup
	Pattern string // address of an update group, where the library has no collection
	Set     string // command that sets an update group
	Name    string // of this library
	Contact string
}

// An updateGroup is a collection as laptops take it.
type updateGroup struct {
	Name phrase
	Page string
	URL  string // what the laptops are given
}

func (h *Handler) serveSchool(w http.ResponseWriter, v *visit) {
	l := v.tongue
	base := h.site.Base(v.request)
	group := func(nickname string) string {
		return base + "/services/micro-format.php?" + url.Values{"collection_nickname": {nickname}}.Encode()
	}
	p := schoolPage{Host: oldSite, Check: "http://" + oldSite + "/", Base: base + "/", Name: h.name, Contact: l.path("contact"), Pattern: group("NAME")}
	for i := range v.view.Collections() {
		c := &v.view.Collections()[i]
		if c.Listed && len(p.Groups) < schoolGroups {
			p.Groups = append(p.Groups, updateGroup{v.groupName(c), l.collectionPath(c.Nickname), group(c.Nickname)})
		}
	}
	p.Set = "gsettings set org.sugarlabs.update backend microformat.MicroformatUpdater\ngsettings set org.sugarlabs.update microformat-update-url '" + p.Pattern + "'"
	if len(p.Groups) > 0 {
		p.Set = "gsettings set org.sugarlabs.update backend microformat.MicroformatUpdater\ngsettings set org.sugarlabs.update microformat-update-url '" + p.Groups[0].URL + "'"
	}
	f := v.newFrame(l.t("For schools"), p)
	f.at(v, "school", nil)
	h.show(w, v, "school", f, "")
}
