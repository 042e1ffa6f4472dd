package xo

import (
	"slices"
	"strings"
	"unicode"
)

const (
	maxName     = 1024
	maxElement  = 255 // what file systems take
	maxElements = 64
)

// nameFault returns what is wrong with an entry's name as a path, ok without a fault.
func nameFault(name string) (c code, message string, ok bool) {
	switch {
	case strings.IndexByte(name, 0) >= 0:
		return codeNameNUL, "The name has a NUL character. " + repack, false
	case strings.IndexByte(name, '\\') >= 0:
		return codeNameBackslash, "The name has a backslash. Rename the file, or pack with a program that writes / between folders.", false
	case strings.HasPrefix(name, "/"):
		return codeNameAbsolute, "The name starts with a slash. " + repack, false
	case len(name) >= 2 && name[1] == ':' && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z'):
		return codeNameDrive, "The name starts with the letter of a drive. " + repack, false
	case strings.ContainsFunc(name, hidden):
		return codeNameControl, "The name has control characters. Rename the file.", false
	case len(name) > maxName || strings.Count(name, "/") > maxElements:
		return codeNameLong, "The name is too long. Shorten it to 1,024 bytes and 64 elements.", false
	}
	for rest, more := strings.TrimSuffix(name, "/"), true; more; {
		var element string
		element, rest, more = strings.Cut(rest, "/")
		switch {
		case element == "..":
			return codeNameParent, "The name has the element \"..\", which leads out of its folder. " + repack, false
		case element == "." || element == "":
			return codeNameDot, "The name has an empty element or the element \".\". " + repack, false
		case len(element) > maxElement:
			return codeNameLong, "The name has an element of more than 255 bytes. Shorten it.", false
		}
	}
	return 0, "", true
}

// hidden reports control characters and those that reorder the text around them (Unicode
// Technical Report 36, section 2.5).
func hidden(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// checkNames checks all names and returns the top folder, "" if there is none to speak of.
func (a *archive) checkNames(o *Options, rp *report) (top string) {
	type loc struct{ foreign, example string }
	var other loc
	others := 0
	good := make([]int32, 0, len(a.entries))
	for i := range a.entries {
		e := &a.entries[i]
		if i == 0 && e.name == "mimetype" {
			e.lead = true
			continue
		}
		if c, message, ok := nameFault(e.name); !ok {
			rp.add(c, shown(e.name), "%s", message)
			continue
		}
		if e.folder && e.size != 0 {
			rp.add(codeFolderData, shown(e.name), "The entry is a folder but has %d bytes of content. %s", e.size, repack)
		}
		first, _, inside := strings.Cut(e.name, "/")
		if !inside {
			rp.add(codeLooseFile, shown(e.name), "The file is outside the activity's folder. Pack the folder from outside, so that every name starts with it.")
			continue
		}
		switch {
		case top == "":
			top = first
		case first != top:
			if others == 0 {
				other = loc{first, e.name}
			}
			others++
			continue
		}
		good = append(good, int32(i))
	}
	if others > 0 {
		rp.add(codeTwoTops, shown(other.example), "Next to the folder %s there is %s (%d entries in all are outside). Pack only the activity's own folder.", quoted(top), quoted(other.foreign), others)
	}
	if len(a.entries) == 1 && a.entries[0].lead {
		rp.add(codeEmpty, "", "The archive has no files besides \"mimetype\". %s", repack)
	}
	switch {
	case top == "":
	case strings.HasPrefix(top, "."):
		rp.add(codeTopHidden, shown(top), "The top folder's name starts with a dot. Rename it, such as to \"Maze.activity\".")
	case !strings.HasSuffix(top, ".activity") && !o.Content:
		rp.add(codeTopSuffix, shown(top), "The top folder's name does not end in \".activity\". Rename it, such as to \"Maze.activity\".")
	}
	a.checkClashes(good, top, rp)
	return top
}

// checkClashes finds names used twice, and used for a file and a folder. It sorts names so that
// what clashes is next to each other, instead of keeping a table of every folder of every name:
// an archive of deep names would make that a hundred times the size of its directory.
func (a *archive) checkClashes(good []int32, top string, rp *report) {
	plain := func(i int32) string { return strings.TrimSuffix(a.entries[i].name, "/") }
	slices.SortFunc(good, func(i, j int32) int {
		if c := comparePaths(plain(i), plain(j)); c != 0 {
			return c
		}
		return int(i - j)
	})
	for n := 1; n < len(good); n++ {
		i, j := good[n-1], good[n]
		before, name := &a.entries[i], &a.entries[j]
		p, q := plain(i), plain(j)
		switch {
		case p == q && before.folder != name.folder, !before.folder && strings.HasPrefix(q, p) && len(q) > len(p) && q[len(p)] == '/':
			rp.add(codeNameClash, shown(p), "The name is used for a file and for a folder. Rename one of them.")
		case p != q:
		case strings.HasPrefix(p, top+"/locale/"):
			rp.add(codeNameTwiceLocale, shown(name.name), "There are several entries with this name; the last one is used.")
		default:
			rp.add(codeNameTwice, shown(name.name), "There are several entries with this name. Pack into a new file instead of adding to an old one.")
		}
	}
}

// comparePaths orders names as bytes, with the separator before every other byte: what is in a
// folder directly follows it.
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		case a[i] < b[i]:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}
