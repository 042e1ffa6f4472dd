package xo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// A badCase is a bundle with one problem, which its code must be the first of.
type badCase struct {
	name string
	code string
	data []byte
	opts *Options
}

func named(name string) []byte { return with(rawEntry{name: name, data: []byte("x")}) }

func unicodePath(of, name string) []byte {
	b := binary.LittleEndian.AppendUint16(nil, extraUnicodePath)
	b = binary.LittleEndian.AppendUint16(b, uint16(5+len(name)))
	b = append(b, 1)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(of)))
	return append(b, name...)
}

func extraField(id uint16, content ...byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(content)))
	return append(b, content...)
}

// replaced swaps one line of the good activity.info.
func replaced(old, now string) []byte {
	if !strings.Contains(goodInfo, old) {
		panic(old)
	}
	return info(strings.Replace(goodInfo, old, now, 1))
}

// badCases has at least one bundle for every code that refuses.
func badCases() []badCase {
	small := rawEntry{name: "Maze.activity/x", data: []byte("hello, world")}
	lying := func(f func(local, central []byte)) []byte {
		e := small
		e.lie = f
		return with(e)
	}
	described := func(f func(crc, packed, size uint32) []byte) []byte {
		e := small
		e.descriptor = f
		return with(e)
	}
	attr := func(mode uint32) []byte {
		e := small
		e.attr = mode << 16
		return with(e)
	}
	whole := with()
	cases := []badCase{
		{"empty file", "zip.not_zip", nil, nil},
		{"text", "zip.not_zip", []byte("this is a letter, not an archive, and longer than an end record"), nil},
		{"rar", "zip.not_zip", []byte("Rar!\x1a\x07\x00 and more and more and more and more"), nil},
		{"larger than allowed", "zip.too_large", whole, &Options{MaxPacked: 100}},
		{"cut in the middle", "zip.truncated", whole[:len(whole)/2], nil},
		{"cut before the end record", "zip.truncated", whole[:len(whole)-30], nil},
		{"cut at the front", "zip.truncated", whole[10:], nil},
		{"cut comment", "zip.truncated", rawZip{entries: good(), comment: []byte("abcdef")}.bytes()[:len(whole)+3], nil},
		{"entry beyond directory", "zip.truncated", lying(func(l, c []byte) { put32(l, 18, 1<<20); put32(c, 20, 1<<20); put32(l, 22, 1<<20); put32(c, 24, 1<<20) }), nil},
		{"self-extracting", "zip.leading", rawZip{entries: good(), prefix: []byte("#!/bin/sh\n")}.bytes(), nil},
		{"leading, offsets corrected", "zip.leading", func() []byte {
			e := good()
			e[0].before = []byte("#!/bin/sh\n")
			return rawZip{entries: e}.bytes()
		}(), nil},
		{"trailing", "zip.trailing", rawZip{entries: good(), suffix: []byte("x")}.bytes(), nil},
		{"trailing archive", "zip.leading", append(bytes.Clone(whole), whole...), nil},
		{"end record in the comment", "zip.trailing", rawZip{entries: good(), comment: append([]byte("PK\x05\x06"), make([]byte, 40)...)}.bytes(), nil},
		{"archive in the comment", "zip.leading", rawZip{entries: good(), comment: whole}.bytes(), nil},
		{"second disk", "zip.multidisk", rawZip{entries: good(), end: func(e []byte) { put16(e, 4, 1) }}.bytes(), nil},
		{"fewer on this disk", "zip.multidisk", rawZip{entries: good(), end: func(e []byte) { put16(e, 8, 1) }}.bytes(), nil},
		{"entry on second disk", "zip.multidisk", lying(func(_, c []byte) { put16(c, 34, 2) }), nil},
		{"split mark", "zip.multidisk", func() []byte {
			e := good()
			e[0].lie = func(l, _ []byte) { put32(l, 0, sigSpanned) }
			return rawZip{entries: e}.bytes()
		}(), nil},
		{"zip64 locator", "zip.zip64", rawZip{entries: good(), afterDir: append([]byte("PK\x06\x07"), make([]byte, 16)...)}.bytes(), nil},
		{"zip64 count", "zip.zip64", rawZip{entries: good(), end: func(e []byte) { put16(e, 8, 0xffff); put16(e, 10, 0xffff) }}.bytes(), nil},
		{"zip64 entry", "zip.zip64", lying(func(_, c []byte) { put32(c, 24, 0xffffffff) }), nil},
		{"zip64 field in directory", "zip.zip64", with(rawEntry{name: "Maze.activity/x", extra: extraField(extraZip64, make([]byte, 16)...)}), nil},
		{"odd zip64 field before entry", "zip.zip64", with(rawEntry{name: "Maze.activity/x", local: extraField(extraZip64, 1, 2, 3)}), nil},
		{"directory signature", "zip.directory", lying(func(_, c []byte) { c[0] = 'Q' }), nil},
		{"count too high", "zip.directory", rawZip{entries: good(), end: func(e []byte) { put16(e, 8, 9); put16(e, 10, 9) }}.bytes(), nil},
		{"count too low", "zip.directory", rawZip{entries: good(), end: func(e []byte) { put16(e, 8, 1); put16(e, 10, 1) }}.bytes(), nil},
		{"directory too large", "zip.directory_large", rawZip{entries: good(), end: func(e []byte) { put32(e, 12, maxDirectory+1) }}.bytes(), nil},
		{"too many entries", "zip.too_many", whole, &Options{MaxEntries: 2}},
		{"no entries", "zip.empty", rawZip{}.bytes(), nil},
		{"only mimetype", "zip.empty", rawZip{entries: []rawEntry{{name: "mimetype", data: []byte(MediaActivity)}}}.bytes(), nil},
		{"gap between entries", "zip.gap", with(rawEntry{name: "Maze.activity/x", before: []byte("secret")}), nil},
		{"gap before directory", "zip.gap", rawZip{entries: good(), beforeDir: []byte("secret")}.bytes(), nil},
		{"gap behind directory", "zip.gap", rawZip{entries: good(), afterDir: []byte("secret")}.bytes(), nil},
		{"gap behind descriptor", "zip.gap", described(func(c, p, s uint32) []byte { return append(plainDescriptor(c, p, s), make([]byte, 20)...) }), nil},
		{"two entries in one place", "zip.overlap", with(small, rawEntry{name: "Maze.activity/x2", data: []byte("hello, world"), offset: func(n int) int { return n - 43 - 14 }, localName: "Maze.activity/x"}), nil},
		{"entry inside an entry", "zip.overlap", func() []byte {
			inner := rawZip{entries: []rawEntry{text("inner", "content")}}.bytes()
			outer := rawEntry{name: "Maze.activity/outer", data: inner}
			// The second entry's own header is inside of the first one's content.
			return with(outer, rawEntry{name: "Maze.activity/inner", data: []byte("content"), deflate: true, flags: 0, offset: func(n int) int { return n - len(inner) }})
		}(), nil},
		{"points beyond", "zip.local_header", lying(func(_, c []byte) { put32(c, 42, 1<<20) }), nil},
		{"points into content", "zip.local_header", lying(func(l, _ []byte) { l[0] = 'Q' }), nil},
		{"other name", "zip.header_mismatch", with(rawEntry{name: "Maze.activity/x", localName: "Maze.activity/y"}), nil},
		{"longer name", "zip.header_mismatch", with(rawEntry{name: "Maze.activity/x", localName: "Maze.activity/xx"}), nil},
		{"other method", "zip.header_mismatch", lying(func(l, _ []byte) { put16(l, 8, 8) }), nil},
		{"other flags", "zip.header_mismatch", lying(func(l, _ []byte) { put16(l, 6, flagUTF8) }), nil},
		{"other checksum", "zip.header_mismatch", lying(func(l, _ []byte) { put32(l, 14, 1) }), nil},
		{"other packed size", "zip.header_mismatch", lying(func(l, _ []byte) { put32(l, 18, 1) }), nil},
		{"other size", "zip.header_mismatch", lying(func(l, _ []byte) { put32(l, 22, 1) }), nil},
		{"zip64 size differs", "zip.header_mismatch", func() []byte {
			e := small
			e.local = extraField(extraZip64, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0)
			e.lie = func(l, _ []byte) { put32(l, 18, 0xffffffff); put32(l, 22, 0xffffffff) }
			return with(e)
		}(), nil},
		{"no descriptor", "zip.descriptor", described(func(_, _, _ uint32) []byte { return nil }), nil},
		{"unsigned descriptor of 16", "zip.descriptor", described(func(_, _, _ uint32) []byte { return make([]byte, 16) }), nil},
		{"descriptor lies", "zip.descriptor", described(func(c, p, s uint32) []byte { return plainDescriptor(c, p, s+1) }), nil},
		{"extra field cut", "zip.extra", with(rawEntry{name: "Maze.activity/x", extra: []byte{1, 2, 3}}), nil},
		{"extra field too long", "zip.extra", with(rawEntry{name: "Maze.activity/x", local: []byte{0x55, 0x54, 9, 0, 1}}), nil},
		{"renamed by extra field", "zip.unicode_path", with(rawEntry{name: "Maze.activity/x", extra: unicodePath("Maze.activity/x", "/etc/passwd")}), nil},
		{"renamed before the entry", "zip.unicode_path", with(rawEntry{name: "Maze.activity/x", local: unicodePath("Maze.activity/x", "Maze.activity/y")}), nil},
		{"spelled in one header", "zip.unicode_path", with(rawEntry{name: "Maze.activity/ni\xa4o", extra: unicodePath("Maze.activity/ni\xa4o", "Maze.activity/niño")}), nil},
		{"broken unicode path", "zip.unicode_path", with(rawEntry{name: "Maze.activity/x", extra: extraField(extraUnicodePath, 1)}), nil},
		{"encrypted", "zip.encrypted", with(rawEntry{name: "Maze.activity/x", flags: flagEncrypted}), nil},
		{"strongly encrypted", "zip.encrypted", with(rawEntry{name: "Maze.activity/x", extra: extraField(extraStrong)}), nil},
		{"AES", "zip.encrypted", with(rawEntry{name: "Maze.activity/x", local: extraField(extraAES)}), nil},
		{"bzip2", "zip.method", lying(func(l, c []byte) { put16(l, 8, 12); put16(c, 10, 12) }), nil},
		{"deflate64", "zip.method", lying(func(l, c []byte) { put16(l, 8, 9); put16(c, 10, 9) }), nil},
		{"patched data", "zip.flags", with(rawEntry{name: "Maze.activity/x", flags: 1 << 5}), nil},
		{"symlink", "zip.symlink", attr(0o120777), nil},
		{"device", "zip.special", attr(0o020666), nil},
		{"pipe", "zip.special", attr(0o010666), nil},
		{"folder by mode alone", "zip.special", attr(0o040755), nil},
		{"volume label", "zip.special", with(rawEntry{name: "Maze.activity/x", attr: dosVolumeLabel}), nil},
		{"setuid", "zip.setuid", attr(0o104755), nil},
		{"setgid", "zip.setuid", attr(0o102755), nil},
		{"folder with content", "zip.folder_data", with(rawEntry{name: "Maze.activity/x/", data: []byte("x")}), nil},
		{"large entry", "zip.bomb", with(rawEntry{name: "Maze.activity/x", data: make([]byte, 300)}), &Options{MaxEntry: 299}},
		{"large in all", "zip.bomb", whole, &Options{MaxUnpacked: 100}},
		{"zeros", "zip.bomb", with(rawEntry{name: "Maze.activity/x", data: make([]byte, 3<<20), deflate: true}), nil},
		{"promises more than there can be", "zip.bomb", lying(func(l, c []byte) {
			put16(l, 8, 8)
			put16(c, 10, 8)
			put32(l, 22, 200<<20)
			put32(c, 24, 200<<20)
		}), nil},
		{"unpacks to more", "zip.size", with(rawEntry{name: "Maze.activity/x", data: make([]byte, 200), deflate: true, lie: func(l, c []byte) { put32(l, 22, 9); put32(c, 24, 9) }}), nil},
		{"unpacks to less", "zip.size", with(rawEntry{name: "Maze.activity/x", data: make([]byte, 200), deflate: true, lie: func(l, c []byte) { put32(l, 22, 201); put32(c, 24, 201) }}), nil},
		{"stored with two sizes", "zip.size", lying(func(l, c []byte) { put32(l, 22, 9); put32(c, 24, 9) }), nil},
		{"damaged data", "zip.data", with(rawEntry{name: "Maze.activity/x", data: make([]byte, 200), deflate: true, packed: []byte{7, 255, 255, 1}}), nil},
		{"data too short", "zip.data", with(rawEntry{name: "Maze.activity/x", data: []byte("hello"), deflate: true, packed: deflated([]byte("hello"))[:3]}), nil},
		{"data behind data", "zip.data", with(rawEntry{name: "Maze.activity/x", data: []byte("hello"), deflate: true, packed: append(deflated([]byte("hello")), "more"...)}), nil},
		{"checksum", "zip.crc", lying(func(l, c []byte) { put32(l, 14, 1); put32(c, 16, 1) }), nil},
		{"checksum of activity.info", "zip.crc", func() []byte {
			e := good()
			e[0].lie = func(l, c []byte) { put32(l, 14, 1); put32(c, 16, 1) }
			return rawZip{entries: e}.bytes()
		}(), nil},

		{"parent", "name.parent", named("Maze.activity/../../x"), nil},
		{"parent at the end", "name.parent", named("Maze.activity/.."), nil},
		{"parent first", "name.parent", named("../Maze.activity/x"), nil},
		{"absolute", "name.absolute", named("/etc/passwd"), nil},
		{"backslash", "name.backslash", named(`Maze.activity\..\x`), nil},
		{"drive", "name.drive", named("C:/x"), nil},
		{"NUL", "name.nul", named("Maze.activity/x\x00.py"), nil},
		{"newline", "name.control", named("Maze.activity/x\ny"), nil},
		{"escape", "name.control", named("Maze.activity/\x1b[2J"), nil},
		{"reordering", "name.control", with(rawEntry{name: "Maze.activity/\u202egnp.py", flags: flagUTF8}), nil},
		{"dot", "name.dot", named("Maze.activity/./x"), nil},
		{"dot first", "name.dot", named("./Maze.activity/x"), nil},
		{"empty element", "name.dot", named("Maze.activity//x"), nil},
		{"no name", "name.dot", named(""), nil},
		{"long element", "name.long", named("Maze.activity/" + strings.Repeat("x", 256)), nil},
		{"long name", "name.long", named("Maze.activity/" + strings.Repeat("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/", 30)), nil},
		{"deep name", "name.long", named("Maze.activity/" + strings.Repeat("x/", 70)), nil},
		{"not UTF-8", "name.utf8", with(rawEntry{name: "Maze.activity/\xff", flags: flagUTF8}), nil},
		{"twice", "name.duplicate", with(small, small), nil},
		{"activity.info twice", "name.duplicate", with(text("activity/activity.info", goodInfo)), nil},
		{"twice in two encodings", "name.duplicate", with(rawEntry{name: "Maze.activity/é"}, rawEntry{name: "Maze.activity/é", flags: flagUTF8}), nil},
		{"file and folder", "name.file_and_folder", with(small, rawEntry{name: "Maze.activity/x/y"}), nil},
		{"file and folder entry", "name.file_and_folder", with(small, rawEntry{name: "Maze.activity/x/"}), nil},

		{"no suffix", "layout.top_suffix", rawZip{entries: []rawEntry{{name: "Maze/activity/activity.info", data: []byte(goodInfo)}}}.bytes(), nil},
		{"content without leave", "layout.top_suffix", contentBundle(), nil},
		{"activity as content", "layout.top_suffix", rawZip{entries: []rawEntry{{name: "Maze/activity/activity.info", data: []byte(goodInfo)}}}.bytes(), &Options{Content: true}},
		{"hidden top", "layout.top_hidden", rawZip{entries: []rawEntry{{name: ".activity/activity/activity.info", data: []byte(goodInfo)}}}.bytes(), nil},
		{"second top", "layout.two_tops", named("Other.activity/x"), nil},
		{"second top with the same beginning", "layout.two_tops", named("Maze.activity-evil/x"), nil},
		{"resource fork", "layout.two_tops", named("__MACOSX/x"), nil},
		{"loose file", "layout.loose_file", named("README"), nil},
		{"late mimetype", "layout.loose_file", named("mimetype"), nil},
		{"top is a file", "layout.loose_file", rawZip{entries: []rawEntry{{name: "Maze.activity"}}}.bytes(), nil},
		{"no info", "layout.info_missing", rawZip{entries: []rawEntry{text("activity/Activity.info", goodInfo)}}.bytes(), nil},
		{"info is elsewhere", "layout.info_missing", rawZip{entries: []rawEntry{text("activity.info", goodInfo)}}.bytes(), nil},
		{"info is a folder", "layout.info_missing", rawZip{entries: []rawEntry{{name: "Maze.activity/activity/activity.info/"}}}.bytes(), nil},

		{"large info", "info.too_large", whole, &Options{MaxInfo: 10}},
		{"BOM", "info.bom", info("\ufeff" + goodInfo), nil},
		{"Latin-1", "info.utf8", replaced("Maze\n", "Labyrinth f\xfcr alle\n"), nil},
		{"NUL in info", "info.control", replaced("Maze\n", "Ma\x00ze\n"), nil},
		{"Mac line ends", "info.control", info(strings.ReplaceAll(goodInfo, "\n", "\r")), nil},
		{"no section line", "info.no_header", info("name = Maze\n" + goodInfo), nil},
		{"other section", "info.section_missing", replaced("[Activity]", "[activity]"), nil},
		{"empty info", "info.section_missing", info(""), nil},
		{"section twice", "info.section_duplicate", info(goodInfo + "[Activity]\n"), nil},
		{"section brackets", "info.section_syntax", replaced("[Activity]", "[Activity] [x]"), nil},
		{"key twice", "info.key_duplicate", info(goodInfo + "NAME = other\n"), nil},
		{"no delimiter", "info.syntax", info(goodInfo + "hello\n"), nil},
		{"no key", "info.syntax", info(goodInfo + "= hello\n"), nil},
		{"bare percent", "info.percent", replaced("name = Maze", "name = 100% Maze"), nil},
		{"unknown reference", "info.percent", replaced("name = Maze", "name = %(title)s"), nil},
		{"broken reference", "info.percent", replaced("name = Maze", "name = %(bundle_id)d"), nil},
		{"bare percent in summary", "info.percent", info(goodInfo + "summary = 5 % more\n"), nil},
		{"reference to itself", "info.expansion", replaced("name = Maze", "name = %(name)s"), nil},
		{"references that grow", "info.expansion", info(goodInfo + growing("summary", "0123456789")), nil},
		{"references to nothing", "info.expansion", info(goodInfo + growing("summary", "%%")), nil},
		{"references that grow, unread", "info.expansion", info(goodInfo + growing("categories", "0123456789")), nil},
		{"no bundle_id", "info.bundle_id_missing", replaced("bundle_id = org.example.Maze\n", ""), nil},
		{"empty bundle_id", "info.bundle_id_missing", replaced("bundle_id = org.example.Maze\n", "bundle_id =\n"), nil},
		{"hyphen in bundle_id", "info.bundle_id_syntax", replaced("org.example.Maze", "org.example.my-maze"), nil},
		{"long bundle_id", "info.bundle_id_syntax", replaced("org.example.Maze", "org."+strings.Repeat("x", 125)), nil},
		{"script in bundle_id", "info.bundle_id_syntax", replaced("org.example.Maze", "org.<script>"), nil},
		{"empty segment", "info.bundle_id_syntax", replaced("org.example.Maze", "org..Maze"), nil},
		{"no dot", "info.bundle_id_dot", replaced("org.example.Maze", "bounce"), nil},
		{"no name line", "info.name_missing", replaced("name = Maze\n", ""), nil},
		{"empty name", "info.name_missing", replaced("name = Maze\n", "name =   \n"), nil},
		{"no exec", "info.exec_missing", replaced("exec = sugar-activity3 activity.MazeActivity\n", ""), nil},
		{"no version", "info.version_missing", replaced("activity_version = 7\n", ""), nil},
		{"leading zero", "info.version_syntax", replaced("activity_version = 7", "activity_version = 07"), nil},
		{"words for a version", "info.version_syntax", replaced("activity_version = 7", "activity_version = 7 beta"), nil},
		{"other digits", "info.version_syntax", replaced("activity_version = 7", "activity_version = ٧"), nil},
		{"participants", "info.max_participants", info(goodInfo + "max_participants = many\n"), nil},
		{"empty participants", "info.max_participants", info(goodInfo + "max_participants =\n"), nil},
		{"long name value", "info.value_long", replaced("name = Maze", "name = "+strings.Repeat("x", 600)), nil},
	}
	return cases
}

// growing writes a value that becomes 20 times larger with each of five levels.
func growing(key, seed string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "x0 = %s\n", seed)
	for i := range 5 {
		fmt.Fprintf(&b, "x%d = %s\n", i+1, strings.Repeat(fmt.Sprintf("%%(x%d)s", i), 20))
	}
	fmt.Fprintf(&b, "%s = %%(x5)s\n", key)
	return b.String()
}

func contentBundle() []byte {
	return rawZip{entries: []rawEntry{
		{name: "mimetype", data: []byte(MediaContent)},
		{name: "plants/library/library.info", data: []byte("[Library]\nname = Plants\nglobal_name = org.example.plants\nlibrary_version = 3\nlocale = es_PE\n")},
		{name: "plants/index.html", data: []byte("<p>")},
	}}.bytes()
}

// warnCases has at least one bundle for every code that only warns when reading.
func warnCases() []badCase {
	folder := rawEntry{name: "Maze.activity/x/", attr: 0o042775 << 16}
	svg := func(body string) string { return `<svg xmlns="http://www.w3.org/2000/svg">` + body + `</svg>` }
	var many []rawEntry
	for i := range maxLocales + 2 {
		many = append(many, text(fmt.Sprintf("locale/a%c%c/activity.linfo", 'a'+i/26, 'a'+i%26), "[Activity]\nname = x\n"))
	}
	return []badCase{
		{"setgid folder", "zip.setgid_folder", with(folder), nil},
		{"duplicate locale", "name.duplicate_locale", with(text("locale/es/LC_MESSAGES/x.mo", "a"), text("locale/es/LC_MESSAGES/x.mo", "b")), nil},
		{"UTF-8 without mark", "name.old_encoding", named("Maze.activity/niño.txt"), nil},
		{"code page 437", "name.old_encoding", named("Maze.activity/ni\xa4o.txt"), nil},
		{"percent in an address", "info.percent_unread", info(goodInfo + "screenshots = http://example.org/a%20b.png\n"), nil},
		{"long summary", "info.value_cut", info(goodInfo + "summary = " + strings.Repeat("é", 4000) + "\n"), nil},
		{"long list", "info.value_cut", info(goodInfo + "tags = " + strings.Repeat("x;", 300) + "\n"), nil},
		{"long item", "info.value_cut", info(goodInfo + "tags = " + strings.Repeat("x", 300) + "\n"), nil},
		{"unlikely participants", "info.value_cut", info(goodInfo + "max_participants = -1\n"), nil},
		{"service_name", "info.old_key", replaced("bundle_id", "service_name"), nil},
		{"class", "info.old_key", replaced("exec = sugar-activity3 activity.MazeActivity", "class = activity.MazeActivity"), nil},
		{"no license", "info.license_missing", replaced("license = GPLv3+\n", ""), nil},
		{"unknown license", "info.license_unknown", replaced("GPLv3+", "do what is right"), nil},
		{"script as address", "info.url", info(goodInfo + "url = javascript:alert(1)\n"), nil},
		{"no host", "info.url", info(goodInfo + "repository = https:///x\n"), nil},
		{"media type", "info.mime_type", info(goodInfo + "mime_types = text\n"), nil},
		{"broken translation", "linfo.broken", with(text("locale/es/activity.linfo", "name = x\n")), nil},
		{"empty translation", "linfo.broken", with(text("locale/es/activity.linfo", "")), nil},
		{"percent in translation", "linfo.broken", with(text("locale/es/activity.linfo", "[Activity]\nname = 100 %\n")), nil},
		{"long translation", "linfo.broken", with(text("locale/es/activity.linfo", "[Activity]\nname = "+strings.Repeat("x", 600))), nil},
		{"large translation", "linfo.broken", with(text("locale/es/activity.linfo", strings.Repeat("#\n", 40000))), nil},
		{"no language", "linfo.locale", with(text("locale/+/activity.linfo", "[Activity]\nname = x\n")), nil},
		{"many languages", "linfo.too_many", with(many...), nil},
		{"no icon key", "icon.missing", replaced("icon = maze\n", ""), nil},
		{"no icon file", "icon.missing", replaced("icon = maze\n", "icon = other\n"), nil},
		{"icon elsewhere", "icon.missing", replaced("icon = maze\n", "icon = ../activity/maze\n"), nil},
		{"large icon", "icon.too_large", with(), &Options{MaxIcon: 10}},
		{"icon that grows", "icon.too_large", icon(svg("<style>.a{" + wideStyle() + "}</style>" + strings.Repeat(`<g class="a"/>`, 4000))), nil},
		{"style too large", "icon.too_large", icon(svg("<style>" + strings.Repeat("x", 70000) + "</style>")), nil},
		{"PNG icon", "icon.xml", icon("\x89PNG\r\n\x1a\n"), nil},
		{"no svg", "icon.xml", icon("<html/>"), nil},
		{"empty icon", "icon.xml", icon(""), nil},
		{"undeclared entity", "icon.xml", icon(svg("&stroke_color;")), nil},
		{"two roots", "icon.xml", icon(svg("") + svg("")), nil},
		{"late document type", "icon.xml", icon(`<svg><!DOCTYPE svg []></svg>`), nil},
		{"other encoding", "icon.xml", icon(`<?xml version="1.0" encoding="utf-7"?><svg/>`), nil},
		{"parameter entity", "icon.entity", icon(`<!DOCTYPE svg [<!ENTITY % x "y">]><svg/>`), nil},
		{"parameter reference", "icon.entity", icon(`<!DOCTYPE svg [%x;]><svg/>`), nil},
		{"external entity", "icon.entity", icon(`<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>`), nil},
		{"public external entity", "icon.entity", icon(`<!DOCTYPE svg [<!ENTITY x PUBLIC "a" "http://example.org/">]><svg>&x;</svg>`), nil},
		{"billion laughs", "icon.entity", icon(laughs()), nil},
		{"entity in itself", "icon.entity", icon(`<!DOCTYPE svg [<!ENTITY a "&b;"><!ENTITY b "&a;">]><svg>&a;</svg>`), nil},
		{"quadratic entities", "icon.entity", icon(`<!DOCTYPE svg [<!ENTITY a "` + strings.Repeat("x", 1000) + `">]><svg>` + strings.Repeat("&a;", 20000) + `</svg>`), nil},
		{"deep", "icon.too_complex", icon(svg(strings.Repeat("<g>", 20000) + strings.Repeat("</g>", 20000))), nil},
		{"deep and unknown", "icon.too_complex", icon(svg(strings.Repeat("<x>", 5000) + strings.Repeat("</x>", 5000))), nil},
		{"many elements", "icon.too_complex", icon(svg(strings.Repeat("<g/>", 20000))), nil},
		{"many uses", "icon.too_complex", icon(svg(useLaughs())), nil},
		{"many styles", "icon.too_complex", icon(svg("<style>" + strings.Repeat(".a{fill:red}", 500) + "</style>" + strings.Repeat(`<g class="a"/>`, 300))), nil},
		{"use of itself", "icon.cycle", icon(svg(`<g id="a"><use href="#a"/></g>`)), nil},
		{"use in a circle", "icon.cycle", icon(svg(`<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>`)), nil},
		{"clip in a circle", "icon.cycle", icon(svg(`<clipPath id="a"><rect clip-path="url(#b)"/></clipPath><clipPath id="b"><rect style="clip-path:url('#a')"/></clipPath>`)), nil},
		{"script", "icon.active", icon(svg(`<script>alert(1)</script>`)), nil},
		{"handler", "icon.active", icon(svg(`<g onload="alert(1)"/>`)), nil},
		{"foreign object", "icon.active", icon(svg(`<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>`)), nil},
		{"external use", "icon.active", icon(svg(`<use href="http://example.org/x.svg#a"/>`)), nil},
		{"external paint", "icon.active", icon(svg(`<g fill="url(http://example.org/x.svg#a)"/>`)), nil},
		{"animated link", "icon.active", icon(svg(`<use href="#a"><set attributeName="href" to="javascript:alert(1)"/></use>`)), nil},
	}
}

func wideStyle() string {
	var b strings.Builder
	for name := range presentation {
		fmt.Fprintf(&b, "%s:%s;", name, strings.Repeat("a", 40))
		if b.Len() > 1000 {
			break
		}
	}
	return b.String()
}

func laughs() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE svg [<!ENTITY x0 "ha">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY x%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&x%d;", i), 10))
	}
	b.WriteString(`]><svg>&x9;</svg>`)
	return b.String()
}

func useLaughs() string {
	var b strings.Builder
	b.WriteString(`<g id="x0"/>`)
	for i := range 9 {
		fmt.Fprintf(&b, `<g id="x%d">%s</g>`, i+1, strings.Repeat(fmt.Sprintf(`<use href="#x%d"/>`, i), 10))
	}
	return b.String()
}
