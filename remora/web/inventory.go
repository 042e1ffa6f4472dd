package web

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/sugarlabs/beamrider/remora"
	"github.com/sugarlabs/beamrider/remora/xo"
)

// Reports is where a page finds what is in a bundle. It is asked concurrently, and waited for two
// seconds at most.
type Reports interface {
	// Report returns what the check of a version's bundle has found, as [remora.Submission] has it:
	// an error of KindNotFound for a version that has none.
	Report(ctx context.Context, versionID int64) ([]byte, error)
}

// Bounds of what a page shows of a bundle, and of what is read and kept for that.
const (
	filesShown    = 500     // in all folders
	foldersShown  = 100     // folders
	binariesShown = 50      // programs made for one kind of processor
	warningsShown = 50      // warnings of the check
	localesShown  = 200     // languages
	maxPathShown  = 200     // bytes of a path
	keptReports   = 8 << 20 // bytes of what is kept of reports, about
)

// contents is what a page shows of a bundle's inventory, in no language.
type contents struct {
	files    int
	bytes    int64
	folders  []bundleFolder
	hidden   int // files in folders that are not shown
	binaries []nativeFile
	more     int // binaries that are not shown
	locales  []string
	warnings []bundleWarning
}

// A bundleFolder is one at the top of a bundle; that without a name holds the files beside it.
type bundleFolder struct {
	name  string
	count int
	bytes int64
	files []bundleFile // those that are shown
}

type bundleFile struct {
	path string // below the folder
	size int64
}

type nativeFile struct{ Path, Arch string }

// A bundleWarning is what the check of the bundle had to say to its developer, in English.
type bundleWarning struct{ Where, Message string }

// weight is about what contents take in memory.
func (c *contents) weight() uint32 {
	n := 256 + 64*len(c.locales)
	for i := range c.folders {
		n += 128 + 128*len(c.folders[i].files)
	}
	return uint32(n + 256*(len(c.binaries)+len(c.warnings)))
}

// readContents reads a report, as [xo.Report.Encode] writes it.
func readContents(packed []byte) (*contents, error) {
	report, err := xo.ParseReport(packed)
	if err != nil {
		return nil, err
	}
	in := &report.Inventory
	c := &contents{files: len(in.Files), bytes: in.Bytes, more: max(0, len(in.Binaries)-binariesShown)}
	for _, b := range in.Binaries[:min(len(in.Binaries), binariesShown)] {
		c.binaries = append(c.binaries, nativeFile{tail(b.Path), shorten(b.Arch, maxPathShown)})
	}
	for _, w := range report.Warnings[:min(len(report.Warnings), warningsShown)] {
		c.warnings = append(c.warnings, bundleWarning{tail(w.Where), shorten(w.Message, maxSummary*2)})
	}
	c.locales = append(c.locales, in.Locales[:min(len(in.Locales), localesShown)]...)
	at := map[string]int{}
	for _, f := range in.Files {
		name, rest, inside := strings.Cut(f.Path, "/")
		if !inside {
			name, rest = "", f.Path
		}
		i, found := at[name]
		if !found {
			i = len(c.folders)
			at[name] = i
			c.folders = append(c.folders, bundleFolder{name: tail(name)})
		}
		c.folders[i].count++
		c.folders[i].bytes += f.Size
		if i < foldersShown && len(c.folders[i].files) < filesShown {
			c.folders[i].files = append(c.folders[i].files, bundleFile{tail(rest), f.Size})
		}
	}
	slices.SortStableFunc(c.folders, func(x, y bundleFolder) int { // what is beside the folders comes last
		switch {
		case x.name == "" && y.name != "":
			return 1
		case x.name != "" && y.name == "":
			return -1
		}
		return 0
	})
	c.bound()
	return c, nil
}

// bound keeps as many files as are shown: of each folder the first, as evenly as there are, so that
// one large folder does not hide the others.
func (c *contents) bound() {
	for _, f := range c.folders[min(len(c.folders), foldersShown):] {
		c.hidden += f.count
	}
	c.folders = slices.Clip(c.folders[:min(len(c.folders), foldersShown)])
	order := make([]int, len(c.folders))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(c.folders[a].files) - len(c.folders[b].files) })
	left := filesShown
	for done, i := range order {
		f := &c.folders[i]
		share := left / (len(order) - done)
		f.files = slices.Clone(f.files[:min(len(f.files), share)])
		left -= len(f.files)
	}
}

// tail bounds a path, whose end says most.
func tail(path string) string {
	if len(path) <= maxPathShown {
		return path
	}
	cut := len(path) - maxPathShown + len("…")
	for cut < len(path) && path[cut]&0xC0 == 0x80 { // inside a letter
		cut++
	}
	return "…" + path[cut:]
}

// A contentsPart is what version.html shows of a bundle's contents.
type contentsPart struct {
	Count     string
	Folders   []folderRow
	More      string
	Languages string
	Binaries  []nativeFile
	MoreBins  string
	Warnings  []bundleWarning
}

type folderRow struct {
	Name  string // "" beside the folders
	Count string
	Size  string
	Files []fileRow
	More  string
}

type fileRow struct{ Path, Size string }

func (l *tongue) newContents(c *contents) *contentsPart {
	p := &contentsPart{
		// Translators: the number of files in a bundle, and how large they are together.
		Count:    l.n("%s file, %s when unpacked", "%s files, %s when unpacked", c.files, l.size(c.bytes)),
		Binaries: c.binaries, Warnings: c.warnings,
	}
	if c.hidden > 0 {
		p.More = l.n("and %s more file in other folders", "and %s more files in other folders", c.hidden)
	}
	if c.more > 0 {
		p.MoreBins = l.n("and %s more", "and %s more", c.more)
	}
	for i := range c.folders {
		f := &c.folders[i]
		row := folderRow{Name: f.name, Count: l.n("%s file", "%s files", f.count), Size: l.size(f.bytes)}
		for _, each := range f.files {
			row.Files = append(row.Files, fileRow{each.path, l.size(each.size)})
		}
		if more := f.count - len(f.files); more > 0 {
			row.More = l.n("and %s more file", "and %s more files", more)
		}
		p.Folders = append(p.Folders, row)
	}
	namer := display.Languages(language.Make(l.tag))
	names := make([]string, 0, len(c.locales))
	for _, tag := range c.locales {
		names = append(names, languageName(namer, tag))
	}
	slices.Sort(names)
	p.Languages = strings.Join(slices.Compact(names), listed)
	return p
}

// contentsOf returns what is in a version's bundle.
func (h *Handler) contentsOf(ctx context.Context, versionID int64) (*contents, error) {
	if h.reports == nil {
		return nil, remora.ErrNotFound
	}
	a, err := h.reports.get(ctx, versionID)
	return a.value, err
}
