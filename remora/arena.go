package remora

import (
	"strings"
	"unsafe"
)

// An arena packs strings into large blocks, which the garbage collector sees as one object each.
// The first block is small, since most snapshots hold only what changed a moment ago.
type arena struct{ block []byte }

const (
	firstBlock = 1 << 12
	arenaBlock = 1 << 18
)

func (a *arena) keep(s string) string {
	if s == "" {
		return ""
	}
	if len(s) > arenaBlock/8 {
		return strings.Clone(s)
	}
	if len(a.block)+len(s) > cap(a.block) {
		size := max(2*cap(a.block), firstBlock)
		for size < len(s) {
			size *= 2
		}
		a.block = make([]byte, 0, min(size, arenaBlock))
	}
	from := len(a.block)
	a.block = append(a.block, s...)
	// Sound because bytes that were handed out are never written again.
	return unsafe.String(&a.block[from], len(s))
}
