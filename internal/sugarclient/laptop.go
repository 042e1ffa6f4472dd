package sugarclient

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/sugarlabs/beamrider/internal/require"
)

//go:embed laptop.py
var script []byte

// python is the interpreter that Debian installs Sugar's modules for; one that comes first in PATH
// often does not see them.
const python = "/usr/bin/python3"

// An Offer is an update that the client found.
type Offer struct {
	ID       string `json:"id"`
	Version  string `json:"version"`
	Link     string `json:"link"`
	Size     int64  `json:"size"` // bytes, as the client shows it
	Optional bool   `json:"optional"`
}

// A Report is what the client did.
type Report struct {
	Offers   []Offer           `json:"offers"`
	Updated  []string          `json:"updated"`  // bundle ids installed
	Failed   []string          `json:"failed"`   // bundle ids not installed
	Registry map[string]string `json:"registry"` // what the desktop then shows: bundle id, version
	Name     string            `json:"name"`     // of an update group
	Desc     string            `json:"desc"`
	Size     int64             `json:"size"`
	Names    []string          `json:"names"`
	Entry    string            `json:"entry"`
	Error    string            `json:"error"`
}

// A Laptop is a home folder with Sugar in it.
type Laptop struct {
	// Sugar makes the client say that it is this release; "" is the release it is.
	Sugar string
	t     testing.TB
	home  string
}

// New returns a laptop without activities. Where the machine has no Sugar the test is skipped.
func New(t testing.TB) *Laptop {
	t.Helper()
	require.Tool(t, "unzip") // what Sugar unpacks bundles with
	if _, err := os.Stat(python); err != nil {
		require.Skip(t, "the program "+python+" is not installed")
	}
	for _, module := range []string{"jarabe/model/update/aslo.py", "sugar3/bundle/activitybundle.py"} {
		if _, err := os.Stat(filepath.Join("/usr/lib/python3/dist-packages", module)); err != nil {
			require.Skip(t, "Sugar's "+module+" is not installed (packages python3-jarabe, python3-sugar3, sugar-session)")
		}
	}
	l := &Laptop{t: t, home: t.TempDir()}
	for _, dir := range []string{"Activities", "Library", ".sugar/default/data", ".sugar/default/logs", "share", "run"} {
		if err := os.MkdirAll(filepath.Join(l.home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// The machine's own activities must not be asked for: only what describes types and settings
	// is seen of its data folder.
	for _, dir := range []string{"mime", "glib-2.0", "icons"} {
		if err := os.Symlink(filepath.Join("/usr/share", dir), filepath.Join(l.home, "share", dir)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Install puts an activity on the laptop without a server.
func (l *Laptop) Install(b Bundle) {
	l.t.Helper()
	if err := b.install(filepath.Join(l.home, "Activities")); err != nil {
		l.t.Fatal(err)
	}
}

// Read returns a file of an installed activity, "" if there is no such file.
func (l *Laptop) Read(b Bundle, name string) string {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.home, "Activities", b.Folder(), filepath.FromSlash(name)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	return string(data)
}

var versionLine = regexp.MustCompile(`(?m)^activity_version\s*=\s*(\S+)$`)

// Version returns the version of an installed activity as its activity.info says it, "" if absent.
func (l *Laptop) Version(b Bundle) string {
	l.t.Helper()
	m := versionLine.FindStringSubmatch(l.Read(b, "activity/activity.info"))
	if m == nil {
		return ""
	}
	return m[1]
}

// Update makes the laptop look for updates of all its activities at a server ("http://host:port"),
// and take and install them.
func (l *Laptop) Update(server string) Report {
	l.t.Helper()
	return l.run(map[string]any{"mode": "update", "server": server})
}

// Group makes the laptop read an update group's page.
func (l *Laptop) Group(url string) Report {
	l.t.Helper()
	return l.run(map[string]any{"mode": "group", "url": url})
}

// Peek makes the laptop read one entry of a bundle that stays on the server, with requests for
// ranges of it.
func (l *Laptop) Peek(url, entry string) Report {
	l.t.Helper()
	return l.run(map[string]any{"mode": "peek", "url": url, "entry": entry})
}

// deadline bounds one run of the client; it hangs for ever on answers it does not understand.
const deadline = 60 * time.Second

func (l *Laptop) run(args map[string]any) Report {
	l.t.Helper()
	result := filepath.Join(l.home, "result.json")
	if err := os.Remove(result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	args["result"] = result
	args["sugar"] = l.Sugar
	args["seconds"] = int(deadline.Seconds())
	input, err := json.Marshal(args)
	if err != nil {
		l.t.Fatal(err)
	}
	program := filepath.Join(l.home, "laptop.py")
	if err := os.WriteFile(program, script, 0o600); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), deadline+15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, program)
	cmd.Dir = l.home
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = []string{
		"PATH=/usr/bin:/bin",
		"HOME=" + l.home,
		"LANG=C.UTF-8",
		"GSETTINGS_BACKEND=memory",
		"GIO_USE_VFS=local",
		"NO_AT_BRIDGE=1",
		"XDG_DATA_HOME=" + filepath.Join(l.home, ".local/share"),
		"XDG_CONFIG_HOME=" + filepath.Join(l.home, ".config"),
		"XDG_CACHE_HOME=" + filepath.Join(l.home, ".cache"),
		"XDG_RUNTIME_DIR=" + filepath.Join(l.home, "run"),
		"XDG_DATA_DIRS=" + filepath.Join(l.home, "share"),
		"SUGAR_MIME_DEFAULTS=/usr/share/sugar/data/mime.defaults",
		"SUGAR_ACTIVITIES_HIDDEN=/usr/share/sugar/data/activities.hidden",
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	runErr := cmd.Run()
	data, err := os.ReadFile(result)
	if err != nil {
		l.t.Fatalf("the Sugar client ended without a result: %v\n%s", errors.Join(runErr, err), out.String())
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		l.t.Fatalf("the Sugar client's result %s: %v", data, err)
	}
	if runErr != nil || r.Error != "" {
		l.t.Logf("the Sugar client said: %v\n%s", runErr, out.String())
	}
	return r
}
