package xo

import (
	"slices"

	"github.com/sugarlabs/beamrider/remora"
)

// A CodeDoc explains one code.
type CodeDoc struct {
	Code    string      // such as "zip.bomb"
	Kind    remora.Kind // of the error it makes: invalid or too_large; meaningless for a warning
	Warning bool        // true: never refuses a bundle
	Meaning string      // what was found, and why it matters
	Remedy  string      // what the developer can do
	history bool        // a warning when Options.History is set
}

// Codes returns the explanation of every code a [Problem] can have, sorted by code.
func Codes() []CodeDoc {
	list := slices.Clone(codes[:])
	slices.SortFunc(list, func(a, b CodeDoc) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return list
}

// A code is an index into the table, so that a problem without documentation cannot be written.
type code int

const (
	codeNotZip code = iota
	codePackedSize
	codeTruncated
	codeLeading
	codeTrailing
	codeMultiDisk
	codeZip64
	codeDirectory
	codeDirectorySize
	codeTooMany
	codeEmpty
	codeGap
	codeOverlap
	codeLocal
	codeMismatch
	codeDescriptor
	codeExtra
	codeUnicodePath
	codeEncrypted
	codeMethod
	codeFlags
	codeSymlink
	codeSpecial
	codeSetuid
	codeSetgidFolder
	codeFolderData
	codeBomb
	codeSize
	codeData
	codeCRC

	codeNameParent
	codeNameAbsolute
	codeNameBackslash
	codeNameDrive
	codeNameNUL
	codeNameControl
	codeNameDot
	codeNameLong
	codeNameUTF8
	codeNameTwice
	codeNameTwiceLocale
	codeNameClash
	codeNameOldEncoding

	codeTopSuffix
	codeTopHidden
	codeTwoTops
	codeLooseFile
	codeInfoMissing

	codeInfoSize
	codeInfoBOM
	codeInfoUTF8
	codeInfoControl
	codeInfoHeader
	codeInfoSectionMissing
	codeInfoSectionTwice
	codeInfoSectionSyntax
	codeInfoKeyTwice
	codeInfoSyntax
	codeInfoPercent
	codeInfoPercentUnread
	codeInfoExpansion
	codeInfoIDMissing
	codeInfoIDSyntax
	codeInfoIDDot
	codeInfoNameMissing
	codeInfoExecMissing
	codeInfoVersionMissing
	codeInfoVersionSyntax
	codeInfoParticipants
	codeInfoValueLong
	codeInfoValueCut
	codeInfoOldKey
	codeInfoLicenseMissing
	codeInfoLicenseUnknown
	codeInfoURL
	codeInfoMIME

	codeLinfoBroken
	codeLinfoLocale
	codeLinfoTooMany

	codeIconMissing
	codeIconSize
	codeIconXML
	codeIconEntity
	codeIconNodes
	codeIconCycle
	codeIconActive

	codePackLinkOutside
	codePackLinkFolder
	codePackLinkBroken
	codePackSpecial

	numCodes
)

const (
	invalid  = remora.KindInvalid
	tooLarge = remora.KindTooLarge
)

const repack = "Pack the activity again, with \"python3 setup.py dist_xo\" or this package's Pack."

var codes = [numCodes]CodeDoc{
	codeNotZip:        {Code: "zip.not_zip", Kind: invalid, Meaning: "The file is not a zip archive: it has no end record.", Remedy: repack},
	codePackedSize:    {Code: "zip.too_large", Kind: tooLarge, Meaning: "The file is larger than the library takes.", Remedy: "Leave out what the activity does not need, such as sources of artwork and build results."},
	codeTruncated:     {Code: "zip.truncated", Kind: invalid, Meaning: "The archive ends before its end record does, or an entry reaches beyond the file.", Remedy: "The upload or download was cut; send the file again."},
	codeLeading:       {Code: "zip.leading", Kind: invalid, Meaning: "There are bytes before the first entry. Programs disagree about such archives, so one could show another content than the one installed.", Remedy: repack},
	codeTrailing:      {Code: "zip.trailing", Kind: invalid, Meaning: "There are bytes behind the end of the archive.", Remedy: repack},
	codeMultiDisk:     {Code: "zip.multidisk", Kind: invalid, Meaning: "The archive is one part of several.", Remedy: "Pack the activity into one file."},
	codeZip64:         {Code: "zip.zip64", Kind: invalid, Meaning: "The archive uses the format for more than 4 GB, which no bundle needs and not every reader understands.", Remedy: repack},
	codeDirectory:     {Code: "zip.directory", Kind: invalid, Meaning: "The directory at the end of the archive is damaged or does not agree with the end record.", Remedy: repack},
	codeDirectorySize: {Code: "zip.directory_large", Kind: tooLarge, Meaning: "The directory of the archive is larger than 8 MiB.", Remedy: "Leave out files, shorten names, and pack without extra fields and comments."},
	codeTooMany:       {Code: "zip.too_many", Kind: tooLarge, Meaning: "The archive has more entries than the library takes.", Remedy: "Leave out files the activity does not need; put many small ones into one."},
	codeEmpty:         {Code: "zip.empty", Kind: invalid, Meaning: "The archive has no files.", Remedy: repack},
	codeGap:           {Code: "zip.gap", Kind: invalid, Meaning: "There are bytes between entries, or between the last one and the directory, that belong to nothing.", Remedy: repack},
	codeOverlap:       {Code: "zip.overlap", Kind: invalid, Meaning: "Two entries use the same bytes of the file.", Remedy: repack},
	codeLocal:         {Code: "zip.local_header", Kind: invalid, Meaning: "The directory points to a place where no entry begins.", Remedy: repack},
	codeMismatch:      {Code: "zip.header_mismatch", Kind: invalid, Meaning: "The header before an entry and its copy in the directory disagree, so that two programs would unpack different things.", Remedy: repack},
	codeDescriptor:    {Code: "zip.descriptor", Kind: invalid, Meaning: "The data descriptor behind an entry is missing or does not agree with the directory.", Remedy: repack},
	codeExtra:         {Code: "zip.extra", Kind: invalid, Meaning: "An extra field of an entry is damaged.", Remedy: repack},
	codeUnicodePath:   {Code: "zip.unicode_path", Kind: invalid, Meaning: "An extra field gives an entry another name than its header does.", Remedy: repack},
	codeEncrypted:     {Code: "zip.encrypted", Kind: invalid, Meaning: "An entry is encrypted. Sugar cannot ask for a password.", Remedy: "Pack without a password."},
	codeMethod:        {Code: "zip.method", Kind: invalid, Meaning: "An entry is compressed in a way other than store or deflate, which not every laptop can unpack.", Remedy: "Pack with deflate, the usual method."},
	codeFlags:         {Code: "zip.flags", Kind: invalid, Meaning: "An entry uses a feature of zip archives that Sugar's tools do not know.", Remedy: repack},
	codeSymlink:       {Code: "zip.symlink", Kind: invalid, Meaning: "An entry is a symbolic link, which could lead out of the activity's folder.", Remedy: "Put a copy of the file in the place of the link."},
	codeSpecial:       {Code: "zip.special", Kind: invalid, Meaning: "An entry is neither a file nor a folder: a device, pipe, socket or volume label.", Remedy: "Leave it out."},
	codeSetuid:        {Code: "zip.setuid", Kind: invalid, Meaning: "A file would run with the rights of another user or group.", Remedy: "Take the mode away with \"chmod ug-s\" and pack again."},
	codeSetgidFolder:  {Code: "zip.setgid_folder", Warning: true, Meaning: "A folder has the set-group-id mode of a shared folder. It has no effect where the bundle is installed.", Remedy: "Nothing needs to be done; \"chmod g-s\" takes it away."},
	codeFolderData:    {Code: "zip.folder_data", Kind: invalid, Meaning: "An entry whose name says it is a folder has content.", Remedy: repack},
	codeBomb:          {Code: "zip.bomb", Kind: tooLarge, Meaning: "The archive, or an entry, unpacks to more than the library takes, or is compressed far more than real files are.", Remedy: "Leave out large files that hold next to nothing."},
	codeSize:          {Code: "zip.size", Kind: invalid, Meaning: "An entry unpacks to more or fewer bytes than its header says.", Remedy: repack},
	codeData:          {Code: "zip.data", Kind: invalid, Meaning: "The compressed data of an entry is damaged, or does not end where its header says.", Remedy: repack},
	codeCRC:           {Code: "zip.crc", Kind: invalid, Meaning: "The content of an entry does not have the checksum its header says.", Remedy: "The file was damaged on its way; send it again, or pack it again."},

	codeNameParent:      {Code: "name.parent", Kind: invalid, Meaning: "A name has the element \"..\", which leads out of its folder.", Remedy: repack},
	codeNameAbsolute:    {Code: "name.absolute", Kind: invalid, Meaning: "A name starts at the root of the file system.", Remedy: repack},
	codeNameBackslash:   {Code: "name.backslash", Kind: invalid, Meaning: "A name has a backslash, which some programs take for a separator of folders.", Remedy: "Rename the file; pack with a program that writes \"/\" between folders."},
	codeNameDrive:       {Code: "name.drive", Kind: invalid, Meaning: "A name starts with the letter of a drive.", Remedy: repack},
	codeNameNUL:         {Code: "name.nul", Kind: invalid, Meaning: "A name has a NUL character, where some programs end it.", Remedy: repack},
	codeNameControl:     {Code: "name.control", Kind: invalid, Meaning: "A name has control characters, or characters that change the direction of text.", Remedy: "Rename the file."},
	codeNameDot:         {Code: "name.dot", Kind: invalid, Meaning: "A name has an empty element or the element \".\", so that one file could have several names.", Remedy: repack},
	codeNameLong:        {Code: "name.long", Kind: invalid, Meaning: "A name is longer than 1,024 bytes, has an element longer than 255 bytes or more than 64 elements.", Remedy: "Shorten the name."},
	codeNameUTF8:        {Code: "name.utf8", Kind: invalid, Meaning: "A name is marked as UTF-8 but is not.", Remedy: repack},
	codeNameTwice:       {Code: "name.duplicate", Kind: invalid, Meaning: "Two entries have the same name, so that it depends on the program which one is used.", Remedy: "Pack into a new file instead of adding to an old one."},
	codeNameTwiceLocale: {Code: "name.duplicate_locale", Warning: true, Meaning: "Two entries below locale/ have the same name. The last one is used.", Remedy: "Pack into a new file with a recent Sugar toolkit."},
	codeNameClash:       {Code: "name.file_and_folder", Kind: invalid, Meaning: "One name is used for a file and for a folder.", Remedy: "Rename one of them."},
	codeNameOldEncoding: {Code: "name.old_encoding", Warning: true, Meaning: "A name has letters beyond ASCII and is not marked as UTF-8; programs may show it differently.", Remedy: "Pack with a recent program, or use ASCII names."},

	codeTopSuffix:   {Code: "layout.top_suffix", Kind: invalid, Meaning: "The top folder's name does not end in \".activity\".", Remedy: "Rename the folder, such as to \"Maze.activity\", and pack it again."},
	codeTopHidden:   {Code: "layout.top_hidden", Kind: invalid, Meaning: "The top folder's name starts with a dot.", Remedy: "Rename the folder and pack it again."},
	codeTwoTops:     {Code: "layout.two_tops", Kind: invalid, Meaning: "There is more than one top folder. Everything must be inside one.", Remedy: "Pack only the activity's own folder."},
	codeLooseFile:   {Code: "layout.loose_file", Kind: invalid, Meaning: "There is a file outside the top folder. Only a first entry \"mimetype\" may be.", Remedy: "Pack the activity's folder from outside, so that every name starts with it."},
	codeInfoMissing: {Code: "layout.info_missing", Kind: invalid, Meaning: "There is no activity/activity.info in the top folder, so Sugar does not know what this is.", Remedy: "Write that file; capital letters count in its name."},

	codeInfoSize:           {Code: "info.too_large", Kind: tooLarge, Meaning: "activity.info is larger than the library takes.", Remedy: "Shorten its texts."},
	codeInfoBOM:            {Code: "info.bom", Kind: invalid, Meaning: "activity.info starts with a byte order mark, which Sugar takes for a part of the first line.", Remedy: "Save it as UTF-8 without BOM."},
	codeInfoUTF8:           {Code: "info.utf8", Kind: invalid, Meaning: "activity.info is not UTF-8.", Remedy: "Save it as UTF-8."},
	codeInfoControl:        {Code: "info.control", Kind: invalid, Meaning: "activity.info has control characters, or ends lines as old Macs did.", Remedy: "Take them out; end lines with LF or CR LF."},
	codeInfoHeader:         {Code: "info.no_header", Kind: invalid, Meaning: "activity.info has a line before the first section.", Remedy: "Begin the file with the line \"[Activity]\"."},
	codeInfoSectionMissing: {Code: "info.section_missing", Kind: invalid, Meaning: "activity.info has no section [Activity].", Remedy: "Begin the file with the line \"[Activity]\"; capital letters count."},
	codeInfoSectionTwice:   {Code: "info.section_duplicate", Kind: invalid, Meaning: "activity.info has a section twice.", Remedy: "Join the two."},
	codeInfoSectionSyntax:  {Code: "info.section_syntax", Kind: invalid, Meaning: "A section line has several closing brackets; versions of Python disagree about its name.", Remedy: "Write only the name between the brackets."},
	codeInfoKeyTwice:       {Code: "info.key_duplicate", Kind: invalid, Meaning: "A section has a key twice.", Remedy: "Remove one of the lines."},
	codeInfoSyntax:         {Code: "info.syntax", Kind: invalid, Meaning: "A line is neither a section, a key with a value, a comment nor a continuation.", Remedy: "Write \"key = value\"; begin further lines of a value with a space."},
	codeInfoPercent:        {Code: "info.percent", Kind: invalid, Meaning: "A value has a % that Python cannot read, or refers to a key that is not there; Sugar cannot install the bundle.", Remedy: "Write %% for a percent sign."},
	codeInfoPercentUnread:  {Code: "info.percent_unread", Warning: true, Meaning: "A value that Sugar itself does not read has a % that Python could not. It is taken as written.", Remedy: "Write %% for a percent sign."},
	codeInfoExpansion:      {Code: "info.expansion", Kind: invalid, Meaning: "The references %(key)s of a value go too deep or make it too long.", Remedy: "Write the value out."},
	codeInfoIDMissing:      {Code: "info.bundle_id_missing", Kind: invalid, Meaning: "There is no bundle_id, the name by which Sugar knows the activity for ever.", Remedy: "Add a line such as \"bundle_id = org.example.Maze\"."},
	codeInfoIDSyntax:       {Code: "info.bundle_id_syntax", Kind: invalid, Meaning: "The bundle_id is not made of letters, digits and _ with dots between them, or is longer than 128 characters.", Remedy: "Use a name such as org.example.Maze."},
	codeInfoIDDot:          {Code: "info.bundle_id_dot", Kind: invalid, history: true, Meaning: "The bundle_id has no dot, so that it may clash with another activity's.", Remedy: "Use a name such as org.example.Maze."},
	codeInfoNameMissing:    {Code: "info.name_missing", Kind: invalid, Meaning: "There is no name, or it is empty.", Remedy: "Add a line such as \"name = Maze\"."},
	codeInfoExecMissing:    {Code: "info.exec_missing", Kind: invalid, Meaning: "There is no exec, the command that starts the activity.", Remedy: "Add a line such as \"exec = sugar-activity3 activity.MazeActivity\"."},
	codeInfoVersionMissing: {Code: "info.version_missing", Kind: invalid, Meaning: "There is no activity_version.", Remedy: "Add a line such as \"activity_version = 7\"."},
	codeInfoVersionSyntax:  {Code: "info.version_syntax", Kind: invalid, Meaning: "The activity_version is not a version number.", Remedy: "Write digits and dots such as 7 or 1.10, at most followed by - or ~ and letters."},
	codeInfoParticipants:   {Code: "info.max_participants", Kind: invalid, Meaning: "max_participants is not a whole number; Sugar refuses such a bundle.", Remedy: "Write a number such as 4, or remove the line."},
	codeInfoValueLong:      {Code: "info.value_long", Kind: invalid, Meaning: "A required value is longer than the library takes.", Remedy: "Shorten it."},
	codeInfoValueCut:       {Code: "info.value_cut", Warning: true, Meaning: "An optional value, or a list, is longer than the library takes; the rest is left out.", Remedy: "Shorten it."},
	codeInfoOldKey:         {Code: "info.old_key", Warning: true, Meaning: "A key is used that newer Sugar only knows as an old spelling.", Remedy: "Write bundle_id for service_name, and exec for class."},
	codeInfoLicenseMissing: {Code: "info.license_missing", Warning: true, Meaning: "There is no license, so nobody knows whether the activity may be given on.", Remedy: "Add a line such as \"license = GPLv3+\"."},
	codeInfoLicenseUnknown: {Code: "info.license_unknown", Warning: true, Meaning: "The license could not be matched to one SPDX expression. Its text is kept.", Remedy: "Write an SPDX expression such as \"GPL-3.0-or-later\"."},
	codeInfoURL:            {Code: "info.url", Warning: true, Meaning: "An address is not a full http or https address; it is left out.", Remedy: "Write it with http:// or https://."},
	codeInfoMIME:           {Code: "info.mime_type", Warning: true, Meaning: "One of mime_types is not a media type; it is left out.", Remedy: "Write types such as text/plain, with ; between them."},

	codeLinfoBroken:  {Code: "linfo.broken", Warning: true, Meaning: "An activity.linfo cannot be read; its language is shown in the activity's default texts.", Remedy: "Write it as activity.info, with a section [Activity] and name, summary or tags in it."},
	codeLinfoLocale:  {Code: "linfo.locale", Warning: true, Meaning: "A folder below locale/ with an activity.linfo is not named as a language.", Remedy: "Name it such as es or pt_BR."},
	codeLinfoTooMany: {Code: "linfo.too_many", Warning: true, Meaning: "There are more than 512 files activity.linfo; the rest is left out.", Remedy: "Leave out languages without a translation."},

	codeIconMissing: {Code: "icon.missing", Warning: true, Meaning: "There is no icon key, or no such file.", Remedy: "Add activity/NAME.svg and a line \"icon = NAME\"."},
	codeIconSize:    {Code: "icon.too_large", Warning: true, Meaning: "The icon's file, or what it is rewritten to, is larger than the library takes; no icon is shown.", Remedy: "Simplify the drawing."},
	codeIconXML:     {Code: "icon.xml", Warning: true, Meaning: "The icon is not a well-formed SVG; no icon is shown.", Remedy: "Save it again from a drawing program."},
	codeIconEntity:  {Code: "icon.entity", Warning: true, Meaning: "The icon declares parameter or external entities, or entities that grow; no icon is shown.", Remedy: "Declare only stroke_color and fill_color, with a colour each."},
	codeIconNodes:   {Code: "icon.too_complex", Warning: true, Meaning: "The icon has too many elements, counting each use of another one, or is nested too deep; no icon is shown.", Remedy: "Simplify the drawing."},
	codeIconCycle:   {Code: "icon.cycle", Warning: true, Meaning: "An element of the icon uses itself; no icon is shown.", Remedy: "Take the reference out."},
	codeIconActive:  {Code: "icon.active", Warning: true, Meaning: "Scripts, event handlers, animations or references to elsewhere were taken out of the icon.", Remedy: "Save the icon as a plain drawing."},

	codePackLinkOutside: {Code: "pack.link_outside", Warning: true, Meaning: "A symbolic link leads out of the folder and was left out.", Remedy: "Put a copy of the file in its place if the activity needs it."},
	codePackLinkFolder:  {Code: "pack.link_folder", Warning: true, Meaning: "A symbolic link leads to a folder and was left out.", Remedy: "Put a copy of the folder in its place if the activity needs it."},
	codePackLinkBroken:  {Code: "pack.link_broken", Warning: true, Meaning: "A symbolic link leads nowhere and was left out.", Remedy: "Remove it."},
	codePackSpecial:     {Code: "pack.special", Warning: true, Meaning: "Something that is neither file nor folder was left out.", Remedy: "Remove it."},
}
