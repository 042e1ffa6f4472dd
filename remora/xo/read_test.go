package xo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sugarlabs/beamrider/remora"
)

func readBytes(data []byte, o *Options) (*Bundle, error) {
	return Read(context.Background(), bytes.NewReader(data), int64(len(data)), o)
}

func TestRefusals(t *testing.T) {
	for _, c := range badCases() {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			b, err := readBytes(c.data, c.opts)
			if err == nil {
				t.Fatalf("accepted: %+v", b.Manifest)
			}
			var e *remora.Error
			if !errors.As(err, &e) || e.Code != c.code {
				t.Fatalf("got %v (%+v), want code %s", err, e, c.code)
			}
			if e.Kind != remora.KindInvalid && e.Kind != remora.KindTooLarge {
				t.Errorf("kind %v", e.Kind)
			}
			var refusal *Refusal
			if !errors.As(err, &refusal) || len(refusal.Problems) == 0 || refusal.Problems[0].Code != c.code {
				t.Fatalf("refusal %+v", refusal)
			}
			for _, p := range refusal.Problems {
				if p.Warning || !sentence(p.Message) {
					t.Errorf("problem %+v", p)
				}
			}
		})
	}
}

func sentence(s string) bool {
	return len(s) > 20 && strings.HasSuffix(s, ".") && !strings.Contains(s, "%!")
}

func TestWarnings(t *testing.T) {
	for _, c := range warnCases() {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			b, err := readBytes(c.data, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			codes := []string{}
			for _, w := range b.Warnings {
				if !w.Warning || !sentence(w.Message) {
					t.Errorf("warning %+v", w)
				}
				codes = append(codes, w.Code)
			}
			if !slices.Contains(codes, c.code) {
				t.Fatalf("got warnings %v, want %s", b.Warnings, c.code)
			}
			if strings.HasPrefix(c.code, "icon.") && c.code != "icon.active" && b.Icon != nil {
				t.Errorf("icon kept: %s", b.Icon)
			}
		})
	}
}

// TestCodes checks that every code is documented and comes out of some case, and that cases have
// no code outside of the table.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, cases := range [][]badCase{badCases(), warnCases()} {
		for _, c := range cases {
			seen[c.code] = true
		}
	}
	for _, c := range packCodes {
		seen[c] = true
	}
	known := map[string]bool{}
	for _, d := range Codes() {
		if known[d.Code] || !strings.Contains(d.Code, ".") {
			t.Errorf("code %q is there twice or has no group", d.Code)
		}
		known[d.Code] = true
		if !sentence(d.Meaning) || !strings.HasSuffix(d.Remedy, ".") {
			t.Errorf("%s is not explained: %q, %q", d.Code, d.Meaning, d.Remedy)
		}
		if !d.Warning && d.Kind != remora.KindInvalid && d.Kind != remora.KindTooLarge {
			t.Errorf("%s has kind %v", d.Code, d.Kind)
		}
		if !seen[d.Code] {
			t.Errorf("no test makes %s", d.Code)
		}
	}
	for c := range seen {
		if !known[c] {
			t.Errorf("%s is not in the table", c)
		}
	}
}

func TestManyProblemsAtOnce(t *testing.T) {
	e := good(rawEntry{name: "Maze.activity/link", attr: 0o120777 << 16}, rawEntry{name: "Maze.activity/../x"})
	e[0] = text("activity/activity.info", "[Activity]\nbundle_id = a b\nactivity_version = 01\nmax_participants = x\n")
	_, err := readBytes(rawZip{entries: e}.bytes(), nil)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	var codes []string
	for _, p := range refusal.Problems {
		codes = append(codes, p.Code)
	}
	want := []string{"zip.symlink", "name.parent", "info.bundle_id_syntax", "info.name_missing", "info.version_syntax", "info.exec_missing", "info.max_participants"}
	if d := cmp.Diff(want, codes); d != "" {
		t.Error(d)
	}
	if got := refusal.Problems[2].Where; got != "Maze.activity/activity/activity.info:2" {
		t.Errorf("where is %q", got)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var e []rawEntry
	for range 500 {
		e = append(e, rawEntry{name: "Maze.activity/../x"})
	}
	_, err := readBytes(with(e...), nil)
	var refusal *Refusal
	if !errors.As(err, &refusal) || len(refusal.Problems) != maxProblems || refusal.More != 400 {
		t.Fatalf("%v, %d more", err, refusal.More)
	}
}

// acceptedCases are oddities of real bundles.
func acceptedCases() map[string][]byte {
	unsigned := func(c, p, s uint32) []byte { return plainDescriptor(c, p, s)[4:] }
	wide := func(c, p, s uint32) []byte {
		b := make([]byte, 24)
		put32(b, 0, sigDescriptor)
		put32(b, 4, c)
		put32(b, 8, p)
		put32(b, 16, s)
		return b
	}
	e := func(name string) rawEntry { return rawEntry{name: "Maze.activity/" + name, data: []byte("content")} }
	described := func(f func(c, p, s uint32) []byte, deflate bool) []byte {
		x := e("x")
		x.descriptor, x.deflate = f, deflate
		return with(x)
	}
	reversed := good()
	slices.Reverse(reversed)
	var dense []byte
	for i := range 6000 {
		dense = fmt.Appendf(dense, "%s%d\n", strings.Repeat("x", 250), i*i)
	}
	if n := len(deflated(dense)); len(dense)/n < 37 || len(dense) < ratioFloor {
		panic(len(dense) / n)
	}
	return map[string][]byte{
		"plain":                 with(),
		"other order":           rawZip{entries: reversed}.bytes(),
		"mimetype first":        rawZip{entries: append([]rawEntry{{name: "mimetype", data: []byte(MediaActivity)}}, good()...)}.bytes(),
		"archive comment":       rawZip{entries: good(), comment: []byte("0123456789012345678901234567890123456789")}.bytes(),
		"folders":               with(rawEntry{name: "Maze.activity/", attr: 0o040755<<16 | 0x10}, rawEntry{name: "Maze.activity/lib/", attr: 0o040755 << 16}, e("lib/x")),
		"names in two cases":    with(e("README"), e("readme"), e("Readme")),
		"marked name":           with(rawEntry{name: "Maze.activity/niño.txt", flags: flagUTF8}),
		"unmarked name":         named("Maze.activity/niño.txt"),
		"code page 437":         named("Maze.activity/ni\xa4o.txt"),
		"unicode path the same": with(rawEntry{name: "Maze.activity/x", extra: unicodePath("Maze.activity/x", "Maze.activity/x")}),
		"unicode path explains": with(rawEntry{name: "Maze.activity/ni\xa4o", extra: unicodePath("Maze.activity/ni\xa4o", "Maze.activity/niño"), local: unicodePath("Maze.activity/ni\xa4o", "Maze.activity/niño")}),
		"duplicate locale":      with(text("locale/es/activity.linfo", "[Activity]\nname = Uno\n"), text("locale/es/activity.linfo", "[Activity]\nname = Dos\n")),
		"descriptor":            described(plainDescriptor, true),
		"descriptor, stored":    described(plainDescriptor, false),
		"descriptor unsigned":   described(unsigned, true),
		"descriptor of 24":      described(wide, true),
		"extra padding":         with(rawEntry{name: "Maze.activity/x", extra: []byte{0, 0, 0}, local: []byte{0}}),
		"zip64 field of stream": with(rawEntry{name: "Maze.activity/x", data: []byte("hello"), local: extraField(extraZip64, 5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0), lie: func(l, _ []byte) { put32(l, 18, 0xffffffff); put32(l, 22, 0xffffffff) }}),
		"empty deflated":        with(rawEntry{name: "Maze.activity/x", deflate: true}),
		"37 to 1":               with(rawEntry{name: "Maze.activity/x", data: dense, deflate: true}),
		"level flags":           with(rawEntry{name: "Maze.activity/x", deflate: true, data: []byte("x"), flags: 2, lie: func(l, _ []byte) { put16(l, 6, 4) }}),
		"number 33~dfsg":        replaced("activity_version = 7", "activity_version = 33~dfsg"),
		"number 28.1":           replaced("activity_version = 7", "activity_version = 28.1"),
		"segment with digit":    replaced("org.example.Maze", "org.4maze.Maze_2"),
		"interpolation":         info("[DEFAULT]\nroot = org.example\n" + strings.Replace(goodInfo, "org.example.Maze", "%(root)s.%(NAME)s", 1)),
		"CR LF":                 info(strings.ReplaceAll(goodInfo, "\n", "\r\n")),
		"nothing optional":      info("[Activity]\nname=x\nbundle_id:a.b\nexec=run\nactivity_version=1"),
		"unread percent":        info(goodInfo + "screenshots = http://example.org/a%20b\nx-other = 50%\n"),
	}
}

func TestAccepted(t *testing.T) {
	for name, data := range acceptedCases() {
		t.Run(name, func(t *testing.T) {
			b, err := readBytes(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b.SHA256 != sha256.Sum256(data) || b.Size != int64(len(data)) || b.Kind != KindActivity || b.Top != "Maze.activity" {
				t.Errorf("bundle %+v", b)
			}
		})
	}
	b, err := readBytes(acceptedCases()["duplicate locale"], nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := b.Name.In("es", "en"); got != "Dos" {
		t.Errorf("of two translations %q won, want the last", got)
	}
	if n := len(b.Inventory.Files); n != 4 {
		t.Errorf("%d files, want 4: %v", n, b.Inventory.Files)
	}
}

func TestHistory(t *testing.T) {
	data := replaced("org.example.Maze", "bounce")
	b, err := readBytes(data, &Options{History: true})
	if err != nil || b.Manifest.BundleID != "bounce" {
		t.Fatal(err)
	}
	if len(b.Warnings) != 1 || b.Warnings[0].Code != "info.bundle_id_dot" || !b.Warnings[0].Warning {
		t.Errorf("warnings %v", b.Warnings)
	}
}

func TestManifest(t *testing.T) {
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	elf[18] = 183
	data := rawZip{entries: []rawEntry{
		text("activity/activity.info", `[DEFAULT]
site = https://example.org
[Activity]
name = The   Maze
bundle_id = org.example.Maze
exec = bin/start  --fast
activity_version = 1.10
icon = maze
license = GPLv2+;MIT
summary = Find
    the way
description:
    <p>Many</p>

    <p>ways</p>
tags = Games; Maths;
categories = play, learn
mime_types = text/plain;image/png;
url = %(site)s/maze?a=1&b=<2>
repository = https://example.org/maze.git
screenshots = http://example.org/1.png http://example.org/2.png
max_participants = 4
single_instance = yes
show_launcher = no
`),
		text("activity/maze.svg", goodIcon),
		text("locale/es/activity.linfo", "[Activity]\nname = El laberinto\nsummary = Halla el camino\ntags = Juegos; Mates\n"),
		text("locale/pt_BR/activity.linfo", "[Activity]\nname = O labirinto\n"),
		text("locale/fr/LC_MESSAGES/maze.mo", "x"),
		text("COPYING", "free"), text("lib/license.txt", "free"), text("licenses.py", "no"),
		text("bin/maze", string(elf)),
	}}.bytes()
	b, err := readBytes(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Manifest{
		BundleID: "org.example.Maze", Name: "The Maze", Exec: "bin/start --fast", Number: remora.MustNumber("1.10"),
		Interpreter: remora.InterpreterNative, Icon: "maze", License: "GPLv2+;MIT", SPDX: "GPL-2.0-or-later AND MIT",
		Summary: "Find the way", Description: "<p>Many</p>\n\n<p>ways</p>", Tags: []string{"Games", "Maths"}, Categories: []string{"play", "learn"},
		MIMETypes: []string{"text/plain", "image/png"}, Homepage: "https://example.org/maze?a=1&b=<2>", Repository: "https://example.org/maze.git",
		Screenshots: []string{"http://example.org/1.png", "http://example.org/2.png"}, MaxParticipants: 4, SingleInstance: true,
		iconPath: "activity/maze.svg",
	}
	if d := cmp.Diff(want, b.Manifest, cmp.AllowUnexported(Manifest{}), cmp.Comparer(func(a, b remora.Number) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(remora.Text{{Locale: "en", Value: "The Maze"}, {Locale: "es", Value: "El laberinto"}, {Locale: "pt-BR", Value: "O labirinto"}}, b.Name); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(remora.Text{{Locale: "en", Value: "Games; Maths"}, {Locale: "es", Value: "Juegos; Mates"}}, b.Tags); d != "" {
		t.Error(d)
	}
	inv := b.Inventory
	if d := cmp.Diff([]Binary{{"bin/maze", "aarch64"}}, inv.Binaries); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"COPYING", "lib/license.txt"}, inv.Licenses); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"es", "fr", "pt-BR"}, inv.Locales); d != "" {
		t.Error(d)
	}
	if len(inv.Files) != 9 || inv.Files[0].Path != "COPYING" || inv.Files[0].Size != 4 || len(b.Warnings) != 0 {
		t.Errorf("files %v, warnings %v", inv.Files, b.Warnings)
	}
}

func TestInterpreter(t *testing.T) {
	const line = "exec = sugar-activity3 activity.MazeActivity"
	for now, want := range map[string]remora.Interpreter{
		line:                                    remora.InterpreterPython3,
		"exec = sugar-activity a.B -s":          remora.InterpreterPython2,
		"exec = /usr/bin/sugar-activity a.B":    remora.InterpreterPython2,
		"class = a.B":                           remora.InterpreterPython2,
		"exec = sugar-activity-web":             remora.InterpreterWeb,
		"exec = sugar-activity-firefox":         remora.InterpreterScript,
		"exec = python3 run.py":                 remora.InterpreterScript,
		"exec = bin/sugar-activity3-something ": remora.InterpreterScript,
	} {
		b, err := readBytes(replaced(line, now), nil)
		if err != nil || b.Manifest.Interpreter != want {
			t.Errorf("%s: %v, %v", now, b, err)
		}
	}
}

func TestContentBundle(t *testing.T) {
	b, err := readBytes(contentBundle(), &Options{Content: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.Kind != KindContent || b.Manifest.BundleID != "org.example.plants" || b.Manifest.Number.String() != "3" || b.Manifest.Interpreter != remora.InterpreterUnknown {
		t.Errorf("bundle %+v", b)
	}
	if d := cmp.Diff(remora.Text{{Locale: "es-PE", Value: "Plants"}}, b.Name); d != "" {
		t.Error(d)
	}
}

func TestELF(t *testing.T) {
	head := func(class, data byte, machine ...byte) []byte {
		h := append([]byte("\x7fELF"), make([]byte, 16)...)
		h[4], h[5], h[18], h[19] = class, data, machine[0], machine[1]
		return h
	}
	for want, h := range map[string][]byte{
		"i686": head(1, 1, 3, 0), "x86_64": head(2, 1, 62, 0), "arm": head(1, 1, 40, 0), "aarch64": head(2, 1, 183, 0),
		"mips": head(1, 2, 0, 8), "mipsel": head(1, 1, 8, 0), "mips64el": head(2, 1, 8, 0), "ppc64le": head(2, 1, 21, 0), "ppc64": head(2, 2, 0, 21),
		"riscv64": head(2, 1, 243, 0), "s390x": head(2, 2, 0, 22), "elf-999": head(2, 1, 0xe7, 3), "": []byte("#!/bin/sh\necho hello world"),
	} {
		if got := elfArch(h); got != want {
			t.Errorf("%x is %q, want %q", h, got, want)
		}
	}
	if elfArch([]byte("\x7fELF")) != "" {
		t.Error("a short header was taken")
	}
}

// TestBombsCostLittle reads bundles that would unpack to much more than is there.
func TestBombsCostLittle(t *testing.T) {
	kernel := deflated(make([]byte, 64<<20)) // 65 KB
	liar := rawEntry{name: "Maze.activity/x", data: make([]byte, 100), deflate: true, packed: kernel}
	overlap := rawZip{entries: good(rawEntry{name: "Maze.activity/k", data: make([]byte, 100), deflate: true, packed: kernel})}
	at := 0
	for i := range 5000 {
		overlap.entries = append(overlap.entries, rawEntry{
			name: "Maze.activity/k" + strings.Repeat("k", i%200) + string(rune('a'+i/200)), data: []byte{}, packed: []byte{},
			offset: func(n int) int {
				if at == 0 {
					at = n
				}
				return 0
			},
			lie: func(_, c []byte) { put32(c, 24, 64<<20) },
		})
	}
	honest := rawEntry{name: "Maze.activity/x", data: make([]byte, 64<<20), deflate: true}
	for name, data := range map[string][]byte{"liar": with(liar), "overlap": overlap.bytes(), "honest": with(honest)} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readBytes(data, nil)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
				t.Errorf("%d bytes allocated for %v", got, err)
			}
		})
	}
}

// TestLargeEntriesAreStreamed reads 24 MB and must not hold them.
func TestLargeEntriesAreStreamed(t *testing.T) {
	data := with(rawEntry{name: "Maze.activity/x", data: make([]byte, 24<<20)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readBytes(data, nil)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

type failingReader struct {
	io.ReaderAt
	from int64
	err  error
}

func (f failingReader) ReadAt(b []byte, off int64) (int, error) {
	if off <= f.from && f.from < off+int64(len(b)) {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(b, off)
}

// TestReaderFails breaks every byte in turn: a fault of the disk must never look like a fault of
// the bundle, nor be overlooked.
func TestReaderFails(t *testing.T) {
	data := with()
	broken := errors.New("the disk is broken")
	for from := range int64(len(data)) {
		b, err := Read(context.Background(), failingReader{bytes.NewReader(data), from, broken}, int64(len(data)), nil)
		if b != nil || !errors.Is(err, broken) || remora.KindOf(err) != remora.KindInternal {
			t.Fatalf("byte %d: %v, %v", from, b, err)
		}
	}
}

func TestShorterThanSaid(t *testing.T) {
	data := with()
	_, err := Read(context.Background(), bytes.NewReader(data), int64(len(data))+10, nil)
	if !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "zip.truncated"}) {
		t.Error(err)
	}
}

// countdown is a context that ends at the nth look.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestContextEnds(t *testing.T) {
	data := with(rawEntry{name: "Maze.activity/x", data: make([]byte, 1<<20)})
	looks := 0
	for {
		ctx := &countdown{context.Background(), looks}
		b, err := Read(ctx, bytes.NewReader(data), int64(len(data)), nil)
		if err == nil {
			break
		}
		if b != nil || !errors.Is(err, context.Canceled) || remora.KindOf(err) != remora.KindUnavailable {
			t.Fatalf("after %d looks: %v", looks, err)
		}
		looks++
	}
	if looks < 64 {
		t.Errorf("the context was looked at only %d times", looks)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "maze.xo")
	if err := os.WriteFile(path, with(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(context.Background(), path, nil); err != nil {
		t.Error(err)
	}
	if _, err := ReadFile(context.Background(), dir, nil); !errors.Is(err, &remora.Error{Kind: remora.KindInvalid, Code: "zip.not_zip"}) {
		t.Error(err)
	}
	if _, err := ReadFile(context.Background(), path+"x", nil); !errors.Is(err, remora.ErrNotFound) {
		t.Error(err)
	}
}
