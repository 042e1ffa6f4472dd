package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/examples/activities"
	"github.com/sugarlabs/beamrider/examples/growth/internal/load"
	"github.com/sugarlabs/beamrider/internal/require"
	"github.com/sugarlabs/beamrider/internal/sugarclient/sugarhome"
	"github.com/sugarlabs/beamrider/remora"
)

// goodVisit is what the updater reports when all is well.
func goodVisit() sugarhome.Report {
	r := sugarhome.Report{Registry: map[string]string{}}
	for _, s := range laptopHas {
		r.Registry[s.has.ID] = s.newest
		if s.has.Version != s.newest {
			r.Offers = append(r.Offers, sugarhome.Offer{ID: s.has.ID, Version: s.newest, Link: target + "/activities/1/x.xo", Size: 1024})
			r.Updated = append(r.Updated, s.has.ID)
		}
	}
	return r
}

func TestJudgeLaptop(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *sugarhome.Report)
		want   string // in the error, "": none
	}{
		{"all is well", func(*sugarhome.Report) {}, ""},
		{"another order", func(r *sugarhome.Report) { slices.Reverse(r.Offers) }, ""},
		{"the updater says something", func(r *sugarhome.Report) { r.Error = "no network" }, "says: no network"},
		{"nothing is offered", func(r *sugarhome.Report) { r.Offers = nil }, `offered ""; the newest is 1.10`},
		{"an old version is offered", func(r *sugarhome.Report) { r.Offers[1].Version = "1.9" }, `offered version "1.9"`},
		{"from elsewhere", func(r *sugarhome.Report) { r.Offers[0].Link = "http://10.66.0.101/x.xo" }, "10.66.0.101"},
		{"of no size", func(r *sugarhome.Report) { r.Offers[0].Size = 0 }, "with 0 bytes"},
		{"one is not taken", func(r *sugarhome.Report) { r.Updated = r.Updated[1:] }, "Star Counter 1: the laptop took"},
		{"one fails", func(r *sugarhome.Report) { r.Failed = []string{"x"} }, `could not install ["x"]`},
		{"the desktop shows the old one", func(r *sugarhome.Report) { r.Registry[laptopHas[1].has.ID] = "1.9" }, `shows version "1.9"`},
		{"what is new is offered", func(r *sugarhome.Report) {
			r.Offers = append(r.Offers, sugarhome.Offer{ID: "org.sugarlabs.samples.TurtlePost", Version: "2", Link: target + "/x", Size: 1})
		}, `Turtle Post 1: the laptop is offered "2"`},
		{"what it has not is offered", func(r *sugarhome.Report) { r.Offers = append(r.Offers, sugarhome.Offer{ID: "org.example.X"}) }, "org.example.X"},
	} {
		r := goodVisit()
		test.change(&r)
		err := judgeLaptop(r)
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

var infoLine = regexp.MustCompile(`(?m)^(name|bundle_id|activity_version)\s*[=:]\s*(.*)$`)

// TestLaptopHas holds what laptops are expected to get against the samples.
func TestLaptopHas(t *testing.T) {
	newest := map[string]string{} // by bundle id: folder, name, version
	numbers := map[string]remora.Number{}
	err := fs.WalkDir(activities.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Base(name) != "activity.info" {
			return err
		}
		text, err := fs.ReadFile(activities.FS(), name)
		if err != nil {
			return err
		}
		field := map[string]string{}
		for _, m := range infoLine.FindAllStringSubmatch(string(text), -1) {
			field[m[1]] = m[2]
		}
		number := remora.MustNumber(field["activity_version"])
		id := field["bundle_id"]
		if old, ok := numbers[id]; !ok || number.Compare(old) > 0 {
			numbers[id] = number
			folder, _, _ := strings.Cut(name, "/")
			newest[id] = strings.Join([]string{folder, field["name"], number.String(), path.Base(path.Dir(path.Dir(name)))}, " ")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range laptopHas {
		got[s.has.ID] = strings.Join([]string{s.folder, s.has.Name, s.newest, s.has.Folder()}, " ")
		if remora.MustNumber(s.has.Version).Compare(remora.MustNumber(s.newest)) > 0 {
			t.Errorf("%s: version %s is not older than %s", s.has.Name, s.has.Version, s.newest)
		}
	}
	if diff := cmp.Diff(newest, got); diff != "" {
		t.Errorf("(-samples +laptops)\n%s", diff)
	}
}

func TestInstalled(t *testing.T) {
	home, err := sugarhome.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := laptopHas[0]
	if err := home.Install(s.has); err != nil {
		t.Fatal(err)
	}
	if err := installed(home, s); err == nil || !strings.Contains(err.Error(), `version "1" in its folder`) {
		t.Errorf("an old version: %v", err)
	}
	real := s.has
	real.Version, real.Files = s.newest, map[string]string{}
	files, err := fs.Sub(activities.FS(), path.Join(s.folder, s.newest, s.has.Folder()))
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		real.Files[name] = string(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := home.Install(real); err != nil {
		t.Fatal(err)
	}
	if err := installed(home, s); err != nil {
		t.Errorf("the newest: %v", err)
	}
	some := slices.Sorted(maps.Keys(real.Files))[len(real.Files)-1]
	real.Files[some] += "?"
	if err := home.Install(real); err != nil {
		t.Fatal(err)
	}
	if err := installed(home, s); err == nil || !strings.Contains(err.Error(), some) {
		t.Errorf("a file with other bytes: %v", err)
	}
}

func TestRequireEnv(t *testing.T) {
	if requireEnv != require.Env {
		t.Errorf("%s is %s in tests", requireEnv, require.Env)
	}
}

func TestFindings(t *testing.T) {
	well := load.ReadbackReport{Rounds: 1000, Reads: 2000, P50: time.Millisecond, P99: 2 * time.Millisecond}
	missed := well
	missed.Missed, missed.First = 2, []string{"one", "two"}
	for _, test := range []struct {
		name   string
		f      findings
		strict bool
		want   int // broken promises
		notes  int
	}{
		{"all is well", findings{Readback: &well}, true, 0, 0},
		{"it did not come to that", findings{}, true, 0, 0},
		{"misses", findings{Readback: &missed}, false, 3, 0},
		{"a laptop failed", findings{Readback: &well, broken: []string{"stage 1: x"}}, false, 1, 0},
		{"no Sugar", findings{Readback: &well, absent: "Sugar is not installed"}, false, 0, 1},
		{"no Sugar, though promised", findings{Readback: &well, absent: "Sugar is not installed"}, true, 1, 1},
	} {
		broken, notes := test.f.judge(test.strict)
		if len(broken) != test.want || len(notes) != test.notes {
			t.Errorf("%s: %q, %q", test.name, broken, notes)
		}
		var b bytes.Buffer
		if err := test.f.print(&b); err != nil || strings.Contains(b.String(), "1000 writes") != (test.f.Readback != nil) {
			t.Errorf("%s: %v\n%s", test.name, err, b.String())
		}
	}
	if err := (&findings{Readback: &well}).print(full{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("where nothing can be written: %v", err)
	}
}

// full takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }
