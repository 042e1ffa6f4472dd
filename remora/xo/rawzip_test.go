package xo

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
)

// A rawEntry is an entry of a zip file that may lie.
type rawEntry struct {
	name    string
	data    []byte
	deflate bool
	flags   uint16
	attr    uint32
	extra   []byte // in the directory
	local   []byte // extra field of the local header

	packed     []byte                      // instead of what data becomes
	localName  string                      // instead of name in the local header
	lie        func(local, central []byte) // changes the finished headers
	descriptor func(crc, packed, size uint32) []byte
	before     []byte // foreign bytes before the local header
	offset     func(int) int
}

// A rawZip is a zip file that may lie.
type rawZip struct {
	entries   []rawEntry
	prefix    []byte // before the archive, offsets not corrected
	beforeDir []byte
	afterDir  []byte
	comment   []byte
	suffix    []byte
	end       func(end []byte)
}

func put16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func put32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }

func deflated(data []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// plainDescriptor is the usual form of a data descriptor.
func plainDescriptor(crc, packed, size uint32) []byte {
	b := make([]byte, 16)
	put32(b, 0, sigDescriptor)
	put32(b, 4, crc)
	put32(b, 8, packed)
	put32(b, 12, size)
	return b
}

func (z rawZip) bytes() []byte {
	var out, dir bytes.Buffer
	for _, e := range z.entries {
		packed, method := e.data, uint16(methodStore)
		if e.deflate {
			packed, method = deflated(e.data), methodDeflate
		}
		if e.packed != nil {
			packed = e.packed
		}
		if e.descriptor != nil {
			e.flags |= flagDescriptor
		}
		crc, size, n := crc32.ChecksumIEEE(e.data), uint32(len(e.data)), uint32(len(packed))
		out.Write(e.before)
		offset := out.Len()
		localName := e.name
		if e.localName != "" {
			localName = e.localName
		}
		local := make([]byte, localLen)
		put32(local, 0, sigLocal)
		put16(local, 4, 20)
		put16(local, 6, e.flags)
		put16(local, 8, method)
		put16(local, 12, 1<<5|1)
		if e.descriptor == nil {
			put32(local, 14, crc)
			put32(local, 18, n)
			put32(local, 22, size)
		}
		put16(local, 26, uint16(len(localName)))
		put16(local, 28, uint16(len(e.local)))
		central := make([]byte, centralLen)
		put32(central, 0, sigCentral)
		put16(central, 4, 3<<8|20)
		put16(central, 6, 20)
		put16(central, 8, e.flags)
		put16(central, 10, method)
		put16(central, 14, 1<<5|1)
		put32(central, 16, crc)
		put32(central, 20, n)
		put32(central, 24, size)
		put16(central, 28, uint16(len(e.name)))
		put16(central, 30, uint16(len(e.extra)))
		put32(central, 38, e.attr)
		if e.offset != nil {
			offset = e.offset(offset)
		}
		put32(central, 42, uint32(offset))
		if e.lie != nil {
			e.lie(local, central)
		}
		out.Write(local)
		out.WriteString(localName)
		out.Write(e.local)
		out.Write(packed)
		if e.descriptor != nil {
			out.Write(e.descriptor(crc, n, size))
		}
		dir.Write(central)
		dir.WriteString(e.name)
		dir.Write(e.extra)
	}
	out.Write(z.beforeDir)
	end := make([]byte, endLen)
	put32(end, 0, sigEnd)
	put16(end, 8, uint16(len(z.entries)))
	put16(end, 10, uint16(len(z.entries)))
	put32(end, 12, uint32(dir.Len()))
	put32(end, 16, uint32(out.Len()))
	put16(end, 20, uint16(len(z.comment)))
	if z.end != nil {
		z.end(end)
	}
	out.Write(dir.Bytes())
	out.Write(z.afterDir)
	out.Write(end)
	out.Write(z.comment)
	out.Write(z.suffix)
	return append(bytes.Clone(z.prefix), out.Bytes()...)
}

const goodInfo = `[Activity]
name = Maze
bundle_id = org.example.Maze
exec = sugar-activity3 activity.MazeActivity
activity_version = 7
icon = maze
license = GPLv3+
`

const goodIcon = `<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
	<!ENTITY stroke_color "#010101">
	<!ENTITY fill_color "#FFFFFF">
]><svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"><rect x="5" y="5" width="45" height="45" fill="&fill_color;" style="stroke:&stroke_color;;stroke-width:3.5"/></svg>
`

func text(name, content string) rawEntry {
	return rawEntry{name: "Maze.activity/" + name, data: []byte(content), deflate: true, attr: 0o100644 << 16}
}

// good returns the entries of a bundle without any problem, with more behind them.
func good(more ...rawEntry) []rawEntry {
	return append([]rawEntry{text("activity/activity.info", goodInfo), text("activity/maze.svg", goodIcon), text("activity.py", "print('hello')\n")}, more...)
}

// with returns a good bundle with more entries.
func with(more ...rawEntry) []byte { return rawZip{entries: good(more...)}.bytes() }

// info returns a good bundle with another activity.info.
func info(content string) []byte {
	e := good()
	e[0] = text("activity/activity.info", content)
	return rawZip{entries: e}.bytes()
}

// icon returns a good bundle with another icon.
func icon(content string) []byte {
	e := good()
	e[1] = text("activity/maze.svg", content)
	return rawZip{entries: e}.bytes()
}
