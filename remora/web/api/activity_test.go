package api

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func verdicts(list []version) map[string]string {
	out := map[string]string{}
	for _, v := range list {
		out[v.Number] = "-"
		if v.Verdict != nil {
			out[v.Number] = v.Verdict.Reason
			if v.Verdict.Offered {
				out[v.Number] += "!"
			}
		}
	}
	return out
}

// TestVerdicts asks why a laptop is not offered the newest version.
func TestVerdicts(t *testing.T) {
	h := newHandler(t)
	for query, want := range map[string]map[string]string{
		"":                            {"41": "-", "42": "-", "43": "-", "44": "-"},
		"?sugar=":                     {"41": "-", "42": "-", "43": "-", "44": "-"},
		"?sugar=0.98":                 {"41": "offered!", "42": "range", "43": "channel", "44": "state"},
		"?sugar=0.113":                {"41": "newer", "42": "offered!", "43": "channel", "44": "state"},
		"?sugar=0.120":                {"41": "range", "42": "offered!", "43": "channel", "44": "state"},
		"?sugar=0.70":                 {"41": "range", "42": "range", "43": "channel", "44": "state"},
		"?sugar=0.98&experimental=1":  {"41": "newer", "42": "range", "43": "range", "44": "offered!"},
		"?sugar=0.120&experimental=0": {"41": "range", "42": "offered!", "43": "channel", "44": "state"},
		"?experimental=1":             {"41": "newer", "42": "newer", "43": "newer", "44": "offered!"},
	} {
		got := get[activity](t, h, "/api/v1/activities/org.example.Maze"+query)
		if diff := cmp.Diff(want, verdicts(got.Versions)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
		list := get[whole[version]](t, h, "/api/v1/activities/"+strconv.Itoa(mazeID)+"/versions"+query)
		if diff := cmp.Diff(got.Versions, list.Items); diff != "" {
			t.Errorf("the list of versions has others: %s", diff)
		}
		for i, number := range []string{"44", "43", "42", "41"} {
			if got.Versions[i].Number != number {
				t.Errorf("version %d of the list is %s", i, got.Versions[i].Number)
			}
		}
	}
}

// TestSeldomReasons keeps the documented reasons complete: what a laptop here does not tell of itself
// can be no reason.
func TestSeldomReasons(t *testing.T) {
	s := readDocument(t).schema("components", "schemas", "Verdict", "properties", "reason")
	for r := remora.ReasonOffered; r.String() != "invalid"; r++ {
		seldom := r == remora.ReasonPin || r == remora.ReasonInterpreter || r == remora.ReasonArch
		if err := s.Validate(r.String()); (err != nil) != seldom {
			t.Errorf("the reason %s: %v", r, err)
		}
	}
}

func TestActivity(t *testing.T) {
	h := newHandler(t)
	for _, ref := range []string{"900001", "org.example.Maze", "ORG.example.MAZE"} {
		got := get[activity](t, h, "/api/v1/activities/"+ref)
		if got.ID != mazeID || got.BundleID != "org.example.Maze" || got.Name != "Zigzag Maze" || got.Lang != "en" || *got.License != "GPL-3.0-or-later" || *got.LicenseText != "GPLv3+" ||
			got.Network != "offline" || *got.Created != "2026-03-04T12:00:00Z" || got.Newest.Number != "42" || !got.Listed || *got.Homepage != "https://example.org/maze" || got.Repository != nil {
			t.Errorf("%s is %+v", ref, got)
		}
		for name, pair := range map[string][2]text{
			"names":        {got.Names, {"en": "Zigzag Maze", "es": "Laberinto", "pt-BR": "Labirinto"}},
			"summaries":    {got.Summaries, {"es": "Encuentra la salida."}},
			"descriptions": {got.Descriptions, {"en": "Find the way out."}},
		} {
			if diff := cmp.Diff(pair[1], pair[0]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	for _, ref := range []string{"900004", "org.example.Gone", "0", "0900001", "+900001", "none", "%00"} {
		if p := problemAt(t, h, "/api/v1/activities/"+ref); p.Code != "not_found" {
			t.Errorf("%s is the problem %+v", ref, p)
		}
	}
	if got := get[activity](t, h, "/api/v1/activities/org.example.Odd"); got.Listed || got.Newest != nil || got.Name != "org.example.Odd" || got.Lang != "und" || got.Icon != nil || got.Created != nil {
		t.Errorf("of which little is known is %+v", got)
	}
}

// TestOneLanguage asks for texts in one language, which is what a slow connection can carry.
func TestOneLanguage(t *testing.T) {
	h := newHandler(t)
	for lang, want := range map[string]struct {
		name           string
		names, notes   text
		used, homepage string
	}{
		"es-PE": {"Laberinto", text{"es": "Laberinto"}, text{"es": "Hay llaves."}, "es", "es-PE"},
		"pt_BR": {"Labirinto", text{"pt-BR": "Labirinto"}, text{"en": "Mazes have keys."}, "pt-BR", "pt-BR"},
		"ar":    {"Zigzag Maze", text{"en": "Zigzag Maze"}, text{"en": "Mazes have keys."}, "en", "ar"},
	} {
		got := get[activity](t, h, "/api/v1/activities/org.example.Maze?lang="+lang)
		if diff := cmp.Diff(want.names, got.Names); diff != "" || got.Name != want.name || got.Lang != want.used || got.Page != "http://example.com/"+want.homepage+"/activity/900001" {
			t.Errorf("%s: %s %s %s %s", lang, got.Name, got.Lang, got.Page, diff)
		}
		v := get[version](t, h, "/api/v1/versions/"+strconv.Itoa(mazeV+1)+"?lang="+lang)
		if diff := cmp.Diff(want.notes, v.Notes); diff != "" {
			t.Errorf("%s: %s", lang, diff)
		}
	}
}

func TestVersion(t *testing.T) {
	h := newHandler(t)
	got := get[version](t, h, "/api/v1/versions/"+strconv.Itoa(mazeV+1))
	from, when := "0.114", "2026-03-04T12:00:00Z"
	by, to := "python3", "http://example.com/b/"+sumOf("bundle9000001").String()+"/maze-42.xo"
	want := version{
		ID: mazeV + 1, Activity: mazeID, Number: "42", State: "published", Channel: "stable", Sugar: sugarRange{Min: &from}, Interpreter: &by, Archs: []string{},
		URL: &to, Size: 482_113, SHA256: sumOf("bundle9000001"), Notes: text{"en": "Mazes have keys.", "es": "Hay llaves."}, Published: &when,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{strconv.Itoa(mazeV + 4), "9300000", "1", "0", "x", "09000001"} {
		if p := problemAt(t, h, "/api/v1/versions/"+id); p.Status != http.StatusNotFound {
			t.Errorf("version %s is the problem %+v", id, p)
		}
	}
	// What waits for review is got by those who ask for it.
	for query, want := range map[string]bool{"": false, "?experimental=0": false, "?experimental=1": true} {
		if got := get[activity](t, h, "/api/v1/activities/900001"+query).Versions[0]; got.State != "awaiting" || (got.URL != nil) != want {
			t.Errorf("%q: what waits for review is at %v", query, got.URL)
		}
	}
}
