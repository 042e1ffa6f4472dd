package xo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/sugarlabs/beamrider/remora"
)

// The layout of a zip file: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16.
const (
	sigLocal      = 0x04034b50
	sigCentral    = 0x02014b50
	sigEnd        = 0x06054b50
	sigDescriptor = 0x08074b50
	sigSpanned    = 0x30304b50 // PK00: a split archive that fitted one part

	localLen   = 30
	centralLen = 46
	endLen     = 22

	maxComment   = 1<<16 - 1
	maxDirectory = 8 << 20
)

// Bits of the general purpose flag, APPNOTE 4.4.4.
const (
	flagEncrypted  = 1 << 0
	flagLevel      = 1<<1 | 1<<2 // a hint about how it was compressed
	flagDescriptor = 1 << 3
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13
	flagsKnown     = flagLevel | flagDescriptor | flagUTF8
	flagsSecret    = flagEncrypted | flagStrong | flagMasked
)

const (
	methodStore   = 0
	methodDeflate = 8
)

// File types and modes as Unix keeps them in the upper half of the external attributes.
const (
	modeType    = 0o170000
	modeRegular = 0o100000
	modeFolder  = 0o040000
	modeSymlink = 0o120000
	modeSetuid  = 0o4000
	modeSetgid  = 0o2000

	dosVolumeLabel = 0x08
)

// Extra fields that matter here, APPNOTE 4.5.2 and 4.6.
const (
	extraZip64       = 0x0001
	extraStrong      = 0x0017
	extraUnicodePath = 0x7075
	extraAES         = 0x9901
)

// The two headers of an entry.
const (
	inDirectory = 1 << iota
	inLocal
)

// errRefused tells a caller inside the package to stop: the report has the reason.
var errRefused = errors.New("refused")

// An entry is one entry of the directory.
type entry struct {
	name      string // as decoded, with a final / for a folder
	raw       string // as in the file
	flags     uint16
	method    uint16
	crc       uint32
	packed    int64
	size      int64
	offset    int64 // of the local header
	data      int64 // of the content
	folder    bool
	lead      bool  // the entry "mimetype" before the top folder
	respelled uint8 // headers with an extra field that spells the name in UTF-8
	opaque    bool  // must not be unpacked: encrypted, or of unknown method
}

// An archive is a zip file whose structure has been checked.
type archive struct {
	r       io.ReaderAt
	size    int64
	entries []entry // in the order of the directory
	order   []int32 // indexes of entries in the order of their place in the file
	scratch []byte
}

// fault turns an error of the ReaderAt into ours. An early end is the file's fault.
func (rp *report) fault(err error, where string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		rp.add(codeTruncated, where, "The file ends too early. Send it again.")
		return errRefused
	}
	return &remora.Error{Kind: remora.KindInternal, Op: rp.op, Message: "The bundle's file could not be read.", Err: err}
}

func (rp *report) stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &remora.Error{Kind: remora.KindUnavailable, Op: rp.op, Message: "Reading the bundle was stopped before its end.", Err: err}
	}
	return nil
}

// readAt fills b from off; the range must lie in the file.
func (a *archive) readAt(b []byte, off int64) error {
	n, err := a.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// open reads the directory and checks it against the rest of the file.
func open(ctx context.Context, r io.ReaderAt, size int64, o *Options, rp *report) (*archive, error) {
	if size > o.MaxPacked {
		rp.add(codePackedSize, "", "The file has %d bytes; at most %d are taken. Leave out what the activity does not need.", size, o.MaxPacked)
		return nil, errRefused
	}
	a := &archive{r: r, size: size, scratch: make([]byte, 1<<16)}
	dirAt, dirEnd, count, err := a.readEnd(o, rp)
	if err != nil {
		return nil, err
	}
	if err := a.readDirectory(ctx, dirAt, dirEnd, count, rp); err != nil {
		return nil, err
	}
	if err := a.checkPlaces(ctx, dirAt, rp); err != nil {
		return nil, err
	}
	return a, nil
}

// readEnd finds the end record, which must be the very end of the file.
func (a *archive) readEnd(o *Options, rp *report) (dirAt, dirEnd int64, count int, err error) {
	tail := make([]byte, min(max(a.size, 0), endLen+maxComment))
	if err := a.readAt(tail, a.size-int64(len(tail))); err != nil {
		return 0, 0, 0, rp.fault(err, "")
	}
	// Python takes the last signature it finds and never asks whether the comment fits; what
	// it would find must be what is checked here.
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < endLen {
		var head [4]byte
		switch {
		case a.size >= 4 && a.readAt(head[:], 0) == nil && binary.LittleEndian.Uint32(head[:]) == sigLocal:
			rp.add(codeTruncated, "", "The zip archive has no end; it was cut on its way. Send it again.")
		default:
			rp.add(codeNotZip, "", "This is not a zip archive, as a bundle must be. %s", repack)
		}
		return 0, 0, 0, errRefused
	}
	end := tail[at:]
	le := binary.LittleEndian
	comment := int(le.Uint16(end[20:]))
	switch rest := len(end) - endLen; {
	case rest > comment:
		rp.add(codeTrailing, "", "There are %d foreign bytes behind the end of the archive. %s", rest-comment, repack)
		return 0, 0, 0, errRefused
	case rest < comment:
		rp.add(codeTruncated, "", "The comment at the end of the archive is cut. Send the file again.")
		return 0, 0, 0, errRefused
	}
	disk, dirDisk := le.Uint16(end[4:]), le.Uint16(end[6:])
	here, total := le.Uint16(end[8:]), le.Uint16(end[10:])
	dirLen, dirOff := le.Uint32(end[12:]), le.Uint32(end[16:])
	endAt := a.size - int64(len(end))
	if endAt >= 20 {
		var locator [4]byte
		if err := a.readAt(locator[:], endAt-20); err != nil {
			return 0, 0, 0, rp.fault(err, "")
		}
		if string(locator[:]) == "PK\x06\x07" {
			rp.add(codeZip64, "", "The archive has a zip64 end record, made for more than 4 GB. %s", repack)
			return 0, 0, 0, errRefused
		}
	}
	switch {
	case here == 0xffff || total == 0xffff || dirLen == 0xffffffff || dirOff == 0xffffffff:
		rp.add(codeZip64, "", "The archive's end record refers to a zip64 record. %s", repack)
	case disk != 0 || dirDisk != 0 || here != total:
		rp.add(codeMultiDisk, "", "The archive is a part of one split over several files. Pack the activity into one file.")
	case int(total) > o.MaxEntries:
		rp.add(codeTooMany, "", "The archive has %d entries; at most %d are taken.", total, o.MaxEntries)
	case dirLen > maxDirectory:
		rp.add(codeDirectorySize, "", "The archive's directory has %d bytes; at most %d are taken.", dirLen, maxDirectory)
	case int64(dirOff)+int64(dirLen) > endAt:
		rp.add(codeTruncated, "", "The archive's directory should reach to byte %d, but its end record is at byte %d: bytes are missing.", int64(dirOff)+int64(dirLen), endAt)
	case int64(dirOff)+int64(dirLen) < endAt:
		// Either bytes stand before the archive, with its offsets left as they were, or between
		// directory and end record. Where the directory really begins tells which.
		var sig [4]byte
		if err := a.readAt(sig[:], endAt-int64(dirLen)); err != nil {
			return 0, 0, 0, rp.fault(err, "")
		}
		if extra := endAt - int64(dirOff) - int64(dirLen); le.Uint32(sig[:]) == sigCentral || dirLen == 0 {
			rp.add(codeLeading, "", "There are %d foreign bytes before the archive. %s", extra, repack)
		} else {
			rp.add(codeGap, "", "There are %d foreign bytes between the archive's directory and its end record. %s", extra, repack)
		}
	case total == 0:
		rp.add(codeEmpty, "", "The archive has no files. %s", repack)
	default:
		return int64(dirOff), int64(dirOff) + int64(dirLen), int(total), nil
	}
	return 0, 0, 0, errRefused
}

// readDirectory reads exactly count entries from exactly the bytes of the directory. Faults of
// single entries are noted and reading goes on; faults of structure end it.
func (a *archive) readDirectory(ctx context.Context, at, end int64, count int, rp *report) error {
	br := bufio.NewReaderSize(io.NewSectionReader(a.r, at, end-at), 1<<15)
	le := binary.LittleEndian
	// The count is the file's word; the bytes that are there bound what is set aside for it.
	a.entries = make([]entry, 0, min(int64(count), (end-at)/centralLen))
	var head [centralLen]byte
	left := end - at
	short := func(i int) error {
		rp.add(codeDirectory, "", "The archive's directory ends in entry %d of %d. %s", i+1, count, repack)
		return errRefused
	}
	for i := range count {
		if i%256 == 0 {
			if err := rp.stopped(ctx); err != nil {
				return err
			}
		}
		if left < centralLen {
			return short(i)
		}
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return rp.fault(err, "")
		}
		left -= centralLen
		if le.Uint32(head[:]) != sigCentral {
			rp.add(codeDirectory, "", "Entry %d of the archive's directory does not begin as one. %s", i+1, repack)
			return errRefused
		}
		nameLen, extraLen, commentLen := int(le.Uint16(head[28:])), int(le.Uint16(head[30:])), int(le.Uint16(head[32:]))
		if left < int64(nameLen+extraLen+commentLen) {
			return short(i)
		}
		left -= int64(nameLen + extraLen + commentLen)
		name := a.scratch[:nameLen]
		if _, err := io.ReadFull(br, name); err != nil {
			return rp.fault(err, "")
		}
		e := entry{
			raw: string(name), flags: le.Uint16(head[8:]), method: le.Uint16(head[10:]), crc: le.Uint32(head[16:]),
			packed: int64(le.Uint32(head[20:])), size: int64(le.Uint32(head[24:])), offset: int64(le.Uint32(head[42:])),
		}
		decodeName(&e, rp)
		where := shown(e.name)
		extra := a.scratch[:extraLen]
		if _, err := io.ReadFull(br, extra); err != nil {
			return rp.fault(err, where)
		}
		if _, err := br.Discard(commentLen); err != nil {
			return rp.fault(err, where)
		}
		zip64, err := e.checkExtra(extra, inDirectory, where, rp)
		if err != nil {
			return err
		}
		switch {
		case le.Uint16(head[34:]) == 0xffff || zip64 != nil || e.packed == 0xffffffff || e.size == 0xffffffff || e.offset == 0xffffffff:
			rp.add(codeZip64, where, "The entry has zip64 sizes, made for more than 4 GB. %s", repack)
			return errRefused
		case le.Uint16(head[34:]) != 0:
			rp.add(codeMultiDisk, where, "The entry is said to be in another part of a split archive. Pack the activity into one file.")
			return errRefused
		}
		e.checkFeatures(where, rp)
		e.checkMode(le.Uint32(head[38:]), where, rp)
		a.entries = append(a.entries, e)
	}
	if left != 0 {
		rp.add(codeDirectory, "", "The archive's directory has %d bytes behind its last entry. %s", left, repack)
		return errRefused
	}
	return nil
}

// checkFeatures notes what must keep an entry from being unpacked.
func (e *entry) checkFeatures(where string, rp *report) {
	switch {
	case e.flags&flagsSecret != 0:
		rp.add(codeEncrypted, where, "The entry is encrypted. Pack without a password.")
		e.opaque = true
	case e.flags&^flagsKnown != 0:
		rp.add(codeFlags, where, "The entry has the flags %#04x, which Sugar's tools do not know. %s", e.flags&^flagsKnown, repack)
		e.opaque = true
	case e.method != methodStore && e.method != methodDeflate:
		rp.add(codeMethod, where, "The entry is compressed with method %d. Only store (0) and deflate (8) are taken.", e.method)
		e.opaque = true
	case e.method == methodStore && e.packed != e.size:
		rp.add(codeSize, where, "The entry is stored as it is but has two sizes, %d and %d bytes. %s", e.packed, e.size, repack)
		e.opaque = true
	}
}

// checkMode reads the Unix mode, whatever system the entry says it was made on: unzip follows it
// for some of the others too.
func (e *entry) checkMode(attr uint32, where string, rp *report) {
	mode := attr >> 16
	kind := mode & modeType
	switch {
	case kind == modeSymlink:
		rp.add(codeSymlink, where, "The entry is a symbolic link. Put a copy of the file in its place.")
	case kind == modeFolder && !e.folder, kind != 0 && kind != modeRegular && kind != modeFolder, attr&dosVolumeLabel != 0 && !e.folder:
		rp.add(codeSpecial, where, "The entry is marked as something other than a file or folder (mode %o, attributes %#02x). Leave it out.", mode, attr&0xff)
	case mode&(modeSetuid|modeSetgid) == modeSetgid && e.folder:
		rp.add(codeSetgidFolder, where, "The folder has the set-group-id mode, which has no effect here.")
	case mode&(modeSetuid|modeSetgid) != 0:
		rp.add(codeSetuid, where, "The entry has the mode %o and would run with another's rights. Use \"chmod ug-s\" and pack again.", mode&0o7777)
	}
}

// checkExtra walks the extra fields and returns the content of a zip64 field, nil without one.
func (e *entry) checkExtra(b []byte, header uint8, where string, rp *report) (zip64 []byte, err error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 4 {
			// Tools that align content pad with up to three zeros, and Python allows it.
			if bytes.Count(b, []byte{0}) == len(b) {
				return zip64, nil
			}
			rp.add(codeExtra, where, "The entry's extra fields end within one. %s", repack)
			return nil, errRefused
		}
		id, n := le.Uint16(b), int(le.Uint16(b[2:]))
		b = b[4:]
		if n > len(b) {
			rp.add(codeExtra, where, "The entry's extra field %#04x reaches beyond its header. %s", id, repack)
			return nil, errRefused
		}
		field := b[:n]
		b = b[n:]
		switch id {
		case extraZip64:
			zip64 = field[:n:n]
		case extraStrong, extraAES:
			if !e.opaque {
				rp.add(codeEncrypted, where, "The entry is encrypted. Pack without a password.")
				e.opaque = true
			}
		case extraUnicodePath:
			// Version, checksum of the header's name, name. unzip uses the name if the checksum
			// fits; here it must be the same name either way.
			if n < 5 || field[0] != 1 || string(field[5:]) != e.raw && string(field[5:]) != e.name {
				rp.add(codeUnicodePath, where, "The entry's extra field 0x7075 gives it another name. %s", repack)
			} else if string(field[5:]) != e.raw {
				e.respelled |= header
			}
		}
	}
	return zip64, nil
}

// checkPlaces reads every local header and checks that entries follow each other from the first
// byte of the file to the directory.
func (a *archive) checkPlaces(ctx context.Context, dirAt int64, rp *report) error {
	a.order = make([]int32, len(a.entries))
	for i := range a.order {
		a.order[i] = int32(i)
	}
	slices.SortFunc(a.order, func(i, j int32) int {
		if d := a.entries[i].offset - a.entries[j].offset; d != 0 {
			return int(max(-1, min(d, 1)))
		}
		return int(i - j)
	})
	if first := &a.entries[a.order[0]]; first.offset > 0 {
		rp.add(codeLeading, "", "There are %d foreign bytes before the first entry. %s", first.offset, repack)
		return errRefused
	}
	if last := &a.entries[a.order[len(a.order)-1]]; last.offset+localLen > dirAt {
		rp.add(codeLocal, shown(last.name), "The directory says the entry begins at byte %d, but the directory itself begins at byte %d. %s", last.offset, dirAt, repack)
		return errRefused
	}
	for n, i := range a.order {
		if n%64 == 0 {
			if err := rp.stopped(ctx); err != nil {
				return err
			}
		}
		e := &a.entries[i]
		next := dirAt
		if n+1 < len(a.order) {
			next = a.entries[a.order[n+1]].offset
		}
		if err := a.checkLocal(e, next, dirAt, rp); err != nil {
			return err
		}
	}
	return nil
}

// checkLocal checks the local header of e, and that e ends where the next entry begins.
func (a *archive) checkLocal(e *entry, next, dirAt int64, rp *report) error {
	where := shown(e.name)
	le := binary.LittleEndian
	var head [localLen]byte
	if err := a.readAt(head[:], e.offset); err != nil {
		return rp.fault(err, where)
	}
	if le.Uint32(head[:]) != sigLocal {
		if sig := le.Uint32(head[:]); e.offset == 0 && (sig == sigDescriptor || sig == sigSpanned) {
			rp.add(codeMultiDisk, "", "The archive begins as a part of one split over several files. Pack the activity into one file.")
			return errRefused
		}
		rp.add(codeLocal, where, "The directory says the entry begins at byte %d, but none does. %s", e.offset, repack)
		return errRefused
	}
	nameLen, extraLen := int(le.Uint16(head[26:])), int(le.Uint16(head[28:]))
	e.data = e.offset + localLen + int64(nameLen) + int64(extraLen)
	if e.data > dirAt {
		rp.add(codeTruncated, where, "The entry's header reaches into the archive's directory. %s", repack)
		return errRefused
	}
	mismatch := func(what string, local, central any) error {
		rp.add(codeMismatch, where, "The entry's own header says %s %v, the archive's directory says %v. %s", what, local, central, repack)
		return errRefused
	}
	flags, method := le.Uint16(head[6:]), le.Uint16(head[8:])
	if nameLen != len(e.raw) {
		return mismatch("a name of length", nameLen, len(e.raw))
	}
	name := a.scratch[:nameLen]
	if err := a.readAt(name, e.offset+localLen); err != nil {
		return rp.fault(err, where)
	}
	if string(name) != e.raw {
		return mismatch("the name", quoted(string(name)), quoted(e.raw))
	}
	if (flags^e.flags)&^flagLevel != 0 {
		return mismatch("flags", fmt.Sprintf("%#04x", flags), fmt.Sprintf("%#04x", e.flags))
	}
	if method != e.method {
		return mismatch("method", method, e.method)
	}
	extra := a.scratch[:extraLen]
	if err := a.readAt(extra, e.offset+localLen+int64(nameLen)); err != nil {
		return rp.fault(err, where)
	}
	zip64, err := e.checkExtra(extra, inLocal, where, rp)
	if err != nil {
		return err
	}
	if e.respelled != 0 && e.respelled != inDirectory|inLocal {
		// unzip complains about such an entry, and Sugar takes a complaint for a failure.
		rp.add(codeUnicodePath, where, "Only one of the entry's two headers spells its name in UTF-8. %s", repack)
	}
	crc, packed, size := le.Uint32(head[14:]), int64(le.Uint32(head[18:])), int64(le.Uint32(head[22:]))
	if zip64 != nil {
		// Programs that do not know the size beforehand reserve room for a large one.
		if packed != 0xffffffff || size != 0xffffffff || len(zip64) != 16 {
			rp.add(codeZip64, where, "The entry's zip64 field does not fit its header. %s", repack)
			return errRefused
		}
		size64, packed64 := le.Uint64(zip64), le.Uint64(zip64[8:])
		if size64 > maxUint32 || packed64 > maxUint32 {
			return mismatch("a size", max(size64, packed64), max(e.size, e.packed))
		}
		size, packed = int64(size64), int64(packed64)
	}
	// An entry with a data descriptor may leave its sizes and checksum to that.
	descriptor := e.flags&flagDescriptor != 0
	if crc != e.crc && (!descriptor || crc != 0) {
		return mismatch("the checksum", fmt.Sprintf("%08x", crc), fmt.Sprintf("%08x", e.crc))
	}
	if packed != e.packed && (!descriptor || packed != 0) {
		return mismatch("packed size", packed, e.packed)
	}
	if size != e.size && (!descriptor || size != 0) {
		return mismatch("size", size, e.size)
	}
	return a.checkEnd(e, next, dirAt, where, rp)
}

const maxUint32 = 1<<32 - 1

// checkEnd checks that e, with its descriptor if it has one, ends at next.
func (a *archive) checkEnd(e *entry, next, dirAt int64, where string, rp *report) error {
	gap := next - e.data - e.packed
	if gap < 0 {
		if e.data+e.packed > dirAt {
			rp.add(codeTruncated, where, "The entry should reach to byte %d, but the archive's directory begins at byte %d: bytes are missing.", e.data+e.packed, dirAt)
		} else {
			rp.add(codeOverlap, where, "The entry reaches to byte %d, but another one begins at byte %d. %s", e.data+e.packed, next, repack)
		}
		return errRefused
	}
	if e.flags&flagDescriptor == 0 {
		if gap > 0 {
			rp.add(codeGap, where, "There are %d foreign bytes behind the entry. %s", gap, repack)
			return errRefused
		}
		return nil
	}
	// The descriptor has a signature or not, and sizes of 4 or 8 bytes: the standard leaves all
	// four forms to the writer, and only the place of what follows tells which it is.
	if gap > 24 {
		rp.add(codeGap, where, "There are %d bytes behind the entry, more than a data descriptor has. %s", gap, repack)
		return errRefused
	}
	le := binary.LittleEndian
	var buf [24]byte
	b := buf[:gap]
	if err := a.readAt(b, e.data+e.packed); err != nil {
		return rp.fault(err, where)
	}
	whole := len(b)
	signed := whole == 16 || whole == 24
	if signed {
		if le.Uint32(b) != sigDescriptor {
			rp.add(codeDescriptor, where, "The data descriptor behind the entry does not begin as one. %s", repack)
			return errRefused
		}
		b = b[4:]
	}
	var ok bool
	switch len(b) {
	case 12:
		ok = le.Uint32(b) == e.crc && int64(le.Uint32(b[4:])) == e.packed && int64(le.Uint32(b[8:])) == e.size
	case 20:
		ok = le.Uint32(b) == e.crc && le.Uint64(b[4:]) == uint64(e.packed) && le.Uint64(b[12:]) == uint64(e.size)
	}
	if !ok {
		rp.add(codeDescriptor, where, "The data descriptor behind the entry (%d bytes) does not agree with the archive's directory. %s", whole, repack)
		return errRefused
	}
	return nil
}

// decodeName fills in e.name. Without the mark for UTF-8 the standard says code page 437, but
// Python 2 and many tools wrote UTF-8 all the same.
func decodeName(e *entry, rp *report) {
	e.name = e.raw
	ascii := true
	for i := 0; i < len(e.raw); i++ {
		if e.raw[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	valid := ascii || utf8.ValidString(e.raw)
	switch {
	case ascii:
	case e.flags&flagUTF8 != 0:
		if !valid {
			rp.add(codeNameUTF8, shown(e.raw), "The name is marked as UTF-8 but is not. %s", repack)
		}
	default:
		if !valid {
			e.name = fromCP437(e.raw)
		}
		rp.add(codeNameOldEncoding, shown(e.name), "The name has letters beyond ASCII and is not marked as UTF-8; programs may show it differently.")
	}
	e.folder = len(e.name) > 0 && e.name[len(e.name)-1] == '/'
}

// cp437 is the upper half of the code page of the first PCs, the encoding of names in a zip file
// unless marked otherwise (APPNOTE appendix D).
const cp437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"

var cp437Runes = []rune(cp437)

func fromCP437(s string) string {
	out := make([]rune, len(s))
	for i := 0; i < len(s); i++ {
		if out[i] = rune(s[i]); s[i] >= 0x80 {
			out[i] = cp437Runes[s[i]-0x80]
		}
	}
	return string(out)
}
