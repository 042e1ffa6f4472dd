package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sugarlabs/beamrider/replica/diagnose"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// TestAccountsAreMadeAndDiagnosed: a cluster gets the accounts of a configuration by one command, the
// library works with them, and another command finds what is wrong.
func TestAccountsAreMadeAndDiagnosed(t *testing.T) {
	t.Parallel()
	const word = "pass-word"
	servers := replicatest.Cluster(t, 2)
	var nodes []string
	for i, s := range servers {
		c, err := mysql.ParseDSN(s.AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		c.User, c.Passwd, c.DBName = "library", word, "remora"
		nodes = append(nodes, settingOf(t, c.FormatDSN(), "name="+[]string{"first", "second"}[i]))
	}
	env := []string{"REMORA_DATABASE_NODES=" + strings.Join(nodes, ","), "REMORA_DATABASE_PROMOTE=promoter:" + word, "REMORA_DATABASE_REPLICATION=follower:" + word}
	data := t.TempDir()
	command := func(more []string, words ...string) (out string, code int) {
		t.Helper()
		out, errs, code := runProgramIn(t, append(append([]string(nil), env...), more...), append([]string{"db"}, append(words, "--data", data)...)...)
		if strings.Contains(errs, word) || strings.Contains(errs, "panic") {
			t.Errorf("%v says %s", words, errs)
		}
		return out + errs, code
	}

	out, code := command(nil, "accounts", "--host", "127.0.0.%")
	if code != 0 || strings.Contains(out, word) || !strings.Contains(out, "GRANT REPLICATION SLAVE ON *.* TO 'follower'@'127.0.0.%';") {
		t.Errorf("db accounts ends with %d\n%s", code, out)
	}
	if out, code := command(nil, "accounts", "--host", "127.0.0.%", "--show-passwords", "--json"); code != 0 || strings.Count(out, "IDENTIFIED BY '"+word+"'") != 3 {
		t.Errorf("with passwords, db accounts ends with %d\n%s", code, out)
	}
	for _, words := range [][]string{{"--host", "%"}, {}, {"--host", "127.0.0.%", "--apply"}, {"--host", "127.0.0.%", "--apply", "--admin", "root:" + word}} {
		if out, code := command(nil, append([]string{"accounts"}, words...)...); code != 2 {
			t.Errorf("db accounts %v ends with %d\n%s", words, code, out)
		}
	}
	admin := func(s *replicatest.Server) []string {
		c, err := mysql.ParseDSN(s.AdminDSN())
		if err != nil {
			t.Fatal(err)
		}
		c.DBName = "mysql"
		return []string{"REMORA_DATABASE_ADMIN=" + settingOf(t, c.FormatDSN(), "")}
	}
	if out, code := command(admin(servers[1]), "accounts", "--host", "127.0.0.%", "--apply"); code != 3 || !strings.Contains(out, "not the primary") {
		t.Errorf("on a replica, db accounts --apply ends with %d\n%s", code, out)
	}
	if out, code := command(admin(servers[0]), "accounts", "--host", "127.0.0.%", "--apply"); code != 0 || strings.Count(out, "was made") != 4 || strings.Contains(out, "left to do") {
		t.Errorf("db accounts --apply ends with %d\n%s", code, out)
	}
	if out, code := command(admin(servers[0]), "accounts", "--host", "127.0.0.%", "--apply"); code != 0 || strings.Contains(out, "did") || strings.Count(out, "is so") != 3 {
		t.Errorf("again, db accounts --apply ends with %d\n%s", code, out)
	}
	servers[1].CatchUp(servers[0])
	mustRunIn(t, env, "import", "--data", data, writeBundle(t, t.TempDir(), "org.example.Act0000", "1", ""))

	out, code = command(nil, "diagnose")
	if code != 1 || !strings.Contains(out, "MariaDB first") || !strings.Contains(out, "SET GLOBAL") || strings.Contains(out, word) {
		t.Errorf("db diagnose ends with %d\n%s", code, out)
	}
	out, code = command(nil, "diagnose", "--json")
	var r diagnose.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 {
		t.Fatalf("db diagnose --json ends with %d (%v)\n%s", code, err, out)
	}
	// doctor says the same, and nothing of the accounts.
	said, _, _ := runProgramIn(t, env, "doctor", "--json", "--data", data)
	for _, f := range r.Findings {
		if strings.Contains(f.Code, "account") || strings.Contains(f.Code, "promoter") || strings.Contains(f.Code, "replication") {
			t.Errorf("the accounts that were made are found wrong: %+v", f)
		}
		if text, err := json.Marshal(f.Summary); err != nil || !strings.Contains(said, strings.Trim(string(text), `"`)) {
			t.Errorf("doctor does not say %s", f.Summary)
		}
	}
	// What it says to run mends what it is about.
	for _, f := range r.Findings {
		for i, name := range []string{"first", "second"} {
			if f.Node == name && f.Code != "semi_sync_off" {
				servers[i].Exec(f.SQL...)
			}
		}
	}
	eventually(t, "only what needs a replica first is left", func() bool {
		out, _ := command(nil, "diagnose", "--json")
		var now diagnose.Report
		if err := json.Unmarshal([]byte(out), &now); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, f := range now.Findings {
			if f.Level != diagnose.Note && f.Code != "semi_sync_off" {
				return false
			}
		}
		return true
	})
	servers[0].Exec("SET GLOBAL rpl_semi_sync_master_enabled = ON")
	eventually(t, "nothing is wrong", func() bool { _, code := command(nil, "diagnose"); return code == 0 })

	for _, s := range servers {
		s.Kill()
	}
	if out, code := command(nil, "diagnose"); code != 4 || !strings.Contains(out, "does not answer") {
		t.Errorf("with nobody there, db diagnose ends with %d\n%s", code, out)
	}
	if out, _, code := runProgram(t, "db", "diagnose", "--data", data); code != 2 {
		t.Errorf("without servers, db diagnose ends with %d\n%s", code, out)
	}
}
