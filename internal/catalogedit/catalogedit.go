// Package catalogedit is what people change of an activity by command: the flags, what is wrong with
// them, and the change itself.
package catalogedit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/sugarlabs/beamrider/internal/screenshot"
	"github.com/sugarlabs/beamrider/remora"
)

// Changes are the flags of "catalog set". Fields that are not given change nothing.
type Changes struct {
	Sugar         *string           `help:"Sugar releases, such as 0.100-0.116 or 0.114-open; \"inferred\" goes back to what the interpreter says." placeholder:"MIN-MAX"`
	Channel       *string           `help:"stable or experimental; with --number." placeholder:"CHANNEL"`
	Category      []string          `help:"Categories, by short name; replaces those it has." placeholder:"NAME"`
	Tag           []string          `help:"Tags; replaces those it has." placeholder:"TAG"`
	Author        []string          `help:"Those who made it, by the name they are shown with; replaces those it has." sep:"none" placeholder:"NAME"`
	NoAuthors     bool              `help:"Name nobody."`
	Network       *string           `help:"Whether it works without a network: offline, needed or unknown." placeholder:"WORD"`
	Screenshot    []string          `help:"Pictures of it, PNG or JPEG, in this order; replaces those it has." type:"existingfile" sep:"none" placeholder:"FILE"`
	NoScreenshots bool              `help:"Take its pictures away."`
	Listed        *bool             `help:"Show it in lists and search." negatable:""`
	Name          map[string]string `help:"Name in a locale, as in es=Danza; empty: what the bundle says." placeholder:"LOCALE=TEXT"`
	Summary       map[string]string `help:"Summary in a locale." placeholder:"LOCALE=TEXT"`
}

// A Store is the catalog that is changed.
type Store interface {
	Stage(ctx context.Context, sum remora.Digest, size int64, media string) error
	EditActivity(ctx context.Context, by remora.Actor, activityID int64, e remora.ActivityEdit) error
	EditVersion(ctx context.Context, by remora.Actor, versionID int64, e remora.VersionEdit) error
}

// Files are where pictures go.
type Files interface {
	Put(ctx context.Context, name string, r io.Reader, size int64, sha256 []byte) error
}

// MaxScreenshots is how many pictures an activity has at most.
const MaxScreenshots = 12

// A Plan is a change that has been checked as far as it can be without the catalog.
type Plan struct {
	activity remora.ActivityEdit
	version  remora.VersionEdit
	pictures []*screenshot.Screenshot
	edits    bool // of the activity itself
}

// Plan checks the flags and reads the pictures. oneVersion says that a version was named.
func (c *Changes) Plan(oneVersion bool) (*Plan, error) {
	p := &Plan{}
	if err := c.planVersion(p, oneVersion); err != nil {
		return nil, err
	}
	e := &p.activity
	e.Listed = c.Listed
	if c.Category != nil {
		e.Categories = &c.Category
	}
	if c.Tag != nil {
		e.Tags = &c.Tag
	}
	for field, texts := range map[string]map[string]string{"name": c.Name, "summary": c.Summary} {
		for locale, value := range texts {
			e.Texts = append(e.Texts, remora.TextEdit{Field: field, Locale: remora.NormalizeLocale(locale), Value: value})
		}
	}
	switch {
	case c.NoAuthors && c.Author != nil:
		return nil, remora.Errorf(remora.KindInvalid, "set.authors", "--author and --no-authors contradict each other; give one of them.")
	case c.NoAuthors:
		e.Authors = &[]string{}
	case c.Author != nil:
		e.Authors = &c.Author
	}
	if c.Network != nil {
		n, err := remora.ParseNetwork(*c.Network)
		if err != nil {
			return nil, err
		}
		e.Network = &n
	}
	switch {
	case c.NoScreenshots && c.Screenshot != nil:
		return nil, remora.Errorf(remora.KindInvalid, "set.screenshots", "--screenshot and --no-screenshots contradict each other; give one of them.")
	case len(c.Screenshot) > MaxScreenshots:
		return nil, remora.Errorf(remora.KindInvalid, "set.screenshots", "An activity has %d screenshots at most, not %d.", MaxScreenshots, len(c.Screenshot))
	case c.NoScreenshots:
		e.Screenshots = &[]remora.Image{}
	}
	for _, name := range c.Screenshot {
		picture, err := readPicture(name)
		if err != nil {
			return nil, err
		}
		p.pictures = append(p.pictures, picture)
	}
	p.edits = e.Listed != nil || e.Categories != nil || e.Tags != nil || e.Texts != nil || e.Authors != nil || e.Network != nil || e.Screenshots != nil || p.pictures != nil
	if !p.edits && p.version == (remora.VersionEdit{}) {
		return nil, remora.Errorf(remora.KindInvalid, "set.nothing", "Say what to set; \"remora-server catalog set --help\" shows what there is.")
	}
	return p, nil
}

func (c *Changes) planVersion(p *Plan, oneVersion bool) error {
	if c.Sugar != nil {
		p.version.Range = &remora.RangeEdit{Source: remora.RangeInferred}
		if *c.Sugar != "inferred" {
			r, err := remora.ParseRange(*c.Sugar)
			if err != nil {
				return err
			}
			p.version.Range = &remora.RangeEdit{Range: r, Source: remora.RangeSet}
		}
	}
	if c.Channel == nil {
		return nil
	}
	if !oneVersion {
		return remora.Errorf(remora.KindInvalid, "set.version", "A channel is set for one version; name it with --number.")
	}
	channel, err := remora.ParseChannel(*c.Channel)
	p.version.Channel = &channel
	return err
}

func readPicture(name string) (_ *screenshot.Screenshot, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindInvalid, Code: "screenshot.open", Message: "The picture " + name + " cannot be opened.", Err: err}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	picture, err := screenshot.Read(f)
	if err != nil {
		return nil, &remora.Error{Kind: remora.KindOf(err), Code: "screenshot.read", Message: name + ": " + remora.MessageOf(err), Err: err}
	}
	return picture, nil
}

// Apply makes the change of a, or, as far as it is of versions, of only where that is not nil. The
// pictures are safe before the catalog names them.
func (p *Plan) Apply(ctx context.Context, store Store, files Files, by remora.Actor, a *remora.Activity, only *remora.Version) error {
	if p.edits {
		if p.pictures != nil {
			images := make([]remora.Image, 0, len(p.pictures))
			for _, s := range p.pictures {
				if err := store.Stage(ctx, s.SHA256, s.Size, s.Media); err != nil {
					return err
				}
				if err := files.Put(ctx, remora.ImageName(s.SHA256), bytes.NewReader(s.Data), s.Size, s.SHA256[:]); err != nil {
					return err
				}
				images = append(images, s.Image)
			}
			p.activity.Screenshots = &images
		}
		if err := store.EditActivity(ctx, by, a.ID, p.activity); err != nil {
			return err
		}
	}
	if p.version == (remora.VersionEdit{}) {
		return nil
	}
	versions := a.Versions
	if only != nil {
		versions = []remora.Version{*only}
	}
	for i := range versions {
		if versions[i].State == remora.StateDeleted {
			continue
		}
		if err := store.EditVersion(ctx, by, versions[i].ID, p.version); err != nil {
			return err
		}
	}
	return nil
}
