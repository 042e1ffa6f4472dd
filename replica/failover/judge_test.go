package failover

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/replica"
	"github.com/sugarlabs/beamrider/replica/promote"
)

var start = time.Date(2009, 5, 1, 12, 0, 0, 0, time.UTC)

// strict is a cluster in mode strict: a is the primary.
func strict() *knowledge {
	k := &knowledge{fall: 3, calm: 10 * time.Minute, nodes: []*node{{name: "a"}, {name: "b"}, {name: "c"}}}
	k.take(k.nodes[0], promote.Sight{Name: "a", At: start, Role: replica.Primary, ID: 1, Endless: true, SemiSync: true, Waits: true})
	for i, name := range []string{"b", "c"} {
		k.take(k.nodes[i+1], promote.Sight{Name: name, At: start, Role: replica.Replica, ID: uint32(i + 2), Source: 1, Received: "0-1-10"})
	}
	return k
}

// silence lets a node miss questions.
func silence(k *knowledge, i, times int) (events []Event) {
	for range times {
		events = append(events, k.take(k.nodes[i], promote.Sight{Name: k.nodes[i].name, At: start.Add(time.Second), Err: errors.New("refused")})...)
	}
	return events
}

func TestHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(k *knowledge)
		want string // "": a failover may happen
	}{
		{"the primary is lost", func(k *knowledge) {}, ""},
		{"never seen", func(k *knowledge) { k.primary = nil }, "has not seen yet"},
		{"never armed", func(k *knowledge) { k.armed = time.Time{}; k.primary.alive.Strict = "it gives up" }, "mode strict: it gives up"},
		{"armed long ago", func(k *knowledge) { k.armed = start.Add(-time.Hour) }, "it may have given up"},
		{"a failover just now", func(k *knowledge) { k.last = start.Add(-time.Minute) }, "last failover was at 2009-05-01T11:59:00Z; until 2009-05-01T12:09:00Z"},
		{"a failover in the future", func(k *knowledge) { k.last = start.Add(24 * time.Hour) }, "a clock was wrong"},
		{"a failover long ago", func(k *knowledge) { k.last = start.Add(-11 * time.Minute) }, ""},
		{"stopped by a person", func(k *knowledge) { k.stopped = "The file is there." }, "The file is there."},
		{"another is silent", func(k *knowledge) { silence(k, 2, 1) }, "c does not answer either"},
		{"a replica still receives", func(k *knowledge) { k.nodes[1].sight.Receives = true }, "b is still connected to a"},
		{"a replica receives from another", func(k *knowledge) { k.nodes[1].sight.Receives, k.nodes[1].sight.Source = true, 9 }, ""},
		{"another takes writes", func(k *knowledge) { k.nodes[2].sight.Role = replica.Primary }, "Another server takes writes"},
		{"somebody made it read-only", func(k *knowledge) {
			k.take(k.nodes[0], promote.Sight{Name: "a", At: start, Role: replica.Unknown, Alone: true, ID: 1})
		}, "a answers, and it takes no writes"},
		{"nobody may", func(k *knowledge) { k.nodes[1].never, k.nodes[2].never = true, true }, "No replica answers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := strict()
			events := silence(k, 0, 3)
			if len(events) != 1 || events[0].Kind != Lost || !k.lost() {
				t.Fatalf("events %+v", events)
			}
			c.do(k)
			if got := k.held(start.Add(2 * time.Second)); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("held %q, want %q", got, c.want)
			}
			if now, later := k.held(start.Add(2*time.Second)), k.held(start.Add(5*time.Second)); now != later {
				t.Errorf("the same reason is told again, as %q and %q", now, later)
			}
		})
	}
}

func TestOneLostAnswerIsNotTheEnd(t *testing.T) {
	k := strict()
	if events := silence(k, 0, 2); len(events) > 0 || k.lost() {
		t.Errorf("lost after two questions: %+v", events)
	}
	k.take(k.nodes[0], k.nodes[0].alive)
	if silence(k, 0, 2); k.lost() {
		t.Error("questions before an answer count")
	}
}

func TestRestartedPrimaryIsLost(t *testing.T) {
	k := strict()
	seen := k.nodes[0].alive
	seen.Started = start.Add(-time.Hour)
	k.take(k.nodes[0], seen)
	back := promote.Sight{Name: "a", At: start.Add(2 * time.Second), Role: replica.Unknown, ID: 1, Alone: true, Started: seen.Started.Add(time.Second)}
	if events := k.take(k.nodes[0], back); len(events) > 0 || k.lost() {
		t.Errorf("made read-only by hand: %+v", events)
	}
	back.Started = start.Add(time.Second)
	if events := k.take(k.nodes[0], back); len(events) != 1 || events[0].Kind != Lost || !k.lost() || k.held(start.Add(2*time.Second)) != "" {
		t.Errorf("started anew: %+v, held %q", events, k.held(start.Add(2*time.Second)))
	}
	if events := k.take(k.nodes[0], back); len(events) > 0 || !k.nodes[0].alive.Started.Before(back.Started) {
		t.Errorf("it is told twice, or what was seen before is forgotten: %+v", events)
	}
	// Somebody made it writable again.
	back.Alone, back.Role, back.Strict = false, replica.Primary, "it gives up"
	if events := k.take(k.nodes[0], back); len(events) == 0 || events[0].Kind != Back || k.lost() || !k.armed.IsZero() {
		t.Errorf("writable again: %+v", events)
	}
	back.Alone, back.Role = true, replica.Unknown
	if k.take(k.nodes[0], back); k.lost() {
		t.Error("made read-only by hand after that")
	}
}

func TestCandidateHasMost(t *testing.T) {
	k := strict()
	if got := k.candidate(); got.name != "b" {
		t.Errorf("%s among equals, want the first", got.name)
	}
	k.nodes[2].sight.Received = "0-1-11"
	if got := k.candidate(); got.name != "c" {
		t.Errorf("%s, want the one that has more", got.name)
	}
	k.nodes[2].never = true
	if got := k.candidate(); got.name != "b" {
		t.Errorf("%s, want the one that may", got.name)
	}
}

// kinds are those of the events that sights of the primary cause.
func kinds(k *knowledge, list ...promote.Sight) (got []Kind) {
	for i, s := range list {
		s.Name, s.ID, s.Role, s.At = "a", 1, replica.Primary, start.Add(time.Duration(i+1)*time.Second)
		for _, e := range k.take(k.nodes[0], s) {
			got = append(got, e.Kind)
		}
	}
	return got
}

func TestCopies(t *testing.T) {
	k := strict()
	waits := promote.Sight{Endless: true, SemiSync: true, Waits: true}
	alone := promote.Sight{Endless: true, SemiSync: true, Strict: "no replica is connected"}
	gaveUp := promote.Sight{SemiSync: true, Strict: "it has given up"}
	want := []Kind{Waiting, OneCopy, TwoCopies}
	if diff := cmp.Diff(want, kinds(k, waits, alone, alone)); diff == "" {
		t.Error("the control: these events come only with what follows")
	}
	if k.armed != start.Add(3*time.Second) {
		t.Errorf("a primary that waits for ever is not armed: %s", k.armed)
	}
	k = strict()
	if diff := cmp.Diff(want, kinds(k, waits, alone, alone, gaveUp, gaveUp, waits)); diff != "" {
		t.Errorf("events: %s", diff)
	}
	k = strict()
	kinds(k, waits, gaveUp)
	if k.oneCopy != start.Add(time.Second) {
		t.Errorf("in one copy since %s, want the last moment it was not", k.oneCopy)
	}
	if !k.armed.IsZero() {
		t.Error("armed, though it has given up")
	}
	// It is not armed by a mere setting: somebody has to have acknowledged.
	if kinds(k, alone); !k.armed.IsZero() {
		t.Error("armed without a replica")
	}
}

func TestSplitBrainIsTold(t *testing.T) {
	k := strict()
	a := k.nodes[0].sight
	s := promote.Sight{Name: "b", At: start, Role: replica.Primary, ID: 2}
	// That of a may be from before a planned switch, and so may be its next, which was begun before.
	if events := slices.Concat(k.take(k.nodes[1], s), k.take(k.nodes[0], a), k.take(k.nodes[1], s)); len(events) > 0 {
		t.Errorf("too early: %+v", events)
	}
	events := k.take(k.nodes[0], a)
	if len(events) != 1 || events[0].Kind != SplitBrain || !strings.Contains(events[0].Text, "a and b") || k.primary.name != "a" {
		t.Errorf("events %+v", events)
	}
	s.Role = replica.Unknown
	if events = k.take(k.nodes[1], s); len(events) != 1 || events[0].Kind != Whole {
		t.Errorf("events %+v", events)
	}
	// In a planned switch both are seen to take writes, and one of them once only.
	k = strict()
	a = k.nodes[0].sight
	b := promote.Sight{Name: "b", At: start, Role: replica.Primary, ID: 2}
	events = slices.Concat(k.take(k.nodes[1], b), k.take(k.nodes[1], b), k.take(k.nodes[0], a), k.take(k.nodes[1], b))
	a.Role = replica.Unknown
	if events = append(events, k.take(k.nodes[0], a)...); len(events) != 1 || events[0].Kind != Changed || k.primary.name != "b" {
		t.Errorf("a planned switch: %+v", events)
	}
}

func TestFailoverOfOthersCounts(t *testing.T) {
	k := strict()
	silence(k, 0, 1)
	at := start.Add(5 * time.Second)
	events := k.take(k.nodes[1], promote.Sight{Name: "b", At: at, Role: replica.Primary, ID: 2})
	if len(events) != 2 || events[0].Kind != Changed || k.primary.name != "b" || k.last != at {
		t.Errorf("events %+v, last %s", events, k.last)
	}
	// A switch, while the old one answers, does not.
	k = strict()
	k.take(k.nodes[0], promote.Sight{Name: "a", At: start, Role: replica.Unknown, ID: 1})
	k.take(k.nodes[1], promote.Sight{Name: "b", At: at, Role: replica.Primary, ID: 2})
	if k.primary.name != "b" || !k.last.IsZero() {
		t.Errorf("last %s", k.last)
	}
}

func TestNewReportsAllMistakes(t *testing.T) {
	_, err := New(Config{Automatic: true, Poll: time.Hour, Fall: -1, Timeout: time.Hour, Calm: time.Millisecond})
	for _, want := range []string{"Poll", "Fall", "Timeout", "Calm", "mode", "three servers", "Folder", "0 nodes", "ReplicationUser"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}
