package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// Store is what an Importer needs of a [remora.Store].
type Store interface {
	Stage(ctx context.Context, sum remora.Digest, size int64, media string) error
	Draft(ctx context.Context, by remora.Actor, s *remora.Submission) (remora.Stored, error)
	Publish(ctx context.Context, by remora.Actor, versionID int64, to remora.State, s *remora.Submission) error
	EditActivity(ctx context.Context, by remora.Actor, activityID int64, e remora.ActivityEdit) error
	EditVersion(ctx context.Context, by remora.Actor, versionID int64, e remora.VersionEdit) error
	Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error
}

// Options tune an Importer. The zero value, or nil, is good.
type Options struct {
	// XO bounds and tunes the check of bundles.
	XO xo.Options
	// TempDir is where unpacked folders are packed; "" is [os.TempDir].
	TempDir string
}

// An Importer takes bundles in. It may be used by several goroutines at once.
type Importer struct {
	store Store
	files remora.Files
	o     Options
}

// New returns an Importer that records in store and keeps bytes in files.
func New(store Store, files remora.Files, o *Options) (*Importer, error) {
	if store == nil || files == nil {
		return nil, errors.New("intake: a store and files are required")
	}
	im := &Importer{store: store, files: files}
	if o != nil {
		im.o = *o
	}
	return im, nil
}

// Facts are what is known of a version besides its bundle: from an index, or from who imports it.
type Facts struct {
	ActivityID, FileID int64         // numbers of an older site; 0: new ones
	Range              *remora.Range // Sugar releases, set by a person; nil: inferred
	Channel            remora.Channel
	Categories         []string // nil: leave as they are
	FeaturedRank       *int     // nil: leave
	Hidden             bool     // hide the activity; false: leave it as it is
}

// A Result is what became of one bundle.
type Result struct {
	Stored   remora.Stored
	Bundle   *xo.Bundle
	Warnings []xo.Problem
}

// Import takes in the bundle at path: a .xo file, or an unpacked folder, which is packed first.
// about is asked for further facts once the bundle has said which version it is; nil: there are
// none. Importing what is there already is success, with Result.Stored.Existing set.
func (im *Importer) Import(ctx context.Context, by remora.Actor, path string, about func(bundleID string, n remora.Number) Facts) (*Result, error) {
	return im.inTurn(ctx, by, path, about, nil)
}

func (im *Importer) inTurn(ctx context.Context, by remora.Actor, path string, about func(string, remora.Number) Facts, t *turn) (*Result, error) {
	defer t.pass()
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	switch {
	case info.Mode().IsRegular():
		return im.file(ctx, by, path, about, t)
	case !info.IsDir():
		// To open a named pipe would wait for somebody to write into it.
		return nil, noFile(path)
	}
	packed, err := os.CreateTemp(im.o.TempDir, "beamrider-*.xo")
	if err != nil {
		return nil, err
	}
	defer os.Remove(packed.Name()) // it is ours alone; a leftover in the temporary folder harms nobody
	warnings, err := xo.Pack(ctx, path, packed, &im.o.XO)
	if err = errors.Join(err, packed.Close()); err != nil {
		return nil, err
	}
	r, err := im.file(ctx, by, packed.Name(), about, t)
	if r != nil {
		r.Warnings = append(warnings, r.Warnings...)
	}
	return r, err
}

func (im *Importer) file(ctx context.Context, by remora.Actor, path string, about func(string, remora.Number) Facts, t *turn) (*Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	bundle, err := xo.Read(ctx, f, info.Size(), &im.o.XO)
	if err != nil {
		return nil, err
	}
	var facts Facts
	if about != nil {
		facts = about(bundle.Manifest.BundleID, bundle.Manifest.Number)
	}
	s, err := im.submission(bundle, facts)
	if err != nil {
		return nil, err
	}
	r := &Result{Bundle: bundle, Warnings: bundle.Warnings}
	if r.Stored, err = im.submit(ctx, by, s, f, bundle.Icon, facts.Hidden, t); err != nil {
		return nil, err
	}
	return r, im.settle(ctx, by, r.Stored, facts)
}

// unreadable says that a bundle cannot be opened, which is its own fault and nobody else's.
func unreadable(err error) error {
	kind := remora.KindOf(err)
	if errors.Is(err, fs.ErrPermission) {
		kind = remora.KindForbidden
	}
	return &remora.Error{Kind: kind, Op: "intake.Import", Code: "import.unreadable", Message: "The bundle cannot be read. Check that it is there, and that whoever runs the import may read it.", Err: err}
}

// submit does the steps; each may find that an earlier attempt has done it.
func (im *Importer) submit(ctx context.Context, by remora.Actor, s *remora.Submission, r io.ReaderAt, icon []byte, hidden bool, t *turn) (remora.Stored, error) {
	media := "application/vnd.olpc-sugar"
	if s.ContentBundle {
		media = "application/vnd.olpc-content"
	}
	if err := im.store.Stage(ctx, s.SHA256, s.Size, media); err != nil {
		return remora.Stored{}, err
	}
	upload := remora.UploadName(s.SHA256)
	if err := im.files.Put(ctx, upload, io.NewSectionReader(r, 0, s.Size), s.Size, s.SHA256[:]); err != nil {
		return remora.Stored{}, err
	}
	if len(icon) > 0 {
		if err := im.files.Put(ctx, remora.IconName(s.Icon), bytes.NewReader(icon), int64(len(icon)), s.Icon[:]); err != nil {
			return remora.Stored{}, err
		}
	}
	if err := t.wait(ctx); err != nil {
		return remora.Stored{}, err
	}
	stored, err := im.store.Draft(ctx, by, s)
	t.pass()
	if err != nil {
		return remora.Stored{}, err
	}
	if hidden {
		// Before anything of it can be seen, if it is new. Its public name is not made.
		state := remora.ActivityDisabled
		if err := im.store.EditActivity(ctx, by, stored.ActivityID, remora.ActivityEdit{State: &state}); err != nil {
			return stored, err
		}
	} else {
		// Of what a person has hidden there is no public name either.
		shown, err := active(ctx, im.store, stored.ActivityID)
		if err != nil {
			return stored, err
		}
		hidden = !shown
	}
	switch stored.State {
	case remora.StateDraft:
	case remora.StatePublished, remora.StateAwaiting:
		if hidden {
			return stored, nil
		}
		// There already. Its name may have been lost by hand; linking again costs nothing.
		return stored, im.files.Link(ctx, upload, stored.PublicName())
	default:
		return stored, nil // a person has withdrawn it, and only a person brings it back
	}
	if !hidden {
		if err := im.files.Link(ctx, upload, stored.PublicName()); err != nil {
			return stored, err
		}
	}
	if err := im.store.Publish(ctx, by, stored.VersionID, remora.StatePublished, s); err != nil {
		return stored, err
	}
	stored.State = remora.StatePublished
	return stored, nil
}

// active reports whether an activity takes part in the catalog.
func active(ctx context.Context, store interface {
	Activities(ctx context.Context, q remora.ActivityQuery, yield func(remora.Activity) error) error
}, id int64) (yes bool, err error) {
	state := remora.ActivityActive
	err = store.Activities(ctx, remora.ActivityQuery{Ref: strconv.FormatInt(id, 10), State: &state}, func(a remora.Activity) error {
		yes = yes || a.ID == id
		return nil
	})
	return yes, err
}

// settle applies the facts that are not of the bundle, also to a version that was there already:
// who imports again with a better index means it.
func (im *Importer) settle(ctx context.Context, by remora.Actor, stored remora.Stored, facts Facts) error {
	if facts.Range != nil && stored.Existing && stored.State != remora.StateDeleted {
		edit := remora.VersionEdit{Range: &remora.RangeEdit{Range: *facts.Range, Source: remora.RangeSet}}
		if err := im.store.EditVersion(ctx, by, stored.VersionID, edit); err != nil {
			return err
		}
	}
	var e remora.ActivityEdit
	if facts.Categories != nil {
		e.Categories = &facts.Categories
	}
	e.FeaturedRank = facts.FeaturedRank
	if e.Categories == nil && e.FeaturedRank == nil {
		return nil
	}
	return im.store.EditActivity(ctx, by, stored.ActivityID, e)
}

func (im *Importer) submission(b *xo.Bundle, facts Facts) (*remora.Submission, error) {
	report, err := (&xo.Report{Inventory: b.Inventory, Warnings: b.Warnings}).Encode()
	if err != nil {
		return nil, err
	}
	m := &b.Manifest
	s := &remora.Submission{
		BundleID: m.BundleID, Name: b.Name, Summary: b.Summary, Description: b.Description,
		DefaultLocale: defaultLocale(m), ContentBundle: b.Kind == xo.KindContent, Tags: m.Tags,
		License: m.SPDX, LicenseText: m.License, Homepage: m.Homepage, Repository: m.Repository,
		Number: m.Number, Channel: facts.Channel,
		Range: remora.InferRange(m.Interpreter), RangeSource: remora.RangeInferred,
		Interpreter: m.Interpreter, Archs: b.Inventory.Archs,
		Size: b.Size, SHA256: b.SHA256, Report: report,
		ActivityID: facts.ActivityID, FileID: facts.FileID, History: im.o.XO.History,
	}
	if facts.Range != nil {
		s.Range, s.RangeSource = *facts.Range, remora.RangeSet
	}
	if len(b.Icon) > 0 {
		s.Icon = sha256.Sum256(b.Icon)
		s.IconSize = int64(len(b.Icon))
	}
	return s, nil
}

// defaultLocale returns the language of what the manifest itself says: English by convention,
// except where a content bundle names another.
func defaultLocale(m *xo.Manifest) string {
	if m.Locale != "" {
		return m.Locale
	}
	return "en"
}

// A Candidate is something that looks like a bundle.
type Candidate struct {
	Path   string
	Folder bool // an unpacked *.activity folder
}

// Find returns the bundles under paths, in a stable order: .xo and .xol files, and unpacked folders
// whose name ends in .activity; folders are searched. Links are followed where they are among paths
// and not below. A path that does not exist, or a file that is no bundle, is an error that is a
// [fs.PathError] or names the path in its message; all of them are joined, and the rest is still
// returned.
func Find(ctx context.Context, paths []string) ([]Candidate, error) {
	var found []Candidate
	var errs []error
	for _, path := range paths {
		n := len(found)
		root, err := follow(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if root != path && isFile(root) {
			// The name that was given counts, as it does for a file.
			if bundleName(path) {
				found = append(found, Candidate{Path: path})
				continue
			}
		}
		err = filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				errs = append(errs, err)
				return nil
			case d.IsDir() && filepath.Ext(p) == ".activity" && isFile(filepath.Join(p, "activity", "activity.info")):
				found = append(found, Candidate{Path: p, Folder: true})
				return filepath.SkipDir
			case d.Type().IsRegular() && bundleName(p):
				found = append(found, Candidate{Path: p})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(found) > n {
			continue
		}
		switch info, err := os.Stat(root); {
		case err != nil: // the walk has said so
		case info.Mode().IsRegular():
			errs = append(errs, remora.Errorf(remora.KindInvalid, "import.name", "%s is not a bundle: its name ends neither in .xo nor in .xol.", path))
		case !info.IsDir():
			errs = append(errs, noFile(path))
		}
	}
	return found, errors.Join(errs...)
}

// follow returns where a link leads, and path itself where it is none. The error is about a link
// that leads nowhere.
func follow(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, nil // what is wrong, the walk says
	}
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", &fs.PathError{Op: "follow", Path: path, Err: err}
	}
	return root, nil
}

func noFile(path string) error {
	return remora.Errorf(remora.KindInvalid, "import.file", "%s is neither a file nor a folder; a bundle is one or the other.", path)
}

func bundleName(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".xo" || ext == ".xol"
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
