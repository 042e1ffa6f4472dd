package nfsproof

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A check that finds nothing wrong with what is wrong would prove everything.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, change func([]byte) []byte) {
		t.Helper()
		b, err := Content(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), change(b), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	same := func(b []byte) []byte { return b }
	whole, short, flipped, gone, back := Name("a", 1, 100), Name("a", 2, 100), Name("a", 3, 100), Name("a", 4, 100), Name("a", 5, 100)
	put(whole, same)
	put(short, func(b []byte) []byte { return b[:50] })
	put(flipped, func(b []byte) []byte { b[7] ^= 1; return b })
	put(back, same)
	if err := os.WriteFile(filepath.Join(dir, ".hidden"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}

	acks := NewAcks()
	for _, line := range []string{"put " + whole, "put " + short, "put " + flipped, "put " + gone, "put " + back, "gone " + back} {
		half := len(line) / 2
		fmt.Fprint(acks, line[:half])
		fmt.Fprintln(acks, line[half:])
	}
	var lines bytes.Buffer
	if _, err := acks.WriteTo(&lines); err != nil {
		t.Fatal(err)
	}
	list, err := ReadAcks(&lines)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Check(dir, list)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Broken() || len(got.Examples) != 4 {
		t.Errorf("it gives %d examples: %v", len(got.Examples), got.Examples)
	}
	got.Examples = nil
	if d := cmp.Diff(&Finding{Acked: 5, Missing: 1, Damaged: 2, Returned: 1, Files: 4}, got); d != "" {
		t.Error(d)
	}
}

func TestAcksRefuseOtherLines(t *testing.T) {
	acks := NewAcks()
	if _, err := fmt.Fprintln(acks, "panic: oops"); err == nil {
		t.Error("a line that is none is taken for an acknowledgement")
	}
	if _, err := acks.WriteTo(&bytes.Buffer{}); err == nil {
		t.Error("it is forgotten")
	}
	if err := Verify("x", strings.NewReader("")); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a name that says nothing about its content: %v", err)
	}
}
