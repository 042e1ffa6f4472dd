package accounts

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestMistakesAreAllNamed(t *testing.T) {
	err := Config{
		Hosts: []string{"%", "10.0.0.1\n"}, Database: "mysql", Application: Account{User: "x", Password: "p\x00"},
		Promoter: Account{User: "x"}, Replication: Account{Password: "only"}, Heartbeat: Account{User: strings.Repeat("é", 81)},
		Migrations: Account{User: "m "},
	}.check()
	for _, want := range []string{"host 1 is anybody", "host 2 must have", "the server's own", "the password for application", "application and promoter are the same user", "the user for replication must have", "the user for heartbeat", "the user for migrations must not begin or end"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (Config{Hosts: []string{"localhost"}, Database: "x"}).check(); err == nil || !strings.Contains(err.Error(), "no account") {
		t.Errorf("nothing to do: %v", err)
	}
	if err := (Config{}).check(); err == nil || !strings.Contains(err.Error(), "0 hosts") {
		t.Errorf("nothing at all: %v", err)
	}
}

func TestPasswordsHideThemselves(t *testing.T) {
	c := Config{Hosts: []string{"localhost"}, Database: "x", Application: Account{User: "x", Password: "hunter2"}}
	list, err := Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(map[string]any{"config": c, "report": Report{Generated: map[string]Password{"x": "hunter2"}}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "account", c.Application, "password", c.Application.Password)
	for _, text := range []string{fmt.Sprint(list), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Application.Password, c.Application.Password), string(shown), log.String()} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password is shown: %s", text)
		}
	}
	found := false
	for _, s := range list {
		found = found || strings.Contains(s.SQL(), "hunter2")
	}
	if !found {
		t.Error("a server would not get the password")
	}
}

func TestEveryPlanHasNewPasswords(t *testing.T) {
	c := Config{Hosts: []string{"localhost"}, Database: "x", Application: Account{User: "x"}}
	one, two := c.generate().Application.Password, c.generate().Application.Password
	if one == two || len(one) < 26 {
		t.Errorf("%q and %q", one.Reveal(), two.Reveal())
	}
	if c.Application.Password != "" {
		t.Error("the config of the caller was changed")
	}
}

// unquoted reads text up to the end of the quote as a server does where a backslash escapes nothing.
func unquoted(text string, mark byte) (inner, rest string, ok bool) {
	if text == "" || text[0] != mark {
		return "", text, false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != mark:
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == mark:
			b.WriteByte(mark)
			i++
		default:
			return b.String(), text[i+1:], true
		}
	}
	return "", "", false
}

func FuzzQuotes(f *testing.F) {
	for _, s := range []string{"remora", "o'brien", `\`, `\'`, "''", "`; DROP USER root; --", "é\u2028", "a\x00b", "%_"} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, name, host, database, password string) {
		c := Config{Hosts: []string{host}, Database: database, Application: Account{User: name, Password: Password(password)}}
		list, err := Plan(c)
		if err != nil {
			return
		}
		for _, s := range list {
			q := s.SQL()
			if strings.ContainsAny(q, "\n\r\x00") {
				t.Fatalf("%q is more than one line", q)
			}
			_, rest, is := strings.Cut(q, "CREATE USER IF NOT EXISTS ")
			if !is {
				continue
			}
			gotName, rest, ok1 := unquoted(rest, '\'')
			gotHost, rest, ok2 := unquoted(strings.TrimPrefix(rest, "@"), '\'')
			rest, ok3 := strings.CutPrefix(rest, " IDENTIFIED BY ")
			gotPassword, rest, ok4 := unquoted(rest, '\'')
			if !ok1 || !ok2 || !ok3 || !ok4 || rest != "" || gotName != name || gotHost != host || password != "" && gotPassword != password {
				t.Errorf("%q is read as %q %q %q and %q", q, gotName, gotHost, gotPassword, rest)
			}
		}
		if got, rest, ok := unquoted(strings.TrimPrefix(list[1].SQL(), "CREATE DATABASE IF NOT EXISTS "), '`'); !ok || got != database || rest != " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" {
			t.Errorf("the database %q is read as %q and %q", database, got, rest)
		}
	})
}
