package load

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// sugarRelease is the release that the simulated laptops run, and their updater says it is.
const sugarRelease = "0.120"

// batchMost is how many activities a batch check asks about at most.
const batchMost = 12

// A reader is a client about to ask one thing.
type reader struct {
	load  *Load
	from  *client
	token *token // nil: sends none
	fresh bool   // over a new connection
	rand  *rand.Rand
}

// get asks for a path. A nil answer comes with the outcome that says why.
func (r *reader) get(ctx context.Context, path, agent string) (*answer, outcome) {
	return r.ask(ctx, http.MethodGet, path, agent, nil)
}

func (r *reader) ask(ctx context.Context, method, path, agent string, body []byte) (*answer, outcome) {
	o := outcome{class: classFailed, asked: method + " " + path}
	req, err := newRequest(ctx, method, r.load.target+path, body)
	if err != nil {
		o.text = err.Error()
		return nil, o
	}
	req.Header.Set("User-Agent", agent)
	a, err := r.from.do(req, r.fresh, r.token)
	if a != nil {
		o.status = a.status
	}
	if err != nil {
		o.text = err.Error()
		return nil, o
	}
	if a.status != http.StatusOK && a.status != http.StatusNotFound {
		o.text = brief(a.body)
		return nil, o
	}
	o.class = classOK
	return a, o
}

// wrong turns an outcome into one that says what is wrong.
func (o outcome) wrong(format string, args ...any) outcome {
	o.class, o.text = classWrong, fmt.Sprintf(format, args...)
	return o
}

// judge holds the version that was shown (-1: none) against what may be.
func (r *reader) judge(o outcome, g *aim, shown int, header http.Header) outcome {
	if shown >= g.newest {
		return o
	}
	o.class = classBehind
	switch {
	case shown < g.hard && header.Get("Remora-Behind") == "":
		return o.wrong("%s (activity %d) shows %s, and the reader's token covers version %s", g.act.bundleID, g.id, shownAs(shown), number(g.hard))
	case shown < g.soft && header.Get("Remora-Behind") == "" && !strings.Contains(header.Get("Remora-Snapshot"), "stale"):
		return o.wrong("%s (activity %d) shows %s, and version %s was acknowledged more than %v before", g.act.bundleID, g.id, shownAs(shown), number(g.soft), r.load.stale)
	}
	return o
}

// shownAs says in words which version was shown.
func shownAs(place int) string {
	if place < 0 {
		return "nothing"
	}
	return "version " + number(place)
}

// Names by which the clients call themselves.
const (
	agentBrowser = "Mozilla/5.0 (X11; Linux x86_64) beamrider-load"
	agentSugar   = "Sugar/" + sugarRelease
)

func (r *reader) aim() aim { return r.load.model.aim(r.rand, r.token, r.load.stale) }

func (r *reader) page(ctx context.Context) outcome {
	switch r.rand.IntN(4) {
	case 0:
		return r.listing(ctx, []string{"/", "/en/"}[r.rand.IntN(2)])
	case 1:
		return r.listing(ctx, "/en/browse")
	}
	return r.activityPage(ctx)
}

// listing asks for a page of many activities, which is never empty.
func (r *reader) listing(ctx context.Context, path string) outcome {
	g := r.aim()
	a, o := r.get(ctx, path, agentBrowser)
	if a == nil {
		return o
	}
	if a.status != http.StatusOK {
		return o.wrong("the page is not there: %s", brief(a.body))
	}
	if err := wholePage(a.header, a.body); err != nil {
		return o.wrong("%v", err)
	}
	if !pageLinks(a.body, 0) {
		return r.judge(o, &g, -1, a.header)
	}
	return o
}

func (r *reader) activityPage(ctx context.Context) outcome {
	g := r.aim()
	a, o := r.get(ctx, "/en/activity/"+strconv.FormatInt(g.id, 10), agentBrowser)
	if a == nil {
		return o
	}
	shown, err := r.load.pageShows(&g, a)
	if err != nil {
		return o.wrong("%v", err)
	}
	return r.judge(o, &g, shown, a.header)
}

// pageShows returns which version the page of an activity offers.
func (l *Load) pageShows(g *aim, a *answer) (place int, err error) {
	if a.status == http.StatusNotFound {
		return -1, nil
	}
	if err := wholePage(a.header, a.body); err != nil {
		return -1, err
	}
	if !strings.Contains(string(a.body), ">"+g.act.bundleID+"<") {
		return -1, fmt.Errorf("the page of activity %d is not that of %s", g.id, g.act.bundleID)
	}
	sums := pageBundles(a.body)
	if len(sums) == 0 {
		return -1, nil
	}
	if place = l.model.find(g.act, sums[0]); place < 0 {
		return -1, fmt.Errorf("the page of %s offers the bundle %s, which was never sent", g.act.bundleID, sums[0])
	}
	return place, nil
}

func (r *reader) search(ctx context.Context) outcome {
	g := r.aim()
	a, o := r.get(ctx, "/en/search?q="+url.QueryEscape(strings.ToLower(g.act.name)), agentBrowser)
	if a == nil {
		return o
	}
	if a.status != http.StatusOK {
		return o.wrong("the search is not there: %s", brief(a.body))
	}
	if err := wholePage(a.header, a.body); err != nil {
		return o.wrong("%v", err)
	}
	shown := g.newest // a result does not tell which version there is
	if !pageLinks(a.body, g.id) {
		shown = -1
	}
	return r.judge(o, &g, shown, a.header)
}

func (r *reader) update(ctx context.Context) outcome {
	g := r.aim()
	// Sugar does not escape the id.
	a, o := r.get(ctx, "/services/update-aslo.php?id="+g.act.bundleID+"&appVersion="+sugarRelease, agentSugar)
	if a == nil {
		return o
	}
	shown, err := r.load.updateOffers(&g, a)
	if err != nil {
		return o.wrong("%v", err)
	}
	return r.judge(o, &g, shown, a.header)
}

// updateOffers returns which version an update document offers.
func (l *Load) updateOffers(g *aim, a *answer) (place int, err error) {
	if a.status != http.StatusOK {
		return -1, fmt.Errorf("an update check is answered with status %d", a.status)
	}
	got, err := parseUpdate(a.header, a.body, g.act.bundleID)
	if err != nil || got == nil {
		return -1, err
	}
	return l.offered(g, got.version, got.hash, got.link, got.size, true)
}

// offered checks that an offer is consistent, and returns which version it is of.
func (l *Load) offered(g *aim, version, hash, link string, size int64, kibibytes bool) (place int, err error) {
	if place = l.model.find(g.act, hash); place < 0 {
		return -1, fmt.Errorf("%s: version %q is offered with the bundle %q, which was never sent", g.act.bundleID, version, hash)
	}
	if number(place) != version {
		return -1, fmt.Errorf("%s: version %q is offered with the bundle of version %s", g.act.bundleID, version, number(place))
	}
	want := int64(l.model.size(g.act, place))
	if kibibytes {
		want = (want + 1023) / 1024
	}
	if size != want {
		return -1, fmt.Errorf("%s: version %s is offered with the size %d, want %d", g.act.bundleID, version, size, want)
	}
	return place, linkFault(link, g.id, path.Base(link))
}

func (r *reader) batch(ctx context.Context) outcome {
	aims := map[string]aim{}
	installed := map[string]string{}
	for range 1 + r.rand.IntN(batchMost) {
		g := r.aim()
		aims[g.act.bundleID] = g
		installed[g.act.bundleID] = "0"
	}
	body, err := json.Marshal(map[string]any{"sugar": sugarRelease, "installed": installed})
	if err != nil {
		return outcome{class: classFailed, asked: "POST /api/v1/updates", text: err.Error()}
	}
	a, o := r.ask(ctx, http.MethodPost, "/api/v1/updates", agentSugar, body)
	if a == nil {
		return o
	}
	if a.status != http.StatusOK {
		return o.wrong("a batch check is answered with status %d", a.status)
	}
	offers, err := parseBatch(a.body)
	if err != nil {
		return o.wrong("%v", err)
	}
	for id := range offers {
		if _, asked := aims[id]; !asked {
			return o.wrong("a batch check offers %s, which was not asked for", brief([]byte(id)))
		}
	}
	all := o
	for id, g := range aims {
		shown := -1
		if got, ok := offers[id]; ok {
			if shown, err = r.load.offered(&g, got.Version, got.SHA256, got.URL, got.Size, false); err != nil {
				return o.wrong("%v", err)
			}
		}
		if one := r.judge(o, &g, shown, a.header); one.class > all.class {
			all = one
		}
	}
	return all
}

func (r *reader) download(ctx context.Context) outcome {
	g := r.load.model.ofVersion(r.aim(), r.token, r.load.stale)
	a, o := r.get(ctx, g.public, agentBrowser)
	if a == nil {
		return o
	}
	shown := g.place
	if a.status == http.StatusNotFound {
		shown = -1
	} else if got := remora.Digest(sha256.Sum256(a.body)); got != g.sum {
		return o.wrong("version %s of %s has %d bytes with the sum %s, want %d with %s", number(g.place), g.act.bundleID, len(a.body), got, r.load.model.size(g.act, g.place), g.sum)
	}
	return r.judge(o, &g, shown, a.header)
}
