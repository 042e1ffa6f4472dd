package xo

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// Options are the bounds and the leniency of reading. The nil pointer and the zero value mean the
// defaults; a bound of zero or less is the default too. They leave ample room above the largest
// real bundles (35 MB packed, 82 MB unpacked, 6,854 files, one entry compressed 37:1).
type Options struct {
	MaxPacked   int64 // bytes of the file; default 128 MiB
	MaxUnpacked int64 // bytes of all entries; default 512 MiB
	MaxEntry    int64 // bytes of one entry; default 256 MiB
	MaxEntries  int   // entries; default 20,000, never more than 65,534
	MaxRatio    int   // unpacked to packed, of an entry or a bundle above 1 MiB; default 200
	MaxInfo     int64 // bytes of activity.info, and of each activity.linfo; default 64 KiB
	MaxIcon     int64 // bytes of the icon's file; default 256 KiB. What it becomes is held to 4 times that

	// History accepts what bundles from before the rules have: a bundle_id without a dot is a
	// warning.
	History bool
	// Content accepts content bundles (.xol) too: a top folder with any name, holding
	// library/library.info.
	Content bool
}

func (o *Options) withDefaults() *Options {
	var c Options
	if o != nil {
		c = *o
	}
	set := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&c.MaxPacked, 128<<20)
	set(&c.MaxUnpacked, 512<<20)
	set(&c.MaxEntry, 256<<20)
	set(&c.MaxInfo, 64<<10)
	set(&c.MaxIcon, 256<<10)
	if c.MaxEntries <= 0 {
		c.MaxEntries = 20000
	}
	c.MaxEntries = min(c.MaxEntries, 65534)
	if c.MaxRatio <= 0 {
		c.MaxRatio = 200
	}
	return &c
}

// The kinds of bundle, and their media types.
const (
	KindActivity = "xo"
	KindContent  = "xol"

	MediaActivity = "application/vnd.olpc-sugar"
	MediaContent  = "application/vnd.olpc-content"
)

// A Bundle is what Read found. It is not changed by this package afterwards and may be shared
// between goroutines that do not change it either.
type Bundle struct {
	Kind     string // KindActivity or KindContent
	Top      string // the top folder, such as "Maze.activity"
	Manifest Manifest

	// The texts in all languages of the bundle. What activity.info says counts as English, unless
	// there is a translation to English. Tags are separated by "; ". The description is plain text:
	// simple HTML in it has become paragraphs, a blank line between them, and lists.
	Name, Summary, Description, Tags remora.Text

	Icon      []byte // a sanitised SVG for Recolor; nil if there is none or it could not be used
	Inventory Inventory
	SHA256    [sha256.Size]byte // of the whole file
	Size      int64             // of the whole file, in bytes
	Warnings  []Problem         // at most 100
}

// Read reads a bundle of size bytes. What it returns for a bundle that breaks a rule, and what it
// guarantees for one that does not, is said at the top of this package. When r fails or ctx ends,
// the error is a *[remora.Error] of kind internal or unavailable with the cause in its chain.
func Read(ctx context.Context, r io.ReaderAt, size int64, o *Options) (*Bundle, error) {
	o = o.withDefaults()
	rp := &report{op: "xo.Read", lenient: o.History}
	b, err := read(ctx, r, size, o, rp)
	if err != nil && !errors.Is(err, errRefused) {
		return nil, err
	}
	if err := rp.err(); err != nil {
		return nil, err
	}
	b.Warnings = rp.warnings
	return b, nil
}

// ReadFile is Read on the named file.
func ReadFile(ctx context.Context, path string, o *Options) (*Bundle, error) {
	// Looked at before it is opened: opening a named pipe waits for whoever writes into it.
	if info, err := os.Stat(path); err != nil {
		return nil, fileError("The bundle could not be opened.", err)
	} else if !info.Mode().IsRegular() {
		return nil, &remora.Error{
			Kind: remora.KindInvalid, Op: "xo.ReadFile", Code: codes[codeNotZip].Code,
			Message: shown(path) + " is not a file. A bundle is one zip file; pack a folder first.",
			Err:     &Refusal{Problems: []Problem{{Code: codes[codeNotZip].Code, Message: "This is not a file."}}},
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError("The bundle could not be opened.", err)
	}
	defer f.Close() // opened for reading only: closing cannot lose anything
	info, err := f.Stat()
	if err != nil {
		return nil, fileError("The bundle could not be opened.", err)
	}
	return Read(ctx, f, info.Size(), o)
}

func fileError(message string, err error) error {
	kind := remora.KindInternal
	switch {
	case errors.Is(err, os.ErrNotExist):
		kind = remora.KindNotFound
	case errors.Is(err, os.ErrPermission):
		kind = remora.KindForbidden
	}
	return &remora.Error{Kind: kind, Op: "xo.ReadFile", Message: message, Err: err}
}

func read(ctx context.Context, r io.ReaderAt, size int64, o *Options, rp *report) (*Bundle, error) {
	if err := rp.stopped(ctx); err != nil {
		return nil, err
	}
	a, err := open(ctx, r, size, o, rp)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Kind: KindActivity, Size: size}
	b.Top = a.checkNames(o, rp)
	a.checkSizes(o, rp)
	winners := a.winners(b.Top)
	u := newUnpacker(a, rp)
	if err := u.readInfo(ctx, b, winners, o); err != nil && !errors.Is(err, errRefused) {
		return nil, err
	}
	if rp.refused() {
		// Nothing more is unpacked from an archive that is already refused.
		return nil, errRefused
	}
	if b.SHA256, err = a.digest(ctx, rp); err != nil {
		return nil, err
	}
	if err := u.survey(ctx, b, winners, o); err != nil {
		return nil, err
	}
	if rp.refused() {
		return nil, errRefused
	}
	b.Manifest.Interpreter = interpreterOf(b)
	return b, nil
}

// winners maps the path below the top folder of every file to its entry; of several with one name
// the last in the directory counts, as for Python and unzip.
func (a *archive) winners(top string) map[string]int {
	w := make(map[string]int, len(a.entries))
	if top == "" {
		return w
	}
	for i := range a.entries {
		e := &a.entries[i]
		if path, inside := strings.CutPrefix(e.name, top+"/"); inside && !e.folder && !e.lead {
			w[path] = i
		}
	}
	return w
}

// readInfo finds and reads activity.info, or library.info of a content bundle.
func (u *unpacker) readInfo(ctx context.Context, b *Bundle, winners map[string]int, o *Options) error {
	path, section := "activity/activity.info", "Activity"
	i, ok := winners[path]
	if !ok && o.Content {
		if j, content := winners["library/library.info"]; content {
			path, section, i, ok = "library/library.info", "Library", j, true
			b.Kind = KindContent
		}
	}
	if !ok {
		if b.Top != "" {
			near := ""
			for p := range winners {
				if strings.EqualFold(p, path) || strings.HasSuffix(p, "/activity.info") && (near == "" || p < near) {
					near = p
				}
			}
			hint := "Write that file; Sugar reads it to know what this is."
			if near != "" {
				hint = "There is " + quoted(near) + " instead; put it in its place."
			}
			u.rp.add(codeInfoMissing, shown(b.Top+"/"+path), "The file is missing. %s", hint)
		}
		return nil
	}
	if b.Kind == KindActivity && o.Content && !strings.HasSuffix(b.Top, ".activity") {
		u.rp.add(codeTopSuffix, shown(b.Top), "The top folder's name does not end in \".activity\". Rename it, such as to \"Maze.activity\".")
	}
	e := &u.a.entries[i]
	if e.opaque {
		return errRefused
	}
	where := shown(e.name)
	if e.size > o.MaxInfo {
		u.rp.add(codeInfoSize, where, "The file has %d bytes; at most %d are taken. Shorten its texts.", e.size, o.MaxInfo)
		return errRefused
	}
	data, err := u.small(ctx, e, o.MaxInfo)
	if err != nil {
		return err
	}
	f, faults := parseINI(data)
	for _, fault := range faults {
		u.rp.add(fault.code, at(where, fault.line), "%s", fault.message)
	}
	if len(faults) > 0 {
		return errRefused
	}
	m := &manifestReader{file: f, section: section, where: where, rp: u.rp, content: b.Kind == KindContent}
	b.Manifest = m.read()
	return nil
}

// survey unpacks every entry once, which checks it, and takes from it what the bundle shows.
func (u *unpacker) survey(ctx context.Context, b *Bundle, winners map[string]int, o *Options) error {
	inv := newInventory()
	texts := newTexts(&b.Manifest)
	icon := b.Manifest.iconPath
	if icon == "" {
		u.rp.add(codeIconMissing, shown(b.Top), "The manifest names no icon. Add activity/NAME.svg and a line \"icon = NAME\".")
	} else if _, there := winners[icon]; !there {
		u.rp.add(codeIconMissing, shown(b.Top+"/"+icon), "The icon's file is not in the bundle. Add it, or correct the key icon.")
	}
	for _, i := range u.a.order {
		e := &u.a.entries[i]
		path, inside := strings.CutPrefix(e.name, b.Top+"/")
		if e.folder {
			inv.Folders++
		}
		last := inside && !e.folder && winners[path] == int(i)
		where := shown(e.name)
		var head, keep []byte
		kept := false
		locale, isLinfo := linfoLocale(path)
		isLinfo = isLinfo && last && b.Kind == KindActivity && texts.room(locale, where, u.rp)
		isIcon := last && path == icon
		switch {
		case isLinfo && e.size > o.MaxInfo:
			u.rp.add(codeLinfoBroken, where, "The file has %d bytes; at most %d are read. Shorten its texts.", e.size, o.MaxInfo)
			isLinfo = false
		case isIcon && e.size > o.MaxIcon:
			u.rp.add(codeIconSize, where, "The icon has %d bytes; at most %d are taken. Simplify the drawing.", e.size, o.MaxIcon)
			isIcon = false
		case isLinfo || isIcon:
			kept, keep = true, make([]byte, 0, e.size)
		}
		err := u.unpack(ctx, e, func(chunk []byte) {
			if len(head) < elfHead {
				head = append(head, chunk[:min(len(chunk), elfHead-len(head))]...)
			}
			if kept {
				keep = append(keep, chunk...)
			}
		})
		if errors.Is(err, errRefused) {
			continue
		}
		if err != nil {
			return err
		}
		if last {
			inv.add(path, e.size, head)
		}
		switch {
		case isLinfo:
			texts.read(locale, where, keep, u.rp)
		case isIcon:
			b.Icon = u.rp.icon(keep, where, o.MaxIcon)
		}
	}
	inv.finish()
	b.Inventory = *inv
	b.Name, b.Summary, b.Description, b.Tags = texts.result()
	return nil
}

// icon sanitises an icon and notes what it finds.
func (rp *report) icon(raw []byte, where string, most int64) []byte {
	out, faults := sanitizeIcon(raw, 4*int(most))
	for _, f := range faults {
		rp.add(f.code, where, "%s", f.message)
	}
	return out
}
