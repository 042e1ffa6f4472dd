package remora_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sugarlabs/beamrider/remora"
)

// numbersByValue lets go-cmp compare numbers, whose fields it cannot see.
var numbersByValue = cmpopts.EquateComparable(remora.Number{})

func TestTransitions(t *testing.T) {
	may := map[string]string{
		"draft":     "awaiting published deleted",
		"awaiting":  "published rejected disabled deleted",
		"published": "disabled deleted",
		"rejected":  "awaiting deleted",
		"disabled":  "published awaiting deleted",
		"deleted":   "",
	}
	if len(may) != int(remora.StateDeleted)+1 {
		t.Fatal("this table does not name every state")
	}
	for from := remora.StateDraft; from <= remora.StateDeleted; from++ {
		next, known := may[from.String()]
		if !known {
			t.Errorf("state %d is called %q", from, from)
		}
		for to := remora.StateDraft; to <= remora.StateDeleted; to++ {
			want := false
			for _, word := range strings.Fields(next) {
				want = want || word == to.String()
			}
			if got := from.CanBecome(to); got != want {
				t.Errorf("%v can become %v: %v, want %v", from, to, got, want)
			}
		}
		if got, want := from.Offered(), from == remora.StatePublished || from == remora.StateAwaiting; got != want {
			t.Errorf("%v is offered: %v", from, got)
		}
	}
	if beyond := remora.StateDeleted + 1; beyond.CanBecome(remora.StateDraft) || beyond.Offered() || remora.StateDraft.CanBecome(beyond) {
		t.Error("a state that there is not takes part")
	}
}

// TestWords reads and writes every word of every list.
func TestWords(t *testing.T) {
	check := func(list string, n int, write func(int) string, read func(string) (int, error)) {
		t.Helper()
		seen := map[string]bool{}
		for i := range n {
			word := write(i)
			if got, err := read(word); err != nil || got != i || seen[word] {
				t.Errorf("%s %d is %q, which reads as %d, %v", list, i, word, got, err)
			}
			seen[word] = true
		}
		for _, bad := range []string{"invalid", "Stable", " ", strings.Repeat("x", 500)} {
			_, err := read(bad)
			if remora.KindOf(err) != remora.KindInvalid || remora.MessageOf(err) == "" || len(err.Error()) > 300 {
				t.Errorf("%s %.20q reads with %v", list, bad, err)
			}
		}
	}
	check("state", 6, func(i int) string { return remora.State(i).String() }, func(s string) (int, error) { v, err := remora.ParseState(s); return int(v), err })
	check("channel", 2, func(i int) string { return remora.Channel(i).String() }, func(s string) (int, error) { v, err := remora.ParseChannel(s); return int(v), err })
	check("interpreter", 6, func(i int) string { return remora.Interpreter(i).String() }, func(s string) (int, error) { v, err := remora.ParseInterpreter(s); return int(v), err })
	check("range source", 2, func(i int) string { return remora.RangeSource(i).String() }, func(s string) (int, error) { v, err := remora.ParseRangeSource(s); return int(v), err })
	check("activity state", 3, func(i int) string { return remora.ActivityState(i).String() }, func(s string) (int, error) { v, err := remora.ParseActivityState(s); return int(v), err })
	check("sort", 5, func(i int) string { return remora.Sort(i).String() }, func(s string) (int, error) { v, err := remora.ParseSort(s); return int(v), err })
	for _, beyond := range []string{remora.State(99).String(), remora.Channel(99).String(), remora.ActivityState(99).String(), remora.Sort(99).String(), remora.Reason(99).String()} {
		if beyond != "invalid" {
			t.Errorf("what is in no list is called %q", beyond)
		}
	}
	seen := map[string]bool{}
	for r := remora.ReasonOffered; r <= remora.ReasonArch; r++ {
		if seen[r.String()] || r.String() == "" || r.String() == "invalid" {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
}

func TestDigest(t *testing.T) {
	const hex = "00ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
	d, err := remora.ParseDigest(strings.ToUpper(hex))
	if err != nil || d.String() != hex || d.IsZero() {
		t.Fatalf("ParseDigest = %v, %v", d, err)
	}
	for _, bad := range []string{"", "00", hex[1:], hex + "0", hex[:62] + "zz", strings.Repeat("é", 32)} {
		if got, err := remora.ParseDigest(bad); remora.KindOf(err) != remora.KindInvalid || !got.IsZero() {
			t.Errorf("ParseDigest(%q) = %v, %v", bad, got, err)
		}
	}
	for _, in := range []remora.Digest{d, {}} {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out := remora.Digest{9}
		if err := json.Unmarshal(text, &out); err != nil || out != in {
			t.Errorf("%v becomes %s becomes %v, %v", in, text, out, err)
		}
	}
	if got, want := remora.UploadName(d), "uploads/sha256/00/"+hex; got != want {
		t.Errorf("UploadName = %s", got)
	}
	if got, want := remora.IconName(d), "icons/sha256/00/"+hex+".svg"; got != want {
		t.Errorf("IconName = %s", got)
	}
}

func TestNames(t *testing.T) {
	if got, want := remora.PublicName(100001, "paint-41.xo"), "public/files/100001/paint-41.xo"; got != want {
		t.Errorf("PublicName = %s, want %s", got, want)
	}
	if got := (remora.Stored{ActivityID: 7, Filename: "a-1.xo"}).PublicName(); got != remora.PublicName(7, "a-1.xo") {
		t.Errorf("Stored.PublicName = %s", got)
	}
	if got := remora.BundleKey("org.laptop.Log"); got != "org.laptop.log" {
		t.Errorf("BundleKey = %s", got)
	}
}

func TestTime(t *testing.T) {
	if remora.TimeOf(time.Time{}) != 0 || !remora.Time(0).Time().IsZero() {
		t.Error("the unknown time is not the zero one")
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("PET", -5*3600))
	if got := remora.TimeOf(at).Time(); !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("%v comes back as %v", at, got)
	}
}

func TestInLists(t *testing.T) {
	version := func(s remora.State, c remora.Channel) remora.Version {
		return remora.Version{Release: remora.Release{State: s, Channel: c}}
	}
	good := version(remora.StatePublished, remora.ChannelStable)
	for name, tt := range map[string]struct {
		a    remora.Activity
		want bool
	}{
		"shown":             {remora.Activity{Listed: true, Versions: []remora.Version{version(remora.StateAwaiting, 0), good}}, true},
		"unlisted":          {remora.Activity{Versions: []remora.Version{good}}, false},
		"disabled":          {remora.Activity{Listed: true, State: remora.ActivityDisabled, Versions: []remora.Version{good}}, false},
		"no version":        {remora.Activity{Listed: true}, false},
		"awaiting only":     {remora.Activity{Listed: true, Versions: []remora.Version{version(remora.StateAwaiting, 0)}}, false},
		"experimental only": {remora.Activity{Listed: true, Versions: []remora.Version{version(remora.StatePublished, remora.ChannelExperimental)}}, false},
	} {
		if got := tt.a.InLists(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
