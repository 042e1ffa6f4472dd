package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sugarlabs/beamrider/remora"
)

// expect compares the parts of a finding that matter; "" for Next means that there must be none.
func expect(t *testing.T, what string, got Finding, level Level, summary, next string) {
	t.Helper()
	if got.Level != level || !strings.Contains(got.Summary, summary) || !strings.Contains(got.Next, next) || next == "" && got.Next != "" {
		t.Errorf("%s:\n got %v, %q, next %q\nwant %v, %q, next %q", what, got.Level, got.Summary, got.Next, level, summary, next)
	}
	if level != OK && level != Unknown && got.Next == "" {
		t.Errorf("%s: nobody is told what to do next", what)
	}
}

func TestNodes(t *testing.T) {
	primary := Node{Name: "beamrider", Role: "primary", Lag: -1, Position: "0-1-10"}
	replica := Node{Name: "sunjammer", Role: "replica", Position: "0-1-10"}
	with := func(n Node, change func(*Node)) Node { change(&n); return n }
	noPrimary := with(primary, func(n *Node) { n.Role, n.State = "unknown", "connection refused" })
	lost := with(replica, func(n *Node) { n.Lag = -1; n.Problem = "error connecting to master" })
	since := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name          string
		c             Cluster
		mode          string
		err           error
		level         Level
		summary, next string
	}{
		{name: "one server", c: Cluster{Nodes: []Node{primary}}, level: OK, summary: "The database answers."},
		{name: "pair", c: Cluster{Nodes: []Node{primary, replica}, SemiSync: &SemiSync{On: true, Replicas: 1}}, mode: "available", level: OK, summary: "one replica follows"},
		{name: "three", c: Cluster{Nodes: []Node{primary, replica, replica}}, level: OK, summary: "2 replicas follow"},
		{name: "no primary", c: Cluster{Nodes: []Node{noPrimary, lost}}, mode: "available", level: Bad, summary: "There is no primary", next: "remora-server db promote sunjammer"},
		{name: "the further replica", c: Cluster{Nodes: []Node{noPrimary, lost, with(lost, func(n *Node) { n.Name, n.Position = "third", "0-1-12" })}}, level: Bad, summary: "no primary", next: "db promote third"},
		{name: "nobody", c: Cluster{Nodes: []Node{noPrimary}}, level: Bad, summary: "No database server answers", next: "On beamrider: systemctl start mariadb"},
		{name: "two primaries", c: Cluster{Nodes: []Node{primary, with(primary, func(n *Node) { n.Name = "old" })}}, level: Bad, summary: "beamrider, old", next: "read_only"},
		{name: "replica is away", c: Cluster{Nodes: []Node{primary, with(replica, func(n *Node) { n.Role, n.State = "unknown", "no route" })}}, level: Warn, summary: "sunjammer does not answer (no route)", next: "On sunjammer"},
		{name: "replica is broken", c: Cluster{Nodes: []Node{primary, with(replica, func(n *Node) { n.Problem = "Duplicate entry" })}}, level: Warn, summary: "sunjammer is broken: Duplicate entry", next: "On sunjammer"},
		{name: "lag unknown", c: Cluster{Nodes: []Node{primary, with(replica, func(n *Node) { n.Lag = -1 })}}, level: Warn, summary: "Nobody knows how far", next: "On sunjammer"},
		{name: "late", c: Cluster{Nodes: []Node{primary, with(replica, func(n *Node) { n.Lag = 11 * time.Second })}}, level: Warn, summary: "more than 10s behind", next: "sunjammer"},
		{name: "one copy", c: Cluster{Nodes: []Node{primary, replica}, SemiSync: &SemiSync{Since: since}}, mode: "available", level: Warn, summary: "one copy only since 2026-03-01 09:00:00 UTC", next: "Bring a replica back"},
		{name: "on, but nobody confirms", c: Cluster{Nodes: []Node{primary, replica}, SemiSync: &SemiSync{On: true}}, mode: "available", level: Warn, summary: "one copy only:", next: "Bring a replica back"},
		{name: "strict", c: Cluster{Nodes: []Node{primary, replica}, SemiSync: &SemiSync{}}, mode: "strict", level: Bad, summary: "strict", next: "Bring a replica back"},
		{name: "not meant", c: Cluster{Nodes: []Node{primary, replica}, SemiSync: &SemiSync{}}, level: OK},
		{name: "error", err: errors.New("not now"), level: Unknown, summary: "not now", next: "remora-server doctor"},
		{name: "none", level: Unknown, summary: "no database server", next: "config"},
	} {
		check := Nodes(NodesConfig{Name: "database", Mode: tt.mode, Ask: func(context.Context) (Cluster, error) { return tt.c, tt.err }})
		expect(t, tt.name, check.Run(t.Context()), tt.level, tt.summary, tt.next)
	}
	check := Nodes(NodesConfig{Ask: func(context.Context) (Cluster, error) { return Cluster{Nodes: []Node{noPrimary}}, nil }})
	if !check.Run(t.Context()).NoAnswer {
		t.Error("no node answers, but the finding says there was an answer")
	}
}

func TestFurthest(t *testing.T) {
	n := func(name, position string, lag time.Duration, problem string) Node {
		return Node{Name: name, Position: position, Lag: lag, Problem: problem}
	}
	for _, tt := range []struct {
		want string
		list []Node
	}{
		{"", nil},
		{"a", []Node{n("b", "", -1, ""), n("a", "", -1, "")}},
		{"b", []Node{n("a", "0-1-9", 0, ""), n("b", "0-2-10", -1, "broken")}},
		{"b", []Node{n("a", "0-1-9", 0, "broken"), n("b", "0-1-9", 5, "")}},
		{"b", []Node{n("a", "0-1-9", 5, ""), n("b", "0-1-9", 1, "")}},
		{"b", []Node{n("a", "0-1-9", -1, ""), n("b", "0-1-9", 1, "")}},
		{"b", []Node{n("a", "0-1-9", 1, ""), n("b", "0-1-9,1-1-1", 5, "")}},
		{"a", []Node{n("a", "0-1-9,1-1-2", 1, ""), n("b", "0-1-10,1-1-1", 5, "")}}, // neither has all
		{"b", []Node{n("a", "nonsense", 1, ""), n("b", "0-1-18446744073709551615", 5, "")}},
	} {
		got, ok := Furthest(tt.list)
		if got.Name != tt.want || ok != (tt.want != "") {
			t.Errorf("of %v: %q, %t; want %q", tt.list, got.Name, ok, tt.want)
		}
	}
}

func TestStates(t *testing.T) {
	failed := errors.New("dial tcp: refused")
	mode := func(m string, err error) Finding {
		return WriteMode("w", func(context.Context) (string, time.Time, error) { return m, noon, err }, "", "").Run(t.Context())
	}
	expect(t, "normal", mode("normal", nil), OK, "allowed", "")
	expect(t, "frozen", mode("frozen", nil), Warn, "frozen since 2026-03-01 12:00:00 UTC", "db copy")
	expect(t, "moved", mode("moved", nil), Warn, "moved to another database", "database.url")
	expect(t, "other", mode("later", nil), Bad, `"later"`, "version")
	expect(t, "mode unknown", mode("", failed), Unknown, "refused", "doctor")

	canary := func(err error) Finding {
		return Canary("store", "Putting a file into the store", func(context.Context) error { return err }, "look").Run(t.Context())
	}
	expect(t, "canary", canary(nil), OK, "Putting a file into the store works.", "")
	expect(t, "canary", canary(failed), Bad, "fails: dial tcp: refused", "look")
	expect(t, "canary", canary(&remora.Error{Message: "The disk is full.", Err: errors.New("secret")}), Bad, "fails: The disk is full.", "look")

	copied := func(c Copy, err error) Finding {
		return CopyBehind("c", func(context.Context) (Copy, error) { return c, err }, 0, "remora-server files mirror").Run(t.Context())
	}
	expect(t, "copy", copied(Copy{}, nil), OK, "complete.", "")
	expect(t, "copy", copied(Copy{Missing: 2, Oldest: time.Now().Add(-time.Minute)}, nil), OK, "on their way", "")
	expect(t, "copy", copied(Copy{Missing: 2, Oldest: time.Now().Add(-time.Hour)}, nil), Warn, "not complete since", "files mirror")
	expect(t, "copy", copied(Copy{Missing: 2}, nil), Warn, "not complete", "files mirror")
	expect(t, "copy", copied(Copy{}, failed), Unknown, "refused", "files mirror")
}

func TestDisk(t *testing.T) {
	const g = 1 << 30
	for _, tt := range []struct {
		name    string
		s       Space
		l       Limits
		err     error
		level   Level
		summary string
	}{
		{"plenty", Space{50 * g, 100 * g, 50, 100}, Limits{}, nil, OK, "enough"},
		{"at the limit", Space{10 * g, 100 * g, 10, 100}, Limits{}, nil, OK, "enough"},
		{"little", Space{9 * g, 100 * g, 50, 100}, Limits{}, nil, Warn, "fewer bytes"},
		{"none", Space{0, 100 * g, 50, 100}, Limits{}, nil, Bad, "fewer bytes"},
		{"inodes", Space{50 * g, 100 * g, 2, 100}, Limits{}, nil, Bad, "fewer inodes"},
		{"worse first", Space{9 * g, 100 * g, 2, 100}, Limits{}, nil, Bad, "fewer inodes"},
		{"no inodes counted", Space{50 * g, 100 * g, 0, 0}, Limits{}, nil, OK, "enough"},
		{"absolute, large disk", Space{9 * g, 4000 * g, 50, 100}, Limits{WarnBytes: 5 * g, BadBytes: g}, nil, OK, "enough"},
		{"absolute, warn", Space{4 * g, 4000 * g, 50, 100}, Limits{WarnBytes: 5 * g, BadBytes: g}, nil, Warn, "fewer bytes"},
		{"own shares", Space{30 * g, 100 * g, 90, 100}, Limits{Warn: 0.4, Bad: 0.2}, nil, Warn, "fewer bytes"},
		{"not known", Space{}, Limits{}, errors.New("stale"), Unknown, "stale"},
	} {
		f := Disk("disk", "/srv", func(string) (Space, error) { return tt.s, tt.err }, tt.l).Run(t.Context())
		next := "/srv"
		if tt.level == OK {
			next = ""
		}
		expect(t, tt.name, f, tt.level, tt.summary, next)
	}
	s, err := FolderSpace(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil || s.TotalBytes == 0 || s.FreeBytes > s.TotalBytes {
		t.Errorf("here: %+v, %v", s, err)
	}
	if _, err := FolderSpace("/no/such/folder"); err == nil {
		t.Error("a folder that is not there has space")
	}
}

func TestHTTP(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer s.Close()
	beats := NewBeats()
	check := HTTP(Target{Name: "beamrider", URL: s.URL + "/internal/heartbeat"}, beats)
	run := func() Finding { return check.Run(t.Context()) }

	expect(t, "bare", run(), OK, "It answers.", "")
	if all := beats.All(); len(all) != 1 || all[0].HasSeq || all[0].Heard.IsZero() || all[0].AheadMax <= all[0].AheadMin {
		t.Errorf("a bare beat: %+v", all)
	}
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Remora-Snapshot", "seq=41, age=1")
		fmt.Fprint(w, `{"roles":["frontend","files"],"version":"1.2","epoch":7,"seq":"42","load":{"x":[1]}}`)
	}
	f := run()
	expect(t, "rich", f, OK, "It answers.", "")
	b := beats.All()[0]
	if strings.Join(b.Roles, "+") != "frontend+files" || b.Version != "1.2" || b.Epoch != "7" || b.Seq != 42 || !b.HasSeq {
		t.Errorf("a rich beat: %+v", b)
	}
	if text := fmt.Sprint(f.Detail); !strings.Contains(text, "frontend, files") || !strings.Contains(text, "42") {
		t.Errorf("details: %s", text)
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Remora-Snapshot", "seq=5, age=0, stale") }
	if run(); beats.All()[0].Seq != 5 {
		t.Errorf("by header alone: %+v", beats.All())
	}
	answer = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"draining":true}`) }
	expect(t, "draining", run(), Warn, "draining", "journalctl")
	answer = func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no database\x1b[2J", http.StatusServiceUnavailable)
	}
	f = run().cleaned()
	expect(t, "503", f, Bad, "status 503 Service Unavailable", "On beamrider: journalctl")
	if f.NoAnswer || len(beats.All()) != 0 || !strings.Contains(fmt.Sprint(f.Detail), "no database[2J") {
		t.Errorf("503: %+v, beats %+v", f, beats.All())
	}
	answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }
	expect(t, "redirect", run(), Bad, "status 302", "journalctl")
	answer = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") }
	expect(t, "broken off", run(), Bad, "broke off", "journalctl")
	s.Close()
	f = run()
	expect(t, "dead", f, Bad, "does not answer", "journalctl")
	if !f.NoAnswer {
		t.Error("nothing came back, but the finding says something did")
	}
	expect(t, "no address", HTTP(Target{Name: "x", URL: "http://[", Next: "mend the URL"}, nil).Run(t.Context()), Bad, "cannot be asked", "mend the URL")
}

func FuzzReadBeat(f *testing.F) {
	f.Add("seq=1, age=2, stale", []byte(`{"role":"frontend","seq":3,"epoch":"x"}`))
	f.Add("seq=-1,epoch=", []byte(`{"roles":[[]],"seq":{},"version":null}`))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		b := readBeat(http.Header{"Remora-Snapshot": {header}}, body)
		if len(b.Roles) > 32 || len(b.Version) > maxText || len(b.Epoch) > maxText {
			t.Errorf("a beat without bounds: %+v", b)
		}
	})
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		min, max time.Duration
		level    Level
		summary  string
	}{
		{-500 * time.Millisecond, 600 * time.Millisecond, OK, "No clock"},
		{1900 * time.Millisecond, 2900 * time.Millisecond, OK, "No clock"},
		{2500 * time.Millisecond, 3500 * time.Millisecond, Warn, "at least 3s ahead of"},
		{-7 * time.Second, -6 * time.Second, Warn, "at least 6s behind"},
		{0, 0, Unknown, "No other machine"},
	} {
		beats := NewBeats()
		beats.set(Beat{Name: "sunjammer", AheadMin: tt.min, AheadMax: tt.max})
		next := map[Level]string{Warn: "timedatectl"}[tt.level]
		expect(t, fmt.Sprint(tt.min), Clocks("clocks", beats, 0).Run(t.Context()), tt.level, tt.summary, next)
	}
	// A clock in a header, an hour off.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	}))
	defer s.Close()
	beats := NewBeats()
	expect(t, "ask", HTTP(Target{Name: "off", URL: s.URL}, beats).Run(t.Context()), OK, "", "")
	expect(t, "an hour", Clocks("clocks", beats, 0).Run(t.Context()), Warn, "The clock of off is at least", "timedatectl")
}

func TestFeedBehind(t *testing.T) {
	beats := NewBeats()
	at := func(name, epoch string, seq uint64) {
		beats.set(Beat{Name: name, Epoch: epoch, Seq: seq, HasSeq: true})
	}
	check := FeedBehind("feed", beats, 0)
	expect(t, "nobody", check.Run(t.Context()), Unknown, "No front end", "")
	at("a", "e", 1000)
	at("b", "e", 950)
	expect(t, "first look, a little behind", check.Run(t.Context()), OK, "All front ends", "")
	at("a", "e", 2000)
	at("b", "e", 1000)
	expect(t, "it has what the other had before", check.Run(t.Context()), OK, "All front ends", "")
	at("b", "e", 1999)
	expect(t, "it does not", check.Run(t.Context()), Warn, "b does not follow the change feed", "On b:")
	at("b", "e", 2000)
	expect(t, "again level", check.Run(t.Context()), OK, "All front ends", "")
	at("b", "f", 3)
	expect(t, "another epoch", check.Run(t.Context()), Warn, "different histories", "config show")
	at("a", "f", 4)
	expect(t, "both in the new one, whose numbers are lower", check.Run(t.Context()), OK, "All front ends", "")
	expect(t, "first look, far behind", func() Finding { at("a", "f", 200); return FeedBehind("feed", beats, 0).Run(t.Context()) }(), Warn, "b does not follow", "On b:")
}

// Checks made by the constructors fit into a monitor as they are.
func TestConstructorsGiveValidChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := NewBeats()
		ok := func(context.Context) error { return nil }
		m, err := New(Config{Checks: []Check{
			Nodes(NodesConfig{Name: "database", Ask: func(context.Context) (Cluster, error) {
				return Cluster{Nodes: []Node{{Name: "a", Role: "primary"}}}, nil
			}}),
			Clocks("clocks", beats, 0), FeedBehind("feed", beats, 0), Canary("store", "It", ok, ""),
			Disk("disk", "/", func(string) (Space, error) { return Space{}, nil }, Limits{}),
			CopyBehind("copy", func(context.Context) (Copy, error) { return Copy{}, nil }, 0, ""),
			WriteMode("writes", func(context.Context) (string, time.Time, error) { return "normal", time.Time{}, nil }, "", ""),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Round(t.Context()); r.Count(OK) != 5 || r.Count(Unknown) != 2 {
			t.Errorf("got %+v", r)
		}
		if err := HTTP(Target{Name: "web"}, nil).complete().mistakes(); err != nil {
			t.Error(err)
		}
	})
}
