package promote

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(t testing.TB, text string) position {
	t.Helper()
	p, err := parsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cluster is a primary a with replicas b and c, all at 0-1-5.
func cluster(t testing.TB) *survey {
	v := &survey{wait: time.Minute}
	for i, name := range []string{"a", "b", "c"} {
		s := &server{member: &member{Node: Node{Name: name}, host: "192.0.2." + string(rune('1'+i)), port: 3306}}
		s.facts = facts{id: uint32(i + 1), readOnly: i > 0, strict: true, logs: true, logsUpdates: true,
			written: at(t, "0-1-5"), state: at(t, "0-1-5")}
		if i > 0 {
			s.facts.applied = at(t, "0-1-5")
			s.facts.sources = []source{{host: "192.0.2.1", port: 3306, id: 1, receiving: "Yes", applying: true, usesGTID: true, received: at(t, "0-1-5")}}
		}
		v.servers = append(v.servers, s)
	}
	return v
}

func TestPlanDecides(t *testing.T) {
	silent := func(s *server) { s.facts, s.err = facts{}, errors.New("connection refused") }
	lose := func(v *survey) {
		silent(v.servers[0])
		for _, s := range v.servers[1:] {
			s.facts.sources[0].receiving = "Connecting"
		}
	}
	for name, test := range map[string]struct {
		change  func(v *survey, b *server)
		planned bool
		already bool
		loss    bool     // something may be lost without Force
		refused []string // codes; with ! those that Force overrides
	}{
		"planned":            {change: func(*survey, *server) {}, planned: true},
		"target is silent":   {change: func(_ *survey, b *server) { silent(b) }, refused: []string{"target_silent"}},
		"two are one server": {change: func(v *survey, b *server) { v.servers[2].facts.id = 2 }, refused: []string{"same_server"}},
		"no privileges":      {change: func(_ *survey, b *server) { b.facts.missing = []string{"RELOAD"} }, refused: []string{"privileges"}},
		"two take writes": {change: func(v *survey, b *server) { v.servers[2].facts.sources, v.servers[2].facts.readOnly = nil, false },
			refused: []string{"two_writers"}},
		"it is the primary": {change: func(v *survey, b *server) {
			v.servers[0].facts.readOnly, b.facts.readOnly, b.facts.sources = true, false, nil
		}, already: true},
		"no log of what is applied": {change: func(_ *survey, b *server) { b.facts.logsUpdates = false }, planned: true, refused: []string{"no_log"}},
		"not strict":                {change: func(_ *survey, b *server) { b.facts.strict = false }, planned: true, refused: []string{"!not_strict"}},
		"without GTID":              {change: func(_ *survey, b *server) { b.facts.sources[0].usesGTID = false }, planned: true, refused: []string{"no_gtid"}},
		"two sources": {change: func(_ *survey, b *server) { b.facts.sources = append(b.facts.sources, b.facts.sources[0]) },
			refused: []string{"several_sources"}},
		"a source nobody knows": {change: func(_ *survey, b *server) { b.facts.sources[0].host, b.facts.sources[0].id = "192.0.2.9", 9 },
			refused: []string{"unknown_source"}},
		"the source by another address": {change: func(_ *survey, b *server) { b.facts.sources[0].host = "10.0.0.1" }, planned: true},
		"of another replica": {change: func(_ *survey, b *server) { b.facts.sources[0].host, b.facts.sources[0].id = "192.0.2.3", 3 },
			refused: []string{"follows_other"}},
		"fenced already": {change: func(v *survey, _ *server) { v.servers[0].facts.readOnly = true }, planned: true},
		"histories parted": {change: func(v *survey, b *server) { v.servers[0].facts.readOnly, b.facts.written = true, at(t, "0-2-6") },
			planned: true, refused: []string{"target_has_more"}},
		"applying broken": {change: func(_ *survey, b *server) {
			b.facts.sources[0].applying, b.facts.sources[0].sqlError = false, "duplicate"
		},
			planned: true, refused: []string{"applying_broken"}},
		"receiving broken": {change: func(_ *survey, b *server) {
			b.facts.sources[0].receiving, b.facts.sources[0].ioError = "Connecting", "access denied"
		}, planned: true, refused: []string{"receiving_broken"}},
		"receiving broken, and nothing to receive": {change: func(v *survey, b *server) {
			v.servers[0].facts.readOnly = true
			b.facts.sources[0].receiving, b.facts.sources[0].ioError = "Connecting", "cannot connect"
		}, planned: true},
		"too late":      {change: func(_ *survey, b *server) { b.facts.sources[0].delay = time.Hour }, planned: true, refused: []string{"delayed"}},
		"not a replica": {change: func(_ *survey, b *server) { b.facts.sources = nil }, refused: []string{"not_a_replica"}},
		"all restarted": {change: func(v *survey, b *server) {
			for _, s := range v.servers {
				s.facts.sources, s.facts.readOnly = nil, true
			}
		}, planned: true},
		"all restarted, one has more": {change: func(v *survey, b *server) {
			for _, s := range v.servers {
				s.facts.sources, s.facts.readOnly = nil, true
			}
			v.servers[0].facts.written = at(t, "0-1-6")
		}, planned: true, refused: []string{"!other_has_more"}},
		"lost":                {change: func(v *survey, b *server) { lose(v) }, loss: true},
		"lost with semi-sync": {change: func(v *survey, b *server) { lose(v); b.facts.sendsNow, b.facts.sendsSemi = true, true }},
		"lost, and stopped before it was asked": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sendsSemi, b.facts.sources[0].receiving = true, "No"
		}, loss: true},
		"lost, but another is connected": {change: func(v *survey, b *server) { lose(v); v.servers[2].facts.sources[0].receiving = "Yes" },
			loss: true, refused: []string{"!primary_alive"}},
		"lost, another has more": {change: func(v *survey, b *server) { lose(v); v.servers[2].facts.sources[0].received = at(t, "0-1-6") }, loss: true},
		"lost, another has more, of a part": {change: func(v *survey, b *server) {
			lose(v)
			v.servers[2].facts.sources[0].received, v.servers[2].facts.sources[0].filtered = at(t, "0-1-6"), true
		}, loss: true, refused: []string{"!other_has_more"}},
		"lost, another has more and does not apply it": {change: func(v *survey, b *server) {
			lose(v)
			c := &v.servers[2].facts.sources[0]
			c.received, c.applying, c.sqlError = at(t, "0-1-6"), false, "duplicate"
		}, loss: true, refused: []string{"!other_has_more"}},
		"lost, another has more, which was written there": {change: func(v *survey, b *server) {
			lose(v)
			v.servers[2].facts.written = at(t, "0-3-6")
		}, loss: true, refused: []string{"!other_has_more"}},
		"lost, another has more here and less there": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sources[0].received, v.servers[2].facts.sources[0].received = at(t, "0-1-5,1-1-2"), at(t, "0-1-6,1-1-1")
		}, loss: true, refused: []string{"!other_has_more"}},
		"never the primary": {change: func(_ *survey, b *server) { b.NoPrimary = true }, refused: []string{"never_primary"}},
		"back with less": {change: func(v *survey, b *server) {
			v.servers[0].facts.readOnly = true
			b.facts.sources[0].receiving, b.facts.sources[0].ioError, b.facts.sources[0].received = "No", "not in the binlog", at(t, "0-1-6")
		}, planned: true},
		"back with less, another has more": {change: func(v *survey, b *server) {
			v.servers[0].facts.readOnly = true
			c := &v.servers[2].facts.sources[0]
			c.receiving, c.ioError, c.received = "No", "not in the binlog", at(t, "0-1-6")
		}, planned: true},
		"lost, another has less": {change: func(v *survey, b *server) {
			lose(v)
			v.servers[2].facts.sources[0].received = at(t, "0-1-4")
			b.facts.sources[0].received = at(t, "0-1-6")
		}, loss: true},
		"lost, another is silent": {change: func(v *survey, b *server) { lose(v); silent(v.servers[2]) }, loss: true, refused: []string{"!other_silent"}},
		"lost, position unknown":  {change: func(v *survey, b *server) { lose(v); b.facts.sources[0].received = nil }, loss: true, refused: []string{"!position_unknown"}},
		"lost, applying broken": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sources[0].applying, b.facts.sources[0].sqlError = false, "duplicate"
		}, loss: true, refused: []string{"!applying_broken"}},
		"lost, both stopped": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sources[0].applying, b.facts.sources[0].receiving, b.facts.sources[0].received = false, "No", at(t, "0-1-6")
		}, loss: true, refused: []string{"!both_stopped"}},
		"lost, both stopped, all applied": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sources[0].applying, b.facts.sources[0].receiving = false, "No"
		}, loss: true},
		"lost, too late": {change: func(v *survey, b *server) {
			lose(v)
			b.facts.sources[0].delay, b.facts.sources[0].received = time.Hour, at(t, "0-1-6")
		}, loss: true, refused: []string{"!delayed"}},
		"lost, and another took over": {change: func(v *survey, b *server) {
			lose(v)
			v.servers[2].facts.sources, v.servers[2].facts.readOnly = nil, false
		}, refused: []string{"follows_other"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := cluster(t)
			b := v.servers[1]
			test.change(v, b)
			p := v.plan(b)
			var codes []string
			for _, r := range p.Refusals {
				code := r.Code
				if r.Loss != "" {
					code = "!" + code
				}
				codes = append(codes, code)
				if !strings.HasSuffix(r.Text, ".") || r.Loss != "" && !strings.HasSuffix(r.Loss, ".") {
					t.Errorf("%q and %q are not sentences", r.Text, r.Loss)
				}
			}
			if d := cmp.Diff(test.refused, codes); d != "" {
				t.Errorf("refusals (-want +got):\n%s%+v", d, p.Refusals)
			}
			if p.Planned != test.planned || p.Already != test.already || (len(p.MayLose) > 0) != test.loss {
				t.Errorf("plan %+v", p)
			}
			if len(p.Nodes) != 3 || len(codes) == 0 && (p.Acknowledged == "" || len(p.Steps) == 0) {
				t.Errorf("plan %+v", p)
			}
		})
	}
}

func TestNewReportsAllMistakes(t *testing.T) {
	node := Node{Name: "a", DSN: "u:hidden@tcp(192.0.2.1:3306)/"}
	for name, test := range map[string]struct {
		config Config
		want   []string
	}{
		"nothing":     {Config{}, []string{"0 nodes", "ReplicationUser is missing"}},
		"same twice":  {Config{Nodes: []Node{node, node}, ReplicationUser: "r"}, []string{"two nodes are called", "the same address"}},
		"durations":   {Config{Nodes: []Node{node}, ReplicationUser: "r", Timeout: 1, Wait: 1}, []string{"Timeout is 1ns", "Wait is 1ns"}},
		"no name":     {Config{Nodes: []Node{{DSN: node.DSN}}, ReplicationUser: "r\x00"}, []string{"has no name", "zero byte"}},
		"DSN":         {Config{Nodes: []Node{{Name: "a", DSN: "u:hidden@tcp(x"}}, ReplicationUser: "r"}, []string{"cannot be read"}},
		"no port":     {Config{Nodes: []Node{{Name: "a", DSN: node.DSN, Address: "x"}}, ReplicationUser: "r"}, []string{"not host:port"}},
		"port 0":      {Config{Nodes: []Node{{Name: "a", DSN: node.DSN, Address: "x:0"}}, ReplicationUser: "r"}, []string{"from 1 to 65535"}},
		"unix socket": {Config{Nodes: []Node{{Name: "a", DSN: "u@unix(/s)/"}}, ReplicationUser: "r"}, []string{"not of TCP"}},
		"half of TLS": {Config{Nodes: []Node{node}, ReplicationUser: "r", ReplicationTLS: ReplicationTLS{Key: "k"}}, []string{"ReplicationTLS.CA is missing"}},
		"no key":      {Config{Nodes: []Node{node}, ReplicationUser: "r", ReplicationTLS: ReplicationTLS{CA: "c", Cert: "c"}}, []string{"both Cert and Key"}},
		"many":        {Config{Nodes: slices.Repeat([]Node{node}, 65), ReplicationUser: "r"}, []string{"65 nodes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(test.config)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("%v shows a password", err)
			}
		})
	}
	if _, err := New(Config{Nodes: []Node{node, {Name: "b", DSN: "u@unix(/s)/", Address: "B.example:3307"}}, ReplicationUser: "r"}); err != nil {
		t.Error(err)
	}
}

func TestPositions(t *testing.T) {
	for _, test := range []struct{ p, q, beyond, lacks, latest string }{
		{"", "", "", "", ""},
		{"0-1-5", "", "", "", "0-1-5"},
		{"", "0-1-5", "0-1-5", "0-1-5", "0-1-5"},
		{"0-1-5", "0-1-6", "0-1-6", "0-1-6", "0-1-6"},
		// The same number by another server: not beyond, but another history.
		{"0-1-4,0-2-7", "0-1-5", "", "0-1-5", "0-2-7"},
		{"0-1-5,0-2-7", "0-1-5", "", "", "0-2-7"},
		{"0-1-5", "1-1-1,0-1-3", "1-1-1", "1-1-1", "0-1-5,1-1-1"},
	} {
		p, q := at(t, test.p), at(t, test.q)
		if got := p.beyond(q).String(); got != test.beyond {
			t.Errorf("%q beyond %q: %q, want %q", test.p, test.q, got, test.beyond)
		}
		if got := p.lacks(q).String(); got != test.lacks {
			t.Errorf("%q lacks of %q: %q, want %q", test.p, test.q, got, test.lacks)
		}
		if got := p.latest(q).String(); got != test.latest {
			t.Errorf("latest of %q and %q: %q, want %q", test.p, test.q, got, test.latest)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{"", "0-1-5", "0-1-5,1-2-18446744073709551615", " 0-1-5 , 0-2-6", "0-1", "-1-1-1", "a", ",", "4294967296-1-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(text)
		if err != nil {
			return
		}
		again, err := parsePosition(p.String())
		if err != nil || cmp.Diff(p.String(), again.String()) != "" {
			t.Errorf("%q became %q and %q: %v", text, p, again, err)
		}
		if len(p.beyond(p)) != 0 || len(p.lacks(p)) != 0 || len(position(nil).latest(p).beyond(p)) != 0 {
			t.Errorf("%q is not at itself", text)
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "it's", `\`, "\\'", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Read as the server does with backslash escapes.
		q := quote(text)
		var got strings.Builder
		for i := 1; i < len(q)-1; i++ {
			switch c := q[i]; {
			case c == '\'':
				t.Fatalf("%q ends early", q)
			case c == '\\':
				i++
				if i == len(q)-1 {
					t.Fatalf("%q does not end", q)
				}
				got.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', '\\': '\\', '\'': '\''}[q[i]])
			default:
				got.WriteByte(c)
			}
		}
		if got.String() != text {
			t.Errorf("%q became %q", text, q)
		}
	})
}
