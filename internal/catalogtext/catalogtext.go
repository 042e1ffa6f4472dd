// Package catalogtext says what a catalog holds in words and values for the people and programs
// that run commands.
package catalogtext

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sugarlabs/beamrider/remora"
)

// An Activity is an activity as commands show it.
type Activity struct {
	ID         int64     `json:"id"`
	BundleID   string    `json:"bundle_id"`
	Name       string    `json:"name"`
	State      string    `json:"state"`
	Listed     bool      `json:"listed"`
	Newest     string    `json:"newest"`
	Categories []string  `json:"categories"`
	Tags       []string  `json:"tags"`
	Featured   int       `json:"featured"`
	License    string    `json:"license"`
	Authors    []string  `json:"authors"`
	Network    string    `json:"network"` // offline, needed or unknown
	Pictures   []Picture `json:"screenshots"`
	Downloads  int64     `json:"downloads"`
	Versions   []Version `json:"versions"`
}

// A Picture is a screenshot as commands show it.
type Picture struct {
	ID     int64  `json:"id"`
	Media  string `json:"media"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SHA256 string `json:"sha256"`
}

// A Version is a version as commands show it.
type Version struct {
	ID          int64  `json:"id"`
	FileID      int64  `json:"file_id"`
	Number      string `json:"number"`
	State       string `json:"state"`
	Channel     string `json:"channel"`
	Sugar       string `json:"sugar"`
	SugarSource string `json:"sugar_source"`
	Interpreter string `json:"interpreter"`
	Filename    string `json:"filename"`
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
}

// Of returns how commands show a. It leaves Downloads to the caller: counts are kept beside the activities.
func Of(a *remora.Activity) Activity {
	name, _ := a.Name.In("en", a.DefaultLocale)
	v := Activity{
		ID: a.ID, BundleID: a.BundleID, Name: name, State: a.State.String(), Listed: a.Listed, Categories: append([]string{}, a.Categories...),
		Tags: append([]string{}, a.Tags...), Featured: a.FeaturedRank, License: a.License, Versions: []Version{},
		Authors: []string{}, Network: a.Network.String(), Pictures: []Picture{},
	}
	for _, img := range a.Screenshots {
		v.Pictures = append(v.Pictures, Picture{img.ID, img.Media, img.Width, img.Height, img.SHA256.String()})
	}
	for _, p := range a.Authors {
		v.Authors = append(v.Authors, p.Name)
	}
	if v.License == "" {
		v.License = a.LicenseText
	}
	if newest := a.Select(remora.Client{Experimental: true}); newest != nil {
		v.Newest = newest.Number.String()
	}
	for i := range a.Versions {
		w := &a.Versions[i]
		v.Versions = append(v.Versions, Version{
			ID: w.ID, FileID: w.FileID, Number: w.Number.String(), State: w.State.String(), Channel: w.Channel.String(), Sugar: w.Range.String(),
			SugarSource: w.RangeSource.String(), Interpreter: w.Interpreter.String(), Filename: w.Filename, Size: w.Size, SHA256: w.SHA256.String(),
		})
	}
	return v
}

// Write writes all of it as text for people.
func (v *Activity) Write(w io.Writer) error {
	listed := "listed"
	if !v.Listed {
		listed = "not listed"
	}
	network := map[string]string{"offline": "works without a network", "needed": "needs a network"}[v.Network]
	if network == "" {
		network = "network not known"
	}
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, err := fmt.Fprintf(tw, "%s  (%s, id %d)\n%s, %s; categories %s; tags %s; licence %s; %d downloads\nby %s; %s; screenshots: %d\n\n", v.Name, v.BundleID, v.ID,
		v.State, listed, OrNone(v.Categories), OrNone(v.Tags), v.License, v.Downloads, OrNone(v.Authors), network, len(v.Pictures))
	if err != nil {
		return err
	}
	rows := []string{"VERSION\tSTATE\tCHANNEL\tSUGAR\tINTERPRETER\tBYTES\tFILE"}
	for _, x := range v.Versions {
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s (%s)\t%s\t%d\t%s", x.Number, x.State, x.Channel, x.Sugar, x.SugarSource, x.Interpreter, x.Size, x.Filename))
	}
	if _, err := fmt.Fprintln(tw, strings.Join(rows, "\n")); err != nil {
		return err
	}
	return tw.Flush()
}

// Because says a verdict in a sentence.
func Because(v remora.Verdict, state remora.ActivityState) string {
	r := v.Release
	if state != remora.ActivityActive {
		return fmt.Sprintf("not offered: the activity is %s", state)
	}
	switch v.Reason {
	case remora.ReasonOffered:
		return fmt.Sprintf("offered: the newest for Sugar %s", r.Range) + inferredMark(r)
	case remora.ReasonNewer:
		return "not offered: a newer one fits too"
	case remora.ReasonState:
		return fmt.Sprintf("not offered: it is %s", r.State)
	case remora.ReasonChannel:
		return "not offered: it is experimental"
	case remora.ReasonPin:
		return fmt.Sprintf("not offered: version %s was asked for", v.Client.Pin)
	case remora.ReasonRange:
		return fmt.Sprintf("not offered: it is for Sugar %s%s, not %s", r.Range, inferredMark(r), v.Client.Sugar)
	case remora.ReasonInterpreter:
		return fmt.Sprintf("not offered: it needs %s", r.Interpreter)
	case remora.ReasonArch:
		return fmt.Sprintf("not offered: its programs are for %s, not %s", strings.Join(r.Archs, ", "), v.Client.Arch)
	}
	return v.Reason.String()
}

func inferredMark(r remora.Release) string {
	if r.RangeSource == remora.RangeInferred {
		return " (inferred from " + r.Interpreter.String() + ")"
	}
	return ""
}

// OrNone joins words, or says that there is none.
func OrNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
