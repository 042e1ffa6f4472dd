package progress

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "bundles")
	bar.Total(3)
	bar.Step("a")
	bar.Step("b")
	if b.Len() > 0 {
		t.Errorf("short work speaks before it is done: %q", &b)
	}
	bar.Step("c")
	bar.Done()
	if want := "3 of 3 bundles\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
	bar.Total(1) // anew
	bar.Step("d")
	if want := "3 of 3 bundles\n1 of 1 bundles\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

// TestLinesOfLongWork: now and then one, not one for each.
func TestLinesOfLongWork(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "bundles")
	bar.Total(1000)
	bar.began = time.Now().Add(-time.Minute)
	for range 500 {
		bar.Step("a")
	}
	if want := "1 of 1000 bundles\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
	bar.shown = time.Now().Add(-time.Minute)
	bar.Step("a")
	if want := "1 of 1000 bundles\n501 of 1000 bundles\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestTerminal(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "bundles")
	bar.terminal = true
	bar.Total(2)
	bar.Step("/some/where/Maze-7.xo")
	if want := "\r\x1b[K[###############...............] 1 of 2 bundles  Maze-7.xo"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
	b.Reset()
	bar.Total(100)
	for range 99 {
		bar.Step("x")
	}
	if n := strings.Count(b.String(), "\r"); n > 50 {
		t.Errorf("%d bars were drawn in a moment", n)
	}
	b.Reset()
	bar.Step("a/" + strings.Repeat("é", 100) + "/" + strings.Repeat("long", 50))
	if s := b.String(); strings.Contains(s, "é") || len(s) > 120 || !strings.Contains(s, strings.Repeat("#", 30)+"]") {
		t.Errorf("the last bar is %q", s)
	}
	b.Reset()
	bar.Done()
	if want := "\r\x1b[K"; b.String() != want {
		t.Errorf("done gives %q, want %q", &b, want)
	}
}

func TestUnannounced(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var b bytes.Buffer
		bar := New(&b, "bundles")
		bar.terminal = terminal
		bar.Done()
		if b.Len() > 0 {
			t.Errorf("nothing was done, and it says %q", &b)
		}
		bar.Step("x") // more than there were said to be
		bar.Step("y")
		if terminal && strings.Contains(b.String(), "#") {
			t.Errorf("a bar of nothing is %q", &b)
		}
	}
}

func TestMoreThanAnnounced(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "bundles")
	bar.terminal = true
	bar.Total(1)
	bar.Step("x")
	bar.Step("y")
	if got := strings.Count(b.String(), "#"); got != 60 {
		t.Errorf("the two bars have %d marks, want 30 each: %q", got, &b)
	}
}

func TestNamesAreNoCommands(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "bundles")
	bar.terminal = true
	bar.Total(1)
	bar.Step("a/x\x1b[2J\x07\n\u202e\xffé.xo")
	if s := strings.TrimPrefix(b.String(), "\r\x1b[K"); !strings.HasSuffix(s, "  x?[2J???\ufffdé.xo") {
		t.Errorf("got %q", s)
	}
}

func TestNil(t *testing.T) {
	var bar *Bar
	bar.Total(3)
	bar.Step("x")
	bar.At(2, "y")
	bar.Done()
}

func TestSeveralAtOnce(t *testing.T) {
	var b bytes.Buffer
	bar := New(&b, "files")
	bar.Total(7)
	bar.At(5, "e")
	if b.Len() > 0 {
		t.Errorf("short work speaks before it is done: %q", &b)
	}
	bar.At(7, "g")
	if want := "7 of 7 files\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestIsTerminal(t *testing.T) {
	if Terminal(&bytes.Buffer{}) {
		t.Error("a buffer passes for a terminal")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if Terminal(f) {
		t.Error("a file passes for a terminal")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if Terminal(f) {
		t.Error("a closed file passes for a terminal")
	}
}
