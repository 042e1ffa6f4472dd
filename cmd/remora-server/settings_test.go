package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

func noEnv(string) (string, bool) { return "", false }

func env(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	file := writeFile(t, "c.toml", "[data]\ndir = \"/file\"\n[http]\nlisten = \"127.0.0.1:1\"\n[site]\nname = \"From the file\"\nhosts = [\"a\", \"b\"]\n")
	c, err := loadConfig(file, env(map[string]string{"REMORA_DATA_DIR": "/env", "REMORA_HTTP_LISTEN": "127.0.0.1:2"}), map[string]string{"data.dir": "/flag"})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.dataDir, c.listen, c.siteName, strings.Join(c.siteHosts, " "), c.logLevel}
	want := []string{"/flag", "127.0.0.1:2", "From the file", "a b", "info"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	from := []string{c.origins["data.dir"].From, c.origins["http.listen"].From, c.origins["site.name"].From, c.origins["log.level"].From}
	if d := cmp.Diff([]string{"flag", "environment", "file", "default"}, from); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestMistakesAreToldAllAtOnceWithTheirLine(t *testing.T) {
	_, err := loadConfig("", env(map[string]string{"REMORA_HTTP_LISTEN": "nowhere", "REMORA_LOG_LEVEL": "loud", "REMORA_SITE_PROXIES": "10.0.0.0"}), nil)
	for _, want := range []string{"http.listen", "log.level", "site.proxies"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s: %v", want, err)
		}
	}
	_, err = loadConfig(writeFile(t, "c.toml", "[data]\ndir = \"x\"\n\n[http]\nlissten = \":80\"\n"), noEnv, nil)
	if err == nil || !strings.Contains(err.Error(), "lissten") || !strings.Contains(err.Error(), "line 5") {
		t.Errorf("the error does not show the unknown key and its line: %v", err)
	}
}

func TestMistakesInTheFileShowNoPassword(t *testing.T) {
	const password = "pa55word"
	for _, text := range []string{
		"[database]\nurl = \"mysql://remora:" + password + "@db/remora\n",
		"[database]\nulr = \"mysql://remora:" + password + "@db/remora\"\n",
		"[databse]\nurl = \"mysql://remora:" + password + "@db/remora\"\n",
		"[database]\nurl = [\"mysql://remora:" + password + "@db/remora\"]\n",
		"[database]\nurl = \"mysql://remora:" + password + "@/remora\"\n",
	} {
		_, err := loadConfig(writeFile(t, "c.toml", text), noEnv, nil)
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", strings.ReplaceAll(text, password, "…"), err)
		}
	}
}

func TestPromotionByItselfIsWholeOrRefused(t *testing.T) {
	const two = "nodes = [\"mysql://u:p@10.0.0.11/x?name=a\", \"mysql://u:p@10.0.0.13/x?name=b\"%s]\n"
	nodes, three := fmt.Sprintf(two, ""), fmt.Sprintf(two, ", \"mysql://u:p@10.0.0.12/x?name=c\"")
	const accounts, automatic = "promote = \"p:w\"\nreplication = \"r:w\"\n", "mode = \"strict\"\nautomatic = \"true\"\n"
	for _, c := range []struct{ name, text, roles, want string }{
		{"whole", three + accounts + automatic, "monitor", ""},
		{"no account", three + automatic, "monitor", "database.promote"},
		{"no account, but no monitor either", three + automatic, "frontend,files", ""},
		{"half an account", three + automatic + "replication = \"r:w\"\n", "monitor", "database.promote"},
		{"two servers", nodes + accounts + automatic, "monitor", "three servers"},
		{"mode available", three + accounts + "automatic = \"true\"\n", "monitor", "database.mode"},
		{"no server", automatic, "monitor", "database.nodes"},
		{"a short secret", three + accounts + "[monitor]\nvote_secret = \"short\"\n", "monitor", "16 or more"},
		{"a vote without servers", "[monitor]\nvote_secret = \"sixteen bytes or more\"\n", "monitor", "database.nodes"},
	} {
		_, err := loadConfig(writeFile(t, "c.toml", "[database]\n"+c.text), noEnv, map[string]string{"server.roles": c.roles})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	const password = "pa55word"
	file := writeFile(t, "secret", "mysql://remora:"+password+"@db.example/remora\n")
	c, err := loadConfig("", env(map[string]string{"REMORA_DATABASE_URL_FILE": file}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(c.nodes[0].DSN(), password) {
		t.Fatal("the secret was not read from its file")
	}
	_, err = loadConfig("", env(map[string]string{"REMORA_DATABASE_URL": "postgres://x:" + password + "@y/z"}), nil)
	if err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("the error shows the secret: %v", err)
	}
}

// TestFlagsAreTheTables holds the command line against the table of settings.
func TestFlagsAreTheTables(t *testing.T) {
	parser, err := kong.New(&grammar{}, kong.BindTo(t.Context(), new(any)))
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok && f.Tag.Get("setting") != "" {
			flags[f.Tag.Get("setting")] = f.Name + " " + f.Help
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range table {
		have, ok := flags[s.Key]
		if ok != (s.Flag != "") {
			t.Errorf("%s: flag %q in the table, %q on the command line", s.Key, s.Flag, have)
		}
		if ok && (!strings.HasPrefix(have, s.Flag+" ") || !strings.Contains(have, "("+s.Default+")")) {
			t.Errorf("%s: the flag is %q, the table says --%s with default %s", s.Key, have, s.Flag, s.Default)
		}
		delete(flags, s.Key)
	}
	if len(flags) > 0 {
		t.Errorf("flags for settings that there are not: %v", flags)
	}
}

// configurationDoc is the page of documentation that the table makes.
func configurationDoc() string {
	var b strings.Builder
	b.WriteString("# Settings\n\nMade from the table in `cmd/remora-server/settings.go` by `go test ./cmd/remora-server -run TestConfigurationDoc -update`.\n\n" +
		"A setting comes from, in order of rising precedence: its default, the TOML file named by `--config` (or `REMORA_CONFIG`), its\n" +
		"the file `overrides.toml` in the data folder (which commands write, not people), its environment\n" +
		"variable, its flag. An unknown key in the file is an error that names its line. `remora-server config show` prints\n" +
		"what is in force and where it comes from. A secret is never printed, and may be read from a file: put the file's name in the\n" +
		"variable with `_FILE` behind it.\n")
	section := ""
	for _, s := range table {
		sec, name, _ := strings.Cut(s.Key, ".")
		if sec != section {
			section = sec
			fmt.Fprintf(&b, "\n## [%s]\n", sec)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", name, s.Doc)
		def := "unset"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "- Default: %s\n- Environment: `%s`", def, s.Env)
		if s.Secret {
			fmt.Fprintf(&b, ", or a file named by `%s_FILE`; secret", s.Env)
		}
		if s.Live {
			b.WriteString("\n- SIGHUP brings a new value into force")
		}
		if s.Flag != "" {
			fmt.Fprintf(&b, "\n- Flag: `--%s`", s.Flag)
		}
		fmt.Fprintf(&b, "\n- In the file: `%s = %s`\n", name, s.Example)
	}
	return b.String()
}

func TestConfigurationDoc(t *testing.T) {
	const path = "../../docs/configuration.md"
	want := configurationDoc()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Errorf("docs/configuration.md is stale; run go test ./cmd/remora-server -run TestConfigurationDoc -update\n%s", d)
	}
}

// TestExamplesInTheDocAreGood puts every example of the page into one file and loads it.
func TestExamplesInTheDocAreGood(t *testing.T) {
	var b strings.Builder
	section := ""
	for _, s := range table {
		sec, name, _ := strings.Cut(s.Key, ".")
		if sec != section {
			section = sec
			fmt.Fprintf(&b, "[%s]\n", sec)
		}
		if s.Key == "database.url" {
			continue // database.nodes stands in its place
		}
		fmt.Fprintf(&b, "%s = %s\n", name, s.Example)
	}
	if _, err := loadConfig(writeFile(t, "c.toml", b.String()), noEnv, nil); err != nil {
		t.Error(err)
	}
}

// TestTheCommandStaysSmall keeps the reference server a place where libraries are wired together.
func TestTheCommandStaysSmall(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(b), "\n")
	}
	if lines == 0 || lines > 2500 {
		t.Errorf("cmd/remora-server has %d lines; what is not wiring belongs into a package", lines)
	}
}
