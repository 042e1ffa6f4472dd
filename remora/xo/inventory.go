package xo

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// A File is one file of a bundle.
type File struct {
	Path string // below the top folder, with / between elements
	Size int64  // bytes unpacked
}

// A Binary is a file with an ELF header: a program or library for one kind of processor.
type Binary struct {
	Path string // below the top folder
	Arch string // as "uname -m" says it: i686 (any 32-bit x86), x86_64, arm, aarch64, …; "elf-N" for others
}

// An Inventory says what is in a bundle. All lists are sorted; of duplicate entries only the one
// that counts is listed.
type Inventory struct {
	Files    []File
	Folders  int      // entries for folders
	Bytes    int64    // the sum of the sizes of Files
	Binaries []Binary // native programs and libraries
	Archs    []string // of Binaries, each once
	Licenses []string // paths of files named COPYING, LICENSE or LICENCE, in any case and with any suffix
	Locales  []string // languages with files below locale/, as remora.NormalizeLocale writes them

	locales map[string]struct{}
}

func newInventory() *Inventory { return &Inventory{locales: map[string]struct{}{}} }

func (v *Inventory) add(path string, size int64, head []byte) {
	v.Files = append(v.Files, File{path, size})
	v.Bytes += size
	if arch := elfArch(head); arch != "" {
		v.Binaries = append(v.Binaries, Binary{path, arch})
	}
	base := strings.ToUpper(path[strings.LastIndexByte(path, '/')+1:])
	for _, name := range [...]string{"COPYING", "LICENSE", "LICENCE"} {
		if rest, ok := strings.CutPrefix(base, name); ok && (rest == "" || strings.ContainsAny(rest[:1], ".-_")) {
			v.Licenses = append(v.Licenses, path)
		}
	}
	if rest, ok := strings.CutPrefix(path, "locale/"); ok {
		if lang, _, inside := strings.Cut(rest, "/"); inside {
			if l := remora.NormalizeLocale(lang); l != "und" {
				v.locales[l] = struct{}{}
			}
		}
	}
}

func (v *Inventory) finish() {
	slices.SortFunc(v.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(v.Binaries, func(a, b Binary) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(v.Licenses)
	for l := range v.locales {
		v.Locales = append(v.Locales, l)
	}
	slices.Sort(v.Locales)
	for _, b := range v.Binaries {
		v.Archs = append(v.Archs, b.Arch)
	}
	slices.Sort(v.Archs)
	v.Archs = slices.Compact(v.Archs)
	v.locales = nil
}

// elfHead is how much of a file's beginning elfArch wants: up to e_machine (System V ABI,
// chapter 4).
const elfHead = 20

// elfArch returns the processor of an ELF file, "" for anything else.
func elfArch(head []byte) string {
	if len(head) < elfHead || string(head[:4]) != "\x7fELF" {
		return ""
	}
	wide := head[4] == 2
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	little := head[5] != 2
	switch machine := order.Uint16(head[18:]); machine {
	case 3:
		return "i686"
	case 62:
		return "x86_64"
	case 40:
		return "arm"
	case 183:
		return "aarch64"
	case 8:
		name := "mips"
		if wide {
			name += "64"
		}
		if little {
			name += "el"
		}
		return name
	case 20:
		return "ppc"
	case 21:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case 2:
		return "sparc"
	case 22:
		return "s390x"
	case 50:
		return "ia64"
	case 243:
		if wide {
			return "riscv64"
		}
		return "riscv32"
	case 258:
		return "loongarch64"
	default:
		return "elf-" + strconv.Itoa(int(machine))
	}
}

// interpreterOf reads the exec line. A program of the bundle's own is native if the bundle has
// any: start scripts of native programs are common.
func interpreterOf(b *Bundle) remora.Interpreter {
	if b.Kind == KindContent {
		return remora.InterpreterUnknown
	}
	if b.Manifest.oldClass {
		return remora.InterpreterPython2
	}
	words := strings.Fields(b.Manifest.Exec)
	if len(words) == 0 {
		return remora.InterpreterUnknown
	}
	switch words[0][strings.LastIndexByte(words[0], '/')+1:] {
	case "sugar-activity":
		return remora.InterpreterPython2
	case "sugar-activity3":
		return remora.InterpreterPython3
	case "sugar-activity-web":
		return remora.InterpreterWeb
	}
	if len(b.Inventory.Binaries) > 0 {
		return remora.InterpreterNative
	}
	return remora.InterpreterScript
}
