// Package progress shows a person how far long work is.
package progress

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// A Bar shows how far long work is: a bar on a terminal, now and then a line elsewhere. A nil Bar
// shows nothing. It is for one goroutine at a time.
type Bar struct {
	w        io.Writer
	what     string
	terminal bool
	n, all   int
	began    time.Time
	shown    time.Time
}

// New returns a Bar that counts the named things on w.
func New(w io.Writer, what string) *Bar {
	return &Bar{w: w, what: what, terminal: Terminal(w), began: time.Now()}
}

// Total says how many there are, and begins to count anew.
func (b *Bar) Total(n int) {
	if b != nil {
		b.n, b.all = 0, n
	}
}

// Step notes that one more is done, the one with this name.
func (b *Bar) Step(name string) {
	if b != nil {
		b.At(b.n+1, name)
	}
}

// At says how many are done by now; the last of them has this name.
func (b *Bar) At(n int, name string) {
	if b == nil {
		return
	}
	b.n = n
	now := time.Now()
	every := 10 * time.Second
	if b.terminal {
		every = 100 * time.Millisecond
	}
	if b.n < b.all && now.Sub(b.shown) < every || !b.terminal && b.n < b.all && now.Sub(b.began) < every {
		return
	}
	b.shown = now
	if !b.terminal {
		fmt.Fprintf(b.w, "%d of %d %s\n", b.n, b.all, b.what)
		return
	}
	const width = 30
	full := 0
	if b.all > 0 {
		full = width * min(b.n, b.all) / b.all // more may be done than were announced
	}
	fmt.Fprintf(b.w, "\r\x1b[K[%s%s] %d of %d %s  %.40s", strings.Repeat("#", full), strings.Repeat(".", width-full), b.n, b.all, b.what, printable(filepath.Base(name)))
}

// printable replaces what a terminal would take for a command, as names of files are anybody's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Done ends the bar.
func (b *Bar) Done() {
	if b != nil && b.terminal && b.n > 0 {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

// Terminal reports whether w is one a person looks at.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
