package sugarhome

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

//go:embed laptop.py
var script []byte

// python is the interpreter that Debian installs Sugar's modules for; one that comes first in PATH
// often does not see them.
const python = "/usr/bin/python3"

// modules is where Debian keeps them.
const modules = "/usr/lib/python3/dist-packages"

// Deadline bounds one run of the client, which hangs for ever on answers it does not understand.
const Deadline = 60 * time.Second

// Absent says what this computer lacks to run the client, "" if nothing.
func Absent() string {
	if _, err := os.Stat(python); err != nil {
		return "the program " + python + " is not installed"
	}
	for _, module := range []string{"jarabe/model/update/aslo.py", "sugar3/bundle/activitybundle.py"} {
		if _, err := os.Stat(filepath.Join(modules, module)); err != nil {
			return "Sugar's " + module + " is not installed (packages python3-jarabe, python3-sugar3, sugar-session)"
		}
	}
	// What Sugar unpacks bundles with; PATH is that of the client.
	if _, err := os.Stat("/usr/bin/unzip"); err != nil {
		return "the program unzip is not installed"
	}
	return ""
}

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

	// Printed is the client's own output, for people.
	Printed string `json:"-"`
}

// A Home is a home folder with Sugar in it. Make it with [New]. One thing may be done with it at a
// time; different ones do not know of each other.
type Home struct {
	// Sugar makes the client say that it is this release; "" is the release it is.
	Sugar string
	// At is the folder's name where the client runs, which may be another one than here, where files
	// systems are mounted elsewhere; "" is the name here.
	At string
	// Run runs a program to its end, with stdin as its standard input, and returns what it printed.
	// It is told the program's environment by env(1). nil runs it here.
	Run func(ctx context.Context, stdin io.Reader, program string, args ...string) (string, error)

	dir string
}

// New makes a home without activities in the folder dir, which it creates if it is absent. Whether the
// client is there is for [Absent] to say.
func New(dir string) (*Home, error) {
	for _, d := range []string{"Activities", "Library", ".sugar/default/data", ".sugar/default/logs", "share", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(d)), 0o700); err != nil {
			return nil, err
		}
	}
	// The machine's own activities must not be asked for: only what describes types and settings
	// is seen of its data folder.
	for _, d := range []string{"mime", "glib-2.0", "icons"} {
		if err := os.Symlink("/usr/share/"+d, filepath.Join(dir, "share", d)); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return &Home{dir: dir}, nil
}

// Install puts an activity into the home without a server.
func (h *Home) Install(b Bundle) error { return b.unpack(filepath.Join(h.dir, "Activities")) }

// Read returns a file of an installed activity, "" if there is no such file.
func (h *Home) Read(b Bundle, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(h.dir, "Activities", b.Folder(), filepath.FromSlash(name)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return string(data), nil
}

var versionLine = regexp.MustCompile(`(?m)^activity_version\s*[=:]\s*(\S+)$`)

// Version returns the version of an installed activity as its activity.info says it, "" if absent.
func (h *Home) Version(b Bundle) (string, error) {
	info, err := h.Read(b, "activity/activity.info")
	if m := versionLine.FindStringSubmatch(info); m != nil {
		return m[1], nil
	}
	return "", err
}

// Update makes the client look for updates of all its activities at a server ("http://host:port"),
// and take and install them. What the client itself finds wrong is in the Report's Error; an error is
// returned when it came to no report.
func (h *Home) Update(ctx context.Context, server string) (Report, error) {
	return h.run(ctx, map[string]any{"mode": "update", "server": server})
}

// Group makes the client read an update group's page.
func (h *Home) Group(ctx context.Context, url string) (Report, error) {
	return h.run(ctx, map[string]any{"mode": "group", "url": url})
}

// Peek makes the client read one entry of a bundle that stays on the server, with requests for
// ranges of it.
func (h *Home) Peek(ctx context.Context, url, entry string) (Report, error) {
	return h.run(ctx, map[string]any{"mode": "peek", "url": url, "entry": entry})
}

func (h *Home) run(ctx context.Context, args map[string]any) (r Report, err error) {
	at := h.At
	if at == "" {
		at = filepath.ToSlash(h.dir)
	}
	const resultName, scriptName = "result.json", "laptop.py"
	result := filepath.Join(h.dir, resultName)
	if err := os.Remove(result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	args["result"] = path.Join(at, resultName)
	args["sugar"] = h.Sugar
	args["seconds"] = int(Deadline.Seconds())
	input, err := json.Marshal(args)
	if err != nil {
		return r, err
	}
	if err := os.WriteFile(filepath.Join(h.dir, scriptName), script, 0o600); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, Deadline+15*time.Second)
	defer cancel()
	run := h.Run
	if run == nil {
		run = here
	}
	// env clears what the caller's environment would change.
	printed, runErr := run(ctx, bytes.NewReader(input), "/usr/bin/env", "-i", "--chdir="+at,
		"PATH=/usr/bin:/bin",
		"HOME="+at,
		"LANG=C.UTF-8",
		"GSETTINGS_BACKEND=memory",
		"GIO_USE_VFS=local",
		"NO_AT_BRIDGE=1",
		"XDG_DATA_HOME="+path.Join(at, ".local/share"),
		"XDG_CONFIG_HOME="+path.Join(at, ".config"),
		"XDG_CACHE_HOME="+path.Join(at, ".cache"),
		"XDG_RUNTIME_DIR="+path.Join(at, "run"),
		"XDG_DATA_DIRS="+path.Join(at, "share"),
		"SUGAR_MIME_DEFAULTS=/usr/share/sugar/data/mime.defaults",
		"SUGAR_ACTIVITIES_HIDDEN=/usr/share/sugar/data/activities.hidden",
		python, path.Join(at, scriptName))
	if len(printed) > printedMost {
		printed = "…" + printed[len(printed)-printedMost:]
	}
	data, err := os.ReadFile(result)
	if err != nil {
		return r, fmt.Errorf("the Sugar client ended without a result: %w\n%s", errors.Join(runErr, err), printed)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("the Sugar client's result cannot be read (%w): %s", err, strconv.Quote(string(data[:min(len(data), printedMost)])))
	}
	if r.Error == "" && runErr != nil {
		r.Error = runErr.Error()
	}
	r.Printed = printed
	return r, nil
}

// printedMost bounds what is kept of what the client prints, in bytes.
const printedMost = 16 << 10

// here runs a program on this machine.
func here(ctx context.Context, stdin io.Reader, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = stdin
	cmd.WaitDelay = time.Second // what it started may hold its output open
	out, err := cmd.CombinedOutput()
	return string(out), err
}
