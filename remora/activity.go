package remora

import (
	"encoding/hex"
	"strings"
	"time"
)

// A Time is microseconds since 1970 UTC, as stores keep it; 0 is unknown.
type Time int64

// TimeOf returns t in whole microseconds, 0 for the zero time.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Time returns the moment in UTC, the zero time for 0.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// A Digest is a SHA-256 sum; the zero Digest stands for none.
type Digest [32]byte

// String returns lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d stands for none.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText returns lower-case hexadecimal, nothing for the zero Digest.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return hex.AppendEncode(nil, d[:]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*d = Digest{}
		return nil
	}
	*d, err = ParseDigest(string(b))
	return err
}

// ParseDigest reads 64 hexadecimal digits.
func ParseDigest(s string) (d Digest, err error) {
	if len(s) != 2*len(d) {
		return d, Errorf(KindInvalid, "digest.syntax", "A SHA-256 sum has 64 hexadecimal digits, not %d characters.", len(s))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, Errorf(KindInvalid, "digest.syntax", "The SHA-256 sum %s is not hexadecimal.", quote(s))
	}
	return d, nil
}

// An ActivityState says whether an activity takes part in the catalog.
type ActivityState uint8

// The states of an activity.
const (
	ActivityActive   ActivityState = iota
	ActivityDisabled               // hidden from everybody; can come back
	ActivityDeleted                // removed for good; its bundle id stays taken
)

var activityStateNames = [...]string{"active", "disabled", "deleted"}

// String returns the stable word for the state.
func (s ActivityState) String() string {
	if int(s) >= len(activityStateNames) {
		return "invalid"
	}
	return activityStateNames[s]
}

// ParseActivityState reads what [ActivityState.String] wrote.
func ParseActivityState(s string) (ActivityState, error) {
	for i, name := range activityStateNames {
		if s == name {
			return ActivityState(i), nil
		}
	}
	return 0, Errorf(KindInvalid, "activity.state", "There is no activity state %s.", quote(s))
}

// An Activity is the thing people install: what a page or a client is told of it. Values handed
// out by a store or a Snapshot are shared and not to be changed.
type Activity struct {
	ID            int64
	BundleID      string // as its bundles spell it; compared without case
	Slug          string // short ASCII word in file names and old links
	State         ActivityState
	Listed        bool   // shown in lists and search; false: reachable by its address only
	ContentBundle bool   // a .xol of content rather than a program
	DefaultLocale string // what Text falls back to
	Name          Text
	Summary       Text
	Description   Text
	License       string // SPDX expression, "" when not known as one
	LicenseText   string // as the bundle says it
	Homepage      string // http or https URL, or ""
	Repository    string // http or https URL, or ""
	Icon          Digest // of the sanitised SVG; zero: none
	FeaturedRank  int    // 1 is first; 0: not featured
	Categories    []string
	Tags          []string
	Authors       []Author // those who want to be named, in the order they are named
	Screenshots   []Image  // in the order they are shown
	Network       Network
	Downloads     int64 // all versions, all time, as last counted
	Created       Time
	Updated       Time // of what clients see: a version published or withdrawn, a text changed
	Revision      int64
	Versions      []Version // any order
}

// An Author is somebody who made an activity.
type Author struct {
	ID   int64 // of the user
	Name string
}

// An Image is a picture that is kept with the files, under [ImageName].
type Image struct {
	ID            int64 // number in old links
	SHA256        Digest
	Media         string // image/png or image/jpeg
	Size          int64  // bytes
	Width, Height int    // pixels
}

// Suffix returns what the address of the picture ends in, ".png" or ".jpg", "" for one of a kind that
// is not served.
func (m *Image) Suffix() string {
	switch m.Media {
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	}
	return ""
}

// A Network says whether an activity needs a connection. Nothing in a bundle tells, so that it is
// known only where a person has said it.
type Network uint8

// What is known of an activity and networks.
const (
	NetworkUnknown Network = iota
	NetworkNone            // works offline
	NetworkNeeded          // is of no use without a connection
)

var networkNames = [...]string{"unknown", "offline", "needed"}

// String returns the stable word.
func (n Network) String() string {
	if int(n) >= len(networkNames) {
		return "invalid"
	}
	return networkNames[n]
}

// ParseNetwork reads what [Network.String] wrote.
func ParseNetwork(s string) (Network, error) {
	for i, name := range networkNames {
		if s == name {
			return Network(i), nil
		}
	}
	return 0, Errorf(KindInvalid, "network.unknown", "An activity's network is unknown, offline or needed, not %s.", quote(s))
}

// BundleKey returns the form of a bundle id under which it is unique: lower case.
func BundleKey(bundleID string) string { return strings.ToLower(bundleID) }

// A Version is one released bundle.
type Version struct {
	Release
	FileID    int64  // number of the file in old links
	Filename  string // <slug>-<number>.xo; unique in its activity for ever
	Size      int64  // bytes
	SHA256    Digest
	Notes     Text // what is new
	Submitted Time
	Published Time // 0: never yet
}

// Select returns the version to offer to c, nil if none fits. See the function [Select].
func (a *Activity) Select(c Client) *Version {
	i := SelectFunc(c, len(a.Versions), func(i int) *Release { return &a.Versions[i].Release })
	if i < 0 {
		return nil
	}
	return &a.Versions[i]
}

// Explain returns a verdict for each of a.Versions, in their order. See the function [Explain].
func (a *Activity) Explain(c Client) []Verdict {
	releases := make([]Release, len(a.Versions))
	for i := range a.Versions {
		releases[i] = a.Versions[i].Release
	}
	return Explain(c, releases)
}

// A Category is one of the fixed groups activities are in.
type Category struct {
	ID   int64 // number in old links
	Slug string
	Name Text
}

// A Collection is a hand-made list of activities, such as what a school installs.
type Collection struct {
	ID            int64
	UUID          string
	Nickname      string // unique; what a laptop's update group is set to
	Listed        bool
	DefaultLocale string
	Name          Text
	Description   Text
	Updated       Time
	Items         []CollectionItem // in order
}

// A CollectionItem is one entry of a collection.
type CollectionItem struct {
	ActivityID int64
	BundleID   string
	Pin        Number // this version and no other; zero: the best for each client
	Optional   bool   // offered, but not installed by itself
}
