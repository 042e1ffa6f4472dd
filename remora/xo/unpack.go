package xo

import (
	"bufio"
	"compress/flate"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
)

const chunk = 32 << 10

// ratioFloor is the size below which an entry's compression is not judged: a megabyte of zeros
// is no attack.
const ratioFloor = 1 << 20

// An unpacker reads entries of an archive, one after another, with the same buffers.
type unpacker struct {
	a     *archive
	rp    *report
	src   *bufio.Reader
	flate io.ReadCloser
	buf   []byte
}

func newUnpacker(a *archive, rp *report) *unpacker {
	return &unpacker{a: a, rp: rp, src: bufio.NewReaderSize(nil, chunk), buf: make([]byte, chunk)}
}

// unpack hands the content of e to sink in chunks, which sink must not keep. It notes what is
// wrong with the content and returns errRefused for it; other errors end the whole reading.
func (u *unpacker) unpack(ctx context.Context, e *entry, sink func([]byte)) error {
	where := shown(e.name)
	section := io.NewSectionReader(u.a.r, e.data, e.packed)
	u.src.Reset(section)
	var r io.Reader = u.src
	if e.method == methodDeflate {
		// flate takes single bytes from a ByteReader and so stops exactly where the data ends.
		if u.flate == nil {
			u.flate = flate.NewReader(u.src)
		} else if err := u.flate.(flate.Resetter).Reset(u.src, nil); err != nil {
			return u.rp.fault(err, where)
		}
		r = u.flate
	}
	var (
		size int64
		sum  uint32
	)
	for {
		if err := u.rp.stopped(ctx); err != nil {
			return err
		}
		n, err := r.Read(u.buf)
		size += int64(n)
		if size > e.size {
			u.rp.add(codeSize, where, "The entry unpacks to more than the %d bytes its header says. %s", e.size, repack)
			return errRefused
		}
		sum = crc32.Update(sum, crc32.IEEETable, u.buf[:n])
		if sink != nil && n > 0 {
			sink(u.buf[:n])
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			var corrupt flate.CorruptInputError
			if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
				u.rp.add(codeData, where, "The entry's compressed data is damaged after %d bytes of content. %s", size, repack)
				return errRefused
			}
			return u.rp.fault(err, where)
		}
	}
	at, err := section.Seek(0, io.SeekCurrent)
	if err != nil {
		return u.rp.fault(err, where)
	}
	if left := e.packed - at + int64(u.src.Buffered()); left > 0 {
		u.rp.add(codeData, where, "There are %d foreign bytes behind the entry's compressed data. %s", left, repack)
		return errRefused
	}
	if size != e.size {
		u.rp.add(codeSize, where, "The entry unpacks to %d bytes, but its header says %d. %s", size, e.size, repack)
		return errRefused
	}
	if sum != e.crc {
		u.rp.add(codeCRC, where, "The entry's content has the checksum %08x, but its header says %08x. The file was damaged; send it again.", sum, e.crc)
		return errRefused
	}
	return nil
}

// small returns the whole content of e, which must not be larger than most.
func (u *unpacker) small(ctx context.Context, e *entry, most int64) ([]byte, error) {
	content := make([]byte, 0, min(e.size, most))
	err := u.unpack(ctx, e, func(b []byte) {
		if int64(len(content)+len(b)) <= most {
			content = append(content, b...)
		}
	})
	return content, err
}

// checkSizes judges the sizes that headers promise, before anything is unpacked. What is then
// unpacked is held to the promise.
func (a *archive) checkSizes(o *Options, rp *report) {
	var total int64
	for i := range a.entries {
		e := &a.entries[i]
		where := shown(e.name)
		total += e.size
		switch {
		case e.size > o.MaxEntry:
			rp.add(codeBomb, where, "The entry unpacks to %d bytes; at most %d are taken.", e.size, o.MaxEntry)
		case e.size > ratioFloor && e.size/int64(o.MaxRatio) > e.packed:
			rp.add(codeBomb, where, "The entry unpacks from %d bytes to %d, more than %d times as much, which no real file does.", e.packed, e.size, o.MaxRatio)
		}
	}
	switch {
	case total > o.MaxUnpacked:
		rp.add(codeBomb, "", "The archive unpacks to %d bytes; at most %d are taken.", total, o.MaxUnpacked)
	case total > ratioFloor && total/int64(o.MaxRatio) > a.size:
		rp.add(codeBomb, "", "The archive unpacks from %d bytes to %d, more than %d times as much, which no real bundle does.", a.size, total, o.MaxRatio)
	}
}

// digest returns the SHA-256 of the whole file.
func (a *archive) digest(ctx context.Context, rp *report) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	buf := make([]byte, chunk)
	for off := int64(0); off < a.size; {
		if err := rp.stopped(ctx); err != nil {
			return sum, err
		}
		b := buf[:min(a.size-off, chunk)]
		if err := a.readAt(b, off); err != nil {
			return sum, rp.fault(err, "")
		}
		h.Write(b)
		off += int64(len(b))
	}
	h.Sum(sum[:0])
	return sum, nil
}
