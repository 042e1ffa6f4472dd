package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora/xo"
)

// A developersPage is the content of developers.html.
type developersPage struct {
	Families []codeFamily
	Contact  string
	Feeds    string
}

// A codeFamily is what can be wrong with one part of a bundle.
type codeFamily struct {
	ID    string
	Title string
	Codes []xo.CodeDoc
}

// codeFamilies groups the codes of the bundle check by the word before their dot.
func (l *tongue) codeFamilies() []codeFamily {
	titles := map[string]string{
		"zip": l.t("The archive"), "name": l.t("Names of files"), "layout": l.t("Where things are"),
		"info": l.t("The file activity.info"), "linfo": l.t("Translations"), "icon": l.t("The icon"), "pack": l.t("Packing"),
	}
	var list []codeFamily
	for _, c := range xo.Codes() {
		family, _, _ := strings.Cut(c.Code, ".")
		i := slices.IndexFunc(list, func(f codeFamily) bool { return f.ID == family })
		if i < 0 {
			title := titles[family]
			if title == "" {
				title = family
			}
			i = len(list)
			list = append(list, codeFamily{ID: family, Title: title})
		}
		list[i].Codes = append(list[i].Codes, c)
	}
	return list
}

func (h *Handler) serveDevelopers(w http.ResponseWriter, v *visit) {
	l := v.tongue
	f := v.newFrame(l.t("For developers"), developersPage{Families: l.codeFamilies(), Contact: l.path("contact"), Feeds: l.path("feeds")})
	f.at(v, "developers", nil)
	h.show(w, v, "developers", f, "")
}
