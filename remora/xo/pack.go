package xo

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sugarlabs/beamrider/remora"
)

// Pack writes the unpacked activity in the folder dir to w as a bundle that [Read] accepts with
// the same options, and returns the warnings of packing and of reading.
//
// The same folder always gives the same bytes: names are sorted, all times are 1 January 1980, the
// mode is 0755 for a file that anybody may execute and 0644 for others, and everything is
// deflated. (Another release of Go may deflate to other bytes.) The top folder is named as dir if
// that ends in ".activity", else after the activity.
//
// Folders without files are left out, and what Sugar's own builder leaves out: .git, .gitignore,
// MANIFEST, *.pyc, *~, *.bak, __pycache__, and dist at the top. A symbolic link to a file in the
// folder is packed as that file; one that leads out of it, to a folder or nowhere, and anything
// that is neither file nor folder, is left out with a warning. Nothing outside of dir is read,
// even if links change meanwhile.
//
// Nothing is written to w unless the bundle is good: it is built in a temporary file first. A
// folder that makes no good bundle gives the error of Read.
func Pack(ctx context.Context, dir string, w io.Writer, o *Options) (warnings []Problem, err error) {
	o = o.withDefaults()
	p := &packer{o: o, rp: &report{op: "xo.Pack", lenient: o.History}}
	if err := p.rp.stopped(ctx); err != nil {
		return nil, err
	}
	if p.root, err = os.OpenRoot(dir); err != nil {
		return nil, packError("The folder could not be opened.", err)
	}
	defer func() { err = errors.Join(err, p.root.Close()) }()
	if p.top, err = p.topFolder(dir); err != nil {
		return nil, err
	}
	if err := p.collect(ctx); err != nil {
		return p.rp.warnings, p.end(err)
	}
	tmp, err := os.CreateTemp("", "xo-pack-*")
	if err != nil {
		return nil, packError("There is no room for a temporary file.", err)
	}
	defer func() { err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name())) }()
	if err := p.write(ctx, tmp); err != nil {
		return p.rp.warnings, p.end(err)
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, packError("The temporary file could not be read.", err)
	}
	b, err := Read(ctx, tmp, size, o)
	if err != nil {
		return p.rp.warnings, err
	}
	warnings = append(p.rp.warnings, b.Warnings...)
	if _, err := io.Copy(w, io.NewSectionReader(tmp, 0, size)); err != nil {
		return warnings, packError("The bundle could not be written.", err)
	}
	return warnings, nil
}

func packError(message string, err error) error {
	kind := remora.KindInternal
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = remora.KindNotFound
	case errors.Is(err, fs.ErrPermission):
		kind = remora.KindForbidden
	}
	return &remora.Error{Kind: kind, Op: "xo.Pack", Message: message, Err: err}
}

type packer struct {
	o     *Options
	rp    *report
	root  *os.Root
	top   string
	files []packFile
	total int64
}

type packFile struct {
	name       string // below the folder, with /
	executable bool
}

// end turns errRefused into the error of the report.
func (p *packer) end(err error) error {
	if errors.Is(err, errRefused) {
		return p.rp.err()
	}
	return err
}

// topFolder names the folder in the bundle.
func (p *packer) topFolder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", packError("The folder could not be opened.", err)
	}
	base := filepath.Base(abs)
	if strings.HasSuffix(base, ".activity") || p.o.Content {
		return base, nil
	}
	// A developer's checkout is named as the repository. Sugar's builder names the folder after
	// the activity; a manifest that cannot be read is told about when the bundle is read.
	f, err := p.root.Open("activity/activity.info")
	if errors.Is(err, fs.ErrNotExist) {
		return base + ".activity", nil
	}
	if err != nil {
		return "", packError("activity/activity.info could not be opened.", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, p.o.MaxInfo))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", packError("activity/activity.info could not be read.", err)
	}
	if ini, faults := parseINI(data); len(faults) == 0 {
		name, _, _, fault := ini.get("Activity", "name")
		name = strings.Join(strings.Fields(name), "")
		if _, _, ok := nameFault(name); fault == nil && ok && !strings.ContainsAny(name, "/") && !strings.HasPrefix(name, ".") {
			return name + ".activity", nil
		}
	}
	return base + ".activity", nil
}

// collect lists what is packed. It goes through folders with a list of its own, so that deep
// folders cost memory, and only up to the number of entries that Read would take.
func (p *packer) collect(ctx context.Context) error {
	folders := []string{"."}
	seen := 0
	for len(folders) > 0 {
		folder := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		if err := p.rp.stopped(ctx); err != nil {
			return err
		}
		d, err := p.root.Open(folder)
		if err != nil {
			return packError("The folder "+shown(folder)+" could not be opened.", err)
		}
		for {
			list, err := d.ReadDir(256)
			for _, item := range list {
				if seen++; seen > 4*p.o.MaxEntries {
					p.rp.add(codeTooMany, shown(folder), "The folder holds more than %d files and folders. Leave out what the activity does not need.", 4*p.o.MaxEntries)
					return errors.Join(errRefused, d.Close())
				}
				name := path.Join(folder, item.Name())
				if ignored(name, item.Name()) {
					continue
				}
				if item.IsDir() {
					folders = append(folders, name)
					continue
				}
				if err := p.consider(name); err != nil {
					return errors.Join(err, d.Close())
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return errors.Join(packError("The folder "+shown(folder)+" could not be read.", err), d.Close())
			}
		}
		if err := d.Close(); err != nil {
			return packError("The folder "+shown(folder)+" could not be read.", err)
		}
		if len(p.files) > p.o.MaxEntries {
			p.rp.add(codeTooMany, "", "The folder holds more than %d files. Leave out what the activity does not need.", p.o.MaxEntries)
			return errRefused
		}
	}
	slices.SortFunc(p.files, func(a, b packFile) int { return comparePaths(a.name, b.name) })
	return nil
}

func ignored(name, base string) bool {
	switch base {
	case ".git", ".gitignore", "MANIFEST", "__pycache__":
		return true
	}
	return name == "dist" || strings.HasSuffix(base, ".pyc") || strings.HasSuffix(base, "~") || strings.HasSuffix(base, ".bak")
}

// consider adds one file, or what a link leads to.
func (p *packer) consider(name string) error {
	info, err := p.root.Lstat(name)
	if err != nil {
		return packError("The file "+shown(name)+" could not be looked at.", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		info, err = p.root.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			p.rp.add(codePackLinkBroken, shown(name), "The link leads nowhere and was left out.")
			return nil
		case err != nil:
			// os.Root refuses to leave the folder; a link to itself ends here too.
			p.rp.add(codePackLinkOutside, shown(name), "The link leads out of the folder and was left out. Put a copy of the file in its place if the activity needs it.")
			return nil
		case info.IsDir():
			p.rp.add(codePackLinkFolder, shown(name), "The link leads to a folder and was left out. Put a copy of the folder in its place if the activity needs it.")
			return nil
		}
	}
	if !info.Mode().IsRegular() {
		p.rp.add(codePackSpecial, shown(name), "This is neither a file nor a folder and was left out.")
		return nil
	}
	p.files = append(p.files, packFile{name, info.Mode()&0o111 != 0})
	return nil
}

// write builds the archive.
func (p *packer) write(ctx context.Context, to io.Writer) error {
	z := zip.NewWriter(to)
	for _, file := range p.files {
		h := &zip.FileHeader{
			Name: p.top + "/" + file.name, Method: zip.Deflate,
			// 1 January 1980, the first day the format knows.
			//lint:ignore SA1019 the field that replaces it adds an extra field to every entry
			ModifiedDate: 1<<5 | 1,
		}
		mode := fs.FileMode(0o644)
		if file.executable {
			mode = 0o755
		}
		h.SetMode(mode)
		entry, err := z.CreateHeader(h)
		if err != nil {
			return packError("The bundle could not be written.", err)
		}
		if err := p.copy(ctx, entry, file.name); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return packError("The bundle could not be written.", err)
	}
	return nil
}

// copy packs the content of one file. The file is opened without waiting, in case it has become a
// pipe since it was looked at.
func (p *packer) copy(ctx context.Context, to io.Writer, name string) (err error) {
	f, err := p.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return packError("The file "+shown(name)+" could not be opened.", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return packError("The file "+shown(name)+" changed while it was packed. Try again.", err)
	}
	buf := make([]byte, chunk)
	var size int64
	for {
		if err := p.rp.stopped(ctx); err != nil {
			return err
		}
		n, err := f.Read(buf)
		size += int64(n)
		if p.total += int64(n); size > p.o.MaxEntry || p.total > p.o.MaxUnpacked {
			p.rp.add(codeBomb, shown(name), "With this file the bundle would be larger than is taken (%d bytes for one file, %d in all). Leave it out.", p.o.MaxEntry, p.o.MaxUnpacked)
			return errRefused
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return packError("The bundle could not be written.", err)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return packError("The file "+shown(name)+" could not be read.", err)
		}
	}
}
