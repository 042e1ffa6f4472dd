package activities

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/leonelquinteros/gotext"
	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/remora"
)

// A sample is what the README promises of one bundle.
type sample struct {
	Dir, ID, Number, Exec, License string
}

const prefix = "org.sugarlabs.samples."

var promised = []sample{
	{"echo-drum/2/EchoDrum.activity", "EchoDrum", "2", "sugar-activity-web", "MIT"},
	{"night-sky/5~edu/NightSky.activity", "NightSky", "5~edu", "sugar-activity-web", "Apache-2.0"},
	{"paper-boats/1.10/PaperBoats.activity", "PaperBoats", "1.10", "sugar-activity3", "MIT"},
	{"paper-boats/1.9/PaperBoats.activity", "PaperBoats", "1.9", "sugar-activity3", "MIT License"},
	{"star-counter/1/StarCounter.activity", "StarCounter", "1", "sugar-activity", "Apache License 2.0"},
	{"star-counter/2/StarCounter.activity", "StarCounter", "2", "sugar-activity3", "Apache-2.0"},
	{"turtle-post/1/TurtlePost.activity", "TurtlePost", "1", "sugar-activity3", "Apache-2.0"},
	{"word-garden/3-peru/WordGarden.activity", "WordGarden", "3-peru", "sugar-activity3", "Apache-2.0"},
}

// read returns a file of the samples.
func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parseINI reads the one section [Activity] as the samples use it: = or :, whole-line comments,
// indented continuation lines. It is stricter than Python's configparser, never laxer: what it
// accepts, Sugar reads to the same values, but for the % that it refuses.
func parseINI(t *testing.T, name string) map[string]string {
	t.Helper()
	values := map[string]string{}
	key, section := "", ""
	for i, line := range strings.Split(strings.TrimSuffix(string(read(t, name)), "\n"), "\n") {
		switch {
		case strings.Contains(line, "%"):
			t.Errorf("%s:%d: a %% would be taken for an interpolation", name, i+1)
		case strings.HasPrefix(line, "#"), strings.HasPrefix(line, ";"):
		case line == "[Activity]":
			if section != "" {
				t.Errorf("%s:%d: a second section", name, i+1)
			}
			section = line
		case strings.HasPrefix(line, " "):
			if key == "" {
				t.Errorf("%s:%d: a continuation of nothing", name, i+1)
			}
			values[key] += "\n" + strings.TrimSpace(line)
		default:
			at := strings.IndexAny(line, "=:")
			if at < 1 || section == "" {
				t.Fatalf("%s:%d: %q is not key = value in a section", name, i+1, line)
			}
			key = strings.ToLower(strings.TrimSpace(line[:at]))
			if _, twice := values[key]; twice {
				t.Errorf("%s:%d: %s is there twice", name, i+1, key)
			}
			values[key] = strings.TrimSpace(line[at+1:])
		}
	}
	return values
}

func TestSamplesArePromised(t *testing.T) {
	var got []sample
	dirs, err := fs.Glob(FS(), "*/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		info := parseINI(t, dir+"/activity/activity.info")
		id, ours := strings.CutPrefix(info["bundle_id"], prefix)
		if !ours {
			t.Errorf("%s: the id %q does not begin with %s", dir, info["bundle_id"], prefix)
		}
		command, class, hasClass := strings.Cut(info["exec"], " ")
		got = append(got, sample{dir, id, info["activity_version"], command, info["license"]})

		if number := path.Base(path.Dir(dir)); number != info["activity_version"] {
			t.Errorf("%s: the folder says %s, activity.info %s", dir, number, info["activity_version"])
		}
		if info["name"] == "" || info["summary"] == "" {
			t.Errorf("%s: no name or no summary", dir)
		}
		if hasClass {
			module, name, _ := strings.Cut(class, ".")
			if source := read(t, dir+"/"+module+".py"); !bytes.Contains(source, []byte("\nclass "+name+"(activity.Activity):")) {
				t.Errorf("%s: %s.py has no activity class %s", dir, module, name)
			}
		} else {
			read(t, dir+"/index.html")
		}
		checkIcon(t, dir+"/activity/"+info["icon"]+".svg")
	}
	sort.Slice(got, func(i, j int) bool { return got[i].Dir < got[j].Dir })
	if diff := cmp.Diff(promised, got); diff != "" {
		t.Errorf("the samples differ from the promise (-promised +found):\n%s", diff)
	}
}

// checkIcon asks for what Sugar needs to colour an icon: the two entities, declared and used, and
// the size it lays icons out by.
func checkIcon(t *testing.T, name string) {
	t.Helper()
	data := read(t, name)
	for _, entity := range []string{"stroke_color", "fill_color"} {
		if !regexp.MustCompile(`<!ENTITY `+entity+` "#[0-9A-F]{6}">`).Match(data) || !bytes.Contains(data, []byte("&"+entity+";")) {
			t.Errorf("%s does not declare and use %s", name, entity)
		}
	}
	decoder := xml.NewDecoder(bytes.NewReader(data))
	decoder.Entity = map[string]string{"stroke_color": "#010101", "fill_color": "#FFFFFF"}
	size := map[string]string{}
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "svg" {
			for _, attr := range start.Attr {
				size[attr.Name.Local] = attr.Value
			}
		}
	}
	if size["width"] != "55" || size["height"] != "55" {
		t.Errorf("%s is not 55 by 55", name)
	}
}

// TestOffers asks the catalog's own choice what laptops of several ages are offered, as the README
// says it.
func TestOffers(t *testing.T) {
	interpreters := map[string]remora.Interpreter{
		"sugar-activity":     remora.InterpreterPython2,
		"sugar-activity3":    remora.InterpreterPython3,
		"sugar-activity-web": remora.InterpreterWeb,
	}
	for _, tc := range []struct{ id, sugar, want string }{
		{"StarCounter", "0.82", "1"},
		{"StarCounter", "0.112", "1"},
		{"StarCounter", "0.114", "2"},
		{"StarCounter", "0.116", "2"},
		{"StarCounter", "0.122", "2"},
		{"PaperBoats", "0.112", ""},
		{"PaperBoats", "0.120", "1.10"},
		{"EchoDrum", "0.98", ""},
		{"NightSky", "0.100", "5~edu"},
		{"WordGarden", "0.120", "3-peru"},
	} {
		var releases []remora.Release
		for i, s := range promised {
			if s.ID == tc.id {
				interpreter := interpreters[s.Exec]
				releases = append(releases, remora.Release{
					ID: int64(i + 1), Number: remora.MustNumber(s.Number), State: remora.StatePublished,
					Interpreter: interpreter, Range: remora.InferRange(interpreter),
				})
			}
		}
		got := ""
		if best := remora.Select(remora.Client{Sugar: remora.MustNumber(tc.sugar)}, releases); best >= 0 {
			got = releases[best].Number.String()
		}
		if got != tc.want {
			t.Errorf("Sugar %s is offered %s %q, want %q", tc.sugar, tc.id, got, tc.want)
		}
	}
}

func TestLocales(t *testing.T) {
	names, err := fs.Glob(FS(), "*/*/*/locale/*/activity.linfo")
	if err != nil {
		t.Fatal(err)
	}
	languages, arabic := map[string]bool{}, false
	for _, name := range names {
		info := parseINI(t, name)
		if info["name"] == "" || info["summary"] == "" {
			t.Errorf("%s has no name or no summary", name)
		}
		language := path.Base(path.Dir(name))
		languages[language] = true
		arabic = arabic || language == "ar" && strings.ContainsRune(info["name"], 'ا')
	}
	for _, language := range []string{"es", "fr", "ar", "ja"} {
		if !languages[language] {
			t.Errorf("no sample is translated to %s", language)
		}
	}
	if !arabic {
		t.Error("no sample has an Arabic name")
	}
}

// TestCompiledWords keeps the .mo files, which Sugar reads, in step with the .po files, which
// people edit.
func TestCompiledWords(t *testing.T) {
	names, err := fs.Glob(FS(), "*/*/*/po/*.po")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no .po file was found")
	}
	for _, name := range names {
		dir, language := path.Dir(path.Dir(name)), strings.TrimSuffix(path.Base(name), ".po")
		id := parseINI(t, dir+"/activity/activity.info")["bundle_id"]
		source, compiled := gotext.NewPo(), gotext.NewMo()
		source.Parse(read(t, name))
		compiled.Parse(read(t, path.Join(dir, "locale", language, "LC_MESSAGES", id+".mo")))

		words := map[string]string{}
		for key, translation := range source.GetDomain().GetTranslations() {
			words[key] = translation.Get()
		}
		got := map[string]string{}
		for key, translation := range compiled.GetDomain().GetTranslations() {
			got[key] = translation.Get()
		}
		delete(words, "")
		delete(got, "")
		if len(words) == 0 {
			t.Errorf("%s has no words", name)
		}
		if diff := cmp.Diff(words, got); diff != "" {
			t.Errorf("%s is not what was compiled (-po +mo):\n%s", name, diff)
		}
		asked := map[string]bool{}
		scripts, err := fs.Glob(FS(), dir+"/*.py")
		if err != nil {
			t.Fatal(err)
		}
		for _, script := range scripts {
			for _, found := range regexp.MustCompile(`_\(\s*'([^']*)'\)`).FindAllSubmatch(read(t, script), -1) {
				asked[string(found[1])] = true
			}
		}
		for word := range asked {
			if words[word] == "" {
				t.Errorf("%s does not translate %q", name, word)
			}
		}
		for word := range words {
			if !asked[word] {
				t.Errorf("%s translates %q, which no script asks for", name, word)
			}
		}
	}
}

func TestFilesAreSmallAndPlain(t *testing.T) {
	outside := regexp.MustCompile(`(?:src|href|url|@import|fetch)\s*[=(]?\s*["']?(?:https?:)?//`)
	for _, s := range promised {
		var size int64
		err := fs.WalkDir(FS(), s.Dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			size += info.Size()
			if !entry.Type().IsRegular() {
				t.Errorf("%s is not a plain file", name)
			}
			data := read(t, name)
			switch path.Ext(name) {
			case ".html", ".css", ".js":
				if outside.Match(data) {
					t.Errorf("%s asks another site for something", name)
				}
				fallthrough
			case ".py":
				if !bytes.Contains(data, []byte("SPDX-License-Identifier: ")) {
					t.Errorf("%s names no licence", name)
				}
			case ".info", ".linfo", ".svg", ".txt", ".po", ".mo":
			default:
				t.Errorf("%s: such a file has no business in a sample", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if size > MaxBundleSize {
			t.Errorf("%s has %d bytes, more than %d", s.Dir, size, MaxBundleSize)
		}
	}
}

func TestIndex(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(read(t, "index.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header := []string{"bundle_id", "number", "addon_id", "file_id", "category", "featured", "sugar_min", "sugar_max", "hidden"}
	if diff := cmp.Diff(header, rows[0]); diff != "" {
		t.Fatalf("the header differs (-want +got):\n%s", diff)
	}
	categories := map[string]bool{"games": true, "drawing": true, "maths-science": true, "communication": true, "art": true, "reading-writing": true, "music": true, "tools": true}
	known, indexed := map[string]bool{}, map[string]bool{}
	for _, s := range promised {
		known[prefix+s.ID] = true
		known[prefix+s.ID+" "+s.Number] = true
	}
	for _, row := range rows[1:] {
		key := strings.TrimSpace(row[0] + " " + row[1])
		if !known[key] {
			t.Errorf("there is no sample %s", key)
		}
		if indexed[key] {
			t.Errorf("%s has two rows", key)
		}
		indexed[key] = true
		if row[1] == "" && !categories[row[4]] {
			t.Errorf("%s: there is no category %q", key, row[4])
		}
		if row[6]+row[7] != "" {
			if _, err := remora.ParseRange(row[6] + "-" + row[7]); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	for key := range known {
		if !strings.Contains(key, " ") && !indexed[key] {
			t.Errorf("%s has no row", key)
		}
	}
}

func TestCollection(t *testing.T) {
	var collection struct {
		Nickname      string            `toml:"nickname"`
		Listed        bool              `toml:"listed"`
		DefaultLocale string            `toml:"default_locale"`
		Name          map[string]string `toml:"name"`
		Description   map[string]string `toml:"description"`
		Activity      []struct {
			BundleID string `toml:"bundle_id"`
			Number   string `toml:"number"`
			Optional bool   `toml:"optional"`
		} `toml:"activity"`
	}
	decoder := toml.NewDecoder(bytes.NewReader(read(t, "classroom.toml"))).DisallowUnknownFields()
	if err := decoder.Decode(&collection); err != nil {
		t.Fatal(err)
	}
	if collection.Name[collection.DefaultLocale] == "" || collection.Description[collection.DefaultLocale] == "" {
		t.Error("the collection has no name or description in its own default locale")
	}
	pins := 0
	for _, item := range collection.Activity {
		found := false
		for _, s := range promised {
			found = found || item.BundleID == prefix+s.ID && (item.Number == "" || item.Number == s.Number)
		}
		if !found {
			t.Errorf("the collection names %s %s, which is no sample", item.BundleID, item.Number)
		}
		if item.Number != "" {
			pins++
		}
	}
	if pins == 0 {
		t.Error("the collection pins nothing")
	}
}

// TestPythonCompiles compiles every script without writing a byte code file, which would end up in
// the program. The Python 2 sample is written in the part of the language that Python 3 still
// reads, so that this test covers it too.
func TestPythonCompiles(t *testing.T) {
	python := require.Tool(t, "python3")
	names, err := fs.Glob(FS(), "*/*/*/*.py")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("no script was found")
	}
	for _, name := range names {
		command := exec.Command(python, "-c", "import sys; compile(sys.stdin.buffer.read(), sys.argv[1], 'exec')", name)
		command.Stdin = bytes.NewReader(read(t, name))
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
