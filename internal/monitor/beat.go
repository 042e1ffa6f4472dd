package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Target is an address that answers 200 while what stands behind it can work, such as the heartbeat
// of a role.
type Target struct {
	// Name is that of the check, and of the beat.
	Name string
	// URL is asked by GET. Redirects are not followed.
	URL string
	// Client asks; nil: one that opens a connection for each question, as a heartbeat over an old
	// connection says nothing about new ones. Its time-out is that of the check.
	Client *http.Client
	// Every, Timeout, Fall, Rise and Remote are those of the [Check].
	Every, Timeout time.Duration
	Fall, Rise     int
	Remote         bool
	// Next is what to do when there is no good answer; "" means to look at the log of remora-server there.
	Next string
}

// A Beat is what a heartbeat said about itself. All but Name, Heard and the bounds of Ahead may be
// missing, as any address with status 200 is a good target.
type Beat struct {
	Name    string
	Roles   []string
	Version string // of the program
	Epoch   string // of the change feed
	Seq     uint64 // last change that it serves
	HasSeq  bool
	Heard   time.Time // when the answer came
	// Ahead bounds how far the clock there is ahead of ours, by the Date header, which has whole
	// seconds: at least AheadMin, at most AheadMax. Both zero: there was no Date.
	AheadMin, AheadMax time.Duration
}

// Beats keeps the last beat of each target, for the checks that compare machines. It is safe for
// concurrent use; make it with [NewBeats].
type Beats struct {
	mu   sync.Mutex
	last map[string]Beat
}

// NewBeats returns a collection that holds nothing yet.
func NewBeats() *Beats { return &Beats{last: map[string]Beat{}} }

// All returns the last beat of each target that answered when it was asked last, by name.
func (b *Beats) All() []Beat {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.last), func(x, y Beat) int { return strings.Compare(x.Name, y.Name) })
}

func (b *Beats) set(beat Beat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last[beat.Name] = beat
}

func (b *Beats) drop(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.last, name)
}

// maxBeat bounds what is read of an answer.
const maxBeat = 64 << 10

// beatClient keeps no connections and follows no redirects.
var beatClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxBeat},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// HTTP asks t. It is OK at status 200, Warn while the answer says that it drains, else Bad; without
// an answer Bad with NoAnswer. What the answer says about itself goes to beats, which may be nil: the
// JSON members role or roles, version, epoch, seq, draining, and the headers Remora-Snapshot and Date.
func HTTP(t Target, beats *Beats) Check {
	client := t.Client
	if client == nil {
		client = beatClient
	}
	next := t.Next
	if next == "" {
		next = "On " + t.Name + ": journalctl -u remora-server"
	}
	return Check{
		Name: t.Name, Every: t.Every, Timeout: t.Timeout, Fall: t.Fall, Rise: t.Rise, Remote: t.Remote,
		Run: func(ctx context.Context) Finding {
			f, beat := ask(ctx, client, t)
			switch {
			case beats == nil:
			case f.Level == OK || f.Level == Warn:
				beats.set(beat)
			default:
				beats.drop(t.Name)
			}
			if f.Level != OK {
				f.Next = next
			}
			return f
		},
	}
}

func ask(ctx context.Context, client *http.Client, t Target) (Finding, Beat) {
	bad := func(format string, args ...any) (Finding, Beat) {
		return Finding{Level: Bad, Summary: fmt.Sprintf(format, args...), Detail: []Pair{{"url", t.URL}}}, Beat{}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return bad("Its address cannot be asked: %v.", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "beamrider-monitor")
	start := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		f, b := bad("It does not answer: %v.", err)
		f.NoAnswer = true
		return f, b
	}
	defer resp.Body.Close()
	end := time.Now()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBeat))
	if err != nil {
		return bad("Its answer broke off: %v.", err)
	}
	beat := readBeat(resp.Header, body)
	beat.Name, beat.Heard = t.Name, end
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The clock there showed something within that second, at some time between start and end.
		beat.AheadMin, beat.AheadMax = date.Sub(end), date.Add(time.Second).Sub(start)
	}
	detail := append([]Pair{{"url", t.URL}, pair("took", "%v", end.Sub(start).Round(time.Millisecond))}, beat.pairs()...)
	if resp.StatusCode != http.StatusOK {
		f, b := bad("It answers with status %d %s.", resp.StatusCode, http.StatusText(resp.StatusCode))
		if says := resp.Header.Get("Content-Type"); strings.HasPrefix(says, "text/plain") {
			detail = append(detail, Pair{"says", string(body)})
		}
		f.Detail = detail
		return f, b
	}
	if beat.draining {
		return Finding{Level: Warn, Summary: "It is draining: it finishes what it has and takes nothing new.", Detail: detail}, beat.Beat
	}
	return Finding{Level: OK, Summary: "It answers.", Detail: detail}, beat.Beat
}

type readBeatResult struct {
	Beat
	draining bool
}

func (b readBeatResult) pairs() (list []Pair) {
	if len(b.Roles) > 0 {
		list = append(list, Pair{"roles", strings.Join(b.Roles, ", ")})
	}
	if b.Version != "" {
		list = append(list, Pair{"version", b.Version})
	}
	if b.HasSeq {
		list = append(list, pair("seq", "%d", b.Seq))
	}
	return list
}

// readBeat reads what an answer says about itself; what it cannot read it leaves out, as a beat is
// good by its status alone.
func readBeat(h http.Header, body []byte) (b readBeatResult) {
	for part := range strings.SplitSeq(h.Get("Remora-Snapshot"), ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "seq":
			b.setSeq(value)
		case "epoch":
			b.Epoch = clean(value)
		}
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil { // not JSON: it says nothing more
		return b
	}
	for key, raw := range members {
		switch key {
		case "role", "roles":
			var one string
			var list []string
			if json.Unmarshal(raw, &one) == nil {
				list = []string{one}
			} else if json.Unmarshal(raw, &list) != nil {
				continue
			}
			for _, r := range list[:min(len(list), 16)] {
				b.Roles = append(b.Roles, clean(r))
			}
		case "version":
			b.Version = clean(scalar(raw))
		case "epoch":
			b.Epoch = clean(scalar(raw))
		case "seq":
			b.setSeq(scalar(raw))
		case "draining":
			b.draining = string(raw) == "true"
		}
	}
	return b
}

func (b *Beat) setSeq(s string) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		b.Seq, b.HasSeq = n, true
	}
}

// scalar returns the text of a JSON string, number or word; "" for anything else.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if strings.ContainsAny(string(raw[:min(1, len(raw))]), "{[") {
		return ""
	}
	return string(raw)
}

// Clocks compares the clocks of the machines behind beats with the one here. It warns when one is
// certainly more than limit off; 0 means 2 s. It is Derived.
func Clocks(name string, beats *Beats, limit time.Duration) Check {
	if limit == 0 {
		limit = 2 * time.Second
	}
	return Check{Name: name, Every: 30 * time.Second, Derived: true, Run: func(context.Context) Finding {
		var list []Finding
		var detail []Pair
		for _, b := range beats.All() {
			if b.AheadMin == 0 && b.AheadMax == 0 {
				continue
			}
			// 0 when the two clocks may agree.
			off := min(max(0, b.AheadMin), max(b.AheadMin, b.AheadMax))
			way := "ahead of"
			if b.AheadMax < 0 {
				off, way = -b.AheadMax, "behind"
			}
			detail = append(detail, pair(b.Name, "at least %v %s ours", off.Round(time.Millisecond), way))
			if off > limit {
				list = append(list, Finding{
					Level:   Warn,
					Summary: fmt.Sprintf("The clock of %s is at least %v %s the one of this machine.", b.Name, off.Round(time.Second), way),
					Next:    "On both machines: timedatectl status; one of them does not follow a time server.",
				})
			}
		}
		if len(detail) == 0 {
			return Finding{Level: Unknown, Summary: "No other machine has told its time."}
		}
		return worst(fmt.Sprintf("No clock is certainly more than %v off.", limit), list, detail...)
	}}
}

// FeedBehind compares how far front ends have followed the change feed. It warns when one stays
// behind what another had served at the check before, or, at the first check, is more than slack
// changes behind (0 means 100), and when they follow different epochs of the feed. It is Derived.
func FeedBehind(name string, beats *Beats, slack uint64) Check {
	if slack == 0 {
		slack = 100
	}
	var mu sync.Mutex
	var epoch string // of the highest number seen at the last check
	var seen uint64
	return Check{Name: name, Every: 5 * time.Second, Derived: true, Run: func(context.Context) Finding {
		mu.Lock()
		defer mu.Unlock()
		var feeds []Beat
		var top Beat
		for _, b := range beats.All() {
			if !b.HasSeq {
				continue
			}
			feeds = append(feeds, b)
			if b.Seq >= top.Seq {
				top = b
			}
		}
		if len(feeds) == 0 {
			return Finding{Level: Unknown, Summary: "No front end has told how far it follows the change feed."}
		}
		least := top.Seq - min(top.Seq, slack)
		if seen > 0 && epoch == top.Epoch {
			least = min(seen, top.Seq)
		}
		epoch, seen = top.Epoch, top.Seq
		var list []Finding
		var detail []Pair
		for _, b := range feeds {
			detail = append(detail, pair(b.Name, "change %d", b.Seq))
			switch {
			case b.Epoch != "" && top.Epoch != "" && b.Epoch != top.Epoch:
				list = append(list, Finding{
					Level:   Warn,
					Summary: fmt.Sprintf("%s and %s follow different histories of the catalog.", b.Name, top.Name),
					Next:    "Compare database.url on both: remora-server config show. After a restore or a promotion the one that stayed behind finds the new history by itself within seconds.",
				})
			case b.Seq < least:
				list = append(list, Finding{
					Level:   Warn,
					Summary: fmt.Sprintf("%s does not follow the change feed: it shows an older catalog than %s.", b.Name, top.Name),
					Next:    "On " + b.Name + ": remora-server status",
				})
			}
		}
		return worst("All front ends follow the change feed.", list, detail...)
	}}
}
