package api

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/web/internal/weblink"
)

// A text is one thing said in several locales: tag to words.
type text map[string]string

// text returns t in all its locales or, where a language was asked for, in the one that its readers
// get. What JSON has no form for is replaced.
func (c *call) text(t remora.Text, def string) text {
	if c.asked.one && len(t) > 0 {
		value, used := t.In(c.asked.lang, def)
		return text{clean(used): clean(value)}
	}
	out := make(text, len(t))
	for _, l := range t {
		out[clean(l.Locale)] = clean(l.Value)
	}
	return out
}

// clean returns s as valid UTF-8 without NUL, which many programs cannot hold.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func cleanAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = clean(s)
	}
	return out
}

// A moment is a time as in RFC 3339, in UTC; nil where it is not known.
type moment *string

func momentOf(t remora.Time) moment {
	if t == 0 {
		return nil
	}
	s := t.Time().Format(time.RFC3339)
	return &s
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	s = clean(s)
	return &s
}

// A sugarRange says for which Sugar releases a version is.
type sugarRange struct {
	Min      *string `json:"min"`
	Max      *string `json:"max"`
	Inferred bool    `json:"inferred"` // from what starts it; nobody has set it
}

// An offer is a version in few words.
type offer struct {
	Number string        `json:"number"`
	Sugar  sugarRange    `json:"sugar"`
	URL    string        `json:"url"`
	Size   int64         `json:"size"` // bytes
	SHA256 remora.Digest `json:"sha256"`
}

// A summary is an activity in a list.
type summary struct {
	ID         int64    `json:"id"`
	BundleID   string   `json:"bundle_id"`
	Name       string   `json:"name"`
	Summary    string   `json:"summary"`
	Lang       string   `json:"lang"` // of the name
	Icon       *string  `json:"icon"` // SVG
	Page       string   `json:"page"`
	URL        string   `json:"url"` // of all there is to know
	Categories []string `json:"categories"`
	Tags       []string `json:"tags"`
	License    *string  `json:"license"` // SPDX expression
	Network    string   `json:"network"`
	Downloads  int64    `json:"downloads"`
	Created    moment   `json:"created"`
	Updated    moment   `json:"updated"`
	Newest     *offer   `json:"newest"` // the newest stable version, whatever Sugar it is for
}

// address returns an absolute address here.
func (c *call) address(path string, params url.Values) string {
	to := c.base + Prefix + path
	if query := params.Encode(); query != "" {
		to += "?" + query
	}
	return to
}

func (c *call) activityURL(id int64) string {
	return c.address("activities/"+strconv.FormatInt(id, 10), nil)
}

// page returns the address of the page that people read. Its language is one there is: the site
// sends readers on from any other.
func (c *call) page(id int64) string {
	return c.base + "/" + url.PathEscape(c.asked.lang) + "/activity/" + strconv.FormatInt(id, 10)
}

// neutral are the colours of icons here: programs put their own in.
const neutral = "000000-ffffff"

func (c *call) summary(a *remora.Activity) summary {
	name, lang := a.Name.In(c.asked.lang, a.DefaultLocale)
	words, _ := a.Summary.In(c.asked.lang, a.DefaultLocale)
	s := summary{
		ID: a.ID, BundleID: clean(a.BundleID), Name: clean(cmp.Or(name, a.BundleID)), Summary: clean(words), Lang: clean(cmp.Or(lang, "und")),
		Page: c.page(a.ID), URL: c.activityURL(a.ID), Categories: cleanAll(a.Categories), Tags: cleanAll(a.Tags),
		License: orNil(a.License), Network: a.Network.String(), Downloads: a.Downloads,
		Created: momentOf(a.Created), Updated: momentOf(a.Updated),
	}
	if !a.Icon.IsZero() {
		icon := c.base + "/icon/" + a.Icon.String() + "/" + neutral + ".svg"
		s.Icon = &icon
	}
	if v := a.Select(remora.Client{}); v != nil {
		s.Newest = &offer{v.Number.String(), rangeOf(v), c.bundle(v), v.Size, v.SHA256}
	}
	return s
}

func rangeOf(v *remora.Version) sugarRange {
	return sugarRange{orNil(v.Range.Min.String()), orNil(v.Range.Max.String()), v.RangeSource == remora.RangeInferred}
}

// bundle returns the address of a version's bundle, which never changes.
func (c *call) bundle(v *remora.Version) string {
	return c.base + "/b/" + v.SHA256.String() + "/" + url.PathEscape(v.Filename)
}

// A version is a version with all there is to know of it.
type version struct {
	ID          int64         `json:"id"`
	Activity    int64         `json:"activity"`
	Number      string        `json:"number"`
	State       string        `json:"state"`   // published or awaiting
	Channel     string        `json:"channel"` // stable or experimental
	Sugar       sugarRange    `json:"sugar"`
	Interpreter *string       `json:"interpreter"`
	Archs       []string      `json:"archs"` // none: runs on any
	URL         *string       `json:"url"`   // none while it waits for review, but for those who ask for experimental ones
	Size        int64         `json:"size"`  // bytes
	SHA256      remora.Digest `json:"sha256"`
	Notes       text          `json:"notes"`
	Submitted   moment        `json:"submitted"`
	Published   moment        `json:"published"`
	Verdict     *verdict      `json:"verdict,omitempty"` // where it was said for whom
}

// A verdict says whether a version is the one that a laptop is offered, and else why not.
type verdict struct {
	Offered bool   `json:"offered"`
	Reason  string `json:"reason"`
}

func (c *call) versionOf(a *remora.Activity, v *remora.Version) version {
	out := version{
		ID: v.ID, Activity: a.ID, Number: v.Number.String(), State: v.State.String(), Channel: v.Channel.String(),
		Sugar: rangeOf(v), Interpreter: orNil(v.Interpreter.String()), Archs: cleanAll(v.Archs),
		Size: v.Size, SHA256: v.SHA256, Notes: c.text(v.Notes, a.DefaultLocale), Submitted: momentOf(v.Submitted), Published: momentOf(v.Published),
	}
	if v.State == remora.StatePublished || c.asked.experimental {
		to := c.bundle(v)
		out.URL = &to
	}
	return out
}

// versionsOf returns the versions that are offered to anybody, the newest first, each with what
// became of it for the laptop asked about.
func (c *call) versionsOf(a *remora.Activity) []version {
	verdicts := a.Explain(remora.Client{Sugar: c.asked.sugar, Experimental: c.asked.experimental})
	type each struct {
		*remora.Version
		remora.Verdict
	}
	var list []each
	for i := range a.Versions {
		if v := &a.Versions[i]; v.State.Offered() {
			list = append(list, each{v, verdicts[i]})
		}
	}
	slices.SortFunc(list, func(x, y each) int {
		return -cmp.Or(x.Version.Number.Compare(y.Version.Number), cmp.Compare(x.Version.ID, y.Version.ID))
	})
	out := make([]version, 0, len(list))
	for _, e := range list {
		v := c.versionOf(a, e.Version)
		if c.asked.verdicts {
			v.Verdict = &verdict{e.Reason == remora.ReasonOffered, e.Reason.String()}
		}
		out = append(out, v)
	}
	return out
}

// An author is somebody who made an activity.
type author struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

// A picture is a screenshot.
type picture struct {
	URL    string `json:"url"`
	Media  string `json:"media"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// An activity is an activity with all there is to know of it.
type activity struct {
	summary
	Names        text      `json:"names"`
	Summaries    text      `json:"summaries"`
	Descriptions text      `json:"descriptions"`
	LicenseText  *string   `json:"license_text"` // as the bundle says it
	Homepage     *string   `json:"homepage"`
	Repository   *string   `json:"repository"`
	Listed       bool      `json:"listed"`
	Authors      []author  `json:"authors"`
	Screenshots  []picture `json:"screenshots"`
	Versions     []version `json:"versions"`
}

const maxBundleID = 255 // bytes of a bundle id that is looked for

// find returns the activity that an address names by number or bundle id.
func (c *call) find(ref string) *remora.Activity {
	if len(ref) > maxBundleID {
		return nil
	}
	var a *remora.Activity
	if id, ok := parseID(ref); ok {
		a = c.view.Activity(id)
	} else {
		a = c.view.ByBundleID(ref)
	}
	if a == nil || a.State != remora.ActivityActive || !slices.ContainsFunc(a.Versions, func(v remora.Version) bool { return v.State.Offered() }) {
		return nil
	}
	return a
}

func (c *call) activity(ref string) (any, *problem) {
	a := c.find(ref)
	if a == nil {
		return nil, unknown("activity")
	}
	out := activity{
		summary: c.summary(a), Names: c.text(a.Name, a.DefaultLocale), Summaries: c.text(a.Summary, a.DefaultLocale), Descriptions: c.text(a.Description, a.DefaultLocale),
		LicenseText: orNil(a.LicenseText), Homepage: orNil(weblink.Clean(a.Homepage)), Repository: orNil(weblink.Clean(a.Repository)), Listed: a.Listed,
		Authors: make([]author, 0, len(a.Authors)), Screenshots: make([]picture, 0, len(a.Screenshots)), Versions: c.versionsOf(a),
	}
	for _, p := range a.Authors {
		out.Authors = append(out.Authors, c.authorOf(p))
	}
	for _, img := range a.Screenshots {
		if suffix := img.Suffix(); suffix != "" {
			out.Screenshots = append(out.Screenshots, picture{c.base + "/preview/" + img.SHA256.String() + suffix, img.Media, img.Width, img.Height})
		}
	}
	return out, nil
}

func (c *call) authorOf(p remora.Author) author {
	return author{p.ID, clean(p.Name), c.address("authors/"+strconv.FormatInt(p.ID, 10), nil)}
}

func (c *call) versions(ref string) (any, *problem) {
	a := c.find(ref)
	if a == nil {
		return nil, unknown("activity")
	}
	return whole[version]{c.versionsOf(a)}, nil
}

func (c *call) version(id string) (any, *problem) {
	n, ok := parseID(id)
	if !ok {
		return nil, unknown("version")
	}
	a, v := c.view.ByVersion(n)
	if v == nil || a.State != remora.ActivityActive || !v.State.Offered() {
		return nil, unknown("version")
	}
	return c.versionOf(a, v), nil
}
