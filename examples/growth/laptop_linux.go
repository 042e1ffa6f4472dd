package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/beamrider/examples/activities"
	"github.com/sugarlabs/beamrider/internal/sugarclient/sugarhome"
)

// requireEnv is the switch that makes what is absent a failure; it is that of the tests.
const requireEnv = "BEAMRIDER_REQUIRE"

// A sample is one of the sample activities, as a laptop has it before it is updated.
type sample struct {
	has    sugarhome.Bundle
	newest string // version in the library
	folder string // of its versions, among the samples
}

// laptopHas is what every laptop comes with. What it has of the last one is the newest.
var laptopHas = []sample{
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.StarCounter", Name: "Star Counter", Version: "1"}, "2", "star-counter"},
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.PaperBoats", Name: "Paper Boats", Version: "1.9"}, "1.10", "paper-boats"},
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.EchoDrum", Name: "Echo Drum", Version: "1"}, "2", "echo-drum"},
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.WordGarden", Name: "Word Garden", Version: "2"}, "3-peru", "word-garden"},
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.NightSky", Name: "Night Sky", Version: "4"}, "5~edu", "night-sky"},
	{sugarhome.Bundle{ID: "org.sugarlabs.samples.TurtlePost", Name: "Turtle Post", Version: "1"}, "1", "turtle-post"},
}

// A laptopVisit is what became of one laptop with the real Sugar, for the report.
type laptopVisit struct {
	Step    string   `json:"step"`
	Updated []string `json:"updated"` // activities, with their new versions
	Took    seconds  `json:"took_seconds"`
}

// laptop lets a new laptop with old activities, on the visitors' machine, update itself with Sugar's own
// updater, and looks at what it then has.
func (p *plan) laptop(ctx context.Context, step string) (*laptopVisit, error) {
	m := p.machine(visitors)
	p.laptops++
	at := fmt.Sprintf("/srv/laptop-%d", p.laptops)
	home, err := sugarhome.New(m.Path(at))
	if err != nil {
		return nil, err
	}
	home.At, home.Run = at, m.Run
	for _, s := range laptopHas {
		if err := home.Install(s.has); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	r, err := home.Update(ctx, target)
	if err != nil {
		return nil, err
	}
	visit := &laptopVisit{Step: step, Took: seconds(time.Since(began))}
	if err := judgeLaptop(r); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, r.Printed)
	}
	for _, s := range laptopHas {
		if err := installed(home, s); err != nil {
			return nil, err
		}
		if s.has.Version != s.newest {
			visit.Updated = append(visit.Updated, s.has.Name+" "+s.newest)
		}
	}
	return visit, os.RemoveAll(m.Path(at))
}

// judgeLaptop returns what Sugar's updater did otherwise than it should.
func judgeLaptop(r sugarhome.Report) error {
	var errs []error
	if r.Error != "" {
		errs = append(errs, fmt.Errorf("the updater of a laptop says: %s", r.Error))
	}
	offered := map[string]sugarhome.Offer{}
	for _, o := range r.Offers {
		offered[o.ID] = o
	}
	for _, s := range laptopHas {
		o, is := offered[s.has.ID]
		delete(offered, s.has.ID)
		old := s.has.Version != s.newest
		switch {
		case is != old:
			errs = append(errs, fmt.Errorf("%s %s: the laptop is offered %q; the newest is %s", s.has.Name, s.has.Version, o.Version, s.newest))
			continue
		case is && (o.Version != s.newest || !strings.HasPrefix(o.Link, target+"/") || o.Size <= 0):
			errs = append(errs, fmt.Errorf("%s %s: the laptop is offered version %q with %d bytes at %q; the newest is %s", s.has.Name, s.has.Version, o.Version, o.Size, o.Link, s.newest))
		}
		if old != slices.Contains(r.Updated, s.has.ID) {
			errs = append(errs, fmt.Errorf("%s %s: the laptop took %q", s.has.Name, s.has.Version, r.Updated))
		}
		if got := r.Registry[s.has.ID]; got != s.newest {
			errs = append(errs, fmt.Errorf("%s: the desktop shows version %q, and %s is the newest", s.has.Name, got, s.newest))
		}
	}
	if len(offered) > 0 || len(r.Failed) > 0 {
		errs = append(errs, fmt.Errorf("the laptop was offered what it has not (%v), or could not install %q", offered, r.Failed))
	}
	return errors.Join(errs...)
}

// installed returns an error unless the laptop has all files of the newest version. One that it
// came with was not the real one, and is left as it is.
func installed(home *sugarhome.Home, s sample) error {
	version, err := home.Version(s.has)
	if err != nil {
		return err
	}
	if version != s.newest {
		return fmt.Errorf("%s: the laptop has version %q in its folder, and %s is the newest", s.has.Name, version, s.newest)
	}
	if s.has.Version == s.newest {
		return nil
	}
	files, err := fs.Sub(activities.FS(), path.Join(s.folder, s.newest, s.has.Folder()))
	if err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		got, err := home.Read(s.has, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, []byte(got)) {
			return fmt.Errorf("%s %s: the laptop has %d bytes of %s, which are not the %d that were published", s.has.Name, s.newest, len(got), name, len(want))
		}
		return nil
	})
}
