package remora

import (
	"strings"
	"unsafe"
)

// An arena packs strings into large blocks, which the garbage collector sees as one object each.
type arena struct{ block []byte }

const arenaBlock = 1 << 18

func (a *arena) keep(s string) string {
	if s == "" {
		return ""
	}
	if len(s) > arenaBlock/8 {
		return strings.Clone(s)
	}
	if len(a.block)+len(s) > cap(a.block) {
		a.block = make([]byte, 0, arenaBlock)
	}
	from := len(a.block)
	a.block = append(a.block, s...)
	// Sound because bytes that were handed out are never written again.
	return unsafe.String(&a.block[from], len(s))
}
