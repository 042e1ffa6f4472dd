package accounts

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/replica/diagnose"
	"github.com/sugarlabs/beamrider/replica/replicatest"
)

// as is the address of a server for another account.
func as(t *testing.T, s *replicatest.Server, user, password, database string) string {
	t.Helper()
	c, err := mysql.ParseDSN(s.AdminDSN())
	if err != nil {
		t.Fatal(err)
	}
	c.User, c.Passwd, c.DBName = user, password, database
	return c.FormatDSN()
}

// run runs statements as an account, and returns the first error.
func run(t *testing.T, dsn string, statements ...string) error {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			return err
		}
	}
	return nil
}

// refusedBy reports whether a server refused with one of the numbers.
func refusedBy(err error, numbers ...uint16) bool {
	answered, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains(numbers, answered.Number)
}

func whole() Config {
	return Config{
		Hosts: []string{"127.0.0.%", "10.0.0.%"}, Database: "lib_rary", HeartbeatDatabase: "beats",
		Application: Account{User: "remora", Password: `it's a "secret\`}, Migrations: Account{User: "migrator"},
		Promoter: Account{User: "promoter", Password: "another secret"}, Replication: Account{User: "replication", Password: "a third secret"},
		Heartbeat: Account{User: "beater", Password: "a fourth secret"},
	}
}

func TestApply(t *testing.T) {
	servers := replicatest.Cluster(t, 2)
	ctx := t.Context()
	c := whole()
	// One of them is on the replica already, by itself and with another password.
	servers[1].Exec("SET sql_log_bin = 0", "CREATE USER remora@'127.0.0.%' IDENTIFIED BY 'old'", "SET sql_log_bin = 1")

	first, err := Apply(ctx, servers[0].AdminDSN(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Kept) > 0 || len(first.Left) > 0 || len(first.Generated) != 1 || len(first.Generated["migrator"]) < 26 {
		t.Errorf("the first call reports %+v", first)
	}
	if text := fmt.Sprintf("%+v", first); strings.Contains(text, "secret") || strings.Contains(text, first.Generated["migrator"].Reveal()) {
		t.Errorf("a password is shown: %s", text)
	}
	servers[1].CatchUp(servers[0])

	again, err := Apply(ctx, servers[0].AdminDSN(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Changed) > 0 || len(again.Kept) != 10 || len(again.Left) > 0 || len(again.Generated) > 0 {
		t.Errorf("the second call reports %+v", again)
	}

	// Each may do what it is for, and no more.
	app, migrator := as(t, servers[0], "remora", c.Application.Password.Reveal(), "lib_rary"), as(t, servers[0], "migrator", first.Generated["migrator"].Reveal(), "lib_rary")
	if err := run(t, migrator, "CREATE TABLE x (i INT PRIMARY KEY)", "ALTER TABLE x ADD COLUMN j INT", "CREATE INDEX y ON x (j)"); err != nil {
		t.Errorf("migrations: %v", err)
	}
	if err := run(t, app, "INSERT INTO x VALUES (1, 1)", "UPDATE x SET j = 2", "SHOW ALL SLAVES STATUS"); err != nil {
		t.Errorf("the application: %v", err)
	}
	for what, err := range map[string]error{
		"the application drops a table":                           run(t, app, "DROP TABLE x"),
		"the application makes a server writable":                 run(t, app, "SET GLOBAL read_only = 0"),
		"migrations make a server writable":                       run(t, migrator, "SET GLOBAL read_only = 0"),
		"replication reads":                                       run(t, as(t, servers[0], "replication", "a third secret", ""), "SELECT * FROM lib_rary.x"),
		"the heartbeat reads the catalog":                         run(t, as(t, servers[0], "beater", "a fourth secret", ""), "SELECT * FROM lib_rary.x"),
		"the application reaches a database named alike":          run(t, app, "CREATE TEMPORARY TABLE libXrary.t (i INT)"),
		"the application logs in with the replica's old password": run(t, as(t, servers[1], "remora", "old", ""), "DO 1"),
	} {
		if !refusedBy(err, 1142, 1227, 1044, 1045, 1370) {
			t.Errorf("%s: %v", what, err)
		}
	}
	servers[1].CatchUp(servers[0])
	for user, password := range map[string]string{"remora": c.Application.Password.Reveal(), "migrator": first.Generated["migrator"].Reveal()} {
		if err := run(t, as(t, servers[1], user, password, "lib_rary"), "INSERT INTO x VALUES (7, 7)"); !refusedBy(err, 1290) {
			t.Errorf("%s writes on a replica: %v", user, err)
		}
	}
	if err := run(t, as(t, servers[0], "beater", "a fourth secret", "beats"), "CREATE TABLE heartbeat (i INT)", "INSERT INTO heartbeat VALUES (1)"); err != nil {
		t.Errorf("the heartbeat: %v", err)
	}
	if err := run(t, app, "SELECT * FROM beats.heartbeat"); err != nil {
		t.Errorf("the application does not see the heartbeat: %v", err)
	}

	// A diagnosis has nothing against any of them.
	d := diagnose.Config{Timeout: 20 * time.Second, Promoter: diagnose.Account{User: "promoter", Password: "another secret"}, Replication: diagnose.Account{User: "replication", Password: "a third secret"}}
	for i, s := range servers {
		d.Nodes = append(d.Nodes, diagnose.Node{Name: fmt.Sprint(i), DSN: as(t, s, "remora", c.Application.Password.Reveal(), "")})
	}
	r, err := diagnose.Diagnose(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if strings.Contains(f.Code, "account") || strings.Contains(f.Code, "promoter") || strings.Contains(f.Code, "replication") || strings.HasPrefix(f.Code, "diverged") {
			t.Errorf("a diagnosis says %+v", f)
		}
	}

	// What somebody changed is made good, or named.
	servers[0].Exec("REVOKE RELOAD ON *.* FROM promoter@'127.0.0.%'", "GRANT SUPER ON *.* TO remora@'127.0.0.%'", "SET PASSWORD FOR replication@'10.0.0.%' = PASSWORD('x')")
	third, err := Apply(ctx, servers[0].AdminDSN(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"'promoter'@'127.0.0.%' got RELOAD on *.*.", "The password of 'replication'@'10.0.0.%' was replaced."}
	if d := cmp.Diff(want, third.Changed); d != "" {
		t.Error(d)
	}
	if len(third.Left) != 1 || !strings.Contains(third.Left[0], "REVOKE SUPER ON *.* FROM 'remora'@'127.0.0.%'") {
		t.Errorf("left: %q", third.Left)
	}

	// Not on a replica, and not by somebody who may not.
	if _, err := Apply(ctx, servers[1].AdminDSN(), c); !errors.Is(err, ErrNotPrimary) {
		t.Errorf("on a replica: %v", err)
	}
	if _, err := Apply(ctx, app, c); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("as the application: %v", err)
	}
	if _, err := Apply(ctx, "root:hunter2@", c); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("an address that cannot be read: %v", err)
	}
	if _, err := Apply(ctx, "root:hunter2@tcp(127.0.0.1:1)/", Config{}); err == nil {
		t.Error("nothing to do is done")
	}
}

// TestPlanIsWhatApplyMakes: the statements, run by hand, leave nothing to do.
func TestPlanIsWhatApplyMakes(t *testing.T) {
	servers := replicatest.Cluster(t, 1)
	for _, c := range []Config{whole(), odd()} {
		list, err := Plan(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, twice := range []int{1, 2} {
			for _, s := range list {
				servers[0].Exec(s.SQL())
			}
			r, err := Apply(t.Context(), servers[0].AdminDSN(), c)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Changed) > 0 || len(r.Left) > 0 && twice == 1 && c.Hosts[0] == "127.0.0.%" {
				t.Errorf("after the plan there was left to do: %q, %q", r.Changed, r.Left)
			}
		}
		for _, u := range c.users() {
			n := servers[0].Text("SELECT COUNT(*) FROM mysql.user WHERE HEX(User) = '" + fmt.Sprintf("%X", u.User) + "' AND HEX(Host) = '" + strings.ToUpper(fmt.Sprintf("%x", u.host)) + "'")
			if n != "1" {
				t.Errorf("the server has %s accounts %s", n, u.name())
			}
			if u.Password == "" {
				continue
			}
			if err := run(t, as(t, servers[0], u.User, u.Password.Reveal(), ""), "DO 1"); err != nil {
				t.Errorf("%s: %v", u.name(), err)
			}
		}
	}
}

// odd has names that want to be more than names.
func odd() Config {
	return Config{
		Hosts: []string{"127.0.0._"}, Database: "a`b'c\\d_%",
		Application: Account{User: `o'bri\en`, Password: `\'; DROP USER root; -- "`},
		Promoter:    Account{User: "é`\"#", Password: `\\''%_é€`},
		Replication: Account{User: `/* */`, Password: ` `},
	}
}

func TestTheUsersOfAConfigAreThoseItNames(t *testing.T) {
	got := map[string]int{}
	for _, u := range whole().users() {
		got[u.what]++
	}
	if d := cmp.Diff(map[string]int{"application": 2, "migrations": 2, "promoter": 2, "replication": 2, "heartbeat": 2}, got); d != "" {
		t.Error(d)
	}
	if slices.Contains(slices.Collect(maps.Keys(got)), "") {
		t.Error("a user without a purpose")
	}
}
