package diagnose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// soundVariables are those of a server that is set up as it should be.
var soundVariables = map[string]string{
	"log_bin": "ON", "log_slave_updates": "ON", "gtid_strict_mode": "ON", "innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1",
	"binlog_format": "MIXED", "read_only": "OFF", "server_id": "1", "port": "1", "rpl_semi_sync_master_enabled": "ON", "rpl_semi_sync_slave_enabled": "ON",
	"rpl_semi_sync_master_wait_point": "AFTER_SYNC", "rpl_semi_sync_master_timeout": "10000", "rpl_semi_sync_master_wait_no_slave": "ON",
	"slave_parallel_threads": "8",
}

// fake returns a server that said something: a primary with the number 1, or a replica of it.
func fake(name, id string, changes ...string) *server {
	s := &server{Node: Node{Name: name}, facts: facts{
		version: "10.11.6-MariaDB", account: "remora@10.0.0.%", variables: maps.Clone(soundVariables), origin: "SQL", history: history{},
		semi:   map[string]string{"rpl_semi_sync_master_status": "ON", "rpl_semi_sync_master_clients": "1", "rpl_semi_sync_slave_status": "ON"},
		grants: []string{"GRANT SLAVE MONITOR ON *.* TO `remora`@`10.0.0.%` IDENTIFIED BY PASSWORD '*HASH'", "GRANT ALL PRIVILEGES ON `remora`.* TO `remora`@`10.0.0.%`"},
	}}
	s.variables["server_id"], s.variables["port"] = id, id
	if id != "1" {
		s.variables["read_only"], s.variables["rpl_semi_sync_master_enabled"], s.origin = "ON", "OFF", "CONFIG"
		s.sources = []source{{id: "1", receives: "Yes", applies: "Yes", usesGTID: "Slave_Pos"}}
	}
	for _, c := range changes {
		key, value, set := strings.Cut(c, "=")
		if s.variables[key] = value; !set {
			delete(s.variables, key)
		}
	}
	return s
}

// TestWhatAClusterForTestsCannotBe covers findings that would take other programs, or a restart with
// other options; the others are made on real servers.
func TestWhatAClusterForTestsCannotBe(t *testing.T) {
	change := func(s *server, how func(*server)) *server { how(s); return s }
	primary := func(changes ...string) *server { return fake("a", "1", changes...) }
	replica := func(changes ...string) *server { return fake("b", "2", changes...) }
	for _, tt := range []struct {
		name    string
		servers []*server
		want    []string // level, node, code
	}{
		{"a sound pair, semi-sync off as a primary on the replica", []*server{primary(), replica()}, nil},
		{"one server", []*server{primary("log_bin=OFF", "server_id=0", "rpl_semi_sync_master_enabled=OFF", "gtid_strict_mode=OFF")}, nil},
		{"one careless server", []*server{primary("innodb_flush_log_at_trx_commit=2")}, []string{"bad a innodb_flush_log_at_trx_commit"}},
		{"MySQL", []*server{primary(), change(replica(), func(s *server) { s.version = "8.0.36" })}, []string{"bad b not_mariadb"}},
		{"Galera", []*server{primary("wsrep_on=ON"), replica()}, []string{"bad a galera"}},
		{"old", []*server{change(primary(), func(s *server) { s.version = "5.5.5-10.6.12-MariaDB-log" }), replica()}, []string{"warn a old_version"}},
		{"the replica is older", []*server{change(primary(), func(s *server) { s.version = "11.4.2-MariaDB" }), replica()}, []string{"warn b version_behind"}},
		{"no binary log", []*server{primary("log_bin=0"), replica("log_slave_updates=OFF")}, []string{"bad a log_bin", "warn b log_slave_updates"}},
		{"a filter of the binary log", []*server{change(primary(), func(s *server) { s.filters = []string{"binlog_ignore_db=x"} }), replica()}, []string{"bad a filters"}},
		{"a variable that there is not", []*server{primary(), replica("sync_binlog")}, []string{"unknown b sync_binlog"}},
		{"no number", []*server{primary(), replica("server_id=0")}, []string{"bad b server_id_missing"}},
		{"a primary that would come back writable", []*server{change(primary(), func(s *server) { s.origin = "CONFIG" }), replica()}, []string{"warn a read_only_not_kept"}},
		{"read_only by hand", []*server{primary(), change(replica(), func(s *server) { s.origin = "SQL" })}, []string{"note b read_only_by_hand"}},
		{"read_only in words", []*server{primary(), replica("read_only=NO_LOCK_NO_ADMIN")}, nil},
		{"all privileges", []*server{change(primary(), func(s *server) { s.grants = []string{"GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION"} })}, []string{"bad a account_powerful"}},
		{"a replica made from a copy", []*server{change(primary(), func(s *server) { s.history = history{{0, 1}: 100} }), change(replica(), func(s *server) { s.history = history{{0, 1}: 90, {0, 2}: 50} })}, nil},
		{"an old primary with more", []*server{change(primary(), func(s *server) { s.history = history{{0, 1}: 100} }), change(replica(), func(s *server) {
			s.history = history{{0, 1}: 90, {0, 2}: 50}
			s.sources[0].receives, s.sources[0].receiveNo, s.sources[0].receiveErr = "No", "1236", "diverged"
		})}, []string{"bad b receive_failed", "bad b diverged"}},
		{"connecting", []*server{primary(), change(replica(), func(s *server) { s.sources[0].receives, s.sources[0].id = "Connecting", "0" })}, []string{"warn b receive_connecting"}},
		{"the primary is away", []*server{change(primary(), func(s *server) { s.err = errors.New("refused") }), change(replica(), func(s *server) { s.sources[0].receives = "Connecting" })},
			[]string{"bad  no_primary", "unknown a no_answer", "warn b receive_connecting"}},
		{"clocks that cannot be told apart", []*server{change(primary(), func(s *server) { s.clock = bounds{-3 * time.Second, 3 * time.Second} }), change(replica(), func(s *server) { s.clock = bounds{3500 * time.Millisecond, 3600 * time.Millisecond} })}, nil},
		{"a clock that is ahead", []*server{change(primary(), func(s *server) { s.clock = bounds{-time.Second, 0} }), change(replica(), func(s *server) { s.clock = bounds{2 * time.Second, 3 * time.Second} })}, []string{"warn b clock"}},
	} {
		cl := newCluster(Config{}, tt.servers)
		r := cl.judge()
		var got []string
		for _, f := range r.Findings {
			got = append(got, fmt.Sprintf("%s %s %s", f.Level, f.Node, f.Code))
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s%s", tt.name, d, text(r))
		}
		if strings.Contains(text(r), "HASH") {
			t.Errorf("%s: a grant is shown", tt.name)
		}
	}
}

func TestMistakesOfTheConfigAreAllNamed(t *testing.T) {
	_, err := Diagnose(t.Context(), Config{Timeout: time.Hour, Heartbeat: "beat", Nodes: []Node{{"", "u:hunter2@tcp(h)/"}, {"x", "u:hunter2@tcp(h)/"}, {"x", "u:hunter2@"}}})
	for _, want := range []string{"Timeout is 1h", "database.table", "node 1 has no name", `two nodes are called "x"`, "DSN cannot be read"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is shown: %v", err)
	}
	if _, err := Diagnose(t.Context(), Config{}); err == nil {
		t.Error("no nodes are taken")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Diagnose(ended, Config{Nodes: []Node{{"x", "u:p@tcp(127.0.0.1:1)/"}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a diagnosis that was given up ends with %v", err)
	}
}

func TestExitCode(t *testing.T) {
	up := []Server{{Role: "primary"}, {}}
	for _, tt := range []struct {
		servers []Server
		levels  []Level
		want    int
	}{
		{up, nil, 0}, {up, []Level{Note}, 0}, {up, []Level{Unknown, Note}, 4}, {up, []Level{Unknown, Warn}, 1}, {up, []Level{Bad}, 1},
		{[]Server{{}, {}}, []Level{Bad, Unknown}, 4},
	} {
		r := Report{Servers: tt.servers}
		for _, l := range tt.levels {
			r.Findings = append(r.Findings, Finding{Level: l})
		}
		if got := r.ExitCode(); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.levels, got, tt.want)
		}
	}
}

func TestTextsOfServersAreTamed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		in = strings.Repeat(in, rapid.IntRange(1, 50).Draw(t, "times"))
		got := clean(in)
		if strings.ContainsAny(got, "\n\r\t\x1b\u202e") || len(got) > maxText+8 {
			t.Fatalf("%q", got)
		}
	})
}

func TestAccountsAreQuoted(t *testing.T) {
	for in, want := range map[string]string{"remora@10.0.0.%": "'remora'@'10.0.0.%'", "o'b@c@%": "'o''b@c'@'%'", `x\@%`: `'x\\'@'%'`, "": "''@''"} {
		if got := accountOf(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	got := granted([]string{"GRANT PROCESS ON *.* TO `pro``moter`@`10.%` IDENTIFIED BY PASSWORD '*X'"}, Account{User: "pro`moter"})
	if got != "'pro`moter'@'10.%'" {
		t.Error(got)
	}
}

func FuzzHistory(f *testing.F) {
	f.Add("0-1-4629,0-2-7297", "0-1-4632")
	f.Add("", "1-1-18446744073709551615")
	f.Add("0-1-", "-")
	f.Fuzz(func(t *testing.T, one, other string) {
		h, err := parseHistory(one)
		o, err2 := parseHistory(other)
		if err != nil || err2 != nil {
			return
		}
		if missing, _ := h.lacks(h); missing != nil || h.behind(h) != 0 {
			t.Errorf("%q lacks %v of itself", one, missing)
		}
		missing, ahead := h.lacks(o)
		if (h.behind(o) > 0) != ahead && len(o) == 1 {
			t.Errorf("%q, %q: behind by %d, ahead %v", one, other, h.behind(o), ahead)
		}
		for _, gtid := range missing {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(o)), func(s stream) bool {
				return gtid == fmt.Sprintf("%d-%d-%d", s.domain, s.server, o[s])
			}) {
				t.Errorf("%s is not in %q", gtid, other)
			}
		}
	})
}
